"""Joins what a supervisor's desk is made of (issue 5); `bootstrap` asks for its routes."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from edge_agent import system_clock
from edge_agent.identity import b64_decode
from edge_agent.kiosk.manual_web import ManualWeb
from edge_agent.kiosk.web import KioskRoute
from edge_agent.manual.desk import Desk
from edge_agent.manual.finder import Finder
from edge_agent.manual.recent import RECENT_MAX, Recent
from edge_agent.manual.sign_in import SignIn
from edge_agent.parts import GateParts
from edge_agent.ports import Outcome
from edge_agent.storage.people_search import PeopleSearch
from shared.search_wire import SearchAnswer
from shared.wire import OperatorLine

_LOOKED_BACK_MAX = 5_000  # entries
OnLane = Callable[[Callable[[], Any]], Awaitable[Any]]


class Staff:
    """`ask` looks for somebody at the server; `changed` tells the page at once."""

    def __init__(
        self,
        parts: GateParts,
        *,
        on_lane: OnLane,
        ask: Callable[[str], Awaitable[SearchAnswer]],
        wake: Callable[[], None],
        checks: Callable[[], dict[str, Any]],
        changed: Callable[[], None],
        restart: Callable[[], None],
    ) -> None:
        self._parts = parts
        self._on_lane = on_lane
        self._wake = wake
        self._lock = threading.Lock()
        self._reader = parts.replica.reader()
        self._people = PeopleSearch(parts.replica.path)
        self.recent = Recent(self._gate_name)
        self._recall()
        self.desk = Desk(
            parts.lane,
            parts.journal,
            parts.time,
            self.recent,
            on_lane=self._and_wake,
            server_key=b64_decode(parts.identity.server_key),
            settings_file=parts.folder.gate_settings,
            dim_screen=parts.backlight.set,
        )
        digest_key = parts.identity.digest_key_bytes()
        finder = Finder(self._people, digest_key, self.recent, ask, self.desk.would_say)
        self._web = ManualWeb(
            SignIn(self.operators, self._note, system_clock.monotonic_s),
            self.desk,
            finder,
            self.recent,
            operators=self._list_operators,
            checks=checks,
            changed=changed,
            restart=restart,
        )
        parts.lane.on_outcome.append(self._decided)

    def _recall(self) -> None:
        """What this gate decided before it was started, from its journal, oldest first."""
        rows = self._parts.journal.newest(_LOOKED_BACK_MAX)
        taken_back = {row.body["scanId"] for row in rows if row.body["type"] == "resolution"}
        scans = [row for row in reversed(rows) if row.body["type"] == "scan"]
        for place, row in enumerate(scans):
            person = row.body.get("participantId")
            shown = person is not None and len(scans) - place <= RECENT_MAX
            name = self._reader.by_person(person).masked_name if shown else None
            name = name or row.body.get("walkIn", {}).get("maskedName")
            self.recent.add_body(row.body, row.at_ms, name)
            if row.body["scanId"] in taken_back:
                self.recent.undone(row.body["scanId"])

    def routes(self) -> list[KioskRoute]:
        return self._web.routes()

    def close(self) -> None:
        with self._lock:
            self._reader.close()

    def operators(self) -> dict[str, OperatorLine]:
        """As the replica has them now; any thread."""
        with self._lock:
            return self._reader.reference().operators

    async def _list_operators(self) -> list[OperatorLine]:
        return list((await asyncio.to_thread(self.operators)).values())

    def _decided(self, outcome: Outcome) -> None:
        self.recent.add(outcome)

    def _gate_name(self, gate_id: str | None) -> str | None:
        return self._parts.lane.facts.gate_name(gate_id)

    async def _note(self, text: str, data: dict[str, Any]) -> None:
        await self._and_wake(lambda: self._parts.lane.note(text, data))

    async def _and_wake(self, job: Callable[[], Any]) -> Any:
        done = await self._on_lane(job)
        self._wake()
        return done
