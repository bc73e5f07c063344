"""The complete export on top of few and of a million scans: how long, how large, how much memory."""

import tempfile
import time
from pathlib import Path

from tests.benchmarks.bench_upload import backlog
from tests.benchmarks.bench_upload_growth import seed
from tests.benchmarks.rig import Device, digests, peak_memory_mb
from tests.processes.fleet import Server, ending, run

FIRST = 500
SEEDED = (0, 1_000_000)


def main() -> None:
    print(f"{'scans':>10}{'s':>8}{'MB':>8}{'server peak MB':>16}{'before, MB':>12}")
    with tempfile.TemporaryDirectory() as name:
        server = Server(Path(name), participants=1_000)
        held = digests(server)
        start_ms = int(time.time() * 1_000) - 3_000_000
        with ending(server):
            device = Device(server.start())
            for body in backlog(device.device_id, "a0", held, start_ms, FIRST):
                device.exchange("POST", "/api/v1/sync/scans", body)
        for count in SEEDED:
            if count:
                seed(server, count)
            with ending(server):
                server.start()
                before = peak_memory_mb(server)
                to = Path(name) / f"{count}.zip"
                began = time.perf_counter()
                done = run(
                    "sync-server", "export", "--data", str(server.data), "--to", str(to),
                    timeout_s=900,
                )  # fmt: skip
                assert done.returncode == 0, done.stderr
                took = time.perf_counter() - began
                size = to.stat().st_size / 1e6
                peak = peak_memory_mb(server)
            print(
                f"{count + FIRST:>10,}{took:>8.1f}{size:>8.1f}{peak:>16.0f}{before:>12.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
