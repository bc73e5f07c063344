"""What the complete export holds: one table after the other, a row at a time.

Never in it: codes, digests, keys, hashes of passwords and PINs, what gates hold. Personal fields
(name, e-mail, phone, birth date) come with `personal` alone; without it stands the masked name.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, select

from shared.reasons import Reason
from shared.wire import format_time
from sync_server.insight import stats, timeline
from sync_server.privacy.vault import Vault
from sync_server.registration.event_store import load_event
from sync_server.storage import schema
from sync_server.storage.import_tables import imports
from sync_server.storage.message_tables import alerts
from sync_server.stream import tail

ROWS_AT_ONCE = 2_000  # held in memory, however many there are
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Exported:
    """One table: `rows` begins anew at each call, and every row has `columns`, in their order."""

    name: str
    about: str
    columns: Sequence[str]
    rows: Callable[[], Iterable[Sequence[Any]]]


def tables(conn: Connection, vault: Vault, now_ms: int, *, personal: bool) -> Iterator[Exported]:
    read = _Reader(conn)
    yield _event(conn)
    yield read.table(
        "gates", "places to pass", select(schema.gates).order_by(schema.gates.c.gate_id), _GATE
    )
    yield read.table(
        "operators",
        "the team: who signs in or works at gates",
        select(schema.people).order_by(schema.people.c.operator_id),
        {"operatorId": "operator_id", "name": "name", "role": "role", "active": "active"},
    )
    yield _participants(read, vault, personal=personal)
    cards = schema.credentials
    yield read.table(
        "credentials", "tickets and beacons; what they hold is not in here",
        select(cards).order_by(cards.c.participant_id, cards.c.credential_id), _CREDENTIAL,
    )  # fmt: skip
    scans = schema.scans
    yield read.table(
        "scans", "every scan with what it counts as (verdict), in order of arrival",
        select(scans).order_by(scans.c.row_id), _SCAN,
    )  # fmt: skip
    yield read.table(
        "overrides", "those of the scans that a supervisor decided against the rules",
        select(scans).where(scans.c.method == "manual").order_by(scans.c.row_id),
        _OVERRIDE, only=lambda row: bool(row["override"]),
    )  # fmt: skip
    words = schema.resolutions
    yield read.table(
        "resolutions", "supervisors' words on scans; of several the last by (at, id) holds",
        select(words).order_by(words.c.at_ms, words.c.resolution_id), _RESOLUTION,
    )  # fmt: skip
    dated = schema.dated_changes
    yield read.table(
        "dated-changes", "what the rules read, after each change; an empty time: since ever",
        select(dated).order_by(dated.c.change_id), _CHANGE,
    )  # fmt: skip
    yield _devices(conn, now_ms)
    yield from _journals(read)
    yield read.table(
        "alerts", "alerts, with who acknowledged them", select(alerts).order_by(alerts.c.alert_id),
        _ALERT,
    )  # fmt: skip
    yield read.table(
        "imports", "lists that were imported",
        select(imports).order_by(imports.c.at_ms, imports.c.import_id), _IMPORT,
    )  # fmt: skip
    yield _figures(conn, now_ms)


def _at(column: str) -> Callable[[Row], str | None]:
    def shown(row: Row) -> str | None:
        return None if row[column] is None else format_time(row[column])

    return shown


# Name in the export → column, or what is made of the row.
_Spec = Mapping[str, str | Callable[[Row], Any]]

_GATE: _Spec = {
    "gateId": "gate_id", "name": "name", "direction": "direction", "zone": "zone",
    "requiredPermission": "required_permission", "capacityPerMinute": "capacity_per_minute",
    "active": "active", "location": "location", "beacon": "beacon",
}  # fmt: skip
_CREDENTIAL: _Spec = {
    "credentialId": "credential_id", "participantId": "participant_id", "kind": "kind",
    "status": "status", "issuedAt": _at("issued_ms"), "validFrom": _at("valid_from_ms"),
    "validUntil": _at("valid_until_ms"), "signed": lambda row: row["signed_payload"] is not None,
}  # fmt: skip
_SCAN: _Spec = {
    "scanId": "scan_id", "deviceId": "device_id", "epoch": "epoch", "seq": "seq",
    "participantId": "participant_id", "credentialId": "credential_id", "gateId": "gate_id",
    "kind": "kind", "method": "method", "direction": "direction",
    "occurredAt": _at("occurred_ms"), "timeErrorMs": "time_error_ms",
    "timeQuality": "time_quality", "receivedAt": _at("received_ms"), "admitted": "admitted",
    "reason": lambda row: Reason(row["reason"]).label, "verdict": "verdict",
    "verdictKind": "verdict_kind", "against": "against", "override": "override",
    "processingMs": "processing_ms", "location": "location", "deviceInfo": "device_info",
    "metadata": "metadata",
}  # fmt: skip
_OVERRIDE: _Spec = {
    "scanId": "scan_id", "occurredAt": _at("occurred_ms"), "gateId": "gate_id",
    "participantId": "participant_id", "admitted": "admitted",
    "reason": lambda row: Reason(row["reason"]).label,
    "operatorId": lambda row: row["override"].get("operatorId"),
    "text": lambda row: row["override"].get("text"), "verdict": "verdict",
}  # fmt: skip
_RESOLUTION: _Spec = {
    "resolutionId": "resolution_id", "scanId": "scan_id", "action": "action",
    "operatorId": "operator_id", "at": _at("at_ms"), "text": "text",
}  # fmt: skip
_CHANGE: _Spec = {
    "changeId": "change_id", "subject": "subject", "subjectId": "subject_id", "at": _at("at_ms"),
    "value": "value",
}  # fmt: skip
_ALERT: _Spec = {
    "alertId": "alert_id", "type": "type", "subject": "subject", "raisedAt": _at("raised_ms"),
    "clearedAt": _at("cleared_ms"), "acknowledgedBy": "acknowledged_by",
    "acknowledgedAt": _at("acknowledged_ms"), "data": "data", "messageEn": "message_en",
    "messageKo": "message_ko",
}  # fmt: skip
_IMPORT: _Spec = {
    "importId": "import_id", "at": _at("at_ms"), "source": "source",
    "state": lambda row: row["state"] or "done", "by": "caller",
    **{name: lambda row, name=name: row["result"].get(name)  # type: ignore[misc]
       for name in ("created", "updated", "unchanged", "refused")},
}  # fmt: skip


class _Reader:
    """Rows of a query, a few thousand in memory at a time on either database."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def table(
        self,
        name: str,
        about: str,
        query: Select[Any],
        spec: _Spec,
        only: Callable[[Row], bool] | None = None,
    ) -> Exported:
        makers = [_maker(of) for of in spec.values()]

        def rows() -> Iterator[Sequence[Any]]:
            for row in self.stream(query):
                if only is None or only(row):
                    yield [make(row) for make in makers]

        return Exported(name, about, list(spec), rows)

    def stream(self, query: Select[Any]) -> Iterator[Row]:
        found = self._conn.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})
        yield from found.mappings()  # type: ignore[misc]  # RowMapping is keyed by text


def _maker(of: str | Callable[[Row], Any]) -> Callable[[Row], Any]:
    if isinstance(of, str):
        name = of
        return lambda row: row[name]
    return of


def _event(conn: Connection) -> Exported:
    event = load_event(conn)
    settings = conn.execute(select(schema.events.c.settings)).scalar_one()
    row = {
        "eventId": event.event_id, "tag": event.tag, "eventName": event.name,
        "startDate": format_time(event.start_ms), "endDate": format_time(event.end_ms),
        "timeZone": event.time_zone, "venue": event.venue, "status": event.status.value,
        "settings": settings,
    }  # fmt: skip
    return Exported("event", "the event and its settings", list(row), lambda: [list(row.values())])


def _participants(read: _Reader, vault: Vault, *, personal: bool) -> Exported:
    people, places = schema.participants, schema.presences
    query = (
        select(people, places.c.attended, places.c.inside, places.c.first_entry_ms,
               places.c.last_entry_ms, places.c.last_gate_id)
        .select_from(people.outerjoin(places, places.c.participant_id == people.c.participant_id))
        .order_by(people.c.participant_id)
    )  # fmt: skip

    def opened(column: str) -> Callable[[Row], Any]:
        return lambda row: vault.open(row[column])

    named: dict[str, str | Callable[[Row], Any]] = (
        {
            "name": opened("name"), "email": opened("email"), "phone": opened("phone"),
            "birthDate": opened("birth_date"),
        }
        if personal
        else {"maskedName": "masked_name"}
    )  # fmt: skip
    spec: _Spec = {
        "participantId": "participant_id",
        **named,
        "organization": "organization", "region": "region", "group": "group",
        "language": "language",
        "permissions": "permissions", "status": "status", "importId": "import_id",
        "attended": lambda row: bool(row["attended"]), "inside": lambda row: bool(row["inside"]),
        "firstEntryAt": _at("first_entry_ms"), "lastEntryAt": _at("last_entry_ms"),
        "lastGateId": "last_gate_id", "createdAt": _at("created_ms"),
        "updatedAt": _at("updated_ms"),
    }  # fmt: skip
    return read.table("participants", "who was registered, and whether they came", query, spec)


def _devices(conn: Connection, now_ms: int) -> Exported:
    columns = ["deviceId", "name", "gateId", "state", "enrolledAt", "lastSeenAt", "epoch", "head",
               "contiguousThrough", "holes", "waiting", "quarantinedScans", "clock",
               "version"]  # fmt: skip

    def rows() -> Iterator[Sequence[Any]]:
        for device in tail.all_devices(conn, now_ms):
            yield [device.get(column) for column in columns]

    about = "enrolled gates; holes are ranges of sequences that never came"
    return Exported("devices", about, columns, rows)


def _journals(read: _Reader) -> Iterator[Exported]:
    journals, lost, entries = schema.journals, schema.lost_ranges, schema.entries
    yield read.table(
        "journals", "each journal that a device kept, and how far it is known",
        select(journals).order_by(journals.c.device_id, journals.c.epoch),
        {"deviceId": "device_id", "epoch": "epoch", "contiguousThrough": "contiguous_through",
         "head": "head", "firstReceivedAt": _at("first_received_ms")},
    )  # fmt: skip
    yield read.table(
        "lost-ranges", "sequences that a device declared lost", select(lost),
        {"deviceId": "device_id", "epoch": "epoch", "from": "from_seq", "to": "to_seq",
         "declaredAt": _at("declared_ms")},
    )  # fmt: skip
    kept = (entries.c.type == "note") | entries.c.unusable.is_not(None)
    yield read.table(
        "notes", "what gates wanted remembered, and entries that could not be used, with the reason",
        select(entries).where(kept).order_by(entries.c.entry_id),
        {"deviceId": "device_id", "epoch": "epoch", "seq": "seq", "type": "type",
         "unusable": "unusable", "receivedAt": _at("received_ms"), "note": _note_of("note"),
         "at": _note_of("at"), "data": _note_of("data")},
    )  # fmt: skip


def _note_of(member: str) -> Callable[[Row], Any]:
    """A member of a note's body; of entries that are no notes nothing is shown."""

    def shown(row: Row) -> Any:
        if row["type"] != "note":
            return None
        try:
            body = msgspec.json.decode(row["body"])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None  # one that could not be used; its reason stands beside it
        return body.get(member) if isinstance(body, dict) else None

    return shown


def _figures(conn: Connection, now_ms: int) -> Exported:
    def rows() -> Iterator[Sequence[Any]]:
        yield "overall", stats.overall(conn, now_ms)
        for gate in stats.gates(conn, now_ms):
            yield f"gate {gate['gateId']}", gate
        for hour in timeline.hourly(conn):
            yield f"hour {hour['hour']}", hour

    return Exported("figures", "the counts as the server tells them", ["of", "figures"], rows)
