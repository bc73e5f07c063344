"""P1, P5, P12: a full disk, a card that turned read-only, one that errs and one that is slow.

The agent is the real one; the disks are made by mount and strace.
"""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.disasters.cards import card, need_root, small_disk
from tests.disasters.test_power_cut import journal_of
from tests.edge_agent.gate import code, enrolled_folder
from tests.processes.fleet import BIN, call, until

pytestmark = pytest.mark.process


class Agent:
    """`edge-agent run` on a folder, perhaps under strace."""

    def __init__(self, folder: Path, log: Path, *before: str, **settings: object) -> None:
        self.folder = folder
        config = log.with_suffix(".toml")
        config.write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        self._log = log.open("ab")
        self.process = subprocess.Popen(
            [
                *before,
                *(BIN / "edge-agent", "run", "--data", folder),
                *("--kiosk-port", "0", "--config", config),
            ],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, log.read_text()[-2_000:]
        self.kiosk = json.loads(line)["kiosk"].rstrip("/")

    def present(self, number: int) -> tuple[int, dict[str, Any]]:
        return call(f"{self.kiosk}/api/present", {"code": code(number)})

    def state(self) -> dict[str, Any]:
        return dict(call(f"{self.kiosk}/api/state")[1])

    def troubles(self) -> set[str]:
        return {one["code"] for one in self.state()["troubles"]}

    def openings(self) -> int:
        log = self.folder / "barrier.log"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()


@contextmanager
def running(agent: Agent) -> Iterator[Agent]:
    try:
        yield agent
    finally:
        agent.end()


def fill(folder: Path) -> Path:
    """Take all the room that is left."""
    full = folder / "somebody-elses.log"
    with full.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return full


def test_p1_p12_a_full_disk_lives_on_its_reserve_then_opens_for_nobody_and_says_why(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path, 8) as disk:
        folder = enrolled_folder(disk / "gate", people=50)
        agent = Agent(folder, tmp_path / "log", disk_warn_mib=4, disk_reserve_mib=1)
        with running(agent):
            until((folder / "reserve").exists, "a reserve is laid by")
            until(lambda: not agent.troubles(), "all is well")
            assert agent.present(1)[1]["admitted"]
            full = fill(disk)
            until(lambda: "disk_low" in agent.troubles(), "it warns while all still works")
            answers = [agent.present(n) for n in range(2, 12)]
            assert all(said["admitted"] for _, said in answers), "the reserve carries it"
            until(lambda: "disk_no_reserve" in agent.troubles(), "and it says so")
            fill(disk)  # that is used up too
            before = agent.openings()
            number = 12
            while (answer := agent.present(number))[0] == 200:
                before, number = before + 1, number + 1
                assert number < 50
                fill(disk)
            assert answer[0] in {500, 503}
            assert agent.openings() == before, "no scan written, no opening"
            state = agent.state()
            assert state["outOfOrder"] == "DISK-FULL"
            assert "full" in state["outOfOrderWords"]["en"]
            assert state["outOfOrderWords"]["ko"]
            full.unlink()
            until(lambda: "outOfOrder" not in agent.state(), "it comes back by itself")
            assert agent.present(number)[1]["admitted"]
            until((folder / "reserve").exists, "and lays a new reserve by")


def test_p1_a_card_that_turned_read_only_opens_for_nobody_and_says_why(tmp_path: Path) -> None:
    with card(tmp_path) as sd:
        folder = enrolled_folder(sd.path / "gate", people=20)
        agent = Agent(folder, tmp_path / "log", disk_warn_mib=1, disk_reserve_mib=1)
        with running(agent):
            assert agent.present(1)[1]["admitted"]
            sd.turn_read_only()
            assert agent.present(2)[0] in {500, 503}
            # The barrier's log lies on the card too, and tells what was opened.
            assert agent.openings() == 1
            state = agent.state()
            assert state["outOfOrder"] == "DISK-READ-ONLY"
            assert "change it" in state["outOfOrderWords"]["en"]
            assert agent.state()["gate"]["id"] == "main", "the kiosk itself goes on"


def strace(*inject: str) -> list[str]:
    need_root()
    if shutil.which("strace") is None:
        pytest.skip("needs strace: tools/setup.sh --tests installs it")
    return [
        "strace",
        "-D",
        "-f",  # the agent itself is our child, and hears our signals
        "-qq",
        "-o",
        "/dev/null",
        *inject,
    ]


def test_p1_an_error_of_fdatasync_opens_for_nobody_and_passes(tmp_path: Path) -> None:
    folder = enrolled_folder(tmp_path / "gate", people=60)
    # From the 30th sync on ten in a row fail: in the midst of visitors.
    before = strace("-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=30..39")
    agent = Agent(folder, tmp_path / "log", *before, disk_warn_mib=1, disk_reserve_mib=1)
    with running(agent):
        admitted, refused = [], 0
        for number in range(1, 50):
            status, said = agent.present(number)
            if status == 200:
                admitted.append(said["scanId"])
            else:
                refused += 1
        assert refused
        assert len(admitted) > 20, "and it goes on afterwards"
        assert agent.openings() == len(admitted)
    seqs, written = journal_of(folder)
    assert set(admitted) <= written
    assert seqs == list(range(1, len(seqs) + 1))


@pytest.mark.parametrize(("delay_ms", "slow"), [(20, False), (500, True)])
def test_p5_a_slow_card_stays_right_and_says_so(tmp_path: Path, delay_ms: int, slow: bool) -> None:
    folder = enrolled_folder(tmp_path / "gate", people=30)
    before = strace(
        "-e", "trace=fdatasync", "-e", f"inject=fdatasync:delay_enter={delay_ms * 1_000}"
    )
    # Under strace each call takes longer as it is: the bar stands between the two.
    agent = Agent(folder, tmp_path / "log", *before, disk_slow_ms=300, disk_reserve_mib=1)
    with running(agent):
        for number in range(1, 9):
            assert agent.present(number)[1]["admitted"]
        assert agent.present(1)[1]["reason"] in {"just_scanned", "already_inside"}
        assert agent.openings() == 8
        time.sleep(1.5)  # health is looked at once a second
        assert ("disk_slow" in agent.troubles()) == slow
    assert agent.process.returncode in {0, -signal.SIGTERM}
