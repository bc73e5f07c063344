"""P11, P12: the server answers every caller as its OpenAPI document says, whatever they send."""

import re
from pathlib import Path

import pytest

from tests.fuzz import walk
from tests.fuzz.event import FuzzedEvent

pytestmark = [pytest.mark.process, pytest.mark.slow]
SEED = 20261121


@pytest.mark.timeout(900)  # 40 s on a calm machine
def test_no_5xx_and_no_undocumented_answer(tmp_path: Path) -> None:
    event = FuzzedEvent(tmp_path / "event")
    try:
        for one in walk.short():
            done = walk.run(event, one, tmp_path, SEED)
            assert done.returncode == 0, (
                f"{one.name}\n{done.stdout[-12_000:]}{done.stderr[-2_000:]}"
            )
            made = re.search(r"(\d+) generated", done.stdout)
            assert made and int(made.group(1)) > 20, f"{one.name} made no calls\n{done.stdout}"
    finally:
        event.end()
