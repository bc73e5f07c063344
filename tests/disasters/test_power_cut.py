"""P1, P2: the power is cut at any moment, of a real gate on a real file system.

`POWER_CUTS=200` (make powercut N=200) cuts more often.
"""

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edge_agent.storage.journal import Journal
from tests.disasters.cards import Card, card
from tests.edge_agent.gate import enrolled_folder
from tests.processes.fleet import Gate, Server, ending, until

ROOT = Path(__file__).parents[2]
CUTS = int(os.environ.get("POWER_CUTS", "20"))
CUTS_OF_AN_AGENT = max(2, CUTS // 5)

pytestmark = [pytest.mark.process, pytest.mark.timeout(60 + 10 * CUTS)]


class Loop:
    """A lane that decides as fast as it can, and says each opening on its standard output."""

    def __init__(self, folder: Path, first: int) -> None:
        self.opened: list[str] = []
        here = {**os.environ, "PYTHONPATH": str(ROOT)}
        loop = str(ROOT / "tests" / "disasters" / "opening_loop.py")
        self.process = subprocess.Popen(
            [sys.executable, loop, str(folder), str(first)],
            env=here,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.some = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.opened.append(line.strip())
            self.some.set()

    def end(self) -> None:
        self.process.kill()
        self.process.wait(10)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


def journal_of(folder: Path) -> tuple[list[int], set[str]]:
    journal = Journal.open(folder / "journal.db", new_epoch=lambda: "never")
    rows = list(journal.scans_after(journal.epoch, 0))
    assert [epoch for epoch, _ in journal.epochs()] == [journal.epoch]  # nothing had to be salvaged
    journal.close()
    return [row.seq for row in rows], {row.body["scanId"] for row in rows}


def cut_and_mount(sd: Card, end) -> None:
    sd.cut_power()
    end()
    sd.unmount()
    sd.mount()


def test_p1_p2_after_each_power_cut_every_opening_is_in_the_journal(tmp_path: Path) -> None:
    chance = random.Random(20261121)
    opened: list[str] = []
    with card(tmp_path) as sd:
        folder = enrolled_folder(sd.path / "gate", people=20_000)
        os.sync()
        first = 1
        for _ in range(CUTS - CUTS_OF_AN_AGENT):
            loop = Loop(folder, first)
            try:
                assert loop.some.wait(30)
                time.sleep(chance.uniform(0, 0.2))
                before = list(loop.opened)  # known to the world before the power went
                cut_and_mount(sd, loop.end)
            finally:
                loop.end()
            seqs, written = journal_of(folder)
            opened += before
            assert set(opened) <= written
            assert seqs == list(range(1, len(seqs) + 1))
            first = len(seqs) + 1
        assert len(opened) >= CUTS - CUTS_OF_AN_AGENT


def test_p1_p2_a_running_agent_comes_back_from_each_power_cut_and_the_server_gets_all(
    tmp_path: Path,
) -> None:
    """The whole of it: real agent, real server, `verify` clean at the end."""
    chance = random.Random(5)
    with card(tmp_path) as sd:
        server = Server(tmp_path, participants=300).start()
        tickets = sorted(server.codes().values())
        gate = Gate(sd.path, server)
        os.sync()
        admitted: list[str] = []
        given = iter(tickets)
        with ending(server, gate):
            for _ in range(CUTS_OF_AN_AGENT):
                gate.start()
                answers: list[dict] = []
                visitors = chance.randrange(3, 12)
                for _ in range(visitors):
                    answers.append(gate.present(next(given)))
                cut_and_mount(sd, gate.kill)
                admitted += [one["scanId"] for one in answers if one["admitted"]]
                seqs, written = journal_of(gate.data)
                assert set(admitted) <= written
                assert seqs == list(range(1, len(seqs) + 1))
            gate.start()
            until(gate.uploaded, "everything uploaded")
            arrived = {item["scanId"] for item in server.attendance()}
            assert set(admitted) <= arrived
            assert len(arrived) == gate.status()["head"]
        server.verify()
