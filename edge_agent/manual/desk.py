"""The supervisors' desk: decide by hand, take back, close the gate. On the event loop's thread;
what writes the journal runs on the lane's.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from edge_agent import outcomes
from edge_agent.identity import b64_encode
from edge_agent.lane import Lane
from edge_agent.manual.errors import (
    NoSuchScanError,
    NotAdmittedError,
    TakenBackError,
    TooLateError,
)
from edge_agent.manual.gate_settings import GateSettings, load_settings, save_settings
from edge_agent.manual.recent import Recent
from edge_agent.manual.sign_in import Session
from edge_agent.ports import Order, Outcome
from edge_agent.storage.journal import Journal
from edge_agent.storage.journal_rows import Row
from edge_agent.timekeeper import Timekeeper
from shared import sealed_box
from shared.admission import decide
from shared.limits import UNDO_WITHIN_S
from shared.masking import mask_name
from shared.model import Direction, Moment, Override, ScanKind
from shared.reasons import WORDS
from shared.wire import format_time, parse_time

OnLane = Callable[[Callable[[], Any]], Awaitable[Any]]
BRIGHT = 100  # percent
_UNDO_LOOKS_BACK_MAX = 5_000  # entries


class Desk:
    def __init__(
        self,
        lane: Lane,
        journal: Journal,
        time: Timekeeper,
        recent: Recent,
        *,
        on_lane: OnLane,
        server_key: bytes,
        settings_file: Path,
        dim_screen: Callable[[int], bool],
    ) -> None:
        """`dim_screen(percent)` tells whether the screen's own light follows."""
        self._lane = lane
        self._journal = journal
        self._time = time
        self._recent = recent
        self._on_lane = on_lane
        self._server_key = server_key
        self._settings_file = settings_file
        self._set_by_config = lane.facts.usual_direction
        self.settings = load_settings(settings_file)
        self._dim_screen = dim_screen
        # Left alone until a supervisor has dimmed it: a laptop's own setting is its owner's.
        self._light_follows = self.settings.brightness < BRIGHT and self._dim()
        self._put_in_force()

    @property
    def page_brightness(self) -> int:
        """What is left to the page to dim."""
        return BRIGHT if self._light_follows else self.settings.brightness

    def shown_settings(self) -> dict[str, Any]:
        """With what dims: the screen's light, or the page alone."""
        dims = "screen" if self._light_follows else "page"
        return {**msgspec.to_builtins(self.settings), "dims": dims}

    def _dim(self) -> bool:
        return self._dim_screen(self.settings.brightness)

    async def decide(self, session: Session, order: Order) -> dict[str, Any]:
        """As `decide --json`. The order's override names who is signed in."""
        outcome: Outcome = await self._on_lane(lambda: self._lane.manual(order))
        answer = outcomes.as_json(outcome)
        answer["override"] = {
            "operatorId": session.operator_id,
            "text": order.override.text,
        }
        return answer

    def walk_in(self, said: dict[str, str]) -> dict[str, Any]:
        """As the scan records it: masked for people here, whole for the server alone (P9)."""
        plain = msgspec.json.encode(said)
        box = sealed_box.seal(plain, self._server_key, secrets.token_bytes(32))
        return {"maskedName": mask_name(said["name"]), "sealed": b64_encode(box)}

    def may_undo(self, item: dict[str, Any]) -> bool:
        """By the gate's best time: the page's own clock may say anything."""
        if not item["admitted"] or item["undone"] or item["scanId"] is None:
            return False
        return self._time.now()[0].at_ms - parse_time(item["at"]) <= UNDO_WITHIN_S * 1_000

    async def undo(self, scan_id: str, override: Override) -> dict[str, Any]:
        """Take an admission of this gate back, within 15 minutes, by a resolution of the journal."""
        appended = await self._on_lane(lambda: self._undo(scan_id, override))
        self._recent.undone(scan_id)
        return {"scanId": scan_id, "action": "void", "seq": appended.seq}

    def _undo(self, scan_id: str, override: Override) -> Any:
        rows = self._journal.newest(_UNDO_LOOKS_BACK_MAX)
        for row in rows:
            if row.body["type"] == "resolution" and row.body["scanId"] == scan_id:
                raise TakenBackError
        row = self._find(rows, scan_id)
        if not row.body["admitted"]:
            raise NotAdmittedError
        if self._time.now()[0].at_ms - row.at_ms > UNDO_WITHIN_S * 1_000:
            raise TooLateError
        return self._lane.resolve(scan_id, override)

    def _find(self, rows: list[Row], scan_id: str) -> Row:
        for row in rows:
            if row.body["type"] == "scan" and row.body["scanId"] == scan_id:
                return row
        raise NoSuchScanError

    async def would_say(self, ids: list[str]) -> dict[str, dict[str, Any]]:
        """For each of these people: are they inside, and what would this gate decide now?"""
        found: dict[str, dict[str, Any]] = await self._on_lane(
            lambda: {one: self._would_say(one) for one in ids}
        )
        return found

    def _would_say(self, participant_id: str) -> dict[str, Any]:
        now: Moment = self._time.now()[0]
        gathered = self._lane.facts.gather_person(participant_id, ScanKind.PERSON, None, now)
        reason = decide(gathered.facts).reason
        said: dict[str, Any] = {"wouldSay": reason.label, "message": WORDS[reason].as_json()}
        presence = gathered.facts.presence
        if gathered.facts.participant is not None:
            said["inside"] = presence.inside
        if gathered.facts.participant is not None and presence.last_ms is not None:
            said |= {
                "lastAt": format_time(presence.last_ms),
                "lastGateId": presence.last_gate_id,
                "lastDirection": presence.last_direction and str(presence.last_direction),
                "lastMethod": self._recent.method_of(participant_id, presence),
            }
        return said

    async def change(self, session: Session, changes: dict[str, Any]) -> GateSettings:
        """Close or open, hold, turn round, dim: kept, in force at once, and noted."""
        settings = msgspec.structs.replace(self.settings, **changes)
        save_settings(self._settings_file, settings)
        self.settings = settings
        self._put_in_force()
        if "brightness" in changes:
            self._light_follows = await asyncio.to_thread(self._dim)
        said = {
            name: str(value) if isinstance(value, Direction) else value
            for name, value in changes.items()
        }
        await self._on_lane(
            lambda: self._lane.note("gate_set", {"operatorId": session.operator_id, **said})
        )
        return settings

    def _put_in_force(self) -> None:
        self._lane.facts.closed = self.settings.mode != "open"
        self._lane.facts.usual_direction = self.settings.direction or self._set_by_config
