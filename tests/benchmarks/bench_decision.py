"""One decision with its durable commit, as a ratio to a bare sqlite3 WAL/FULL single-row commit.

Run alone: `python tests/benchmarks/bench_decision.py [--people 100000,1000000] [--scans 3000]`.
Bare commits and decisions take turns in blocks, so that the disk's moods fall on both alike. The
barrier is a fake pin: what a real one costs comes after the commit.
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
from edge_agent.facts import FactSource, Place
from edge_agent.hardware.barrier import FakePin
from edge_agent.lane import Lane
from edge_agent.parts import new_epoch, new_scan_id
from edge_agent.ports import Sighting
from edge_agent.storage.journal import Journal
from edge_agent.storage.replica import Replica
from edge_agent.timekeeper import Timekeeper
from shared import credentials, wire
from tests.edge_agent.gate import KEY, code, letters
from tests.edge_agent.storage import lines

BLOCK = 250


Took = tuple[float, float]


def timed(job: Callable[[], object]) -> Took:
    """Microseconds on the wall and of this thread's CPU: the second is fair on a busy machine."""
    cpu_ns, started_ns = time.thread_time_ns(), time.perf_counter_ns()
    job()
    wall_ns = time.perf_counter_ns() - started_ns
    return wall_ns / 1e3, (time.thread_time_ns() - cpu_ns) / 1e3


class Bare:
    """What nobody can beat with sqlite3: one small row, one durable commit."""

    def __init__(self, folder: Path) -> None:
        self._conn = sqlite3.connect(folder / "bare.db", isolation_level=None)
        self._conn.execute("PRAGMA journal_mode=WAL")
        self._conn.execute("PRAGMA synchronous=FULL")
        self._conn.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
        self._number = 0

    def commit(self) -> Took:
        self._number += 1
        return timed(
            lambda: self._conn.execute("INSERT INTO rows VALUES (?, ?)", (self._number, "x" * 100))
        )


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
        f"INSERT INTO participants_{live} VALUES (?, '홍*동', 'registered', 'attendance', 3, ?)",
        ((f"P{n}", empty) for n in range(people)),
    )
    keyed = sorted(
        (bytes.fromhex(credentials.ticket_digest(KEY, letters(n))), n) for n in range(people)
    )
    conn.executemany(
        f"INSERT INTO credentials_{live} VALUES (?, ?, ?, 'ticket', 'active', NULL, NULL, 3, ?)",
        ((digest, f"C{n}", f"P{n}", empty) for digest, n in keyed),
    )
    conn.executemany(
        f"INSERT INTO presences_{live} VALUES (?, 0, NULL, 0, NULL, NULL, NULL, NULL, 0, 3, ?)",
        ((f"P{n}", empty) for n in range(0, people, 2)),
    )
    conn.execute("COMMIT")


class Decisions:
    def __init__(self, folder: Path, people: int) -> None:
        folder.mkdir()
        replica = Replica.open(folder / "replica.db")
        fill(replica, people)
        keeper = Timekeeper(system_clock)
        boot, wall = system_clock.boot_ms(), system_clock.wall_ms()
        keeper.learn(boot, wall, wall, boot)
        journal = Journal.open(folder / "journal.db", new_epoch=new_epoch)
        facts = FactSource(Place("D1", "main", KEY), replica.reader(), journal)
        self._pin = FakePin()
        self._lane = Lane(facts, journal, self._pin, keeper, new_scan_id=new_scan_id)
        self._tickets = random.Random(1).sample(range(people), min(people, 20_000))

    def decide(self) -> Took:
        text = code(self._tickets.pop())
        sighting = Sighting("qr", text, None, system_clock.boot_ms(), "bench")
        opened = len(self._pin.opened)
        took = timed(lambda: self._lane.present(sighting))
        assert len(self._pin.opened) == opened + 1
        return took


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--people", default="100000,1000000")
    asked.add_argument("--scans", type=int, default=3_000)
    asked.add_argument("--folder", type=Path, help="on the disk to measure; default: a temporary")
    given = asked.parse_args()
    sizes = [int(text) for text in given.people.split(",")]
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        bare = Bare(folder)
        gates = {people: Decisions(folder / str(people), people) for people in sizes}
        took: dict[int, list[Took]] = {0: [], **{people: [] for people in sizes}}
        for _ in range(max(1, given.scans // BLOCK)):
            took[0] += [bare.commit() for _ in range(BLOCK)]
            for people, gate in gates.items():
                took[people] += [gate.decide() for _ in range(BLOCK)]
    print("one decision, durably committed         p50 µs  p99 µs  CPU µs  to bare  to first")
    base, first = (statistics.median(wall for wall, _ in took[n]) for n in (0, sizes[0]))
    for people, values in took.items():
        walls = [wall for wall, _ in values]
        p50, p99 = statistics.median(walls), statistics.quantiles(walls, n=100)[98]
        cpu = statistics.median(cpu for _, cpu in values)
        what = f"{people:,} participants" if people else "bare sqlite3 commit, WAL/FULL"
        against = f"{p50 / first:10.2f}" if people else ""
        print(f"{what:<38}{p50:8.0f}{p99:8.0f}{cpu:8.0f}{p50 / base:9.2f}{against}")


if __name__ == "__main__":
    main()
