"""An outcome as `decide --json`, the control socket and the kiosk's routes answer it (API §1)."""

from typing import Any

from edge_agent.ports import Outcome
from shared.model import Direction
from shared.reasons import GOODBYE, MISTYPED, WORDS, Reason, Words, clock_words
from shared.wire import format_time


def words_for(outcome: Outcome) -> Words:
    """For staff and tools, in both languages; with what the clock's error set aside."""
    words = _words_of_reason(outcome)
    if outcome.forgiven is None:
        return words
    clock = clock_words(outcome.forgiven, outcome.moment.error_ms)
    return Words(f"{words.en} {clock.en}", f"{words.ko} {clock.ko}")


def _words_of_reason(outcome: Outcome) -> Words:
    if outcome.decision.admitted:
        return GOODBYE if outcome.direction == Direction.EXIT else WORDS[Reason.OK]
    if outcome.typed and outcome.decision.reason is Reason.UNREADABLE:
        return MISTYPED
    return WORDS[outcome.decision.reason]


def as_json(outcome: Outcome) -> dict[str, Any]:
    decision = outcome.decision
    words = words_for(outcome)
    answer: dict[str, Any] = {
        "admitted": decision.admitted,
        "reason": decision.reason.label,
        "code": int(decision.reason),
        "message": words.as_json(),
        "direction": str(outcome.direction),
        "at": format_time(outcome.moment.at_ms),
        "decidedErrorMs": outcome.moment.error_ms,
    }
    optional = {
        "participantId": outcome.participant_id,
        "maskedName": outcome.masked_name,
        "scanId": outcome.scan_id,
        "epoch": outcome.epoch,
        "seq": outcome.seq,
        "withinError": None if outcome.forgiven is None else outcome.forgiven.label,
    }
    return answer | {name: value for name, value in optional.items() if value is not None}
