"""Merging: `fold(scans, resolutions, history)` (DESIGN §4.2).

What each scan counts as, and where each participant is, as a function of the *set* of scans,
resolutions and dated changes: order, number and batching of deliveries do not matter (P3).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple

import msgspec

from shared.admission import Facts, first_reason
from shared.history import History, Timeline
from shared.model import (
    NOWHERE,
    Credential,
    Direction,
    Gate,
    Moment,
    Participant,
    Presence,
    ScanKind,
)
from shared.reasons import Reason


class Verdict(StrEnum):
    CONFIRMED = "confirmed"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REFUSED = "refused"
    VOIDED = "voided"


class Kind(StrEnum):
    """What a verdict is about: the conflict's name, or that a supervisor decided."""

    DOUBLE_ENTRY = "double_entry"
    REVOKED = "revoked"
    CANCELLED = "cancelled"
    BLOCKED = "blocked"
    OUTSIDE_PERIOD = "outside_period"
    GATE_CLOSED = "gate_closed"
    NOT_PERMITTED = "not_permitted"
    UNKNOWN_PARTICIPANT = "unknown_participant"
    OVERRIDE = "override"
    QUARANTINED = "quarantined"


KIND_OF_REASON: dict[Reason, Kind] = {
    Reason.UNREADABLE: Kind.UNKNOWN_PARTICIPANT,
    Reason.WRONG_EVENT: Kind.UNKNOWN_PARTICIPANT,
    Reason.FORGED: Kind.UNKNOWN_PARTICIPANT,
    Reason.UNKNOWN: Kind.UNKNOWN_PARTICIPANT,
    Reason.REVOKED: Kind.REVOKED,
    Reason.CANCELLED: Kind.CANCELLED,
    Reason.BLOCKED: Kind.BLOCKED,
    Reason.GATE_CLOSED: Kind.GATE_CLOSED,
    Reason.TOO_EARLY: Kind.OUTSIDE_PERIOD,
    Reason.TOO_LATE: Kind.OUTSIDE_PERIOD,
    Reason.NOT_PERMITTED: Kind.NOT_PERMITTED,
    Reason.JUST_SCANNED: Kind.DOUBLE_ENTRY,
    Reason.ALREADY_INSIDE: Kind.DOUBLE_ENTRY,
}


class ScanKey(NamedTuple):
    """A scan's identity; two contents under one sequence are two scans."""

    device_id: str
    epoch: str
    seq: int
    checksum: str


class ScanFact(msgspec.Struct, frozen=True):
    """What the merge reads of a scan. Times and errors in milliseconds."""

    key: ScanKey
    scan_id: str
    gate_id: str
    direction: Direction
    occurred_ms: int
    admitted: bool
    reason: Reason
    kind: ScanKind = ScanKind.TICKET
    time_error_ms: int = 0
    decided_error_ms: int = 0
    overridden: bool = False
    quarantined: bool = False  # came from a revoked device, and no operator has accepted it
    digest: str | None = None
    credential_id: str | None = None
    participant_id: str | None = None

    @property
    def error_ms(self) -> int:
        return max(self.time_error_ms, self.decided_error_ms)

    @property
    def order(self) -> tuple[int, ScanKey]:
        return (self.occurred_ms, self.key)


@dataclass(frozen=True, slots=True)
class ResolutionFact:
    """A supervisor's later word on a scan; of several the last by (at, id) holds."""

    resolution_id: str
    scan_id: str
    action: Literal["accept", "void"]
    at_ms: int


class Judgement(msgspec.Struct, frozen=True):
    """A scan's verdict; `against` is the scan that a double entry or duplicate repeats."""

    verdict: Verdict
    kind: Kind | None = None
    participant_id: str | None = None
    credential_id: str | None = None
    against: str | None = None


@dataclass(frozen=True, slots=True)
class Folded:
    judgements: Mapping[ScanKey, Judgement]
    presences: Mapping[str, Presence]


@dataclass(slots=True)
class _Walk:
    """One participant's state while the scans are walked in order."""

    presence: Presence = NOWHERE
    last_scan_id: str | None = None
    judgements: dict[ScanKey, Judgement] = field(default_factory=dict)


def fold(
    scans: Iterable[ScanFact], resolutions: Iterable[ResolutionFact], history: History
) -> Folded:
    """Judge every scan and say where every participant named by one is."""
    last_word = last_words(resolutions)
    by_person: dict[str | None, dict[ScanKey, tuple[ScanFact, str | None]]] = defaultdict(dict)
    for scan in scans:
        participant_id, credential_id = resolve(scan, history)
        by_person[participant_id][scan.key] = (scan, credential_id)
    judgements: dict[ScanKey, Judgement] = {}
    presences: dict[str, Presence] = {}
    for participant_id, found in by_person.items():
        ordered = sorted(found.values(), key=lambda pair: pair[0].order)
        if participant_id is None:
            judgements |= judge_strangers(ordered, last_word, history)
            continue
        judged, presences[participant_id] = walk_on(
            NOWHERE, None, participant_id, ordered, last_word, history
        )
        judgements |= judged
    return Folded(judgements, presences)


Resolved = tuple[ScanFact, str | None]  # a scan, and the credential that it resolves to


def walk_on(
    presence: Presence,
    last_scan_id: str | None,
    participant_id: str,
    ordered: Iterable[Resolved],
    last_word: Mapping[str, ResolutionFact],
    history: History,
) -> tuple[dict[ScanKey, Judgement], Presence]:
    """Judge a participant's scans in order, from where they stood before the first of these.

    From NOWHERE this is the whole fold. From the place that all earlier scans led to, of which
    `last_scan_id` moved it last, it is the rest of it: a test holds the two equal.
    """
    walk = _Walk(presence, last_scan_id)
    for scan, credential_id in ordered:
        _step(walk, scan, participant_id, credential_id, last_word, history)
    place = walk.presence  # a walk raises no flag by itself
    if any(found.verdict is Verdict.CONFLICT for found in walk.judgements.values()):
        place = msgspec.structs.replace(place, conflict=True)
    return walk.judgements, place


def judge_strangers(
    scans: Iterable[Resolved], last_word: Mapping[str, ResolutionFact], history: History
) -> dict[ScanKey, Judgement]:
    """Scans of nobody: each alone, for strangers share no presence."""
    judgements: dict[ScanKey, Judgement] = {}
    for scan, credential_id in scans:
        alone = _Walk()
        _step(alone, scan, None, credential_id, last_word, history)
        judgements |= alone.judgements
    return judgements


def resolve(scan: ScanFact, history: History) -> tuple[str | None, str | None]:
    """Digest → credential → participant, as known now: a row that appears later re-folds."""
    credential_id = history.credential_of.get(scan.digest) if scan.digest else None
    named = scan.credential_id
    if named is not None and scan.digest and history.digest_of.get(named) == scan.digest:
        credential_id = named  # a badge that changed hands since: it was this one's then
    if credential_id is None and scan.credential_id in history.credentials:
        credential_id = scan.credential_id
    if credential_id is not None:
        return history.credentials[credential_id].now.participant_id, credential_id
    if (
        scan.kind in (ScanKind.PERSON, ScanKind.WALK_IN)
        and scan.participant_id in history.participants
    ):
        return scan.participant_id, None
    return None, None


def moved(presence: Presence, scan: ScanFact) -> Presence:
    """Presence after a person walked through, whatever the scan counts as."""
    entering = scan.direction is Direction.ENTRY
    first = presence.first_entry_ms
    return Presence(
        inside=entering,
        last_ms=scan.occurred_ms,
        last_error_ms=scan.error_ms,
        last_direction=scan.direction,
        last_gate_id=scan.gate_id,
        first_entry_ms=scan.occurred_ms if entering and first is None else first,
        last_entry_ms=scan.occurred_ms if entering else presence.last_entry_ms,
        conflict=presence.conflict,
    )


def last_words(resolutions: Iterable[ResolutionFact]) -> dict[str, ResolutionFact]:
    last: dict[str, ResolutionFact] = {}
    for word in resolutions:
        held = last.get(word.scan_id)
        if held is None or (word.at_ms, word.resolution_id) > (held.at_ms, held.resolution_id):
            last[word.scan_id] = word
    return last


def _step(
    walk: _Walk,
    scan: ScanFact,
    participant_id: str | None,
    credential_id: str | None,
    last_word: Mapping[str, ResolutionFact],
    history: History,
) -> None:
    word = last_word.get(scan.scan_id)
    against = walk.last_scan_id
    if not scan.admitted:
        verdict, kind = Verdict.REFUSED, None
    elif scan.quarantined or scan.key.device_id in history.quarantined_devices:
        # Kept and visible, but a stolen device's word moves nobody until an operator accepts it.
        verdict, kind = Verdict.REFUSED, Kind.QUARANTINED
    elif word is not None and word.action == "void":
        verdict, kind = Verdict.VOIDED, None
    else:
        verdict, kind = _judge(scan, participant_id, credential_id, walk.presence, history)
        if word is not None:
            verdict = Verdict.CONFIRMED  # accepted; the kind stays, so that a stale word shows
        walk.presence = moved(walk.presence, scan)
        walk.last_scan_id = scan.scan_id
    repeats = verdict is Verdict.DUPLICATE or kind is Kind.DOUBLE_ENTRY
    walk.judgements[scan.key] = Judgement(
        verdict, kind, participant_id, credential_id, against if repeats else None
    )


def _judge(
    scan: ScanFact,
    participant_id: str | None,
    credential_id: str | None,
    presence: Presence,
    history: History,
) -> tuple[Verdict, Kind | None]:
    if scan.direction is Direction.EXIT:
        repeated = presence.last_direction is Direction.EXIT
        return (Verdict.DUPLICATE if repeated else Verdict.CONFIRMED), None
    reason = _reason_in_hindsight(scan, participant_id, credential_id, presence, history)
    if scan.overridden and scan.reason is not Reason.OK:
        if reason is not Reason.OK and reason < scan.reason:
            return Verdict.CONFLICT, KIND_OF_REASON[reason]
        return Verdict.CONFIRMED, Kind.OVERRIDE
    if reason is Reason.OK:
        return Verdict.CONFIRMED, None
    several_allowed = history.event.at(scan.occurred_ms).settings.allow_multiple_checkins
    if reason is Reason.JUST_SCANNED and several_allowed:
        return Verdict.DUPLICATE, None
    return Verdict.CONFLICT, KIND_OF_REASON[reason]


def _reason_in_hindsight(
    scan: ScanFact,
    participant_id: str | None,
    credential_id: str | None,
    presence: Presence,
    history: History,
) -> Reason:
    """Why the rules would have refused, with all known now; OK if at some moment within the
    scan's error they would have admitted (visitor's favour).
    """
    gate = history.gates.get(scan.gate_id)
    participant = history.participants.get(participant_id) if participant_id else None
    credential = history.credentials.get(credential_id) if credential_id else None
    if gate is None or participant is None:
        return Reason.UNKNOWN

    def reason_at(value_ms: int) -> Reason:
        return first_reason(
            Facts(
                event=history.event.at(value_ms),
                gate=gate.at(value_ms),
                direction=scan.direction,
                now=Moment(scan.occurred_ms, scan.error_ms),
                credential=credential.at(value_ms) if credential else None,
                participant=participant.at(value_ms),
                presence=presence,
            )
        )

    stated = reason_at(scan.occurred_ms)
    if stated is Reason.OK or scan.error_ms == 0:
        return stated
    for moment_ms in _moments_within_error(scan, gate, participant, credential, history):
        if reason_at(moment_ms) is Reason.OK:
            return Reason.OK
    return stated


def _moments_within_error(
    scan: ScanFact,
    gate: Timeline[Gate],
    participant: Timeline[Participant],
    credential: Timeline[Credential] | None,
    history: History,
) -> list[int]:
    """The moments at which anything the rules read had another value, within ± the error."""
    from_ms, until_ms = scan.occurred_ms - scan.error_ms, scan.occurred_ms + scan.error_ms
    moments = {from_ms}
    moments.update(history.event.changes_between(from_ms, until_ms))
    moments.update(gate.changes_between(from_ms, until_ms))
    moments.update(participant.changes_between(from_ms, until_ms))
    if credential is not None:
        moments.update(credential.changes_between(from_ms, until_ms))
    return sorted(moments)
