"""From a scan's upload to the live page: 20 gates, 100 scans a second in all, 1 and 500 open pages.

Real uploads of one scan each to a real server process; a page that measures and pages that only
listen, these in a process of their own. "sent": from the moment the gate sends its scan; "committed":
from the answer to the upload, which comes after its commit became durable (below 0 where the page
was first). Until the frame that names the scan has arrived.
"""

import asyncio
import json
import multiprocessing
import statistics
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import aiohttp

from tests.benchmarks.bench_upload import backlog
from tests.benchmarks.rig import Device, digests
from tests.processes.fleet import Server, ending

GATES = 20
EACH_S = 0.2  # a scan of each gate: 100 a second in all
SECONDS = 15.0
PAGES = (1, 500)
PEOPLE = 2_000


class Times:
    """When each scan was sent, committed and seen, by its id."""

    def __init__(self) -> None:
        self.sent: dict[str, float] = {}
        self.committed: dict[str, float] = {}
        self.seen: dict[str, float] = {}


async def gate(
    http: aiohttp.ClientSession,
    url: str,
    uploads: list[bytes],
    token: Any,
    number: int,
    times: Times,
) -> None:
    began = time.perf_counter() + number * EACH_S / GATES
    for turn, body in enumerate(uploads):
        await asyncio.sleep(max(0.0, began + turn * EACH_S - time.perf_counter()))
        scan_id = json.loads(body)["entries"][0]["scanId"]
        times.sent[scan_id] = time.perf_counter()
        async with http.post(f"{url}/api/v1/sync/scans", data=body, headers=token) as answer:
            await answer.read()
            assert answer.status == 200
        times.committed[scan_id] = time.perf_counter()


async def page(http: aiohttp.ClientSession, url: str, token: str, times: Times) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with http.ws_connect(f"{url}/api/v1/live", headers=headers, max_msg_size=0) as socket:
        async for message in socket:
            now = time.perf_counter()
            frame = json.loads(message.data)
            if frame["type"] == "scan.merged":
                times.seen.setdefault(frame["data"]["scanId"], now)


def listeners(url: str, token: str, count: int, ready: Event, ended: Event) -> None:
    async def listen(http: aiohttp.ClientSession) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with http.ws_connect(f"{url}/api/v1/live", headers=headers, max_msg_size=0) as socket:
            while not ended.is_set():
                await socket.receive()

    async def run() -> None:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as tasks:
            listening = []
            for _ in range(count):  # a hundred at one instant are told to come again (503)
                listening.append(tasks.create_task(listen(http)))
                await asyncio.sleep(0.01)
            await asyncio.sleep(2.0)
            ready.set()
            await asyncio.to_thread(ended.wait)
            for one in listening:
                one.cancel()

    asyncio.run(run())


async def measure(server: Server, devices: list[Device], held: list[str], pages: int) -> Times:
    times, token = Times(), server.sign_in()
    turns = int(SECONDS / EACH_S)
    start_ms = int(time.time() * 1_000) - 1_000_000
    ready, ended = multiprocessing.Event(), multiprocessing.Event()
    others = multiprocessing.Process(
        target=listeners, args=(server.url, token, pages - 1, ready, ended), daemon=True
    )
    others.start()
    await asyncio.to_thread(ready.wait, 60)
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(page(http, server.url, token, times))
        await asyncio.sleep(1.0)
        gates = []
        for number, device in enumerate(devices):
            epoch = f"{pages:04x}{number:04x}"
            mine = held[number * len(held) // GATES :]
            uploads = backlog(device.device_id, epoch, mine, start_ms, turns, batch=1)
            sending = gate(http, server.url, uploads, device.headers, number, times)
            gates.append(tasks.create_task(sending))
        await asyncio.gather(*gates)
        await asyncio.sleep(2.0)
        watching.cancel()
    ended.set()
    others.join(20)
    return times


def shown(name: str, waits: list[float]) -> str:
    cuts = statistics.quantiles(waits, n=100)
    return f"{name:>12}{1e3 * cuts[49]:>10.0f}{1e3 * cuts[98]:>10.0f}{1e3 * max(waits):>10.0f}"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        server = Server(Path(name), participants=PEOPLE)
        held = digests(server)
        with ending(server):
            server.start()
            devices = [Device(server, number) for number in range(GATES)]
            print(f"{GATES} gates, {GATES / EACH_S:.0f} scans/s in all for {SECONDS:.0f} s")
            print(
                f"{'pages':>6}{'scans':>7}{'seen':>7}{'ms since':>12}{'p50':>10}{'p99':>10}{'max':>10}"
            )
            for pages in PAGES:
                times = asyncio.run(measure(server, devices, held, pages))
                for said, since in (("sent", times.sent), ("committed", times.committed)):
                    waits = [at - since[one] for one, at in times.seen.items() if one in since]
                    head = f"{pages:>6}{len(times.sent):>7}{len(waits):>7}"
                    print(head + shown(said, waits), flush=True)
            for device in devices:
                device.close()


if __name__ == "__main__":
    main()
