"""Merged scans as organisers read them: listed, explained, resolved (API §2, §3.5)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, exists, insert, select

from shared import wire
from shared.limits import LIST_ITEMS_DEFAULT, LIST_ITEMS_MAX
from shared.merge import Kind, Verdict
from shared.reasons import WORDS, Reason, Words
from sync_server.attendance import merge_store
from sync_server.storage import schema

ScanRow = Row[Any]

_KIND_WORDS: dict[Kind, Words] = {
    Kind.DOUBLE_ENTRY: Words(
        "admitted while already inside", "이미 입장한 상태에서 다시 입장했습니다"
    ),
    Kind.REVOKED: Words("admitted with a ticket already withdrawn", "취소된 티켓으로 입장했습니다"),
    Kind.CANCELLED: Words(
        "admitted after the registration was cancelled", "등록 취소 후 입장했습니다"
    ),
    Kind.BLOCKED: Words("admitted although barred", "입장이 제한된 상태에서 입장했습니다"),
    Kind.OUTSIDE_PERIOD: Words("admitted outside the allowed time", "허용 시간 외에 입장했습니다"),
    Kind.GATE_CLOSED: Words(
        "admitted while the gate or the event was closed", "게이트 또는 행사가 닫힌 때 입장했습니다"
    ),
    Kind.NOT_PERMITTED: Words(
        "admitted without the permission that the gate asks for", "게이트 권한 없이 입장했습니다"
    ),
    Kind.UNKNOWN_PARTICIPANT: Words(
        "admitted, but nobody on the list holds this ticket", "명단에 없는 티켓으로 입장했습니다"
    ),
    Kind.OVERRIDE: Words("admitted by a supervisor", "관리자가 입장을 허용했습니다"),
    Kind.QUARANTINED: Words(
        "from a revoked device: waits for an operator", "해지된 장치의 기록: 운영자 확인 대기"
    ),
}


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
    people = [row.participant_id] if row.participant_id is not None else []
    digests = [row.digest] if row.digest is not None else []
    merge_store.refold(conn, people, word.at_ms, digests=digests, scan_ids=[word.scan_id])
    return "resolved"


def items_of(
    conn: Connection, rows: Sequence[ScanRow], *, with_sides: bool = False
) -> list[dict[str, Any]]:
    """Scan rows as items of API §2, with names and explanations looked up once for all."""
    names = _masked_names(conn, {row.participant_id for row in rows if row.participant_id})
    sides = _scans_by_id(conn, {row.against for row in rows if row.against})
    items = [_item(row, names, sides) for row in rows]
    if with_sides:
        words = _last_words(conn, [row.scan_id for row in rows])
        for row, item in zip(rows, items, strict=True):
            other = sides.get(row.against)
            item["against"] = _item(other, names, {}) if other is not None else None
            item["resolution"] = words.get(row.scan_id)
    return items


def explanation(row: ScanRow, against: ScanRow | None) -> Words:
    """Why this scan counts as it does, in words a person understands (P11)."""
    kind = Kind(row.verdict_kind) if row.verdict_kind else None
    verdict = Verdict(row.verdict)
    if kind is not None:
        said = _KIND_WORDS[kind]
    elif verdict is Verdict.REFUSED:
        said = WORDS[Reason(row.reason)]
    elif verdict is Verdict.DUPLICATE:
        said = Words("repeats the scan before it", "직전 기록과 중복됩니다")
    elif verdict is Verdict.VOIDED:
        said = Words("voided by a supervisor", "관리자가 무효로 처리했습니다")
    else:
        said = Words("counted", "집계되었습니다")
    where_en, where_ko = _where(row)
    other_en, other_ko = ("", "")
    if against is not None:
        at_en, at_ko = _where(against)
        other_en, other_ko = f"; the earlier scan: {at_en}", f" (앞선 기록: {at_ko})"
    accepted = ""
    if kind not in (None, Kind.OVERRIDE) and verdict is Verdict.CONFIRMED:
        accepted = " (accepted by a supervisor)"
    return Words(
        f"{where_en}: {said.en.rstrip('.')}{accepted}{other_en}.",
        f"{where_ko}: {said.ko.rstrip('.')}{other_ko}.",
    )


def _where(row: ScanRow) -> tuple[str, str]:
    at = wire.format_time(row.occurred_ms)
    error = f" ±{row.time_error_ms / 1_000:g} s" if row.time_error_ms else ""
    return f"{row.direction} at {row.gate_id}, {at}{error}", f"{row.gate_id} {at}{error}"


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


def _item(row: ScanRow, names: dict[str, str], sides: dict[str, ScanRow]) -> dict[str, Any]:
    return {
        "scanId": row.scan_id,
        "participantId": row.participant_id,
        "maskedName": names.get(row.participant_id or ""),
        "credentialId": row.credential_id,
        "gateId": row.gate_id,
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
        "override": row.override,
        "location": row.location,
        "deviceInfo": row.device_info,
        "metadata": row.metadata,
        "explanation": explanation(row, sides.get(row.against)).as_json(),
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
