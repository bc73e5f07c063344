"""Coming ids of rotating badges, hour by hour: what is asked, kept and begun anew (DESIGN §7)."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from edge_agent.storage.badge_store import BadgeStore
from edge_agent.sync.backoff import Failure, FailureKind
from edge_agent.sync.badge_fetch import BadgeFetch
from edge_agent.sync.transport import HttpTransport, PermanentAnswerError, UnreachableError
from edge_agent.timekeeper import Timekeeper
from shared import wire
from shared.model import Moment
from shared.wire_beacons import BadgeLine, BadgePageLine, BeaconHeard, PairingCall

HOUR_MS = 3_600_000
START_MS = 500_000 * HOUR_MS + 600_000
SLOT_MS = 64_000


class Server:
    """Badges by revision; grants six hours; two badges a page."""

    def __init__(self) -> None:
        self.generation = "aa"
        self.badges: dict[int, bytes] = {1: b"\x01" * 16, 2: b"\x02" * 16, 3: b"\x03" * 16}
        self.now_ms = START_MS
        self.pairing: PairingCall | None = None
        self.heard: list[BeaconHeard] = []
        self.calls = 0
        self.breaks_after: int | None = None

    async def badges_page(self, _token: str, query: dict[str, str]) -> list[bytes]:
        self.calls += 1
        if self.breaks_after is not None and self.calls > self.breaks_after:
            raise UnreachableError(Failure(FailureKind.REFUSED, "gone"))
        after = 0
        if (cursor := query.get("cursor")) is not None:
            generation, revision = wire.parse_cursor(cursor)
            after = revision if generation == self.generation else 0
        from_ms = wire.parse_time(query["from"]) // HOUR_MS * HOUR_MS
        wanted_ms = min(wire.parse_time(query["until"]), self.now_ms + 6 * HOUR_MS)
        until_ms = -(-wanted_ms // HOUR_MS) * HOUR_MS
        changed = sorted(revision for revision in self.badges if revision > after)
        lines: list[Any] = [
            BadgeLine(
                digest=self.badges[revision].hex(),
                first_slot_at=wire.format_time(from_ms),
                slot_seconds=SLOT_MS // 1_000,
                eids=bytes(8 * ((until_ms - from_ms) // SLOT_MS)),
            )
            for revision in changed[:2]
            if until_ms > from_ms
        ]
        more = len(changed) > 2
        revision = changed[1] if more else max(self.badges, default=0)
        cursor = wire.cursor_text(self.generation, revision)
        until = wire.format_time(until_ms)
        lines.append(BadgePageLine(cursor=cursor, more=more, until=until, pairing=self.pairing))
        return [msgspec.json.encode(line) for line in lines]

    async def beacon_heard(self, _token: str, report: BeaconHeard) -> None:
        self.heard.append(report)


class Transport:
    def __init__(self, server: Server) -> None:
        self.badges = server.badges_page
        self.beacon_heard = server.beacon_heard


class Time:
    synced = True

    def __init__(self, server: Server) -> None:
        self._server = server

    def now(self) -> tuple[Moment, str]:
        return Moment(self._server.now_ms), "synced"

    def boot_ms(self) -> int:
        return 1_000


class Ear:
    def __init__(self) -> None:
        self.until_ms = 0

    def open(self, until_ms: int) -> None:
        self.until_ms = until_ms

    def nearest(self) -> tuple[str, float] | None:
        return ("altbeacon:" + "ab" * 20, -40.0) if self.until_ms else None


class World:
    def __init__(self, store: BadgeStore) -> None:
        self.server, self.store, self.ear = Server(), store, Ear()
        self.time = Time(self.server)
        transport, time = cast(HttpTransport, Transport(self.server)), cast(Timekeeper, self.time)
        self.fetch = BadgeFetch(store, transport, time, lambda: "token", self.ear)

    def look(self) -> None:
        asyncio.run(self.fetch.look())

    def known(self, at_ms: int) -> set[int]:
        return {slot.digest[0] for slot in self.store.window(at_ms, at_ms + 1)}

    @property
    def far_ms(self) -> int:
        """The last moment that the server grants."""
        return -(-(self.server.now_ms + 6 * HOUR_MS) // HOUR_MS) * HOUR_MS - SLOT_MS


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = BadgeStore.open(tmp_path / "badges.db")
    yield World(store)
    store.close()


def test_all_badges_for_all_hours_that_the_server_grants(world: World) -> None:
    world.look()
    for at_ms in (START_MS, START_MS + 3 * HOUR_MS, world.far_ms - SLOT_MS):
        assert world.known(at_ms) == {1, 2, 3}
    assert world.known(world.far_ms + 2 * HOUR_MS) == set()


def test_a_badge_that_is_new_comes_for_all_hours_and_the_next_hours_follow(world: World) -> None:
    world.look()
    world.server.badges[4] = b"\x04" * 16
    world.look()
    assert world.known(START_MS) == world.known(world.far_ms - SLOT_MS) == {1, 2, 3, 4}
    for _ in range(30):
        world.server.now_ms += HOUR_MS
        world.look()
        assert world.known(world.server.now_ms) == {1, 2, 3, 4}
        assert world.known(world.far_ms - SLOT_MS) == {1, 2, 3, 4}
    assert world.store.bytes_held() < 4 * 8 * 10 * HOUR_MS // SLOT_MS, "what is over is forgotten"


def test_while_nothing_changes_little_is_asked(world: World) -> None:
    world.look()
    before = world.server.calls
    for _ in range(10):
        world.server.now_ms += 5_000
        world.look()
    assert world.server.calls <= before + 12


def test_another_database_of_the_server_is_fetched_anew(world: World) -> None:
    world.look()
    world.server.generation, world.server.badges = "bb", {1: b"\x09" * 16}
    world.look()
    assert world.known(START_MS) == {9}


def test_a_fetch_that_broke_off_is_made_whole_and_a_long_absence_made_up(world: World) -> None:
    for calls in (1, 2, 4, 7):
        world.server.breaks_after = world.server.calls + calls
        with pytest.raises(UnreachableError):
            world.look()
    world.server.breaks_after = None
    world.look()
    assert world.known(START_MS) == world.known(world.far_ms - SLOT_MS) == {1, 2, 3}
    world.server.now_ms += 40 * HOUR_MS
    world.look()
    assert world.known(world.server.now_ms) == world.known(world.far_ms - SLOT_MS) == {1, 2, 3}


def test_before_the_servers_time_is_known_nothing_is_asked(world: World) -> None:
    world.time.synced = False
    world.look()
    assert world.server.calls == 0


def test_a_pairing_is_listened_for_and_reported_until_it_is_over(world: World) -> None:
    world.look()
    until = wire.format_time(START_MS + 60_000)
    world.server.pairing = PairingCall(pairing_id="p1", until=until)
    world.look()
    assert world.ear.until_ms == 61_000
    assert [(one.pairing_id, one.rssi) for one in world.server.heard] == [("p1", -40.0)]
    world.server.pairing = None
    world.look()
    assert world.ear.until_ms == 0
    assert len(world.server.heard) == 1


async def test_a_revoked_device_forgets_every_badge(world: World) -> None:
    await world.fetch.look()

    async def refused(_token: str, _query: dict[str, str]) -> list[bytes]:
        failure = Failure(FailureKind.ANSWERED, "out", status=403, code="device_revoked")
        raise PermanentAnswerError(failure)

    world.fetch._transport.badges = refused  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as group:
        task = group.create_task(world.fetch.run())
        async with asyncio.timeout(10):
            while world.store.bytes_held():
                await asyncio.sleep(0.01)
        task.cancel()
    assert world.store.held().cursor is None
