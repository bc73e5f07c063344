"""A late scan for a participant with 2, 20 and 200 scans, and one that comes last: ms a batch of one.

In the process, through the store's writer thread: what the merge costs, with its durable commit.
"""

import statistics
import tempfile
import time
from pathlib import Path

from sync_server.storage.database import Database
from sync_server.sync.ingest import ingest
from sync_server.sync.upload import read_upload
from sync_server.verify import verify
from tests.benchmarks.bench_upload import backlog
from tests.benchmarks.rig import Device, digests
from tests.processes.fleet import Server, ending

TIMES = 40
HELD = (2, 20, 200)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        server = Server(Path(name), participants=len(HELD))
        held = digests(server)
        with ending(server):
            server.start()
            device_id = Device(server).device_id
        (file,) = server.data.glob("*.db")
        database = Database.open(f"sqlite:///{file}")
        now_ms = int(time.time() * 1_000)
        print(
            f"{'scans held':<12}{'late: p50 ms':>14}{'p99 ms':>9}{'last: p50 ms':>15}{'p99 ms':>9}"
        )
        for number, count in enumerate(HELD):
            person = [held[number]]
            keep = backlog(device_id, f"a{number}", person, now_ms - 2_000_000, count)
            for upload in keep:
                put(database, device_id, upload, now_ms)
            late = measure(database, device_id, f"b{number}", person, now_ms - 2_100_000)
            last = measure(database, device_id, f"c{number}", person, now_ms - 1_000_000)
            print(f"{count:<12}{late[0]:>14.2f}{late[1]:>9.2f}{last[0]:>15.2f}{last[1]:>9.2f}")
        assert database.read_now(verify) == []
        database.close()
    print("verify found nothing")


def put(database: Database, device_id: str, body: bytes, now_ms: int) -> None:
    upload = read_upload(body)
    database.write_now(lambda conn: ingest(conn, device_id, upload, now_ms))


def measure(
    database: Database, device_id: str, epoch: str, person: list[str], start_ms: int
) -> tuple[float, float]:
    times = []
    for upload in backlog(device_id, epoch, person, start_ms, TIMES, batch=1):
        began = time.perf_counter()
        put(database, device_id, upload, start_ms)
        times.append((time.perf_counter() - began) * 1_000)
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[98]


if __name__ == "__main__":
    main()
