"""The one place where the running agent's parts are made and joined (`edge-agent run`).

Each part has its own task in one TaskGroup, watched: a part that fails is logged, named in health
and started again, and never stops the others.
"""

import asyncio
import json
import signal
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

import structlog

from edge_agent import outcomes, system_clock
from edge_agent.beacon_parts import BeaconParts
from edge_agent.config import Config
from edge_agent.control import AskDecide, AskStatus, ControlServer
from edge_agent.doorman import Doorman
from edge_agent.folder import FolderLock, GateFolder
from edge_agent.health import Health
from edge_agent.identity import DeviceKey, load_identity
from edge_agent.kiosk.preview_web import PreviewWeb
from edge_agent.kiosk.screens import decision_frame
from edge_agent.kiosk.web import KioskWeb
from edge_agent.occupancy import Occupancy, moved, snapshot
from edge_agent.parts import GateParts
from edge_agent.ports import Outcome, Sighting
from edge_agent.power import power
from edge_agent.readers.plugins import PLUGINS, Readers, make_readers, plugins_of
from edge_agent.readers.typed import TypedReader
from edge_agent.staff import Staff
from edge_agent.sync.loop import SyncLoop
from edge_agent.sync.report import GateHealth
from edge_agent.sync.transport import HttpTransport
from edge_agent.upkeep import Upkeep
from shared.credentials import looks_like_enrolment
from shared.errors import GatesyncError, TransientError
from shared.limits import QUEUE_SIGHTINGS_MAX
from shared.model import Direction
from shared.search_wire import SearchAnswer, SearchRequest

log = structlog.get_logger(__name__)
T = TypeVar("T")

_RESTART_S_MIN, _RESTART_S_MAX = 0.5, 30.0
_LOOK_S = 1.0
STAFF_BADGE = "GS:STAFF:"  # + operator id, in the QR of a supervisor's badge
_RESTART_ANSWER_S = 0.3  # the page hears that it is so
_READY_CHECK_S = 0.2
_TIDY_S = 5.0


class Running:
    """A gate that runs: the event loop's side. The lane has a thread of its own."""

    def __init__(
        self, parts: GateParts, config: Config, version: str, restart: Callable[[str], None]
    ) -> None:
        self._parts = parts
        self._restart = restart
        self._thread = ThreadPoolExecutor(1, "lane")
        self._queue: deque[Sighting] = deque()
        self._sighted = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._status: dict[str, Any] = {}
        self._typed_codes = TypedReader()
        self._transport = HttpTransport(parts.identity.server_url, parts.time.boot_ms)
        self._beacons = (
            None if config.beacons == "off" else BeaconParts(parts, self._transport, self._bearer)
        )
        plugins = PLUGINS if self._beacons is None else plugins_of(self._beacons)
        readers = [*make_readers(config, plugins), self._typed_codes]
        self._readers = Readers(readers, self._emit_from_thread)
        self._health = Health(parts, self._readers.health)
        self._sync = SyncLoop(
            identity=parts.identity,
            key=DeviceKey.load(parts.folder.path),
            journal=parts.journal,
            replica=parts.replica,
            timekeeper=parts.time,
            transport=self._transport,
            on_lane=self._on_lane,
            monotonic_s=system_clock.monotonic_s,
            health=lambda: GateHealth(
                [*self._readers.health(), *self._health.barrier()],
                self._health.disk(self._sync.state()),
                self._health.power,
            ),
            version=version,
        )
        self._health.sync = self._sync.state
        self._occupancy = Occupancy(parts.replica)
        self._staff = Staff(
            parts,
            on_lane=self._on_lane,
            ask=self._ask_server,
            wake=self._sync.wake,
            checks=self._checks,
            changed=self._tell_health,
            restart=lambda: restart(""),
        )
        self._doorman = Doorman(
            parts, config, on_lane=self._on_lane, wake=self._sync.wake, changed=self._tell_health
        )
        self._kiosk = KioskWeb(
            config.kiosk_port,
            self._typed,
            self._state,
            config.kiosk_host,
            [
                *self._staff.routes(),
                ("GET", "/api/preview.mjpeg", PreviewWeb(self._readers.picture).get),
            ],
        )
        self._control = ControlServer(parts.folder.control_socket, self._asked)
        parts.lane.on_outcome.append(self._decided)

    async def run(self, announce: Callable[[str], None]) -> None:
        """Until cancelled. `announce` gets the kiosk's address once the gate can decide."""
        address = await self._kiosk.start()
        try:
            await self._control.start()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch("lane", self._take_sightings))
                group.create_task(self._watch("health", self._keep_status))
                group.create_task(self._watch("tidy", self._tidy))
                group.create_task(self._watch("count", self._count))
                group.create_task(self._watch("upkeep", Upkeep(self._parts, self._on_lane).run))
                group.create_task(self._watch("sync", self._sync.run))
                if self._beacons is not None:
                    group.create_task(self._watch("badges", self._beacons.fetch.run))
                group.create_task(self._watch("barrier", self._doorman.take_events))
                group.create_task(self._watch("heart", self._doorman.beat))
                self._readers.start()
                group.create_task(self._announce(address, announce))
        finally:
            await self._stop()

    async def _stop(self) -> None:
        self._doorman.stopping()
        await asyncio.to_thread(self._readers.stop)
        if self._beacons is not None:
            self._beacons.close()
        await self._control.stop()
        await self._kiosk.stop()
        await self._transport.aclose()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._staff.close()
        self._occupancy.close()
        self._health.close()

    async def _watch(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        pause_s = _RESTART_S_MIN
        while True:
            try:
                await part()
            except Exception as error:
                log.exception("part_failed", part=name, again_in_s=pause_s)
                self._health.faults[name] = f"{type(error).__name__}: {error}"
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _RESTART_S_MAX)
            else:
                return

    def _bearer(self) -> str | None:
        return self._sync.tokens.token or None

    # --- sightings → lane -------------------------------------------------------------------

    async def _on_lane(self, job: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._thread, job)

    def _emit_from_thread(self, sighting: Sighting) -> None:
        with suppress(RuntimeError):  # the loop has closed: the agent is ending
            self._loop.call_soon_threadsafe(self._emit, sighting)

    def _emit(self, sighting: Sighting) -> None:
        """From a reader. When the lane can't keep up, the oldest is dropped: it has left."""
        if len(self._queue) >= QUEUE_SIGHTINGS_MAX:
            self._queue.popleft()
            self._health.sightings_dropped += 1
        if looks_like_enrolment(sighting.payload):
            self._enrol_again(sighting.payload)
            return
        if self._is_badge(sighting.payload):
            return
        if sighting.kind == "qr":
            self._kiosk.publish("reading", {})
        self._queue.append(sighting)
        self._sighted.set()

    async def _take_sightings(self) -> None:
        while True:
            await self._sighted.wait()
            self._sighted.clear()
            while self._queue:
                await self._decide_seen(self._queue.popleft())

    async def _decide_seen(self, sighting: Sighting) -> None:
        try:
            await self._on_lane(lambda: self._parts.lane.present(sighting))
        except GatesyncError as error:
            log.warning("not_decided", error=str(error))
            self._kiosk.publish("health", self._state())

    async def _present(
        self, code: str, direction: Direction | None, *, dry_run: bool = False
    ) -> dict[str, Any]:
        sighting = self._typed_codes.take(code)
        outcome = await self._on_lane(
            lambda: self._parts.lane.present(sighting, direction, dry_run=dry_run)
        )
        return outcomes.as_json(outcome)

    def _is_badge(self, payload: str) -> bool:
        """A supervisor steps up: the page asks for the PIN."""
        if not payload.upper().startswith(STAFF_BADGE):
            return False
        self._kiosk.publish("staff", {"operatorId": payload[len(STAFF_BADGE) :]})
        return True

    def _enrol_again(self, code: str) -> None:
        """Only a device that was revoked takes a new enrolment code; else it is a poster."""
        if self._sync.state().revoked:
            self._restart(code)

    async def _typed(self, code: str, direction: Direction | None) -> dict[str, Any]:
        if self._is_badge(code):
            return {"staff": True}
        if looks_like_enrolment(code) and self._sync.state().revoked:
            self._enrol_again(code)
            return {"enrolment": self._state()["enrolment"]}
        return await self._present(code, direction)

    def _decided(self, outcome: Outcome) -> None:
        """On the lane's thread: the rest of the agent hears of it."""
        self._sync.wake()
        self._loop.call_soon_threadsafe(self._show, outcome, decision_frame(outcome))

    def _show(self, outcome: Outcome, frame: dict[str, Any]) -> None:
        self._kiosk.publish("decision", frame)
        change = moved(outcome)
        if change and self._health.inside is not None:
            self._health.inside += change
            self._kiosk.publish("count", {"inside": self._health.inside})

    async def _count(self) -> None:
        """Anew whenever the list moved or a scan was made; each decision moves it at once."""
        facts = self._parts.lane.facts
        before: object = None
        while True:
            state = (self._status.get("cursor"), self._status.get("head"), len(facts.own))
            if state != before and facts.ready:
                own = await self._on_lane(lambda: snapshot(facts.own))
                inside = await asyncio.to_thread(self._occupancy.count, own)
                before = state
                if inside != self._health.inside:
                    self._health.inside = inside
                    self._kiosk.publish("count", {"inside": inside})
            self._health.power = await asyncio.to_thread(power)
            await asyncio.sleep(_LOOK_S)

    # --- being asked ------------------------------------------------------------------------

    async def _asked(self, question: AskDecide | AskStatus) -> dict[str, Any]:
        if isinstance(question, AskDecide):
            return await self._present(question.code, question.direction, dry_run=question.dry_run)
        sync = self._sync.state()
        return await asyncio.to_thread(self._health.status, sync)

    async def _ask_server(self, typed: str) -> SearchAnswer:
        """What the server finds for a supervisor; at once an error where it is away."""
        if not self._sync.state().online:
            raise TransientError("the gate is offline")
        return await self._transport.search(self._sync.token, SearchRequest(query=typed))

    def _checks(self) -> dict[str, Any]:
        """What a supervisor checks when something seems wrong."""
        return {"readers": self._health.readers(), "status": self._status, "state": self._state()}

    def _tell_health(self) -> None:
        self._kiosk.publish("health", self._state())

    def _enrolment(self) -> dict[str, Any] | None:
        """What the page shows instead of the gate: only where this device was revoked."""
        if not self._sync.state().revoked:
            return None
        return {"state": "revoked", "address": self._parts.identity.name, "problem": None}

    def _state(self) -> dict[str, Any]:
        settings = self._staff.desk.settings
        return self._health.kiosk(self._status) | {
            "enrolment": self._enrolment(),
            "mode": settings.mode,
            "direction": None if settings.direction is None else str(settings.direction),
            "brightness": self._staff.desk.page_brightness,
            "volume": settings.volume,
        }

    async def _keep_status(self) -> None:
        seen: str | None = None
        while True:
            sync = self._sync.state()
            self._status = await asyncio.to_thread(self._health.status, sync, count=False)
            cursor = self._status["cursor"]
            if cursor != seen or not self._parts.lane.facts.ready:
                # A decision reads anew by itself; the kiosk is to name a moved gate before one.
                await self._on_lane(self._parts.lane.facts.refresh)
                seen = cursor
            await asyncio.sleep(_LOOK_S)

    async def _tidy(self) -> None:
        """Move the journal's WAL into its file while nobody stands at the gate."""
        decided = 0
        while True:
            await asyncio.sleep(_TIDY_S)
            if decided != (now := self._parts.lane.health.decisions):
                decided = now
                if not self._queue:
                    await self._on_lane(self._parts.lane.idle)

    async def _announce(self, address: str, announce: Callable[[str], None]) -> None:
        facts = self._parts.lane.facts
        while not facts.ready:
            await self._on_lane(facts.refresh)
            await asyncio.sleep(_READY_CHECK_S)
        self._doorman.ready()
        announce(address)


async def run_gate(
    folder: GateFolder, config: Config, version: str, say: Callable[[str], None]
) -> str | None:
    """Run the gate until SIGTERM or SIGINT (None), until a supervisor wants it started anew (""),
    or until a revoked device was shown an enrolment code: that code.
    """
    load_identity(folder.path)  # the line that helps, before a wrong folder is touched
    with FolderLock(folder), GateParts.open(folder, config) as parts:
        task = asyncio.current_task()
        assert task is not None
        stopped = False
        again: str | None = None

        def stop() -> None:
            nonlocal stopped
            stopped = True
            task.cancel()

        def restart(code: str) -> None:
            nonlocal again
            again = code
            asyncio.get_running_loop().call_later(_RESTART_ANSWER_S, stop)

        running = Running(parts, config, version, restart)
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop)
        try:
            await running.run(lambda url: say(json.dumps({"event": "ready", "kiosk": url})))
        except asyncio.CancelledError:
            if not stopped:
                raise
        return again
