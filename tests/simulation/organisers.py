"""What people at the desk do while gates work: each a job of the product, in one transaction."""

from typing import Any, Literal

from sqlalchemy import Connection, insert, select

from shared import credentials
from sync_server.attendance import merge_store, review
from sync_server.attendance.review import NewResolution
from sync_server.gates.gates import change_gate
from sync_server.identity.devices import change_device
from sync_server.identity.keys import to_base64url
from sync_server.registration import tickets
from sync_server.registration.event_store import change_event
from sync_server.registration.participants import Registrar
from sync_server.storage import revisions, schema
from sync_server.sync.ingest import take_again
from tests.simulation.server import KEYS, VAULT
from tests.sync_server.builders import (
    credential_row,
    device_row,
    event_row,
    gate_row,
    participant_row,
)

TAG = "DEMO"


def letters(number: int) -> str:
    return credentials.make_letters(number.to_bytes(10))


def payload(number: int) -> str:
    return credentials.payload(TAG, letters(number))


def person_id(number: int) -> str:
    return f"P{number:06}"


def populate(
    conn: Connection,
    *,
    generation: str,
    start_ms: int,
    settings: dict[str, Any],
    gates: list[str],
    devices: dict[str, str],
    people: int,
) -> None:
    """Event, gates, devices at their gates, and people with a ticket each."""
    revisions.initialise(conn, generation)
    event = event_row(
        start_ms=start_ms,
        end_ms=start_ms + 36_000_000,
        status="live",
        settings=settings,
        ticket_keys={credentials.key_id(KEYS.public): to_base64url(KEYS.public)},
    )
    revisions.upsert(conn, schema.events, event)
    revisions.upsert_many(conn, schema.gates, [gate_row(gate_id) for gate_id in gates])
    for device_id, gate_id in devices.items():
        row = device_row(device_id, gate_id, public_key="A" * 43)
        revisions.upsert(conn, schema.devices, row)
        assigned = {"device_id": device_id, "gate_id": gate_id, "since_ms": start_ms}
        conn.execute(insert(schema.device_gates).values(assigned))
    rows = [
        participant_row(n, phone=None, email_key=VAULT.email_key(f"p{n}@example.org"))
        for n in range(people)
    ]
    revisions.upsert_many(conn, schema.participants, rows)
    cards = [
        credential_row(
            n,
            digest=credentials.ticket_digest(KEYS.digest, letters(n)),
            code=VAULT.seal_text(letters(n)),
        )
        for n in range(people)
    ]
    revisions.upsert_many(conn, schema.credentials, cards)


def register(conn: Connection, number: int, now_ms: int) -> str:
    """A late registration; returns what the QR of its ticket holds."""
    cells = {"name": f"Late {number}", "email": f"late{number}@example.org"}
    row = Registrar(VAULT, KEYS, now_ms).create(conn, cells)
    return tickets.tickets_of(conn, VAULT, tickets.Chosen(row["participant_id"]))[0].payload


def change_person(conn: Connection, person: str, cells: dict[str, str | None], now_ms: int) -> bool:
    return Registrar(VAULT, KEYS, now_ms).change(conn, person, cells) is not None


def reissue(conn: Connection, person: str, now_ms: int) -> str | None:
    row = tickets.issue_ticket(conn, person, VAULT, KEYS, now_ms)
    if row is None:
        return None
    signed = VAULT.open(row["signed_payload"])
    return signed or credentials.payload(TAG, VAULT.open_text(row["code"]))


def revoke_ticket(conn: Connection, person: str, now_ms: int) -> bool:
    cards = schema.credentials.c
    asked = select(cards.credential_id).where(
        cards.participant_id == person, cards.status == "active"
    )
    found = conn.execute(asked.order_by(cards.credential_id)).scalars().first()
    return found is not None and tickets.revoke_credential(conn, found, now_ms)


def set_gate(conn: Connection, gate_id: str, changes: dict[str, Any], now_ms: int) -> None:
    change_gate(conn, gate_id, changes, now_ms)


def set_event(conn: Connection, changes: dict[str, Any], now_ms: int) -> None:
    change_event(conn, changes, now_ms)


def move_device(conn: Connection, device_id: str, gate_id: str, now_ms: int) -> None:
    """As `PATCH /devices/{id}` with a `gateId` does."""
    change_device(conn, device_id, {"gate_id": gate_id}, now_ms)
    take_again(conn, device_id, now_ms)


def revoke_device(conn: Connection, device_id: str, now_ms: int) -> None:
    """As `DELETE /devices/{id}` does."""
    change_device(conn, device_id, {"state": "revoked", "quarantined": True}, now_ms)
    merge_store.refold_device(conn, device_id, now_ms)


def accept_device(conn: Connection, device_id: str, now_ms: int) -> None:
    """As `PATCH /devices/{id}` with `state: active` does."""
    change_device(conn, device_id, {"state": "active", "quarantined": False}, now_ms)
    merge_store.refold_device(conn, device_id, now_ms)


def resolve(
    conn: Connection, scan_id: str, action: Literal["accept", "void"], name: str, now_ms: int
) -> str:
    word = NewResolution(name, scan_id, action, "op-9", "checked", now_ms)
    return review.resolve(conn, word)


def device_states(conn: Connection) -> dict[str, str]:
    asked = select(schema.devices.c.device_id, schema.devices.c.state)
    return {row.device_id: row.state for row in conn.execute(asked)}


def scan_ids(conn: Connection) -> list[str]:
    asked = select(schema.scans.c.scan_id).where(schema.scans.c.admitted)
    return sorted(conn.execute(asked).scalars())
