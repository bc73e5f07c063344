"""Merged scans as organisers read them: listed, explained, resolved (API §2, §3.5)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, exists, insert, select

from shared import wire
from shared.limits import LIST_ITEMS_DEFAULT, LIST_ITEMS_MAX
from shared.merge import Kind, Verdict
from shared.reasons import Reason
from sync_server.attendance import merge_store
from sync_server.attendance.explain import Names, explanation
from sync_server.attendance.knowledge import knowledge_of
from sync_server.attendance.overriders import overriders, with_name
from sync_server.storage import schema
from sync_server.storage.outbox import emit

ScanRow = Row[Any]


@dataclass(frozen=True, slots=True)
class ScanFilter:
    """What `GET /attendance` may ask; `since_ms` is by the scan's own time, newest arrival first."""

    participant_id: str | None = None
    gate_id: str | None = None
    verdict: str | None = None
    device_id: str | None = None
    kind: str | None = None
    since_ms: int | None = None
    cursor: int | None = None
    limit: int = LIST_ITEMS_DEFAULT


def list_attendance(conn: Connection, asked: ScanFilter) -> dict[str, Any]:
    """`{"items","cursor"}`: merged scans, newest arrival first; the cursor goes on with older."""
    return _page(conn, _filtered(asked), asked)


def list_conflicts(conn: Connection, asked: ScanFilter, *, open_only: bool) -> dict[str, Any]:
    """Conflicts with the scan they stand against and the word said on them.

    `open_only` leaves out those that a supervisor has accepted or voided.
    """
    scans, words = schema.scans, schema.resolutions
    condition = scans.c.verdict == Verdict.CONFLICT.value
    if not open_only:
        condition = condition | exists().where(words.c.scan_id == scans.c.scan_id)
    return _page(conn, _filtered(asked).where(condition), asked, with_sides=True)


def conflicts_mark(conn: Connection, open_max: int, decided_max: int) -> Any:
    """Differs whenever `conflicts_now` would; cheap, whatever there is."""
    scans = schema.scans
    waiting = conn.execute(
        select(scans.c.row_id, scans.c.verdict_kind, scans.c.against)
        .where(scans.c.verdict == Verdict.CONFLICT.value)
        .order_by(scans.c.row_id.desc())
        .limit(open_max + 1)
    )
    decided = _last_decided(conn, decided_max)
    how = select(scans.c.scan_id, scans.c.verdict, scans.c.verdict_kind, scans.c.against).where(
        scans.c.scan_id.in_({row.scan_id for row in decided})
    )
    return (
        [tuple(row) for row in waiting],
        [tuple(row) for row in decided],
        sorted(map(repr, conn.execute(how))),
    )


def conflicts_now(conn: Connection, open_max: int, decided_max: int) -> dict[str, Any]:
    """The newest that wait for a word, and the last that were decided, newest first."""
    asked = ScanFilter(limit=open_max)
    waiting = list_conflicts(conn, asked, open_only=True)
    words = _last_decided(conn, decided_max)
    rows = _scans_by_id(conn, {word.scan_id for word in words})
    ids = list(dict.fromkeys(word.scan_id for word in words if word.scan_id in rows))
    decided = items_of(conn, [rows[scan_id] for scan_id in ids], with_sides=True)
    staff = overriders(conn, (item["resolution"] for item in decided))
    for item in decided:
        item["resolution"] = with_name(item["resolution"], staff)
    return {"open": waiting["items"], "more": waiting["cursor"] is not None, "decided": decided}


def _last_decided(conn: Connection, limit: int) -> Sequence[Row[str, str, str]]:
    words = schema.resolutions
    return conn.execute(
        select(words.c.scan_id, words.c.resolution_id, words.c.action)
        .order_by(words.c.at_ms.desc(), words.c.resolution_id.desc())
        .limit(limit)
    ).all()


def get_scan(conn: Connection, scan_id: str) -> dict[str, Any] | None:
    """One scan as an item of `/conflicts`, or None."""
    row = conn.execute(select(schema.scans).where(schema.scans.c.scan_id == scan_id)).first()
    return items_of(conn, [row], with_sides=True)[0] if row is not None else None


@dataclass(frozen=True, slots=True)
class NewResolution:
    """A supervisor's word on a scan; `at_ms` is the server's time."""

    resolution_id: str
    scan_id: str
    action: Literal["accept", "void"]
    operator_id: str
    text: str
    at_ms: int


def resolve(
    conn: Connection, word: NewResolution
) -> Literal["resolved", "scan_not_found", "scan_not_admitted"]:
    """Keep a resolution and fold its participant again, in this transaction."""
    scans = schema.scans
    row = conn.execute(
        select(scans.c.participant_id, scans.c.digest, scans.c.admitted).where(
            scans.c.scan_id == word.scan_id
        )
    ).first()
    if row is None:
        return "scan_not_found"
    if not row.admitted:
        return "scan_not_admitted"
    held = _last_words(conn, [word.scan_id]).get(word.scan_id)
    said = (word.action, word.operator_id, word.text)
    if held is not None and (held["action"], held["operatorId"], held["reason"]) == said:
        return "resolved"  # said again, because the answer was lost
    conn.execute(
        insert(schema.resolutions).values(
            resolution_id=word.resolution_id,
            scan_id=word.scan_id,
            action=word.action,
            operator_id=word.operator_id,
            at_ms=word.at_ms,
            text=word.text,
        )
    )
    told = {"scanId": word.scan_id, "action": word.action, "operatorId": word.operator_id}
    emit(conn, [("resolution.added", told)], word.at_ms)
    people = [row.participant_id] if row.participant_id is not None else []
    digests = [row.digest] if row.digest is not None else []
    merge_store.refold(conn, people, word.at_ms, digests=digests, scan_ids=[word.scan_id])
    return "resolved"


def items_of(
    conn: Connection, rows: Sequence[ScanRow], *, with_sides: bool = False
) -> list[dict[str, Any]]:
    """Scan rows as items of API §2, with names and explanations looked up once for all.

    `with_sides`: also the scan that each stands against, what its gate could know, and the word
    said on it.
    """
    people = _masked_names(conn, {row.participant_id for row in rows if row.participant_id})
    words = _last_words(conn, [row.scan_id for row in rows]) if with_sides else {}
    voided = {
        row.scan_id: merge_store.without_words_on(conn, row.scan_id, row.participant_id)
        for row in rows
        if row.verdict == Verdict.VOIDED.value and row.scan_id in words
    }
    against = {row.scan_id: row.against for row in rows} | {
        scan_id: before.against for scan_id, (before, _) in voided.items()
    }
    sides = _scans_by_id(conn, {side for side in against.values() if side})
    names = Names.load(conn)
    staff = overriders(conn, [row.override for row in [*rows, *sides.values()]])
    items = []
    for row in rows:
        other = sides.get(against[row.scan_id] or "")
        before, disputed = voided.get(row.scan_id, (None, False))
        was = None if before is None else before.kind
        known = knowledge_of(conn, row, other) if with_sides and _stands_against(row) else None
        item = _item(row, people, names, staff)
        item["explanation"] = explanation(row, other, names, known, was).as_json()
        if with_sides:
            item["against"] = None
            if other is not None:
                said = explanation(other, None, names, None)
                item["against"] = _item(other, people, names, staff) | {
                    "explanation": said.as_json()
                }
            item["knowledge"] = None if known is None else known.as_json()
            item["resolution"] = _resolution(row, words.get(row.scan_id), was, disputed=disputed)
        items.append(item)
    return items


def _stands_against(row: ScanRow) -> bool:
    """A conflict, or one that a supervisor has accepted."""
    return row.verdict_kind is not None and row.verdict_kind not in {
        Kind.OVERRIDE.value,
        Kind.QUARANTINED.value,
    }


def _resolution(
    row: ScanRow, word: dict[str, Any] | None, was: Kind | None, *, disputed: bool
) -> dict[str, Any] | None:
    """`stale`: the conflict that the word was said on has gone, by what arrived later. `kind`: what
    it was about, also where the scan itself is voided and has none any more.
    """
    if word is None:
        return None
    if row.verdict == Verdict.VOIDED.value:
        return {**word, "kind": None if was is None else was.value, "stale": not disputed}
    return {**word, "kind": row.verdict_kind, "stale": row.verdict_kind is None}


def _filtered(asked: ScanFilter) -> Select[Any]:
    scans = schema.scans
    query = select(scans).order_by(scans.c.row_id.desc())
    if asked.participant_id is not None:
        query = query.where(scans.c.participant_id == asked.participant_id)
    if asked.gate_id is not None:
        query = query.where(scans.c.gate_id == asked.gate_id)
    if asked.verdict is not None:
        query = query.where(scans.c.verdict == asked.verdict)
    if asked.device_id is not None:
        query = query.where(scans.c.device_id == asked.device_id)
    if asked.kind is not None:
        query = query.where(scans.c.verdict_kind == asked.kind)
    if asked.since_ms is not None:
        query = query.where(scans.c.occurred_ms >= asked.since_ms)
    if asked.cursor is not None:
        query = query.where(scans.c.row_id < asked.cursor)
    return query


def _page(
    conn: Connection, query: Select[Any], asked: ScanFilter, *, with_sides: bool = False
) -> dict[str, Any]:
    limit = max(1, min(asked.limit, LIST_ITEMS_MAX))
    rows = conn.execute(query.limit(limit + 1)).all()
    more, rows = len(rows) > limit, rows[:limit]
    return {
        "items": items_of(conn, rows, with_sides=with_sides),
        "cursor": str(rows[-1].row_id) if more else None,
    }


def _item(
    row: ScanRow, people: dict[str, str], names: Names, staff: dict[str, str]
) -> dict[str, Any]:
    return {
        "scanId": row.scan_id,
        "participantId": row.participant_id,
        "maskedName": people.get(row.participant_id or ""),
        "credentialId": row.credential_id,
        "gateId": row.gate_id,
        "gateName": names.gate(row.gate_id),
        "deviceId": row.device_id,
        "epoch": row.epoch,
        "seq": row.seq,
        "method": row.method,
        "direction": row.direction,
        "occurredAt": wire.format_time(row.occurred_ms),
        "timeErrorMs": row.time_error_ms,
        "timeQuality": row.time_quality,
        "receivedAt": wire.format_time(row.received_ms),
        "admitted": row.admitted,
        "reason": Reason(row.reason).label,
        "verdict": row.verdict,
        "kind": row.verdict_kind,
        "override": with_name(row.override, staff),
        "location": row.location,
        "deviceInfo": row.device_info,
        "metadata": row.metadata,
    }


def _masked_names(conn: Connection, ids: Iterable[str]) -> dict[str, str]:
    people = schema.participants
    rows = conn.execute(
        select(people.c.participant_id, people.c.masked_name).where(
            people.c.participant_id.in_(list(ids))
        )
    )
    return {row.participant_id: row.masked_name for row in rows}


def _scans_by_id(conn: Connection, ids: Iterable[str]) -> dict[str, ScanRow]:
    rows = conn.execute(select(schema.scans).where(schema.scans.c.scan_id.in_(list(ids))))
    return {row.scan_id: row for row in rows}


def _last_words(conn: Connection, scan_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The resolution that holds for each scan: the last by (at, id)."""
    words = schema.resolutions
    rows = conn.execute(
        select(words)
        .where(words.c.scan_id.in_(scan_ids))
        .order_by(words.c.at_ms, words.c.resolution_id)
    )
    return {
        row.scan_id: {
            "resolutionId": row.resolution_id,
            "action": row.action,
            "operatorId": row.operator_id,
            "at": wire.format_time(row.at_ms),
            "reason": row.text,
        }
        for row in rows
    }
