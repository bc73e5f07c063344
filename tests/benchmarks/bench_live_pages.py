"""What open pages cost the server: its CPU with none, one and 500 of them, while scans come in.

Real pages' sockets to a real server process; gates upload SCANS_PER_S. A page reads what it gets as
a browser's network thread does, without drawing it. "CPU" is the server's, in per cent of one core.
"""

import asyncio
import base64
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from shared.wire import format_time
from tests.benchmarks.rig import Device, digests
from tests.processes.fleet import Server, ending, pids_of
from tests.sync_server.builders import sealed

PAGES = (0, 1, 500)
SCANS_PER_S = 20
SECONDS = 10
EPOCH = "00000000000bench"


class Page:
    """Counts bytes, and messages by their first letters."""

    def __init__(self) -> None:
        self.bytes = 0

    async def run(self, port: int, token: str, ready: Callable[[], None]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in head.splitlines()[0], head
        ready()
        while piece := await reader.read(1 << 16):
            self.bytes += len(piece)
        raise ConnectionError("the server closed a page")


async def gates(device: Device, held: list[str], until: float, first: int) -> int:
    """Uploads SCANS_PER_S scans a second, in ten batches; how many in all."""
    seq = first
    batch = SCANS_PER_S // 10
    while time.monotonic() < until:
        now = format_time(int(time.time() * 1_000))
        entries = [_scan(seq + n, held[(seq + n) % len(held)], now) for n in range(batch)]
        body = {"deviceId": device.device_id, "epoch": EPOCH, "entries": entries}
        await asyncio.to_thread(
            device.exchange, "POST", "/api/v1/sync/scans", json.dumps(body).encode()
        )
        seq += batch
        await asyncio.sleep(0.1)
    return seq


def _scan(seq: int, digest: str, at: str) -> dict[str, Any]:
    return sealed({
        "type": "scan", "seq": seq, "scanId": f"bench-{seq}", "gateId": "g1", "kind": "ticket",
        "digest": digest, "method": "qr_scan", "direction": "entry" if seq % 2 else "exit",
        "occurredAt": at, "timeErrorMs": 20, "timeQuality": "synced", "bootId": "b", "bootMs": seq,
        "wallAt": at, "decidedErrorMs": 20, "admitted": True, "reason": "ok", "processingMs": 4.5,
    })  # fmt: skip


async def measure(server: Server, device: Device, held: list[str], number: int, seq: int) -> int:
    token = server.sign_in()
    pages = [Page() for _ in range(number)]
    process = psutil.Process(pids_of(server.data)[0])
    came = 0
    ready = asyncio.Event()

    def one_more() -> None:
        nonlocal came
        came += 1
        if came == number:
            ready.set()

    async with asyncio.TaskGroup() as tasks:
        running = []
        for page in pages:  # 16 ms apart: people do not all come at once
            running.append(tasks.create_task(page.run(server.port, token, one_more)))
            await asyncio.sleep(0.016)
        if pages:
            await ready.wait()
        await asyncio.sleep(1)
        for page in pages:
            page.bytes = 0
        before, began = process.cpu_times(), time.monotonic()
        seq = await gates(device, held, began + SECONDS, seq)
        after, took = process.cpu_times(), time.monotonic() - began
        for task in running:
            task.cancel()
    cpu = 100 * (after.user + after.system - before.user - before.system) / took
    each = sum(page.bytes for page in pages) / max(1, number) / took / 1_000
    print(f"{number:>5} pages   CPU {cpu:5.1f} %   {each:6.1f} kB/s to each page", flush=True)
    return seq


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        server = Server(Path(name), participants=500)
        with ending(server):
            server.start()
            device = Device(server)
            held = digests(server)
            print(f"server's CPU, {SCANS_PER_S} scans a second, {SECONDS} s each")
            seq = 1
            for number in PAGES:
                seq = asyncio.run(measure(server, device, held, number, seq))


if __name__ == "__main__":
    main()
