"""One decision with its durable commit, as a ratio to a bare sqlite3 WAL/FULL single-row commit.

Run alone: `python tests/benchmarks/bench_decision.py [--people 100000,1000000] [--scans 3000]`.
Bare commits of a row as long as ours and decisions take turns one by one, as at a gate, where
nothing is warm in the processor's caches either: the disk's and the machine's moods fall on all
alike. `--block 250` lets each run in a row instead. The barrier is a fake pin, once more a log.
"""

import argparse
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from edge_agent import system_clock
from edge_agent.disk import Disk, DiskLimits
from edge_agent.facts import FactSource, Place
from edge_agent.hardware.barrier import FakePin, LogBarrier
from edge_agent.lane import Lane
from edge_agent.parts import new_epoch, new_scan_id
from edge_agent.ports import Barrier, Sighting
from edge_agent.storage.journal import Journal
from edge_agent.storage.replica import Replica
from edge_agent.timekeeper import Timekeeper
from shared import credentials, wire
from tests.edge_agent.gate import KEY, code, letters
from tests.edge_agent.storage import lines

BODY = "x" * 650  # of a bare row: about what a scan takes
BARE = "bare sqlite3 commit, WAL/FULL"
Took = tuple[float, float]


def timed(job: Callable[[], object]) -> Took:
    """Microseconds on the wall and of this thread's CPU: the second is fair on a busy machine."""
    cpu_ns, started_ns = time.thread_time_ns(), time.perf_counter_ns()
    job()
    wall_ns = time.perf_counter_ns() - started_ns
    return wall_ns / 1e3, (time.thread_time_ns() - cpu_ns) / 1e3


class Bare:
    """What nobody can beat with sqlite3: one row, one durable commit."""

    def __init__(self, folder: Path) -> None:
        self._conn = sqlite3.connect(folder / "bare.db", isolation_level=None)
        self._conn.execute("PRAGMA journal_mode=WAL")
        self._conn.execute("PRAGMA synchronous=FULL")
        self._conn.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
        self._number = 0

    def commit(self) -> Took:
        self._number += 1
        return timed(
            lambda: self._conn.execute("INSERT INTO rows VALUES (?, ?)", (self._number, BODY))
        )


class Counted:
    """A barrier, and how often it opened."""

    def __init__(self, barrier: Barrier) -> None:
        self._barrier = barrier
        self.opened = 0

    def open(self, scan_id: str) -> None:
        self._barrier.open(scan_id)
        self.opened += 1


def fill(replica: Replica, people: int) -> None:
    """The list, straight into the tables: the benchmark is not about the first fetch."""
    now = system_clock.wall_ms()
    start, end = wire.format_time(now - 3_600_000), wire.format_time(now + 36_000_000)
    rows = [lines.event(start_date=start, end_date=end), lines.gate()]
    replica.apply_page(rows, lines.page(2, server_ms=now))
    conn, empty = replica._conn, b"\0" * 16
    live = conn.execute("SELECT live FROM state").fetchone()[0]
    conn.execute("BEGIN")
    conn.executemany(
        f"INSERT INTO participants_{live} VALUES (?, '홍*동', 'registered', 'attendance', NULL, ' ', 3, ?)",
        ((f"P{n}", empty) for n in range(people)),
    )
    keyed = sorted(
        (bytes.fromhex(credentials.ticket_digest(KEY, letters(n))), n) for n in range(people)
    )
    conn.executemany(
        f"INSERT INTO credentials_{live} VALUES (?, ?, ?, 'ticket', 'active', NULL, NULL, NULL, 3, ?)",
        ((digest, f"C{n}", f"P{n}", empty) for digest, n in keyed),
    )
    conn.executemany(
        f"INSERT INTO presences_{live} VALUES (?, 0, NULL, 0, NULL, NULL, NULL, NULL, 0, NULL, 3, ?)",
        ((f"P{n}", empty) for n in range(0, people, 2)),
    )
    conn.execute("COMMIT")


class Decisions:
    def __init__(self, folder: Path, people: int, barrier: Barrier) -> None:
        folder.mkdir()
        replica = Replica.open(folder / "replica.db")
        fill(replica, people)
        keeper = Timekeeper(system_clock)
        boot, wall = system_clock.boot_ms(), system_clock.wall_ms()
        keeper.learn(boot, wall, wall, boot)
        journal = Journal.open(folder / "journal.db", new_epoch=new_epoch)
        facts = FactSource(Place("D1", "main", KEY), replica.reader(), journal)
        self._barrier = Counted(barrier)
        disk = Disk(folder, DiskLimits())
        self._lane = Lane(facts, journal, self._barrier, keeper, disk, new_scan_id=new_scan_id)
        self._tickets = random.Random(1).sample(range(people), min(people, 20_000))

    def decide(self) -> Took:
        text = code(self._tickets.pop())
        sighting = Sighting("qr", text, None, system_clock.boot_ms(), "bench")
        opened = self._barrier.opened
        took = timed(lambda: self._lane.present(sighting))
        assert self._barrier.opened == opened + 1
        return took


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--people", default="100000,1000000")
    asked.add_argument("--scans", type=int, default=3_000)
    asked.add_argument("--block", type=int, default=1, help="so many of one kind in a row")
    asked.add_argument("--folder", type=Path, help="on the disk to measure; default: a temporary")
    given = asked.parse_args()
    sizes = [int(text) for text in given.people.split(",")]
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        jobs: dict[str, Callable[[], Took]] = {BARE: Bare(folder).commit}
        for people in sizes:
            gate = Decisions(folder / str(people), people, FakePin())
            jobs[f"{people:,} participants"] = gate.decide
        log = LogBarrier(folder / "barrier.log")
        gate = Decisions(folder / "log", sizes[0], log)
        jobs[f"{sizes[0]:,} participants, log barrier"] = gate.decide
        took: dict[str, list[Took]] = {what: [] for what in jobs}
        for _ in range(max(1, given.scans // given.block)):
            for what, job in jobs.items():
                took[what] += [job() for _ in range(given.block)]
    show(took)


def show(took: dict[str, list[Took]]) -> None:
    print("one decision, durably committed         p50 µs  p99 µs  CPU µs  to bare  to first")
    bare, first, *_ = (statistics.median(wall for wall, _ in values) for values in took.values())
    for what, values in took.items():
        walls = [wall for wall, _ in values]
        p50, p99 = statistics.median(walls), statistics.quantiles(walls, n=100)[98]
        cpu = statistics.median(cpu for _, cpu in values)
        against = "" if what == BARE else f"{p50 / first:10.2f}"
        print(f"{what:<38}{p50:8.0f}{p99:8.0f}{cpu:8.0f}{p50 / bare:9.2f}{against}")


if __name__ == "__main__":
    main()
