"""The final report's figures, read in one transaction (DESIGN §6 Insight).

A report is a list of sections, each a table: the page, the PDF and the CSV show the same. Groups of
fewer than five people are not broken down: they stand together as one line.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from shared.merge import Verdict
from shared.model import Direction, Event
from sync_server.attendance import review
from sync_server.attendance.review import ScanFilter
from sync_server.insight import stats, timeline
from sync_server.registration.event_store import load_event
from sync_server.report.words import Word
from sync_server.storage import schema
from sync_server.stream import tail

GROUP_MIN = 5  # smaller ones could name a person
CONFLICTS_MAX = 1_000
_COUNTED = (Verdict.CONFIRMED.value, Verdict.DUPLICATE.value, Verdict.CONFLICT.value)


@dataclass(frozen=True, slots=True)
class Section:
    """`columns` and `rows` are of one width; a cell is text or a number."""

    title: Word
    columns: Sequence[Word]
    rows: Sequence[Sequence[Any]]
    note: Word | None = None


@dataclass(frozen=True, slots=True)
class Report:
    event: Event
    made_at: str  # in the event's zone
    sections: Sequence[Section]
    curve: Sequence[tuple[str, int]] = field(default_factory=list)  # hour, entries


def gather(conn: Connection, now_ms: int) -> Report:
    event = load_event(conn)
    local = _clock(event)
    hours = timeline.hourly(conn)
    sections = [
        _attendance(conn, now_ms),
        _hours(hours),
        _gates(conn, now_ms),
        _groups(conn),
        _stays(conn),
        _no_shows(conn),
        _conflicts(conn, local),
        _overrides(conn, local),
        _quality(conn, now_ms),
    ]
    curve = [(hour["hour"][11:16], hour["count"]) for hour in hours]
    return Report(event, local(now_ms), sections, curve)


def _clock(event: Event) -> Callable[[int], str]:
    zone = ZoneInfo(event.time_zone)

    def local(at_ms: int) -> str:
        moment = datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(zone)
        return moment.strftime("%Y-%m-%d %H:%M:%S")

    return local


def _attendance(conn: Connection, now_ms: int) -> Section:
    found = stats.overall(conn, now_ms)
    rows: list[tuple[Word, Any]] = [
        (Word.REGISTERED, found["totalParticipants"]),
        (Word.ATTENDED, found["attendedParticipants"]),
        (Word.RATE, f"{found['attendanceRate']:.1f} %"),
        (Word.NO_SHOWS, found["totalParticipants"] - found["attendedParticipants"]),
        (Word.INSIDE, found["inside"]),
        (Word.OPEN_CONFLICTS, found["conflicts"]),
    ]
    return Section(Word.ATTENDANCE, (Word.FIGURE, Word.VALUE), rows)


def _hours(hours: Sequence[dict[str, Any]]) -> Section:
    rows = [(hour["hour"][:16].replace("T", " "), hour["count"]) for hour in hours]
    return Section(Word.ARRIVALS, (Word.HOUR, Word.ENTRIES), rows)


def _gates(conn: Connection, now_ms: int) -> Section:
    rows = []
    for gate in stats.gates(conn, now_ms):
        methods = gate["methodBreakdown"]
        rows.append((
            gate["name"], gate["totalProcessed"],
            *(methods.get(method, 0) for method in ("qr_scan", "ble_auto", "manual")),
            gate["refused"], gate["conflicts"], gate["avgProcessingTime"],
        ))  # fmt: skip
    columns = (Word.GATE, Word.PASSED, Word.BY_QR, Word.BY_BLE, Word.BY_HAND,
               Word.REFUSED, Word.CONFLICTS, Word.PROCESSING_MS)  # fmt: skip
    return Section(Word.GATES, columns, rows)


def _groups(conn: Connection) -> Section:
    people, places = schema.participants, schema.presences
    rows = conn.execute(
        select(
            people.c.group,
            func.count(),
            func.count(places.c.participant_id),
        )
        .select_from(
            people.outerjoin(
                places,
                (places.c.participant_id == people.c.participant_id) & places.c.attended,
            )
        )
        .where(people.c.status != "cancelled")
        .group_by(people.c.group)
        .order_by(people.c.group)
    ).all()
    named: list[tuple[Any, int, int, str]] = []
    small = [0, 0]
    for group, registered, attended in rows:
        if registered < GROUP_MIN:
            small = [small[0] + registered, small[1] + attended]
        else:
            named.append(
                (group or Word.NO_GROUP, registered, attended, _rate(attended, registered))
            )
    if small[0] >= GROUP_MIN:
        named.append((Word.SMALL_GROUPS, small[0], small[1], _rate(small[1], small[0])))
    columns = (Word.GROUP, Word.REGISTERED, Word.ATTENDED, Word.RATE)
    return Section(Word.GROUPS, columns, named, Word.GROUPS_NOTE)


def _rate(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def stay_minutes(passages: Iterable[tuple[str, str, int]]) -> dict[str, float]:
    """Minutes inside by participant, of those who left at least once.

    `passages` are (participant, direction, time in ms), each participant's in order of time.
    """
    since: dict[str, int] = {}
    spent: dict[str, float] = defaultdict(float)
    for participant_id, direction, at_ms in passages:
        if direction == Direction.ENTRY.value:
            since.setdefault(participant_id, at_ms)
        elif participant_id in since:
            spent[participant_id] += (at_ms - since.pop(participant_id)) / 60_000
    return dict(spent)


def passages(conn: Connection) -> Iterable[tuple[str, str, int]]:
    """Every counted passage of a known participant, by participant and time."""
    scans = schema.scans
    return (
        (row.participant_id, row.direction, row.occurred_ms)
        for row in conn.execute(
            select(scans.c.participant_id, scans.c.direction, scans.c.occurred_ms)
            .where(
                scans.c.participant_id.is_not(None),
                scans.c.admitted,
                scans.c.verdict.in_(_COUNTED),
            )
            .order_by(scans.c.participant_id, scans.c.occurred_ms, scans.c.row_id)
        )
    )


def _stays(conn: Connection) -> Section:
    stays = sorted(stay_minutes(passages(conn)).values())
    rows: list[tuple[Word, Any]] = [(Word.PEOPLE_LEFT, len(stays))]
    if len(stays) >= GROUP_MIN:
        rows += [
            (Word.MEAN_MINUTES, round(sum(stays) / len(stays), 1)),
            (Word.MEDIAN_MINUTES, round(median(stays), 1)),
        ]
    return Section(Word.STAY, (Word.FIGURE, Word.VALUE), rows, Word.STAY_NOTE)


def _no_shows(conn: Connection) -> Section:
    """By status: those barred never could come; the rest did not."""
    people, places = schema.participants, schema.presences
    rows = conn.execute(
        select(people.c.status, func.count())
        .select_from(people.outerjoin(places, places.c.participant_id == people.c.participant_id))
        .where(places.c.participant_id.is_(None) | ~places.c.attended)
        .group_by(people.c.status)
        .order_by(people.c.status)
    )
    words = {
        "registered": Word.REGISTERED,
        "blocked": Word.STATUS_BLOCKED,
        "cancelled": Word.STATUS_CANCELLED,
    }
    return Section(
        Word.NO_SHOWS,
        (Word.STATUS, Word.PEOPLE),
        [(words[status], count) for status, count in rows],
    )


def _conflicts(conn: Connection, local: Callable[[int], str]) -> Section:
    asked = ScanFilter(limit=CONFLICTS_MAX)
    items = review.list_conflicts(conn, asked, open_only=False)["items"]
    rows = []
    for item in items:
        word = item["resolution"]
        outcome: Any = Word.STILL_OPEN
        if word is not None:
            outcome = f"{word['action']}: {word.get('text') or word.get('reason') or ''}"
        rows.append((
            _local_text(item["occurredAt"], local), item["gateId"], item["maskedName"] or "–",
            item["kind"] or item["verdict"], item["explanation"], outcome,
        ))  # fmt: skip
    columns = (Word.TIME, Word.GATE, Word.PERSON, Word.KIND, Word.EXPLANATION, Word.OUTCOME)
    return Section(Word.CONFLICTS, columns, rows)


def _local_text(text: str, local: Callable[[int], str]) -> str:
    return local(int(datetime.fromisoformat(text).timestamp() * 1_000))


def _overrides(conn: Connection, local: Callable[[int], str]) -> Section:
    scans, people = schema.scans, schema.people
    names = {row.operator_id: row.name for row in conn.execute(select(people))}
    rows = conn.execute(
        select(scans.c.occurred_ms, scans.c.gate_id, scans.c.override, scans.c.admitted)
        .where(scans.c.method == "manual")
        .order_by(scans.c.occurred_ms)
    )
    shown = [
        (
            names.get(row.override["operatorId"], row.override["operatorId"]),
            local(row.occurred_ms),
            row.gate_id,
            Word.ADMITTED if row.admitted else Word.REFUSED,
            row.override.get("text") or "",
        )
        for row in rows
        if row.override
    ]
    shown.sort(key=lambda row: (row[0], row[1]))
    columns = (Word.OPERATOR, Word.TIME, Word.GATE, Word.DECISION, Word.REASON)
    return Section(Word.OVERRIDES, columns, shown)


def _quality(conn: Connection, now_ms: int) -> Section:
    scans, entries, lost = schema.scans, schema.entries, schema.lost_ranges
    by_quality = select(scans.c.time_quality, func.count()).group_by(scans.c.time_quality)
    qualities = {row[0]: int(row[1]) for row in conn.execute(by_quality)}
    worst = conn.execute(select(func.max(scans.c.time_error_ms))).scalar() or 0
    unusable = conn.execute(
        select(func.count()).select_from(entries).where(entries.c.unusable.is_not(None))
    ).scalar_one()
    missing = conn.execute(select(func.sum(lost.c.to_seq - lost.c.from_seq + 1))).scalar()
    holes = sum(
        end - begin + 1
        for device in tail.all_devices(conn, now_ms)
        for begin, end in device["holes"]
    )
    rows: list[tuple[Word, Any]] = [
        (Word.TIMES_SYNCED, qualities.get("synced", 0)),
        (Word.TIMES_BOUNDED, qualities.get("bounded", 0)),
        (Word.TIMES_WALL, qualities.get("wall", 0)),
        (Word.WORST_TIME_S, round(worst / 1_000, 1)),
        (Word.HOLES, holes),
        (Word.LOST, int(missing or 0)),
        (Word.UNUSABLE, unusable),
    ]
    return Section(Word.DATA_QUALITY, (Word.FIGURE, Word.VALUE), rows)
