"""How somebody passed before, as far as this gate saw it (P11)."""

from edge_agent.manual import recent
from edge_agent.manual.recent import Recent
from edge_agent.ports import Outcome
from shared.model import Decision, Direction, Moment, Presence
from shared.reasons import Reason

AT = 1_763_700_000_000


def outcome(
    person: str, at_ms: int = AT, how: str = "ble_auto", *, admitted: bool = True
) -> Outcome:
    reason = Reason.OK if admitted else Reason.JUST_SCANNED
    decision = Decision(admitted, reason)
    return Outcome(
        decision,
        "entry",
        Moment(at_ms),
        person,
        "홍*동",
        f"s-{person}-{at_ms}",
        "e",
        1,
        1.0,
        method=how,
    )


def presence(
    at_ms: int = AT, gate: str = "main", direction: Direction = Direction.ENTRY
) -> Presence:
    return Presence(
        inside=True, last_ms=at_ms, last_error_ms=20, last_direction=direction, last_gate_id=gate
    )


def known() -> Recent:
    found = Recent({"main": "Main entrance"}.get)
    found.add(outcome("P1"))
    found.add(outcome("P2", how="manual"))  # at the very same moment
    return found


def test_when_where_and_how() -> None:
    found = known()
    found.add(outcome("P1", AT + 9, admitted=False))
    assert found.earlier("P1", presence(AT + 1)) == {
        "at": "2025-11-21T04:40:00.001Z",
        "gateId": "main",
        "gateName": "Main entrance",
        "direction": "entry",
        "method": "ble_auto",
    }
    assert found.method_of("P2", presence()) == "manual"


def test_what_this_gate_did_not_see_is_not_guessed() -> None:
    found = known()
    assert found.method_of("P1", presence(AT + 60_000, "north")) is None
    assert found.method_of("P1", presence(direction=Direction.EXIT)) is None
    assert found.method_of("P3", presence()) is None
    assert found.earlier("P3", Presence()) is None


def test_an_admission_taken_back_is_no_passage() -> None:
    found = known()
    found.undone(f"s-P1-{AT}")
    assert found.method_of("P1", presence()) is None


def test_p12_no_more_people_are_remembered_than_the_limit(monkeypatch) -> None:
    monkeypatch.setattr(recent, "PEOPLE_REMEMBERED_MAX", 2)
    found = known()
    found.add(outcome("P3"))
    assert [found.method_of(f"P{n}", presence()) for n in (1, 2, 3)] == [None, "manual", "ble_auto"]
