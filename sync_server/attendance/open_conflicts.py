"""What gates are told of conflicts that nobody has decided yet (P10): part of the presence row."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from shared.limits import CONFLICTS_PER_PERSON_TOLD_MAX
from shared.merge import Judgement, ScanFact, ScanKey, Verdict
from shared.wire import format_time


def told_to_gates(
    facts: Sequence[ScanFact], judgements: Mapping[ScanKey, Judgement]
) -> dict[str, list[dict[str, Any]]]:
    """Participant → conflicts as `wire.ConflictSeen`, in the order of the walk, the last few."""
    found: dict[str, list[ScanFact]] = defaultdict(list)
    for fact in facts:
        judged = judgements[fact.key]
        if judged.verdict is Verdict.CONFLICT and judged.participant_id is not None:
            found[judged.participant_id].append(fact)
    if not found:
        return {}
    # Of two scans with one id the earlier is meant, in whatever order they came (P3).
    by_id = {fact.scan_id: fact for fact in sorted(facts, key=lambda f: f.order, reverse=True)}
    return {
        person: [
            _told(fact, judgements[fact.key], by_id)
            for fact in sorted(mine, key=lambda one: one.order)[-CONFLICTS_PER_PERSON_TOLD_MAX:]
        ]
        for person, mine in found.items()
    }


def and_then(
    before: Sequence[dict[str, Any]] | None, more: Sequence[dict[str, Any]]
) -> list[dict[str, Any]] | None:
    """What is told after later conflicts came: of all the last few, or None."""
    return [*(before or ()), *more][-CONFLICTS_PER_PERSON_TOLD_MAX:] or None


def _told(fact: ScanFact, judged: Judgement, by_id: Mapping[str, ScanFact]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "kind": "conflict" if judged.kind is None else judged.kind.value,
        "scanId": fact.scan_id,
        "gateId": fact.gate_id,
        "at": format_time(fact.occurred_ms),
    }
    against = by_id.get(judged.against or "")
    if against is not None:
        told["againstGateId"] = against.gate_id
        told["againstAt"] = format_time(against.occurred_ms)
    return told
