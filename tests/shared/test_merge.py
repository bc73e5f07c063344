"""The merge: what a scan counts as depends on the set of what is known, never on deliveries."""

from dataclasses import replace
from typing import Any, Literal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.history import History, Timeline
from shared.merge import (
    Folded,
    Judgement,
    Kind,
    ResolutionFact,
    ScanFact,
    ScanKey,
    Verdict,
    fold,
    last_words,
    resolve,
    walk_on,
)
from shared.model import (
    NOWHERE,
    Credential,
    CredentialStatus,
    Direction,
    Event,
    EventStatus,
    Gate,
    Participant,
    ParticipantStatus,
    ScanKind,
    Settings,
)
from shared.reasons import Reason

START, END = 1_000_000_000, 1_036_000_000
MINUTE = 60_000
EVENT = Event("e", "EV", "E", START, END)


def history(**changes: Any) -> History:
    """Two people with a ticket each, two gates; named timelines replaced."""
    base: dict[str, Any] = {
        "event": Timeline(EVENT),
        "gates": {g: Timeline(Gate(g, g)) for g in ("g1", "g2")},
        "participants": {p: Timeline(Participant(p)) for p in ("p1", "p2")},
        "credentials": {f"c{n}": Timeline(Credential(f"c{n}", f"p{n}")) for n in (1, 2)},
        "credential_of": {"d1": "c1", "d2": "c2"},
    }
    return History(**{**base, **changes})


def scan(seq: int, minute: float, direction: str = "entry", **changes: Any) -> ScanFact:
    key = ScanKey(changes.pop("device", "dev1"), "ep", seq, changes.pop("checksum", "aa"))
    base: dict[str, Any] = {
        "scan_id": f"{key.device_id}-{seq}-{key.checksum}",
        "gate_id": "g1",
        "direction": Direction(direction),
        "occurred_ms": START + int(minute * MINUTE),
        "admitted": True,
        "reason": Reason.OK,
        "digest": "d1",
    }
    return ScanFact(key, **{**base, **changes})


def verdicts(folded: Folded) -> list[tuple[str, str | None]]:
    ordered = sorted(folded.judgements.items())
    return [(str(j.verdict), str(j.kind) if j.kind else None) for _, j in ordered]


def word(
    on: ScanFact, action: Literal["accept", "void"], at_ms: int = 1, name: str = "r"
) -> ResolutionFact:
    return ResolutionFact(name, on.scan_id, action, at_ms)


def test_p10_of_two_cut_off_gates_the_earlier_counts_and_the_other_is_a_named_conflict() -> None:
    late = scan(1, 10, device="dev1")
    early = scan(1, 9, device="dev2", gate_id="g2")
    folded = fold([late, early], [], history())
    assert folded.judgements[early.key].verdict is Verdict.CONFIRMED
    assert folded.judgements[late.key] == Judgement(
        Verdict.CONFLICT, Kind.DOUBLE_ENTRY, "p1", "c1", early.scan_id
    )
    assert folded.presences["p1"].inside
    assert folded.presences["p1"].conflict


def test_entry_exit_entry_is_confirmed_throughout() -> None:
    folded = fold([scan(1, 0), scan(2, 1, "exit"), scan(3, 2)], [], history())
    assert verdicts(folded) == [("confirmed", None)] * 3
    assert folded.presences["p1"].first_entry_ms == START


def test_a_repeated_exit_is_a_duplicate_and_an_exit_while_outside_leaves_outside() -> None:
    folded = fold([scan(1, 0, "exit"), scan(2, 1, "exit")], [], history())
    assert verdicts(folded) == [("confirmed", None), ("duplicate", None)]
    assert not folded.presences["p1"].inside


def test_where_several_check_ins_are_allowed_the_window_makes_duplicates() -> None:
    many = replace(EVENT, settings=Settings(allow_multiple_checkins=True))
    folded = fold([scan(1, 0), scan(2, 4), scan(3, 10)], [], history(event=Timeline(many)))
    assert verdicts(folded) == [("confirmed", None), ("duplicate", None), ("confirmed", None)]


def test_a_scan_is_judged_by_the_values_at_its_time() -> None:
    revoked = Credential("c1", "p1", status=CredentialStatus.REVOKED)
    known = history(
        credentials={"c1": Timeline(Credential("c1", "p1"), [(START + MINUTE, revoked)])}
    )
    before, after = scan(1, 0.5), scan(2, 1)
    assert verdicts(fold([before], [], known)) == [("confirmed", None)]
    assert verdicts(fold([after], [], known)) == [("conflict", "revoked")]
    assert fold([after], [], known).presences["p1"].inside  # the person did walk in


def test_a_change_within_the_scans_error_counts_in_the_visitors_favour() -> None:
    blocked = Participant("p1", ParticipantStatus.BLOCKED)
    known = history(participants={"p1": Timeline(Participant("p1"), [(START, blocked)])})
    assert verdicts(fold([scan(1, 0.01, time_error_ms=599)], [], known)) == [
        ("conflict", "blocked")
    ]
    assert verdicts(fold([scan(1, 0.01, time_error_ms=601)], [], known)) == [("confirmed", None)]


def test_each_rule_broken_while_cut_off_has_its_conflict() -> None:
    closed = Timeline(Gate("g1", "g1", active=False))
    vip = Timeline(Gate("g1", "g1", required_permission="vip"))
    draft = Timeline(replace(EVENT, status=EventStatus.DRAFT))
    cases = [
        (history(gates={"g1": closed}), scan(1, 0), "gate_closed"),
        (history(gates={"g1": vip}), scan(1, 0), "not_permitted"),
        (history(event=draft), scan(1, 0), "gate_closed"),
        (history(), scan(1, -61), "outside_period"),
        (history(), scan(1, 0, digest="nobody"), "unknown_participant"),
        (
            history(participants={"p1": Timeline(Participant("p1", ParticipantStatus.CANCELLED))}),
            scan(1, 0),
            "cancelled",
        ),
    ]
    for known, fact, kind in cases:
        assert verdicts(fold([fact], [], known)) == [("conflict", kind)], kind


def test_an_override_is_confirmed_unless_a_graver_reason_is_found() -> None:
    again = scan(2, 1, reason=Reason.JUST_SCANNED, overridden=True)
    assert verdicts(fold([scan(1, 0), again], [], history()))[1] == ("confirmed", "override")
    blocked = history(participants={"p1": Timeline(Participant("p1", ParticipantStatus.BLOCKED))})
    assert verdicts(fold([again], [], blocked)) == [("conflict", "blocked")]
    walk_in = scan(1, 0, digest=None, kind=ScanKind.WALK_IN, reason=Reason.UNKNOWN, overridden=True)
    assert verdicts(fold([walk_in], [], history())) == [("confirmed", "override")]


def test_void_takes_a_scan_out_of_the_walk_and_accept_confirms_it() -> None:
    first, second = scan(1, 0), scan(2, 10)
    voided = fold([first, second], [word(first, "void")], history())
    assert verdicts(voided) == [("voided", None), ("confirmed", None)]
    accepted = fold([first, second], [word(second, "accept")], history())
    assert verdicts(accepted)[1] == ("confirmed", "double_entry")
    both = [word(first, "void", 1), word(first, "accept", 2, "r2")]
    assert verdicts(fold([first, second], both, history()))[0] == ("confirmed", None)


def test_a_refusal_never_counts_and_moves_nobody() -> None:
    folded = fold([scan(1, 0, admitted=False, reason=Reason.REVOKED)], [], history())
    assert verdicts(folded) == [("refused", None)]
    assert folded.presences["p1"].last_ms is None


def test_p2_two_contents_under_one_sequence_are_both_kept() -> None:
    one, other = scan(1, 0, checksum="aa"), scan(1, 10, checksum="bb")
    assert len(fold([one, other], [], history()).judgements) == 2


def test_a_quarantined_devices_scans_move_nobody_until_accepted() -> None:
    fact = scan(1, 0)
    held = fold([fact], [], history(quarantined_devices=frozenset({"dev1"})))
    assert verdicts(held) == [("refused", "quarantined")]
    assert not held.presences["p1"].inside


# --- Properties ----------------------------------------------------------------------------------

facts = st.builds(
    scan,
    seq=st.integers(1, 6),
    minute=st.integers(-2, 20).map(lambda half: half / 2),
    direction=st.sampled_from(["entry", "exit"]),
    device=st.sampled_from(["dev1", "dev2"]),
    checksum=st.sampled_from(["aa", "bb"]),
    gate_id=st.sampled_from(["g1", "g2"]),
    digest=st.sampled_from(["d1", "d1", "d2", "dx"]),
    admitted=st.sampled_from([True, True, True, False]),
    time_error_ms=st.sampled_from([0, 40_000]),
    overridden=st.booleans(),
    reason=st.sampled_from([Reason.OK, Reason.JUST_SCANNED, Reason.REVOKED]),
)
scan_sets = st.lists(facts, max_size=9, unique_by=lambda fact: fact.key)
words = st.lists(
    st.tuples(st.integers(0, 8), st.sampled_from(["accept", "void"]), st.integers(0, 3)),
    max_size=4,
)
participant_changes = st.lists(
    st.tuples(
        st.integers(0, 10).map(lambda minute: START + minute * MINUTE),
        st.sampled_from(list(ParticipantStatus)),
    ),
    max_size=3,
    unique_by=lambda change: change[0],
)


def known_with(changes: list[tuple[int, ParticipantStatus]]) -> History:
    person = Timeline(Participant("p1"), [(at, Participant("p1", s)) for at, s in changes])
    return history(participants={"p1": person, "p2": Timeline(Participant("p2"))})


@settings(max_examples=150, deadline=None)
@given(scan_sets, words, participant_changes, st.randoms(use_true_random=False))
def test_p3_permuted_duplicated_and_split_deliveries_fold_alike(
    scans: list[ScanFact],
    said: list[tuple[int, Any, int]],
    changes: list[tuple[int, ParticipantStatus]],
    random: Any,
) -> None:
    resolutions = [
        word(scans[n % len(scans)], action, at_ms, f"r{i}")
        for i, (n, action, at_ms) in enumerate(said)
        if scans
    ]
    once = fold(scans, resolutions, known_with(changes))

    again, words_again, changes_again = scans * 2, resolutions * 2, list(changes)
    random.shuffle(again)
    random.shuffle(words_again)
    random.shuffle(changes_again)
    assert fold(again, words_again, known_with(changes_again)) == once

    # Split: whoever is folded alone comes out as in the whole.
    for digest, person in (("d1", "p1"), ("d2", "p2")):
        alone = fold([s for s in scans if s.digest == digest], resolutions, known_with(changes))
        for key, judgement in alone.judgements.items():
            assert once.judgements[key] == judgement
        assert alone.presences.get(person) == once.presences.get(person)


@settings(max_examples=100, deadline=None)
@given(scan_sets)
def test_p10_nobody_counts_twice_while_inside(scans: list[ScanFact]) -> None:
    folded = fold(scans, [], history())
    for person in ("p1", "p2"):
        inside = False
        mine = [s for s in scans if folded.judgements[s.key].participant_id == person]
        for fact in sorted(mine, key=lambda s: s.order):
            judged = folded.judgements[fact.key]
            entering = fact.direction is Direction.ENTRY
            if not fact.admitted:
                continue
            if inside and entering and judged.kind is not Kind.OVERRIDE:
                assert judged.verdict is not Verdict.CONFIRMED
            inside = entering


@settings(max_examples=150, deadline=None)
@given(scan_sets, words, participant_changes, st.integers(0, 12))
def test_p3_a_walk_taken_up_again_ends_as_one_made_at_once(
    scans: list[ScanFact],
    said: list[tuple[int, Any, int]],
    changes: list[tuple[int, ParticipantStatus]],
    cut: int,
) -> None:
    resolutions = [
        word(scans[n % len(scans)], action, at_ms, f"r{i}")
        for i, (n, action, at_ms) in enumerate(said)
        if scans
    ]
    known = known_with(changes)
    ordered = sorted(
        ((s, resolve(s, known)[1]) for s in {s.key: s for s in scans}.values()),
        key=lambda pair: pair[0].order,
    )
    mine = [pair for pair in ordered if resolve(pair[0], known)[0] == "p1"]
    whole = fold([scan for scan, _ in mine], resolutions, known)
    if not mine:
        return
    spoken = last_words(resolutions)
    first, place = walk_on(NOWHERE, None, "p1", mine[:cut], spoken, known)
    moved_it = [
        scan.scan_id
        for scan, _ in mine[:cut]
        if scan.admitted and first[scan.key].verdict not in {Verdict.REFUSED, Verdict.VOIDED}
    ]
    last = moved_it[-1] if moved_it else None
    unflagged = msgspec.structs.replace(place, conflict=False)
    second, after = walk_on(unflagged, last, "p1", mine[cut:], spoken, known)
    assert {**first, **second} == whole.judgements
    conflict = place.conflict or after.conflict
    assert msgspec.structs.replace(after, conflict=conflict) == whole.presences["p1"]
