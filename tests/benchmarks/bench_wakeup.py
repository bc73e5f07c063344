"""A change is decided on at a gate: p50 and p99 over loopback, with 1 and 50 gates waiting.

A person is blocked over HTTP. "committed" is when that call was answered, which is after its commit
became durable; "asked" when it was sent. Until: a gate's replica has applied the page and a look-up
of the ticket finds its owner blocked (one gate); and until the last of all gates has its page.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import aiohttp

from edge_agent.storage.replica import Replica
from edge_agent.sync.pages import apply_body, decode_page
from edge_agent.sync.transport import PageBody, Timed
from shared.model import ParticipantStatus
from tests.benchmarks.rig import Device, digests
from tests.processes.fleet import Server, ending

CHANGES = 100


class Gate:
    """Waits over HTTP as a gate does; with a replica it applies what comes."""

    def __init__(self, replica: Replica | None = None) -> None:
        self.replica = replica
        self.cursor: str | None = None
        self.pages: asyncio.Queue[float] = asyncio.Queue()

    async def run(self, http: aiohttp.ClientSession, url: str) -> None:
        while True:
            query = {"wait": "50"} | ({} if self.cursor is None else {"cursor": self.cursor})
            async with http.get(f"{url}/api/v1/sync/changes", params=query) as answer:
                body = await answer.read()
                assert answer.status == 200, body
            lines = body.splitlines()
            if self.replica is None:
                self.cursor = decode_page(lines)[1].cursor
            else:
                self.cursor = apply_body(
                    self.replica, PageBody(lines, Timed(0, 0)), "bench", self.cursor
                ).page.cursor
            if b'"participant"' in body:
                self.pages.put_nowait(time.perf_counter())


def blocked(replica: Replica, digest: str) -> bool:
    found = replica.reader().by_digest(bytes.fromhex(digest))
    return found.participant is not None and found.participant.status is ParticipantStatus.BLOCKED


async def measure(
    server: Server, headers: dict[str, str], held: list[str], waiting: int, replica: Replica
) -> dict[str, list[float]]:
    gates = [Gate(replica), *(Gate() for _ in range(waiting - 1))]
    found: dict[str, list[float]] = {"committed": [], "asked": [], "last page": []}
    owner = {"Authorization": f"Bearer {server.sign_in()}"}
    pool = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(connector=pool, headers=headers) as http,
        aiohttp.ClientSession(headers=owner) as office,
        asyncio.TaskGroup() as tasks,
    ):
        polls = [tasks.create_task(gate.run(http, server.url)) for gate in gates]
        for gate in gates:
            await gate.pages.get()
        for n in range(CHANGES):
            await asyncio.sleep(0.05 + waiting / 500)  # until all wait again
            path = f"{server.url}/api/v1/participants/P{n:03}"
            status = "blocked" if not blocked(replica, held[n]) else "registered"
            asked = time.perf_counter()
            async with office.patch(path, json={"status": status}) as answer:
                assert answer.status == 200, await answer.text()
            committed = time.perf_counter()
            first, *others = [await gate.pages.get() for gate in gates]
            assert blocked(replica, held[n]) == (status == "blocked")
            found["committed"].append(max(first - committed, 0.0) * 1_000)
            found["asked"].append((first - asked) * 1_000)
            found["last page"].append((max([first, *others]) - asked) * 1_000)
        for poll in polls:
            poll.cancel()
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Server(folder, participants=CHANGES)
        held = digests(server)
        with ending(server):
            server.start()
            headers = Device(server).headers
            print(
                f"{'gates waiting':<15}{'from … until …':<36}{'p50 ms':>9}{'p99 ms':>9}{'worst':>9}"
            )
            for waiting in (1, 50):
                replica = Replica.open(folder / f"replica-{waiting}.db")
                found = asyncio.run(measure(server, headers, held, waiting, replica))
                replica.close()
                for since, until in (
                    ("committed", "decided on at a gate"),
                    ("asked", "decided on at a gate"),
                    ("last page", "the last gate has it"),
                ):
                    times = found[since]
                    cuts = statistics.quantiles(times, n=100)
                    words = f"{since.replace('last page', 'asked')} … {until}"
                    print(
                        f"{waiting:<15}{words:<36}{cuts[49]:>9.1f}{cuts[98]:>9.1f}{max(times):>9.1f}"
                    )
        server.verify()
    print("verify found nothing")


if __name__ == "__main__":
    main()
