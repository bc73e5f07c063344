"""10,000 scans: one gate's backlog, 20 gates at once, and one gate on top of a million scans held.

The million is written into the server's table directly; `verify` runs before that.
"""

import sqlite3
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from tests.benchmarks.bench_upload import BATCH, SCANS, backlog, timed
from tests.benchmarks.rig import Device, digests
from tests.processes.fleet import Server, ending

SEEDED = 1_000_000


def sender(device: Device) -> Callable[[bytes], object]:
    return lambda body: device.exchange("POST", "/api/v1/sync/scans", body)


def one_gate(server: Server, held: list[str], epoch: str, start_ms: int) -> float:
    device = Device(server)
    return timed(sender(device), backlog(device.device_id, epoch, held, start_ms))


def many_gates(server: Server, held: list[str], start_ms: int) -> float:
    """An upload of 500 from each at once, of other people each."""
    devices = [Device(server, number + 1) for number in range(SCANS // BATCH)]
    uploads = [
        backlog(device.device_id, "ee", held[number * BATCH :], start_ms, BATCH)[0]
        for number, device in enumerate(devices)
    ]
    began = time.perf_counter()
    with ThreadPoolExecutor(len(devices)) as pool:
        list(pool.map(lambda send, body: send(body), map(sender, devices), uploads))
    return SCANS / (time.perf_counter() - began)


def seed(server: Server, count: int) -> None:
    """Scans of people who are on no list, straight into the table."""
    (file,) = server.data.glob("*.db")
    own = {
        "row_id": "NULL",
        "scan_id": "'seed-' || i",
        "device_id": "'seeded'",
        "seq": "i",
        "digest": "printf('%032x', i)",
        "participant_id": "'seed-' || (i % 100000)",
    }
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        names = [row[1] for row in database.execute("PRAGMA table_info(scans)")]
        chosen = ", ".join(own.get(name, f'"{name}"') for name in names)
        database.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            f" INSERT INTO scans SELECT {chosen} FROM n, (SELECT * FROM scans LIMIT 1)",
            (count,),
        )


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        server = Server(Path(name), participants=SCANS)
        held = digests(server)
        start_ms = int(time.time() * 1_000) - 3_000_000
        with ending(server):
            server.start()
            first = one_gate(server, held, "a0", start_ms)
            on_ten_thousand = one_gate(server, held, "a1", start_ms + 1_000_000)
            together = many_gates(server, held, start_ms + 2_100_000)
        server.verify()
        seed(server, SEEDED)
        with ending(server):
            server.start()
            on_a_million = one_gate(server, held, "a2", start_ms + 2_200_000)
    print(f"{'10,000 scans':<36}{'scans/s':>10}{'of the second':>15}")
    for words, rate in (
        ("one gate, nothing held", first),
        ("one gate, 10,000 held", on_ten_thousand),
        ("20 gates at once, 20,000 held", together),
        (f"one gate, {SEEDED:,} held", on_a_million),
    ):
        print(f"{words:<36}{rate:>10,.0f}{rate / on_ten_thousand:>15.2f}")
    print("verify found nothing (before the million)")


if __name__ == "__main__":
    main()
