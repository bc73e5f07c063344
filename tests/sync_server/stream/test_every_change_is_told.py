"""Every change writes a row of the outbox in its own transaction (DESIGN §6 Stream)."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from shared.model import Gate
from sync_server.attendance.review import NewResolution, resolve
from sync_server.deployment import Deployment
from sync_server.gates.gates import change_gate, create_gate
from sync_server.identity import devices, people, services
from sync_server.identity.rights import Role
from sync_server.registration.event_store import change_event
from sync_server.registration.participants import Registrar
from sync_server.registration.tickets import issue_ticket, revoke_credential
from sync_server.storage import schema
from sync_server.storage.database import Database
from sync_server.sync import journals
from tests.sync_server.builders import EPOCH, scan_entry, upload
from tests.sync_server.registration.deployments import NOW_MS, deployment, import_text

ANN = {"id": "P1", "name": "Ann Lee", "email": "ann@example.com", "phone": "010-1234-5678"}
Job = Callable[[Connection], Any]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Deployment]:
    with deployment(tmp_path / "data") as found:
        yield found


def told_by(database: Database, job: Job) -> list[tuple[str, dict[str, Any]]]:
    """What this one transaction added."""
    before = len(_rows(database))
    database.write_now(job)
    return [(row.type, row.data) for row in _rows(database)[before:]]


def kinds(database: Database, job: Job) -> list[str]:
    return [kind for kind, _ in told_by(database, job)]


def _rows(database: Database) -> list[Any]:
    statement = select(schema.outbox).order_by(schema.outbox.c.outbox_id)
    return list(database.read_now(lambda conn: conn.execute(statement).all()))


def test_registration_is_told_and_nothing_personal_with_it(made: Deployment) -> None:
    registrar = Registrar(made.vault, made.keys, NOW_MS)
    told = told_by(made.database, lambda conn: registrar.create(conn, ANN))
    assert [kind for kind, _ in told] == ["participant.created", "credential.created"]
    assert told[0][1]["maskedName"] == "A** L**"
    for secret in ("Ann", "ann@example.com", "1234"):
        assert secret not in str(told)
    change = told_by(made.database, lambda conn: registrar.change(conn, "P1", {"phone": None}))
    assert [kind for kind, _ in change] == ["participant.changed"]
    assert "phone" in change[0][1]["changed"]
    assert kinds(made.database, lambda conn: registrar.change(conn, "P1", {})) == []
    assert kinds(made.database, lambda conn: registrar.cancel(conn, "P1")) == [
        "participant.changed"
    ]


def test_tickets_gates_event_and_people_are_told(made: Deployment) -> None:
    database, keys, vault = made.database, made.keys, made.vault
    database.write_now(lambda conn: Registrar(vault, keys, NOW_MS).create(conn, ANN))
    issued: list[Any] = []
    assert kinds(
        database, lambda conn: issued.append(issue_ticket(conn, "P1", vault, keys, NOW_MS))
    ) == ["credential.changed", "credential.created"]
    ticket = issued[0]["credential_id"]
    revoked = told_by(database, lambda conn: revoke_credential(conn, ticket, NOW_MS))
    assert revoked[0][1]["status"] == "revoked"
    gate = Gate("north", "North")
    assert kinds(database, lambda conn: create_gate(conn, gate, NOW_MS)) == ["gate.created"]
    closing = {"active": False}
    assert kinds(database, lambda conn: change_gate(conn, "north", closing, NOW_MS)) == [
        "gate.changed"
    ]
    status = {"status": "live"}
    assert kinds(database, lambda conn: change_event(conn, status, NOW_MS)) == ["event.changed"]
    names: list[str] = []
    assert kinds(
        database, lambda conn: names.append(people.create_person(conn, "Kim", Role.VIEWER, None))
    ) == ["operator.created"]
    assert kinds(
        database, lambda conn: people.change_person(conn, names[0], {"active": False})
    ) == ["operator.changed"]
    key = ("app", "service", NOW_MS)
    assert kinds(database, lambda conn: services.create_api_key(conn, *key)) == ["service.created"]
    assert kinds(
        database, lambda conn: devices.create_enrolment(conn, "north", "CODE", NOW_MS)
    ) == ["enrolment.created"]


def test_each_imported_row_is_told_with_its_import(made: Deployment) -> None:
    result = import_text(made, "name,email\nAnn Lee,a@example.org\nBob Li,b@example.org\n")
    told = [row for row in _rows(made.database) if row.type == "participant.created"]
    assert [row.data["importId"] for row in told] == [result["importId"]] * 2
    again = len(_rows(made.database))
    import_text(made, "name,email\nAnn Lee,a@example.org\n")
    assert len(_rows(made.database)) == again, "nothing changed, so nothing is told"


def test_scans_resolutions_and_lost_entries_are_told(database: Database) -> None:
    before = len(_rows(database))
    upload(database, [scan_entry(1)])
    fresh = [row.type for row in _rows(database)[before:]]
    assert "scan.merged" in fresh
    assert "device.changed" not in fresh, "an upload's progress is no news"
    word = NewResolution("r1", "scan-1", "accept", "op", "fine", NOW_MS)
    assert "resolution.added" in kinds(database, lambda conn: resolve(conn, word))
    lost = [(3, 5)]
    assert kinds(
        database, lambda conn: journals.declare_lost(conn, "dev-north", EPOCH, lost, NOW_MS)
    ) == ["journal.lost"]
    assert (
        kinds(database, lambda conn: journals.declare_lost(conn, "dev-north", EPOCH, lost, NOW_MS))
        == []
    )


def test_a_change_that_is_taken_back_is_not_told(database: Database) -> None:
    before = len(_rows(database))

    def job(conn: Connection) -> None:
        change_gate(conn, "north", {"active": False}, NOW_MS)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.write_now(job)
    assert len(_rows(database)) == before
