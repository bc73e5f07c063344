"""Writing what a fold found: verdicts, scans, presences, counters, outbox, in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, select

from shared.merge import Judgement, ScanKey
from shared.model import Presence
from shared.reasons import Reason
from shared.wire import format_time
from sync_server.attendance.knowledge import note_head
from sync_server.attendance.overriders import overriders, with_name
from sync_server.attendance.scan_rows import Row
from sync_server.insight import counters, tallies
from sync_server.storage import revisions
from sync_server.storage.chunks import insert_rows, mappings_in, select_in, update_rows
from sync_server.storage.outbox import emit
from sync_server.storage.schema import participants, presences, scans

_PRESENCES = select(presences)
_NAMES = select(participants.c.participant_id, participants.c.masked_name)
_LABELS = {int(reason): reason.label for reason in Reason}


@dataclass(slots=True)
class Findings:
    """What a fold found of some scans and their participants."""

    judgements: dict[ScanKey, Judgement] = field(default_factory=dict)
    places: list[dict[str, Any]] = field(default_factory=list)  # rows of schema.presences
    changed: dict[ScanKey, Row] = field(default_factory=dict)  # stored scans that count otherwise


def load_places(conn: Connection, people: Iterable[str]) -> dict[str, Row]:
    """The stored presences of these participants."""
    ids = list(people)
    return {
        row["participant_id"]: row
        for row in mappings_in(conn, _PRESENCES, presences.c.participant_id, ids)
    }


def settle(
    conn: Connection,
    found: Findings,
    new: Mapping[ScanKey, Row],
    held: Mapping[str, Row],
    now_ms: int,
) -> None:
    """Write the new scans and all that differs. `held` are the places as they are stored."""
    sums: counters.Sums = {}
    times: tallies.Sums = {}
    judgements = found.judgements

    def count(counted: Sequence[tuple[Row, str]], sign: int = 1) -> None:
        counters.add_scans(sums, counted, sign)
        tallies.add_scans(times, counted, sign)

    if found.changed:
        _write_verdicts(conn, found.changed, judgements)
        count([(row, row["verdict"]) for row in found.changed.values()], -1)
        count([(row, judgements[key].verdict) for key, row in found.changed.items()])
    if new:
        rows = [{**row, **verdict_columns(judgements[key])} for key, row in new.items()]
        insert_rows(conn, scans, rows)
        count([(row, row["verdict"]) for row in rows])
    tallies.apply(conn, times)
    _write_presences(conn, found.places, held, sums)
    note_head(conn, now_ms)
    _tell(conn, {**found.changed, **new}, judgements, counters.apply(conn, sums), now_ms)


def presence_row(
    participant_id: str,
    presence: Presence,
    *,
    attended: bool,
    conflicts: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    return {
        "participant_id": participant_id,
        "inside": presence.inside,
        "last_ms": presence.last_ms,
        "last_error_ms": presence.last_error_ms,
        "last_direction": presence.last_direction and presence.last_direction.value,
        "last_gate_id": presence.last_gate_id,
        "first_entry_ms": presence.first_entry_ms,
        "last_entry_ms": presence.last_entry_ms,
        "conflict": presence.conflict,
        "attended": attended,
        "conflicts": conflicts,
    }


def verdict_columns(found: Judgement) -> dict[str, Any]:
    return {
        "verdict": found.verdict.value,
        "verdict_kind": None if found.kind is None else found.kind.value,
        "against": found.against,
        "participant_id": found.participant_id,
        "credential_id": found.credential_id,
    }


def differs(row: Row, found: Judgement) -> bool:
    return bool(
        row["verdict"] != found.verdict
        or row["verdict_kind"] != found.kind
        or row["against"] != found.against
        or row["participant_id"] != found.participant_id
        or row["credential_id"] != found.credential_id
    )


def _write_verdicts(
    conn: Connection, changed: Mapping[ScanKey, Row], judgements: Mapping[ScanKey, Judgement]
) -> None:
    rows = [
        {"row_id": row["row_id"], **verdict_columns(judgements[key])}
        for key, row in changed.items()
    ]
    update_rows(conn, scans, scans.c.row_id, rows)


def _write_presences(
    conn: Connection,
    places: Sequence[Mapping[str, Any]],
    held: Mapping[str, Row],
    sums: counters.Sums,
) -> None:
    for row in places:
        counters.add(sums, counters.of_presence(held.get(row["participant_id"])), -1)
        counters.add(sums, counters.of_presence(row))
    if places:
        revisions.upsert_many(conn, presences, places, held)


def _tell(
    conn: Connection,
    changed: Mapping[ScanKey, Row],
    judgements: Mapping[ScanKey, Judgement],
    counters_moved: bool,
    now_ms: int,
) -> None:
    people = {judgements[key].participant_id for key in changed} - {None}
    names = {
        row.participant_id: row.masked_name
        for row in select_in(conn, _NAMES, participants.c.participant_id, people)
    }
    staff = overriders(conn, (row["override"] for row in changed.values()))
    messages = [
        ("scan.merged", scan_message(row, judgements[key], names, staff))
        for key, row in changed.items()
    ]
    if counters_moved:
        overall = counters.load(conn, ["overall"])
        messages.append(("stats.updated", {name: value for (_, name), value in overall.items()}))
    emit(conn, messages, now_ms)


@lru_cache(maxsize=16)  # a batch came at one moment
def _received(ms: int) -> str:
    return format_time(ms)


def scan_message(
    row: Row, found: Judgement, names: Mapping[str, str], staff: Mapping[str, str]
) -> dict[str, Any]:
    """A scan as the live page shows it; nothing personal beyond the masked name."""
    person = found.participant_id
    return {
        "scanId": row["scan_id"],
        "participantId": person,
        "maskedName": None if person is None else names.get(person),
        "credentialId": found.credential_id,
        "gateId": row["gate_id"],
        "deviceId": row["device_id"],
        "epoch": row["epoch"],
        "seq": row["seq"],
        "method": row["method"],
        "direction": row["direction"],
        "occurredAt": format_time(row["occurred_ms"]),
        "receivedAt": _received(row["received_ms"]),
        "admitted": row["admitted"],
        "reason": _LABELS[row["reason"]],
        "verdict": found.verdict.value,
        "kind": None if found.kind is None else found.kind.value,
        "against": found.against,
        "override": with_name(row["override"], staff),
    }
