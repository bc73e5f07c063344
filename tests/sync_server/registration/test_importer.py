"""Lists into the database."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared import credentials
from shared.model import EventStatus
from sync_server.registration.event_store import change_event
from sync_server.registration.tickets import issue_ticket, tickets_of
from tests.sync_server.registration.deployments import (
    EVENT,
    NOW_MS,
    codes,
    counts,
    deployment,
    everything,
    import_text,
    people,
)

LIST = """id,name,email,phone,group,status
P1,홍길동,hong@example.com,010-1234-5678,a,
P2,John Doe,john@example.com,,b,blocked
,Ann Lee,ann@example.com,,,
"""


@pytest.fixture
def made(tmp_path: Path):
    with deployment(tmp_path / "data") as found:
        yield found


def test_good_rows_are_kept_when_others_fail(made) -> None:
    result = import_text(made, LIST + "P3,김,x,,,\nP4,Bob Li,bob@example.com,,,\n")
    assert counts(result) == (4, 0, 0, 1)
    assert codes(result) == {5: ["name_too_short", "invalid_email"]}
    assert people(made)["P1"]["phone"] == "+821012345678"
    assert people(made)["P1"]["masked_name"] == "홍*동"
    assert people(made)["P1"]["import_id"] == result["importId"]
    assert len(everything(made)["credentials"]) == 4


def test_a_missing_id_is_the_same_on_every_server(made, tmp_path: Path) -> None:
    import_text(made, LIST)
    with deployment(tmp_path / "other") as other:
        import_text(other, LIST.replace("ann@example.com", "ANN@Example.com"))
        assert set(people(other)) == set(people(made))


def test_the_same_list_twice_changes_nothing(made) -> None:
    import_text(made, LIST)
    before = everything(made)
    assert counts(import_text(made, LIST, NOW_MS + 1)) == (0, 0, 3, 0)
    assert everything(made) == before


def test_a_dry_run_answers_the_same_and_writes_nothing(made) -> None:
    import_text(made, LIST)
    text = LIST.replace("홍길동", "홍길순") + "P9,Bob Li,bob@example.com,,,\nP9,Bo Li,b@e.com,,,\n"
    before = everything(made)
    dry = import_text(made, text, dry_run=True)
    assert everything(made) == before
    real = import_text(made, text)
    assert counts(dry) == counts(real) == (1, 1, 2, 1)
    assert dry["rows"] == real["rows"]


def test_an_empty_cell_changes_nothing(made) -> None:
    import_text(made, LIST)
    result = import_text(made, "id,name,email,phone,group\nP1,,,,c\n")
    assert counts(result) == (0, 1, 0, 0)
    row = people(made)["P1"]
    assert (row["name"], row["phone"], row["group"]) == ("홍길동", "+821012345678", "c")


def test_a_new_row_needs_name_and_email(made) -> None:
    result = import_text(made, "id,name,email\nP1,,a@example.com\nP2,Ann Lee,\n,,\n,Ann Lee,\n")
    assert codes(result) == {2: ["name_too_short"], 3: ["invalid_email"], 5: ["invalid_email"]}


def test_a_whole_row_goes_before_one_without_a_name(made) -> None:
    text = "name,email,group\n,ann@example.com,b\nAnn Lee,ann@example.com,a\n"
    for expected in ((1, 0, 0, 1), (0, 0, 1, 1)):
        result = import_text(made, text)
        assert counts(result) == expected
        assert "name_too_short" in codes(result)[2]


def test_an_address_freed_by_a_later_row_is_taken_at_once(made) -> None:
    import_text(made, LIST)
    text = "id,name,email\nP8,Other Hong,hong@example.com\nP1,홍길동,new@example.com\n"
    assert counts(import_text(made, text, dry_run=True)) == (1, 1, 0, 0)
    assert counts(import_text(made, text)) == (1, 1, 0, 0)
    assert counts(import_text(made, text)) == (0, 0, 2, 0)


def test_matched_by_email_without_an_id(made) -> None:
    import_text(made, LIST)
    result = import_text(made, "name,email\n홍길순,HONG@example.com\n")
    assert counts(result) == (0, 1, 0, 0)
    assert people(made)["P1"]["name"] == "홍길순"


def test_repeated_rows_are_refused_and_the_first_good_one_is_kept(made) -> None:
    text = "id,name,email\nP1,김,one@example.com\nP1,Ann Lee,one@example.com\n"
    text += "P1,Bo Lee,two@example.com\nP2,Cy Lee,ONE@example.com\n"
    result = import_text(made, text)
    assert counts(result) == (1, 0, 0, 3)
    assert codes(result) == {
        2: ["name_too_short"], 4: ["duplicate_id"], 5: ["duplicate_email"],
    }  # fmt: skip
    assert people(made)["P1"]["name"] == "Ann Lee"


def test_an_email_under_another_id_is_refused(made) -> None:
    import_text(made, LIST)
    result = import_text(made, "id,name,email\nP7,Other Hong,hong@example.com\n")
    assert codes(result) == {2: ["duplicate_email"]}


def test_an_address_given_up_in_a_list_is_free_for_a_later_row(made) -> None:
    import_text(made, LIST)
    text = "id,name,email\nP1,홍길동,new@example.com\nP8,Other Hong,hong@example.com\n"
    assert counts(import_text(made, text, dry_run=True)) == (1, 1, 0, 0)
    assert counts(import_text(made, text)) == (1, 1, 0, 0)


def test_p4_an_import_never_lifts_blocked_unless_told_to(made) -> None:
    """P4: who is barred stays barred."""
    import_text(made, LIST)
    text = "id,name,email,status\nP2,John Doe,john@example.com,registered\n"
    assert counts(import_text(made, text)) == (0, 0, 1, 0)
    assert people(made)["P2"]["status"] == "blocked"
    assert counts(import_text(made, text, reinstate=True)) == (0, 1, 0, 0)
    assert people(made)["P2"]["status"] == "registered"


def test_a_status_change_is_dated(made) -> None:
    import_text(made, LIST)
    import_text(made, "id,name,email,status\nP1,,,취소\n", NOW_MS + 5)
    dated = everything(made)["dated_changes"]
    assert [(row["at_ms"], row["value"]["status"]) for row in dated] == [
        (None, "registered"), (NOW_MS + 5, "cancelled"),
    ]  # fmt: skip


def test_a_code_carries_a_ticket_over(made) -> None:
    letters = credentials.make_letters(bytes(10))
    text = (
        f"id,name,email,code\nP1,Ann Lee,a@example.com,{credentials.readable('TCF24', letters)}\n"
    )
    assert counts(import_text(made, text)) == (1, 0, 0, 0)
    (ticket,) = made.database.read_now(lambda conn: tickets_of(conn, made.vault))
    assert ticket.payload == f"GS:TCF24{letters}"
    assert counts(import_text(made, text)) == (0, 0, 1, 0)
    stolen = text.replace("P1", "P2").replace("a@", "b@")
    assert codes(import_text(made, stolen)) == {2: ["invalid_code"]}


@pytest.mark.parametrize(
    ("setting", "enrolled", "at_ms", "signed"),
    [
        ("late", True, EVENT.start_ms, True),
        ("late", False, EVENT.start_ms, False),
        ("late", True, NOW_MS, False),
        ("always", False, NOW_MS, True),
        ("never", True, EVENT.start_ms, False),
    ],
)
def test_tickets_are_signed_when_gates_may_not_hear_of_them(
    made, setting: str, enrolled: bool, at_ms: int, signed: bool
) -> None:
    from sync_server.identity.devices import NewDevice, create_enrolment, enrol

    def prepare(conn):
        change_event(conn, {"settings": {"signedTickets": setting}}, NOW_MS)
        if enrolled:
            create_enrolment(conn, "main-entrance", "CODE", NOW_MS)
            enrol(conn, "CODE", NewDevice("d1", "A" * 43, "d1"), NOW_MS)

    made.database.write_now(prepare)
    import_text(made, LIST, at_ms)
    tickets = made.database.read_now(lambda conn: tickets_of(conn, made.vault))
    assert all((":" in ticket.payload[3:]) is signed for ticket in tickets)
    if signed:
        code = credentials.parse(tickets[0].payload)
        public = made.keys.public
        claims = credentials.verify_claims(
            code, EVENT.event_id, {credentials.key_id(public): public}
        )
        assert claims.issued_at_s == at_ms // 1_000


def test_a_new_ticket_revokes_the_old(made) -> None:
    import_text(made, LIST)
    old = everything(made)["credentials"][0]
    made.database.write_now(
        lambda conn: issue_ticket(conn, old["participant_id"], made.vault, made.keys, NOW_MS)
    )
    rows = [
        r for r in everything(made)["credentials"] if r["participant_id"] == old["participant_id"]
    ]
    assert sorted(row["status"] for row in rows) == ["active", "revoked"]


cells = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["", "A", "B", "C"]),
        "name": st.sampled_from(["", "김", "홍길동", "Ann Lee", " Ann  Lee "]),
        "email": st.sampled_from(["", "x", "a@example.com", "B@example.com", "c@example.com"]),
        "phone": st.sampled_from(["", "1", "010-1234-5678"]),
        "status": st.sampled_from(["", "blocked", "registered", "취소", "?"]),
        "permissions": st.sampled_from(["", "vip", "attendance;vip"]),
    }
)


@given(st.lists(cells, max_size=6), st.lists(cells, max_size=6))
@settings(
    max_examples=25, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
def test_any_list_twice_changes_nothing(tmp_path_factory, first, second) -> None:
    """Whatever was there before, and whatever the list holds."""
    with deployment(tmp_path_factory.mktemp("data")) as made:
        import_text(made, as_csv(first))
        dry = import_text(made, as_csv(second), dry_run=True)
        once = import_text(made, as_csv(second))
        assert counts(dry) == counts(once)
        assert dry["rows"] == once["rows"]
        before = everything(made)
        again = import_text(made, as_csv(second), NOW_MS + 1)
        assert counts(again)[:2] == (0, 0)
        assert everything(made) == before


def as_csv(rows) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, ["id", "name", "email", "phone", "status", "permissions"])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def test_a_draft_event_takes_registrations(made) -> None:
    made.database.write_now(
        lambda conn: change_event(conn, {"status": EventStatus.DRAFT.value}, NOW_MS)
    )
    assert counts(import_text(made, LIST)) == (3, 0, 0, 0)
