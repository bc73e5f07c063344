"""The rules of admission over the cross product of their factors: the matrix is the specification.

`expected` states DESIGN §4.1 a second time, as a table of predicates in order, so that a change of
order or of a condition in `shared/admission.py` shows up here.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from shared.admission import Facts, Recognition, decide, first_reason
from shared.model import (
    Credential,
    CredentialStatus,
    Direction,
    Event,
    EventStatus,
    Gate,
    Moment,
    Override,
    Participant,
    ParticipantStatus,
    Presence,
    Settings,
)
from shared.reasons import WORDS, Reason

START, END = 10_000_000_000, 10_036_000_000
MARGIN = 3_600_000
INSIDE_WINDOW, OUTSIDE_WINDOW = 299_999, 300_000


@dataclass(frozen=True)
class Case:
    recognition: Recognition
    listed: bool
    credential: CredentialStatus
    participant: ParticipantStatus
    gate_active: bool
    event: EventStatus
    time: str
    permitted: bool
    presence: str
    direction: Direction
    multiple: bool
    reentry: bool
    staff: bool

    @property
    def now_ms(self) -> int:
        return {
            "early": START - MARGIN - 1,
            "opening": START - MARGIN,
            "closing": END + MARGIN,
            "late": END + MARGIN + 1,
        }[self.time]

    def facts(self) -> Facts:
        last = {"never": None, "just": INSIDE_WINDOW, "before": OUTSIDE_WINDOW}
        presence = Presence()
        if self.presence != "never":
            where, when = self.presence.split()
            at_ms = self.now_ms - (last[when] or 0)
            inside = where == "inside"
            presence = Presence(
                inside=inside,
                last_ms=at_ms,
                last_direction=Direction.ENTRY if inside else Direction.EXIT,
                last_gate_id="g1",
                first_entry_ms=at_ms - 1,
                last_entry_ms=at_ms,
            )
        return Facts(
            event=Event(
                "e",
                "EV",
                "E",
                START,
                END,
                status=self.event,
                settings=Settings(
                    allow_multiple_checkins=self.multiple, allow_reentry_after_exit=self.reentry
                ),
            ),
            gate=Gate("g1", "G", active=self.gate_active, required_permission="vip"),
            direction=self.direction,
            now=Moment(self.now_ms),
            recognition=self.recognition,
            credential=Credential("c", "p", status=self.credential),
            participant=Participant(
                "p", self.participant, frozenset({"vip"} if self.permitted else {"attendance"})
            )
            if self.listed
            else None,
            presence=presence,
            staff_refuses=self.staff,
        )


ENTRY_ONLY: list[tuple[Reason, Callable[[Case], bool]]] = [
    (Reason.REVOKED, lambda c: c.credential is CredentialStatus.REVOKED),
    (Reason.CANCELLED, lambda c: c.participant is ParticipantStatus.CANCELLED),
    (Reason.BLOCKED, lambda c: c.participant is ParticipantStatus.BLOCKED),
    (
        Reason.GATE_CLOSED,
        lambda c: not c.gate_active or c.event not in (EventStatus.OPEN, EventStatus.LIVE),
    ),
    (Reason.TOO_EARLY, lambda c: c.time == "early"),
    (Reason.TOO_LATE, lambda c: c.time == "late"),
    (Reason.NOT_PERMITTED, lambda c: not c.permitted),
    (Reason.JUST_SCANNED, lambda c: c.presence == "inside just"),
    (
        Reason.ALREADY_INSIDE,
        lambda c: (
            (c.presence.startswith("inside") and not c.multiple)
            or (c.presence != "never" and not c.reentry)
        ),
    ),
]
ALWAYS: list[tuple[Reason, Callable[[Case], bool]]] = [
    (Reason.UNREADABLE, lambda c: c.recognition is Recognition.UNREADABLE),
    (Reason.WRONG_EVENT, lambda c: c.recognition is Recognition.WRONG_EVENT),
    (Reason.FORGED, lambda c: c.recognition is Recognition.FORGED),
    (Reason.UNKNOWN, lambda c: c.recognition is Recognition.UNKNOWN or not c.listed),
]
STAFF: list[tuple[Reason, Callable[[Case], bool]]] = [
    (Reason.STAFF_REFUSED, lambda c: c.staff),
]


def expected(case: Case) -> Reason:
    entry = ENTRY_ONLY if case.direction is Direction.ENTRY else []
    rules = ALWAYS + entry + STAFF
    return next((reason for reason, applies in rules if applies(case)), Reason.OK)


def every_case() -> Iterator[tuple[object, ...]]:
    return itertools.product(
        Recognition,
        (True, False),
        CredentialStatus,
        ParticipantStatus,
        (True, False),
        EventStatus,
        ("early", "opening", "closing", "late"),
        (True, False),
        ("never", "inside just", "inside before", "outside just", "outside before"),
        Direction,
        (True, False),
        (True, False),
        (False, True),
    )


def test_p4_every_combination_of_factors_gives_the_first_reason_in_order() -> None:
    seen: set[Reason] = set()
    for factors in every_case():
        case = Case(*factors)  # type: ignore[arg-type]  # the product's order is the fields' order
        reason = first_reason(case.facts())
        assert reason is expected(case), case
        seen.add(reason)
    assert seen == set(Reason)


def test_p11_every_reason_has_words_in_both_languages() -> None:
    assert set(WORDS) == set(Reason)
    assert all(words.en and words.ko for words in WORDS.values())


def test_reasons_stand_in_order_of_precedence() -> None:
    assert [int(r) for r in Reason] == sorted(int(r) for r in Reason)


def facts_now(now: Moment, **changes: object) -> Facts:
    base: dict[str, object] = {
        "event": Event("e", "EV", "E", START, END),
        "gate": Gate("g1", "G"),
        "direction": Direction.ENTRY,
        "now": now,
        "credential": Credential("c", "p"),
        "participant": Participant("p"),
    }
    return Facts(**{**base, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at_ms", "error_ms", "reason"),
    [
        (START - MARGIN - 500, 500, Reason.OK),
        (START - MARGIN - 501, 500, Reason.TOO_EARLY),
        (END + MARGIN + 500, 500, Reason.OK),
        (END + MARGIN + 501, 500, Reason.TOO_LATE),
    ],
)
def test_p8_windows_are_judged_in_the_visitors_favour(
    at_ms: int, error_ms: int, reason: Reason
) -> None:
    assert first_reason(facts_now(Moment(at_ms, error_ms))) is reason


@pytest.mark.parametrize(
    ("window", "reason"),
    [
        ((START + 1, None), Reason.TOO_EARLY),
        ((START, None), Reason.OK),
        ((None, START), Reason.OK),
        ((None, START - 1), Reason.TOO_LATE),
    ],
)
def test_a_credentials_own_window_has_no_margin(
    window: tuple[int | None, int | None], reason: Reason
) -> None:
    ticket = Credential("c", "p", valid_from_ms=window[0], valid_until_ms=window[1])
    assert first_reason(facts_now(Moment(START), credential=ticket)) is reason


def test_both_clocks_errors_count_in_the_duplicate_window() -> None:
    last = Presence(False, START, 100, Direction.ENTRY, "g1", START, START)
    assert first_reason(facts_now(Moment(START + 299_799, 100), presence=last)) is (
        Reason.JUST_SCANNED
    )
    assert first_reason(facts_now(Moment(START + 299_800, 100), presence=last)) is Reason.OK


@pytest.mark.parametrize(
    "reason_facts", [{"participant": None}, {"gate": Gate("g", "G", active=False)}]
)
def test_p11_an_override_admits_and_keeps_the_reason_it_overrode(
    reason_facts: dict[str, object],
) -> None:
    refused = decide(facts_now(Moment(START), **reason_facts))
    word = Override("kim", "known to me")
    admitted = decide(facts_now(Moment(START), override=word, **reason_facts))
    assert not refused.admitted
    assert admitted.admitted
    assert admitted.reason is refused.reason
    assert admitted.override == word
