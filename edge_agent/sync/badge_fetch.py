"""Keeps the coming ids of rotating badges at hand, and reports the badge that is being paired.

Beside the sync and apart from it: what fails here delays no scan and no list. The server says how
far ahead ids may be held; this asks every few seconds for badges that changed, and each hour for
the hours that came within reach.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Protocol

import msgspec
import structlog

from edge_agent.storage.badge_store import BadgeStore, Run
from edge_agent.sync.backoff import Failure, FailureKind, delay_s
from edge_agent.sync.transport import AnsweredError, HttpTransport, UnreachableError
from edge_agent.timekeeper import Timekeeper
from shared import wire
from shared.wire_beacons import BadgeAnswerLine, BadgePageLine, BeaconHeard, PairingCall

log = structlog.get_logger("badges")

LOOK_S = 5.0
PAIRING_LOOK_S = 1.0
PAGES_MAX = 1_000
_HOUR_MS = 3_600_000
_BACK_MS = 2 * 1_024_000  # slots that began before and are still good
_ASK_AHEAD_MS = 48 * _HOUR_MS  # the server grants what it holds right
_REFUSED_PAUSE_MS = 60_000
_line = msgspec.json.Decoder(BadgeAnswerLine)


class Nearest(Protocol):
    """The reader's ear for unknown badges."""

    def open(self, until_ms: int) -> None: ...

    def nearest(self) -> tuple[str, float] | None: ...


class BadgeFetch:
    """`token` is the sync's, None while it has none."""

    def __init__(
        self,
        store: BadgeStore,
        transport: HttpTransport,
        time: Timekeeper,
        token: Callable[[], str | None],
        nearest: Nearest,
    ) -> None:
        self._store = store
        self._transport = transport
        self._time = time
        self._token = token
        self._nearest = nearest
        self._pairing: PairingCall | None = None
        self._told = ""
        self._refused_ms = -_REFUSED_PAUSE_MS

    async def run(self) -> None:
        """Until cancelled. Failures are logged once and tried again with patience."""
        failures = 0
        while True:
            failure: Failure | None = None
            try:
                await self.look()
            except (UnreachableError, AnsweredError) as error:
                failure = error.failure
                if failure.code == "device_revoked":
                    await asyncio.to_thread(self._store.clear)
            failures = 0 if failure is None else failures + 1
            self._report("" if failure is None else failure.detail)
            if failure is not None:
                await asyncio.sleep(max(LOOK_S, delay_s(failure, failures, random.random)))
            else:
                await asyncio.sleep(PAIRING_LOOK_S if self._pairing is not None else LOOK_S)

    async def look(self) -> None:
        """What changed, then what came within reach, then the pairing. One round."""
        token = self._token()
        if token is None or not self._time.synced:  # which hours these are is not known yet
            return
        await self._changed(token)
        await self._further(token)
        await self._report_nearest(token)

    async def _changed(self, token: str) -> None:
        """New and changed badges, for the hours that are held."""
        begun = await asyncio.to_thread(self._store.held)
        if begun.until_ms == 0 and begun.cursor is not None:  # a first fetch that broke off
            await asyncio.to_thread(self._store.clear)
        for _ in range(PAGES_MAX):
            held = await asyncio.to_thread(self._store.held)
            now_ms = self._time.now()[0].at_ms
            until_ms = max(held.until_ms, now_ms)
            runs, page = await self._page(token, now_ms - _BACK_MS, until_ms, held.cursor)
            if held.cursor is not None and _life(held.cursor) != _life(page.cursor):
                await asyncio.to_thread(self._store.clear)  # another database: begin anew
                continue
            if runs or page.cursor != held.cursor:
                await asyncio.to_thread(self._store.replace, runs, page.cursor)
            if held.until_ms == 0 and not page.more:
                reached_ms = wire.parse_time(page.until)
                await asyncio.to_thread(self._store.reached, reached_ms, now_ms - _BACK_MS)
            self._listen(page.pairing)
            if not page.more:
                return

    async def _further(self, token: str) -> None:
        """Hours that nobody has fetched yet, for all badges, one hour after the other."""
        now_ms = self._time.now()[0].at_ms
        if abs(now_ms - self._refused_ms) < _REFUSED_PAUSE_MS:
            return
        for _ in range(_ASK_AHEAD_MS // _HOUR_MS):
            held = await asyncio.to_thread(self._store.held)
            from_ms = held.until_ms
            if from_ms < now_ms - _HOUR_MS:  # away for long: what is between is over
                from_ms = (now_ms - _BACK_MS) // _HOUR_MS * _HOUR_MS
            until_ms = from_ms + _HOUR_MS
            cursor: str | None = None
            for _ in range(PAGES_MAX):
                runs, page = await self._page(token, from_ms, until_ms, cursor)
                if wire.parse_time(page.until) < until_ms:  # beyond what the server grants
                    self._refused_ms = now_ms
                    return
                await asyncio.to_thread(self._store.extend, runs)
                cursor = page.cursor
                if not page.more:
                    break
            await asyncio.to_thread(self._store.reached, until_ms, now_ms - _BACK_MS)

    async def _page(
        self, token: str, from_ms: int, until_ms: int, cursor: str | None
    ) -> tuple[list[Run], BadgePageLine]:
        query = {"from": wire.format_time(from_ms), "until": wire.format_time(until_ms)}
        if cursor is not None:
            query["cursor"] = cursor
        lines = await self._transport.badges(token, query)
        try:
            decoded = [_line.decode(line) for line in lines]
            page = decoded.pop()
            runs = [_run(line) for line in decoded if not isinstance(line, BadgePageLine)]
            if not isinstance(page, BadgePageLine) or len(runs) != len(decoded):
                raise ValueError("a page without its last line")
            wire.parse_cursor(page.cursor)
            wire.parse_time(page.until)
        except (msgspec.DecodeError, ValueError, IndexError) as error:
            failure = Failure(FailureKind.LOCAL, f"a page of badges can't be understood: {error}")
            raise UnreachableError(failure) from error
        return runs, page

    def _listen(self, call: PairingCall | None) -> None:
        self._pairing = call
        if call is None:
            self._nearest.open(0)
            return
        left_ms = wire.parse_time(call.until) - self._time.now()[0].at_ms
        self._nearest.open(self._time.boot_ms() + left_ms)

    async def _report_nearest(self, token: str) -> None:
        nearest = self._nearest.nearest()
        if self._pairing is None or nearest is None:
            return
        beacon, rssi = nearest
        report = BeaconHeard(pairing_id=self._pairing.pairing_id, beacon=beacon, rssi=rssi)
        await self._transport.beacon_heard(token, report)

    def _report(self, detail: str) -> None:
        """One line when a trouble begins or changes."""
        if detail and detail != self._told:
            log.warning("badges.failed", detail=detail)
        self._told = detail


def _run(line: BadgeAnswerLine) -> Run:
    if isinstance(line, BadgePageLine):
        raise ValueError("a page line before the last")  # noqa: TRY004 — of the message, not a type
    return Run(
        bytes.fromhex(line.digest),
        wire.parse_time(line.first_slot_at),
        line.slot_seconds * 1_000,
        line.eids,
    )


def _life(cursor: str) -> str:
    return wire.parse_cursor(cursor)[0]
