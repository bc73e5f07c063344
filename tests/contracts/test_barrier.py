"""The contract of `edge_agent.ports.Barrier`, run on each implementation."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.hardware.barrier import FakePin, LogBarrier
from edge_agent.ports import Barrier

Made = tuple[Barrier, Callable[[], list[str]]]  # the barrier, and who it opened for so far


def _logged(folder: Path) -> Made:
    path = folder / "barrier.log"
    return LogBarrier(path), lambda: [line.split()[1] for line in path.read_text().splitlines()]


def _pin(_folder: Path) -> Made:
    pin = FakePin()
    return pin, lambda: list(pin.opened)


@pytest.mark.parametrize("make", [_logged, _pin])
def test_p1_each_opening_is_for_one_scan_in_order(
    make: Callable[[Path], Made], tmp_path: Path
) -> None:
    barrier, opened = make(tmp_path)
    assert opened() == []
    barrier.open("scan-1")
    barrier.open("scan-2")
    assert opened() == ["scan-1", "scan-2"]
