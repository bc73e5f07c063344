"""What this gate decided lately, so that a supervisor sees why someone was refused. In memory."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edge_agent.ports import Outcome
from shared.model import Presence
from shared.reasons import WORDS, Reason
from shared.wire import format_time, parse_time

RECENT_MAX = 200


@dataclass(slots=True)
class Recent:
    """Newest last. `gate_name` tells a gate's name by its id."""

    gate_name: Callable[[str | None], str | None]
    _items: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=RECENT_MAX))

    def add(self, outcome: Outcome) -> None:
        decision = outcome.decision
        self._items.append(
            _item(
                scan_id=outcome.scan_id,
                at=format_time(outcome.moment.at_ms),
                admitted=decision.admitted,
                reason=decision.reason,
                method=outcome.method,
                direction=str(outcome.direction),
                person=(outcome.participant_id, outcome.masked_name),
                text=None if outcome.override is None else outcome.override.text,
                earlier=self.earlier(outcome.presence),
            )
        )

    def add_body(self, body: dict[str, Any], at_ms: int, name: str | None) -> None:
        """A scan read back from the journal at start."""
        self._items.append(
            _item(
                scan_id=body["scanId"],
                at=body.get("occurredAt", format_time(at_ms)),
                admitted=body["admitted"],
                reason=Reason.from_label(body["reason"]),
                method=body["method"],
                direction=body["direction"],
                person=(body.get("participantId"), name),
                text=body.get("override", {}).get("text"),
                earlier=None,
            )
        )

    def undone(self, scan_id: str) -> None:
        for item in self._items:
            if item["scanId"] == scan_id:
                item["undone"] = True

    def newest(self, limit: int) -> list[dict[str, Any]]:
        return list(reversed(self._items))[:limit]

    def of(self, participant_id: str, *, admitted: bool) -> dict[str, Any] | None:
        """The person's last decision of this kind at this gate."""
        for item in reversed(self._items):
            if item["participantId"] == participant_id and item["admitted"] is admitted:
                return item if not item["undone"] else None
        return None

    def earlier(self, presence: Presence) -> dict[str, Any] | None:
        """When and where the person passed before; how, where this gate saw it."""
        if presence.last_ms is None:
            return None
        at = format_time(presence.last_ms)
        direction = presence.last_direction
        return {
            "at": at,
            "gateId": presence.last_gate_id,
            "gateName": self.gate_name(presence.last_gate_id),
            "direction": None if direction is None else str(direction),
            "method": self._method_at(presence.last_ms),
        }

    def _method_at(self, at_ms: int) -> str | None:
        for item in reversed(self._items):
            if item["admitted"] and abs(parse_time(item["at"]) - at_ms) <= 1:
                return str(item["method"])
        return None


def _item(
    *,
    scan_id: str | None,
    at: str,
    admitted: bool,
    reason: Reason,
    method: str,
    direction: str,
    person: tuple[str | None, str | None],
    text: str | None,
    earlier: dict[str, Any] | None,
) -> dict[str, Any]:
    return {
        "scanId": scan_id,
        "at": at,
        "admitted": admitted,
        "reason": reason.label,
        "message": WORDS[reason].as_json(),
        "method": str(method),
        "direction": direction,
        "participantId": person[0],
        "maskedName": person[1],
        "text": text,
        "earlier": earlier,
        "undone": False,
    }
