"""A whole import undone: created are cancelled, updated are as before, touched ones are left."""

import io
from pathlib import Path

import pytest
from sqlalchemy import insert

from shared import credentials
from sync_server.registration.import_desk import ImportDesk, NotUndoableError, Request
from sync_server.registration.participants import Registrar
from sync_server.registration.tickets import tickets_of
from sync_server.storage import schema
from sync_server.storage.revisions import head
from sync_server.verify import verify
from tests.sync_server.registration.deployments import (
    NOW_MS,
    counts,
    deployment,
    everything,
    people,
)

FIRST = """id,name,email,phone,group,status
P1,홍길동,hong@example.com,010-1234-5678,a,
P2,John Doe,john@example.com,,b,
"""
SECOND = """id,name,email,phone,group,status
P1,홍길순,hong2@example.com,010-1234-5679,c,blocked
P2,John Doe,john@example.com,,b,
P3,Ann Lee,ann@example.com,,,
P4,Bob Li,hong@example.com,,,
"""


class Clock:
    def __init__(self) -> None:
        self.now = NOW_MS

    def __call__(self) -> int:
        self.now += 1
        return self.now


@pytest.fixture
def made(tmp_path: Path):
    with deployment(tmp_path / "data") as found:
        yield found


@pytest.fixture
def desk(made) -> ImportDesk:
    return ImportDesk(made.database, made.vault, made.keys, made.folder.imports, Clock())


def take(desk: ImportDesk, text: str, **options):
    return desk.run(io.BytesIO(text.encode()), Request("list.csv", **options))


def told(result) -> tuple[int, int, int]:
    return (result["cancelled"], result["restored"], result["left"])


PERSONAL = ("name", "email", "phone", "group", "status", "email_key", "find", "import_id")


def persons(made):
    return {pid: {name: row[name] for name in PERSONAL} for pid, row in people(made).items()}


def test_an_import_is_undone_as_one(made, desk) -> None:
    take(desk, FIRST)
    before = persons(made)
    second = take(desk, SECOND.replace("P4,Bob Li,hong@", "P4,Bob Li,bob@"))
    assert counts(second) == (2, 1, 1, 0)
    seen = made.database.read_now(head).revision
    assert told(desk.effect(second["importId"])) == (2, 1, 0)
    assert made.database.read_now(head).revision == seen, "a look changes nothing"
    assert told(desk.undo(second["importId"])) == (2, 1, 0)
    after = persons(made)
    assert {pid: after[pid] for pid in before} == before
    assert {after[pid]["status"] for pid in ("P3", "P4")} == {"cancelled"}
    assert {ticket.participant_id for ticket in _tickets(made)} == {"P1", "P2"}
    assert made.database.read_now(head).revision > seen, "gates are told"
    assert made.database.read_now(verify) == []


def _tickets(made):
    return made.database.read_now(lambda conn: tickets_of(conn, made.vault))


def test_undoing_again_changes_nothing(made, desk) -> None:
    import_id = take(desk, FIRST)["importId"]
    assert told(desk.undo(import_id)) == (2, 0, 0)
    before = everything(made)
    assert told(desk.undo(import_id)) == (2, 0, 0)
    assert everything(made) == before


def test_who_was_changed_or_scanned_since_is_left(made, desk) -> None:
    import_id = take(desk, FIRST + "P3,Ann Lee,ann@example.com,,,\n")["importId"]
    registrar = Registrar(made.vault, made.keys, NOW_MS + 1_000)
    made.database.write_now(lambda conn: registrar.change(conn, "P1", {"group": "z"}))
    scan = {
        "scan_id": "s1", "device_id": "d", "epoch": "e", "seq": 1, "checksum": "c",
        "kind": "person", "method": "manual", "direction": "entry", "gate_id": "main-entrance",
        "participant_id": "P2", "occurred_ms": NOW_MS, "time_error_ms": 0, "decided_error_ms": 0,
        "time_quality": "synced", "received_ms": NOW_MS, "admitted": True, "reason": 0,
        "processing_ms": 1.0, "verdict": "confirmed",
    }  # fmt: skip
    made.database.write_now(lambda conn: conn.execute(insert(schema.scans).values(scan)))
    result = desk.undo(import_id)
    assert told(result) == (1, 0, 2)
    assert {row["participantId"]: row["reason"] for row in result["rows"]} == {
        "P1": "changed", "P2": "scanned",
    }  # fmt: skip
    assert all(row["message"] and row["messageKo"] for row in result["rows"])
    assert persons(made)["P1"]["status"] == "registered"


def test_swapped_addresses_come_back(made, desk) -> None:
    take(desk, FIRST)
    before = persons(made)
    swap = "id,name,email\nP1,홍길동,john@example.com\nP2,John Doe,new@example.com\n"
    import_id = take(desk, swap)["importId"]
    assert told(desk.effect(import_id)) == (0, 2, 0)
    assert told(desk.undo(import_id)) == (0, 2, 0)
    assert persons(made) == before


def test_an_address_that_somebody_else_has_now_is_told(made, desk) -> None:
    take(desk, FIRST)
    second = take(desk, SECOND)
    assert counts(second) == (2, 1, 1, 0)
    result = desk.undo(second["importId"])
    assert told(result) == (2, 0, 1)
    assert result["rows"][0]["reason"] == "email_taken"


def test_a_mended_list_registers_them_anew(made, desk) -> None:
    desk.undo(take(desk, FIRST)["importId"])
    assert _tickets(made) == []
    again = take(desk, FIRST)
    assert counts(again) == (2, 0, 0, 0)
    assert {ticket.participant_id for ticket in _tickets(made)} == {"P1", "P2"}
    assert counts(take(desk, FIRST)) == (0, 0, 2, 0)
    assert told(desk.undo(again["importId"])) == (2, 0, 0)


def test_a_person_whom_an_operator_cancelled_stays_cancelled(made, desk) -> None:
    take(desk, FIRST)
    registrar = Registrar(made.vault, made.keys, NOW_MS + 1_000)
    made.database.write_now(lambda conn: registrar.cancel(conn, "P1"))
    take(desk, FIRST)
    assert persons(made)["P1"]["status"] == "cancelled"


def test_codes_that_are_out_are_good_again(made, desk) -> None:
    letters = credentials.make_letters(bytes(10))
    text = f"id,name,email,code\nP1,홍길동,hong@example.com,{letters}\n"
    desk.undo(take(desk, text)["importId"])
    assert _tickets(made) == []
    assert counts(take(desk, text)) == (1, 0, 0, 0)
    (ticket,) = _tickets(made)
    assert credentials.parse(ticket.payload).letters == letters


def test_a_ticket_added_by_an_import_is_revoked(made, desk) -> None:
    take(desk, FIRST)
    letters = credentials.make_letters(bytes(10))
    text = f"id,name,email,code\nP1,홍길동,hong@example.com,{letters}\n"
    second = take(desk, text)
    assert counts(second) == (0, 1, 0, 0)
    assert told(desk.undo(second["importId"])) == (0, 1, 0)
    (first_ticket,) = [one for one in _tickets(made) if one.participant_id == "P1"]
    assert credentials.parse(first_ticket.payload).letters != letters


def test_what_can_not_be_undone_says_so(made, desk) -> None:
    with pytest.raises(LookupError):
        desk.effect("nothing-of-this-name")
    import_id = take(desk, FIRST)["importId"]
    made.database.write_now(
        lambda conn: conn.execute(schema.metadata.tables["import_rows"].delete())
    )
    with pytest.raises(NotUndoableError, match="too long ago"):
        desk.undo(import_id)


def test_a_dry_run_leaves_nothing_to_undo(made, desk) -> None:
    before = everything(made)
    assert counts(take(desk, FIRST, dry_run=True)) == (2, 0, 0, 0)
    assert everything(made) == before
