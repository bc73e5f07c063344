"""A backlog of 10,000 scans over HTTP in batches of 500, against the least it could cost.

The bare handler decodes and inserts the same batches, and does nothing else.
"""

import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from shared.wire import checksum, format_time
from tests import postgres
from tests.benchmarks.rig import Device, digests, peak_memory_mb
from tests.processes.fleet import Server, ending, free_port

SCANS = 10_000
BATCH = 500
ROUNDS = 3


def backlog(
    device_id: str,
    epoch: str,
    held: list[str],
    start_ms: int,
    count: int = SCANS,
    batch: int = BATCH,
) -> list[bytes]:
    """Encoded uploads, each of another participant in turn."""
    entries = []
    for seq in range(1, count + 1):
        entry = {
            "type": "scan",
            "seq": seq,
            "scanId": f"{epoch}-{seq}",
            "gateId": "g1",
            "kind": "ticket",
            "digest": held[seq * 7 % len(held)],
            "method": "qr_scan",
            "direction": "entry",
            "occurredAt": format_time(start_ms + seq * 100),
            "timeErrorMs": 20,
            "timeQuality": "synced",
            "bootId": "5f0c1c6e-0000-4000-8000-000000000000",
            "bootMs": seq * 100,
            "wallAt": format_time(start_ms + seq * 100),
            "decidedErrorMs": 20,
            "admitted": True,
            "reason": "ok",
            "replicaCursor": "0011223344556677.200000",
            "processingMs": 3.25,
        }
        entries.append(entry | {"checksum": checksum(entry)})
    return [
        json.dumps(
            {"deviceId": device_id, "epoch": epoch, "entries": entries[at : at + batch]}
        ).encode()
        for at in range(0, count, batch)
    ]


def timed(send: Callable[[bytes], object], uploads: list[bytes]) -> float:
    began = time.perf_counter()
    for upload in uploads:
        send(upload)
    return SCANS / (time.perf_counter() - began)


def bare_rates(folder: Path, rounds: list[list[bytes]]) -> list[float]:
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.bare_upload_server", str(port)]
    process = subprocess.Popen([*command, str(folder / "bare.db")], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

        def send(upload: bytes) -> None:
            connection.request("POST", "/api/v1/sync/scans", upload)
            connection.getresponse().read()

        return [timed(send, uploads) for uploads in rounds]
    finally:
        process.terminate()
        process.wait(timeout=10)


def measured(folder: Path, url: str | None) -> tuple[list[float], list[list[bytes]], float]:
    """Scans a second of each round, the uploads, and the server's peak memory."""
    folder.mkdir()
    server = Server(folder, participants=SCANS, database_url=url)
    held = digests(server)
    with ending(server):
        server.start()
        device = Device(server)
        start_ms = int(time.time() * 1_000) - 1_500_000
        rounds = [backlog(device.device_id, f"{n:016x}", held, start_ms) for n in range(ROUNDS)]
        rates = [
            timed(lambda body: device.exchange("POST", "/api/v1/sync/scans", body), uploads)
            for uploads in rounds
        ]
        memory_mb = peak_memory_mb(server)
    server.verify()
    return rates, rounds, memory_mb


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours, rounds, memory_mb = measured(folder / "sqlite", None)
        bare = bare_rates(folder, rounds)
        on_postgresql: list[float] = []
        if postgres.binaries() is not None:
            url = stack.enter_context(postgres.cluster(durable=True)).new_database()
            on_postgresql = measured(folder / "postgresql", url)[0]
    print(f"{'backlog':<34}{'scans/s':>10}{'bare':>10}{'ratio':>8}{'PostgreSQL':>12}{'ratio':>8}")
    for n, (mine, least) in enumerate(zip(ours, bare, strict=True), start=1):
        label = f"10,000 on top of {(n - 1) * SCANS:,}, by {BATCH}"
        line = f"{label:<34}{mine:>10,.0f}{least:>10,.0f}{mine / least:>8.2f}"
        if on_postgresql:
            theirs = on_postgresql[n - 1]
            line += f"{theirs:>12,.0f}{theirs / least:>8.2f}"
        print(line)
    print(f"server's peak memory {memory_mb:.0f} MB; verify found nothing")
    if not on_postgresql:
        print(postgres.MISSING)


if __name__ == "__main__":
    main()
