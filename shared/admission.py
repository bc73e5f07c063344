"""The rules of admission: `decide(facts) -> Decision` (DESIGN §4.1).

The one place where Gatesync says who may pass. It serves the gate's lane, the server's partner
calls, the merge and the simulation, and does not know which of them asks. Read it as policy: the
questions stand in order of precedence, and the first that applies is the answer.
"""

from enum import Enum

import msgspec

from shared.model import (
    ADMITTING,
    NOWHERE,
    Credential,
    CredentialStatus,
    Decision,
    Direction,
    Event,
    Gate,
    Moment,
    Override,
    Participant,
    ParticipantStatus,
    Presence,
)
from shared.reasons import Reason


class Recognition(Enum):
    """What became of the thing presented, before any rule about persons is asked."""

    FOUND = "found"
    UNREADABLE = "unreadable"
    WRONG_EVENT = "wrong_event"
    FORGED = "forged"
    UNKNOWN = "unknown"


_UNRECOGNISED = {
    Recognition.UNREADABLE: Reason.UNREADABLE,
    Recognition.WRONG_EVENT: Reason.WRONG_EVENT,
    Recognition.FORGED: Reason.FORGED,
    Recognition.UNKNOWN: Reason.UNKNOWN,
}


class Facts(msgspec.Struct, frozen=True):
    """All that a decision reads. `now` is one moment for the whole decision.

    `credential` is None where a person was picked by hand. `override` turns a refusal into an
    admission; `staff_refuses` is a supervisor's refusal by hand.
    """

    event: Event
    gate: Gate
    direction: Direction
    now: Moment
    recognition: Recognition = Recognition.FOUND
    credential: Credential | None = None
    participant: Participant | None = None
    presence: Presence = NOWHERE
    override: Override | None = None
    staff_refuses: bool = False


def decide(facts: Facts) -> Decision:
    """Admit or refuse, with the first reason that applies; an override admits and keeps it."""
    reason = first_reason(facts)
    if reason is Reason.OK:
        return Decision(admitted=True, reason=reason, override=facts.override)
    if facts.override is not None:
        return Decision(admitted=True, reason=reason, override=facts.override)
    return Decision(admitted=False, reason=reason)


def first_reason(facts: Facts) -> Reason:
    """The first reason of DESIGN §4.1 that applies to these facts, without any override."""
    if facts.recognition is not Recognition.FOUND:
        return _UNRECOGNISED[facts.recognition]
    if facts.participant is None:
        return Reason.UNKNOWN  # a credential whose owner is not on the list stands for nobody
    # Exits are refused for nothing below: nobody is locked in.
    if facts.direction is Direction.EXIT:
        return Reason.STAFF_REFUSED if facts.staff_refuses else Reason.OK
    return _entry_reason(facts, facts.participant)


def forgiven(facts: Facts) -> Reason | None:
    """The reason that only the clock's error set aside: with an exact clock it would have applied.

    None where the error made no difference. Windows are judged in the visitor's favour, and what
    was decided says so (DESIGN §4.1).
    """
    if facts.now.error_ms == 0:
        return None
    exact = first_reason(msgspec.structs.replace(facts, now=Moment(facts.now.at_ms)))
    if exact not in _OF_WINDOWS or exact is first_reason(facts):
        return None
    return exact


_OF_WINDOWS = frozenset({Reason.TOO_EARLY, Reason.TOO_LATE, Reason.JUST_SCANNED})


def _entry_reason(facts: Facts, participant: Participant) -> Reason:
    credential, now = facts.credential, facts.now
    if credential is not None and credential.status is CredentialStatus.REVOKED:
        return Reason.REVOKED
    if participant.status is ParticipantStatus.CANCELLED:
        return Reason.CANCELLED
    if participant.status is ParticipantStatus.BLOCKED:
        return Reason.BLOCKED
    if not facts.gate.active or facts.event.status not in ADMITTING:
        return Reason.GATE_CLOSED
    if _before_any_opening(facts.event, credential, now):
        return Reason.TOO_EARLY
    if _after_any_closing(facts.event, credential, now):
        return Reason.TOO_LATE
    required = facts.gate.required_permission
    if required is not None and required not in participant.permissions:
        return Reason.NOT_PERMITTED
    if just_scanned(facts):
        return Reason.JUST_SCANNED
    if already_inside(facts):
        return Reason.ALREADY_INSIDE
    if facts.staff_refuses:
        return Reason.STAFF_REFUSED
    return Reason.OK


def _before_any_opening(event: Event, credential: Credential | None, now: Moment) -> bool:
    latest_ms = now.at_ms + now.error_ms  # in the visitor's favour
    if latest_ms < event.opens_ms:
        return True
    return (
        credential is not None
        and credential.valid_from_ms is not None
        and latest_ms < credential.valid_from_ms
    )


def _after_any_closing(event: Event, credential: Credential | None, now: Moment) -> bool:
    earliest_ms = now.at_ms - now.error_ms  # in the visitor's favour
    if earliest_ms > event.closes_ms:
        return True
    return (
        credential is not None
        and credential.valid_until_ms is not None
        and earliest_ms > credential.valid_until_ms
    )


def just_scanned(facts: Facts) -> bool:
    """The participant's last scan was here, in this direction, less than the window ago."""
    last = facts.presence
    if last.last_ms is None or last.last_gate_id != facts.gate.gate_id:
        return False
    if last.last_direction is not facts.direction:
        return False
    # The longest time that may have passed, given what both clocks may be off: visitor's favour.
    elapsed_ms = facts.now.at_ms - last.last_ms + facts.now.error_ms + last.last_error_ms
    return elapsed_ms < facts.event.settings.duplicate_window_s * 1_000


def already_inside(facts: Facts) -> bool:
    """Inside without an exit where one check-in is allowed; or back where nobody may come back."""
    settings = facts.event.settings
    if facts.presence.inside and not settings.allow_multiple_checkins:
        return True
    return facts.presence.first_entry_ms is not None and not settings.allow_reentry_after_exit
