"""What people had to decide: conflicts and how they were resolved, and decisions by hand."""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, select

from shared.merge import Kind, Verdict
from sync_server.attendance import review
from sync_server.attendance.review import ScanFilter
from sync_server.report.sections import Section
from sync_server.report.words import Word
from sync_server.storage import schema

ROWS_MAX = 1_000  # of each table; the complete export has all

Clock = Callable[[int], str]
_KINDS = {
    Kind.DOUBLE_ENTRY: Word.DOUBLE_ENTRY,
    Kind.REVOKED: Word.KIND_REVOKED,
    Kind.CANCELLED: Word.STATUS_CANCELLED,
    Kind.BLOCKED: Word.STATUS_BLOCKED,
    Kind.OUTSIDE_PERIOD: Word.OUTSIDE_PERIOD,
    Kind.GATE_CLOSED: Word.GATE_CLOSED,
    Kind.NOT_PERMITTED: Word.NOT_PERMITTED,
    Kind.UNKNOWN_PARTICIPANT: Word.UNKNOWN_PARTICIPANT,
    Kind.OVERRIDE: Word.OVERRIDDEN,
    Kind.QUARANTINED: Word.QUARANTINED,
}
_VERDICTS = {
    Verdict.CONFIRMED: Word.CONFIRMED,
    Verdict.DUPLICATE: Word.DUPLICATE,
    Verdict.CONFLICT: Word.CONFLICT,
    Verdict.REFUSED: Word.REFUSED,
    Verdict.VOIDED: Word.VOIDED,
}


def conflicts(conn: Connection, local: Clock) -> Section:
    """Newest arrival first; also those that somebody has decided, with their word."""
    found = review.list_conflicts(conn, ScanFilter(limit=ROWS_MAX), open_only=False)
    names = _names(conn)
    rows = [
        (
            _local_text(item["occurredAt"], local), item["gateName"], item["maskedName"] or "–",
            _kind(item), item["explanation"], *_outcome(item["resolution"], names),
        )
        for item in found["items"]
    ]  # fmt: skip
    columns = (Word.TIME, Word.GATE, Word.PERSON, Word.KIND, Word.EXPLANATION, Word.OUTCOME,
               Word.REASON)  # fmt: skip
    return Section(
        Word.CONFLICTS, columns, rows, Word.MORE_NOTE if found["cursor"] is not None else None
    )


def _kind(item: dict[str, Any]) -> Word:
    """What it was about, also where the scan was voided since."""
    kind = item["kind"] or (item["resolution"] or {}).get("kind")
    if kind is not None:
        return _KINDS[Kind(kind)]
    return _VERDICTS[Verdict(item["verdict"])]


def _outcome(word: dict[str, Any] | None, names: dict[str, str]) -> tuple[Word, str]:
    if word is None:
        return Word.STILL_OPEN, ""
    said = Word.ACCEPTED if word["action"] == "accept" else Word.VOIDED
    who = names.get(word["operatorId"], word["operatorId"])
    return said, f"{word['reason']} ({who})" if word["reason"] else who


def _local_text(text: str, local: Clock) -> str:
    return local(int(datetime.fromisoformat(text).timestamp() * 1_000))


def operators(conn: Connection) -> Section:
    """How often each decided by hand; two of one name are two."""
    names, counts = _names(conn), dict[str, list[int]]()
    for row in _by_hand(conn):
        held = counts.setdefault(row.override["operatorId"], [0, 0, 0])
        held[0 if row.admitted else 1] += 1
        held[2] += row.verdict == Verdict.VOIDED.value
    rows = sorted((_named(who, names), *held) for who, held in counts.items())
    columns = (Word.OPERATOR, Word.ADMITTED, Word.REFUSED, Word.VOIDED)
    return Section(Word.BY_OPERATOR, columns, rows)


def overrides(conn: Connection, local: Clock) -> Section:
    names = _names(conn)
    found = list(islice(_by_hand(conn), ROWS_MAX + 1))
    gates = {row.gate_id: row.name for row in conn.execute(select(schema.gates))}
    rows = [
        (
            _named(row.override["operatorId"], names), local(row.occurred_ms),
            gates.get(row.gate_id, row.gate_id),
            Word.ADMITTED if row.admitted else Word.REFUSED,
            row.override.get("text") or "", _VERDICTS[Verdict(row.verdict)],
        )
        for row in found[:ROWS_MAX]
    ]  # fmt: skip
    rows.sort(key=lambda row: (row[0], row[1]))
    columns = (Word.OPERATOR, Word.TIME, Word.GATE, Word.DECISION, Word.REASON, Word.COUNTS_AS)
    return Section(Word.OVERRIDES, columns, rows, Word.MORE_NOTE if len(found) > ROWS_MAX else None)


def _by_hand(conn: Connection) -> Iterator[Row[Any, Any, Any, Any, Any]]:
    scans = schema.scans
    query = (
        select(scans.c.occurred_ms, scans.c.gate_id, scans.c.override, scans.c.admitted,
               scans.c.verdict)
        .where(scans.c.method == "manual")
        .order_by(scans.c.occurred_ms, scans.c.row_id)
    )  # fmt: skip
    return (row for row in conn.execute(query) if row.override)


def _names(conn: Connection) -> dict[str, str]:
    return {row.operator_id: row.name for row in conn.execute(select(schema.people))}


def _named(operator_id: str, names: dict[str, str]) -> str:
    """Two people of one name are told apart by their ids."""
    name = names.get(operator_id)
    if name is None:
        return operator_id
    alone = sum(other == name for other in names.values()) == 1
    return name if alone else f"{name} ({operator_id[:8]})"
