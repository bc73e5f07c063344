"""`attendance/record` over HTTP, one at a time and 32 at once: requests a second, p50, p99.

The ratio is to the same server's bare durable commit of one row through its writer thread, one at
a time: what an answer costs beyond its disk.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from shared.wire import format_time
from sync_server import system_clock
from sync_server.storage.database import Database

BIN = Path(sys.executable).parent
PARALLEL = 32


def prepare(folder: Path, people: int) -> tuple[Path, str]:
    now_ms = system_clock.now_ms()
    event = {
        "eventId": "bench",
        "eventName": "Bench",
        "startDate": format_time(now_ms - 3_600_000),
        "endDate": format_time(now_ms + 36_000_000),
        "gates": ["main"],
    }
    (folder / "event.json").write_text(json.dumps(event))
    rows = [f"P{n:06},Person {n},p{n}@example.org" for n in range(people)]
    (folder / "people.csv").write_text("id,name,email\n" + "\n".join(rows) + "\n")
    data = folder / "data"
    run("init", data, "--event", str(folder / "event.json"))
    run("import", data, str(folder / "people.csv"), "--json")
    key = run("api-key", data, "--name", "bench", "--role", "service").strip()
    return data, key


def run(command: str, data: Path, *more: str) -> str:
    done = subprocess.run(
        [BIN / "sync-server", command, "--data", data, *more],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def serve(data: Path) -> tuple[subprocess.Popen[str], str]:
    server = subprocess.Popen(
        [BIN / "sync-server", "serve", "--data", data, "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    return server, json.loads(server.stdout.readline())["url"]


async def call(http: aiohttp.ClientSession, url: str, number: int) -> float:
    body = {"participantId": f"P{number:06}", "gateId": "main", "method": "qr_scan"}
    started = time.perf_counter()
    async with http.post(url, json=body) as answer:
        await answer.read()
        assert answer.status == 201, await answer.text()
    return (time.perf_counter() - started) * 1_000


async def measure(url: str, key: str, numbers: range, parallel: int) -> tuple[float, list[float]]:
    waiting = iter(numbers)
    times: list[float] = []
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(headers=headers) as http:

        async def worker() -> None:
            for number in waiting:
                times.append(await call(http, f"{url}/api/v1/attendance/record", number))

        started = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(parallel):
                tasks.create_task(worker())
        spent = time.perf_counter() - started
    return len(numbers) / spent, times


async def bare_commits(folder: Path, count: int) -> tuple[float, list[float]]:
    database = Database.open(f"sqlite:///{folder / 'bare.db'}")
    times = []

    def job(conn: Any) -> None:
        conn.exec_driver_sql("INSERT INTO outbox (type, at_ms, data) VALUES ('x', 0, '{}')")

    started = time.perf_counter()
    for _ in range(count):
        before = time.perf_counter()
        await database.write(job)
        times.append((time.perf_counter() - before) * 1_000)
    spent = time.perf_counter() - started
    database.close()
    return count / spent, times


def show(name: str, rate: float, times: list[float], bare: float) -> None:
    cuts = statistics.quantiles(times, n=100)
    print(
        f"{name:<26}{rate:>10,.0f}{cuts[49]:>10.2f}{cuts[98]:>10.2f}{rate / bare:>14.2f}",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2_000)
    calls = parser.parse_args().calls
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, key = prepare(folder, 2 * calls)
        bare, bare_times = asyncio.run(bare_commits(folder, calls))
        server, url = serve(data)
        try:
            one = asyncio.run(measure(url, key, range(calls), 1))
            many = asyncio.run(measure(url, key, range(calls, 2 * calls), PARALLEL))
        finally:
            server.terminate()
            server.wait(5)
    print(f"{'':<26}{'calls/s':>10}{'p50 ms':>10}{'p99 ms':>10}{'of bare rate':>14}")
    show("bare commit, one by one", bare, bare_times, bare)
    show("record, one at a time", *one, bare)
    show(f"record, {PARALLEL} at once", *many, bare)
    return 0


if __name__ == "__main__":
    sys.exit(main())
