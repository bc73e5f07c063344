"""Start-up of the server: seconds until `listening`, and memory with 100,000 participants.

The ratio is to a Python that only imports aiohttp and SQLAlchemy. (What a long journal
costs a gate at its start: bench_gate_disk.)
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from shared.wire import format_time
from sync_server import system_clock

BIN = Path(sys.executable).parent
RUNS = 5
MIB = 1 << 20


def prepare(folder: Path, people: int) -> Path:
    now_ms = system_clock.now_ms()
    event = {
        "eventId": "bench",
        "eventName": "Bench",
        "startDate": format_time(now_ms - 3_600_000),
        "endDate": format_time(now_ms + 36_000_000),
        "gates": ["main"],
    }
    (folder / "event.json").write_text(json.dumps(event))
    with (folder / "people.csv").open("w") as sheet:
        sheet.write("id,name,email\n")
        sheet.writelines(f"P{n:06},Person {n},p{n}@example.org\n" for n in range(people))
    data = folder / "data"
    for command, *more in (
        ("init", "--event", str(folder / "event.json")),
        ("import", str(folder / "people.csv"), "--json"),
    ):
        subprocess.run(
            [BIN / "sync-server", command, "--data", data, *more],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return data


def start_once(data: Path) -> tuple[float, float, float]:
    """Seconds until `listening`, resident MiB then, seconds from SIGTERM to the end."""
    began = time.perf_counter()
    server = subprocess.Popen(
        [BIN / "sync-server", "serve", "--data", data, "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    with contextlib.closing(server.stdout):
        server.stdout.readline()
        ready_s = time.perf_counter() - began
        resident = psutil.Process(server.pid).memory_info().rss / MIB
        asked = time.perf_counter()
        server.terminate()
        server.wait(10)
    return ready_s, resident, time.perf_counter() - asked


def bare_import_s() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import aiohttp.web, sqlalchemy"], check=True)
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    people = parser.parse_args().people
    with tempfile.TemporaryDirectory() as name:
        data = prepare(Path(name), people)
        bare = statistics.median(bare_import_s() for _ in range(RUNS))
        runs = [start_once(data) for _ in range(RUNS)]
    ready, resident, ending = (statistics.median(column) for column in zip(*runs, strict=True))
    print(f"{'':<34}{'s':>8}{'of bare imports':>18}{'MiB':>8}")
    print(f"{'bare imports':<34}{bare:>8.2f}{1:>18.2f}")
    label = f"listening, {people:,} participants"
    print(f"{label:<34}{ready:>8.2f}{ready / bare:>18.2f}{resident:>8.0f}")
    print(f"{'ended after SIGTERM':<34}{ending:>8.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
