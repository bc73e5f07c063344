"""The network between gates and server: loses, doubles, delays, reorders, cuts and swallows.

Delays are drawn for each exchange, so what was sent later may arrive earlier.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import httpx

from edge_agent.sync import transport
from edge_agent.sync.backoff import Failure, FailureKind
from edge_agent.sync.transport import HttpTransport, Timed, UnreachableError
from tests.simulation.server import Answer, Request, SimServer
from tests.simulation.world import World


@dataclass(slots=True)
class Weather:
    """How likely each fault is, by exchange; all zero once healed."""

    lost: float = 0.0
    swallowed: float = 0.0  # the server did it, and its answer never came
    doubled: float = 0.0
    truncated: float = 0.0
    slow: float = 0.0
    latency_ms: float = 20.0


class _Cut(NamedTuple):
    """A page that was cut off on its way, and its end; only a planted fault looks at it."""

    lines: list[bytes]  # the whole ones
    last_line: bytes


@dataclass(slots=True)
class Network:
    world: World
    weather: Weather
    server: SimServer
    cut_off: set[str] = field(default_factory=set)
    cuts: dict[str, _Cut] = field(default_factory=dict)

    async def exchange(self, who: str, request: Request, read_s: float) -> Answer:
        """`who` is the machine on whose cable it goes; UnreachableError where nothing comes."""
        if who in self.cut_off:
            if self.world.chance(0.3):
                await asyncio.sleep(5)
                raise _unreachable(FailureKind.TIMED_OUT, request)
            await asyncio.sleep(0.002)
            raise _unreachable(FailureKind.REFUSED, request)
        try:
            async with asyncio.timeout(read_s):
                return await self._carry(who, request)
        except TimeoutError as error:
            raise _unreachable(FailureKind.TIMED_OUT, request) from error

    async def _carry(self, who: str, request: Request) -> Answer:
        world, weather = self.world, self.weather
        if world.chance(weather.lost):
            world.tell("network", f"loses {request.path} of {who}")
            await _for_ever()
        await self._travel()
        if who in self.cut_off:
            await _for_ever()
        if request.body and world.chance(weather.doubled):
            world.tell("network", f"doubles {request.path} of {who}")
            world.after(world.rng.uniform(0, 20_000), lambda: self.server.take(request) and None)
        under_way = self.server.take(request)
        if under_way is None:
            raise _unreachable(FailureKind.REFUSED, request)
        answer = await under_way
        if answer is None:  # the server died over it
            raise _unreachable(FailureKind.INTERRUPTED, request)
        return await self._come_back(who, request, answer)

    async def _come_back(self, who: str, request: Request, answer: Answer) -> Answer:
        world, weather = self.world, self.weather
        if world.chance(weather.swallowed):
            world.tell("network", f"swallows the answer to {request.path} of {who}")
            if world.chance(0.5):
                raise _unreachable(FailureKind.INTERRUPTED, request)
            await _for_ever()
        if answer.body and world.chance(weather.truncated):
            at = world.rng.randrange(len(answer.body))
            world.tell("network", f"cuts the answer to {request.path} of {who} short")
            whole = answer.body[:at].rpartition(b"\n")[0].splitlines()
            self.cuts[who] = _Cut(whole, answer.body.splitlines()[-1])
            answer = answer._replace(body=answer.body[:at])
        await self._travel()
        if who in self.cut_off:
            await _for_ever()
        return answer

    async def _travel(self) -> None:
        rng = self.world.rng
        if self.world.chance(self.weather.slow):
            await asyncio.sleep(rng.uniform(0.5, 45))
        else:
            await asyncio.sleep(rng.uniform(0.2, 2.0) * self.weather.latency_ms / 1_000)


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()


def _unreachable(kind: FailureKind, request: Request) -> UnreachableError:
    return UnreachableError(Failure(kind, f"{request.path}: {kind.value}"))


class SimTransport(HttpTransport):
    """The real transport's words and checks, over the simulated network."""

    def __init__(
        self, who: str, device_id: str, network: Network, boot_ms: Callable[[], int]
    ) -> None:
        self.who = who
        self.network = network
        self._device_id = device_id
        self._boot_ms = boot_ms

    async def _exchange(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        params: dict[str, str] | None = None,
        read_s: float = transport.READ_SPARE_S,
        **_rest: object,
    ) -> tuple[bytes, Timed]:
        sent_ms = self._boot_ms()
        request = Request(self._device_id, method, path, content or b"", params or {})
        answer = await self.network.exchange(self.who, request, read_s)
        if answer.status >= 300:
            response = httpx.Response(answer.status, headers=answer.headers)
            raise transport._answered(response, answer.body)
        return answer.body, Timed(sent_ms, self._boot_ms())
