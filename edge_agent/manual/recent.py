"""What this gate decided lately, so that a supervisor sees why someone was refused. In memory."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from edge_agent.ports import Outcome
from shared.model import Presence
from shared.reasons import WORDS, Reason
from shared.wire import format_time, parse_time

RECENT_MAX = 200
PEOPLE_REMEMBERED_MAX = 20_000  # some 3 MB
_SPARE_MS = 2_000  # a scan's time may be sealed a little later than it was first told


class Passage(NamedTuple):
    """A person's last admission by this gate."""

    scan_id: str | None
    at_ms: int
    direction: str
    method: str


@dataclass(slots=True)
class Recent:
    """Newest last. `gate_name` tells a gate's name by its id."""

    gate_name: Callable[[str | None], str | None]
    _items: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=RECENT_MAX))
    _passages: dict[str, Passage] = field(default_factory=dict)  # oldest first

    def add(self, outcome: Outcome) -> None:
        decision = outcome.decision
        person = outcome.participant_id
        self._items.append(
            _item(
                scan_id=outcome.scan_id,
                at=format_time(outcome.moment.at_ms),
                admitted=decision.admitted,
                reason=decision.reason,
                method=outcome.method,
                direction=str(outcome.direction),
                person=(person, outcome.masked_name),
                text=None if outcome.override is None else outcome.override.text,
                earlier=self.earlier(person, outcome.presence),
            )
        )
        if decision.admitted:
            passage = Passage(
                outcome.scan_id, outcome.moment.at_ms, str(outcome.direction), str(outcome.method)
            )
            self._remember(person, passage)

    def add_body(self, body: dict[str, Any], at_ms: int, name: str | None) -> None:
        """A scan read back from the journal at start, oldest first."""
        if body["admitted"]:
            at = parse_time(body["occurredAt"]) if "occurredAt" in body else at_ms
            passage = Passage(body["scanId"], at, body["direction"], body["method"])
            self._remember(body.get("participantId"), passage)
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

    def _remember(self, person: str | None, passage: Passage) -> None:
        if person is None:
            return
        self._passages.pop(person, None)
        self._passages[person] = passage
        if len(self._passages) > PEOPLE_REMEMBERED_MAX:
            del self._passages[next(iter(self._passages))]

    def undone(self, scan_id: str) -> None:
        for item in self._items:
            if item["scanId"] == scan_id:
                item["undone"] = True
        for person in [p for p, one in self._passages.items() if one.scan_id == scan_id]:
            del self._passages[person]

    def newest(self, limit: int) -> list[dict[str, Any]]:
        return list(reversed(self._items))[:limit]

    def last_refusal(self, participant_id: str) -> dict[str, Any] | None:
        """The person's last refusal at this gate."""
        of_theirs = (one for one in reversed(self._items) if one["participantId"] == participant_id)
        return next((one for one in of_theirs if not one["admitted"]), None)

    def earlier(self, person: str | None, presence: Presence) -> dict[str, Any] | None:
        """When and where the person passed before, and how, where this gate saw it."""
        if presence.last_ms is None:
            return None
        direction = presence.last_direction
        return {
            "at": format_time(presence.last_ms),
            "gateId": presence.last_gate_id,
            "gateName": self.gate_name(presence.last_gate_id),
            "direction": None if direction is None else str(direction),
            "method": self.method_of(person, presence),
        }

    def method_of(self, person: str | None, presence: Presence) -> str | None:
        """How the person last passed; None where another gate saw it, or this one long ago: the
        list tells gates when and where, not how.
        """
        passage = self._passages.get(person or "")
        if passage is None or presence.last_ms is None:
            return None
        apart_ms = abs(passage.at_ms - presence.last_ms)
        same = apart_ms <= presence.last_error_ms + _SPARE_MS
        return passage.method if same and passage.direction == presence.last_direction else None


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
