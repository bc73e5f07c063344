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
from sync_server.insight import disclosure, stats, timeline
from sync_server.registration.event_store import load_event
from sync_server.report import curve, incidents, quality
from sync_server.report.curve import Bar
from sync_server.report.sections import Section
from sync_server.report.words import Word
from sync_server.storage import headcounts, schema

_COUNTED = (Verdict.CONFIRMED.value, Verdict.DUPLICATE.value, Verdict.CONFLICT.value)


@dataclass(frozen=True, slots=True)
class Report:
    event: Event
    made_at: str  # in the event's zone
    sections: Sequence[Section]
    curve: Sequence[Bar] = field(default_factory=list)


def gather(conn: Connection, now_ms: int) -> Report:
    event = load_event(conn)
    local = _clock(event)
    hours = timeline.hourly(conn)
    sections = [
        _attendance(conn, now_ms),
        _hours(hours),
        _gates(conn, now_ms),
        _methods(conn),
        _groups(conn),
        _stays(conn),
        _no_shows(conn),
        incidents.conflicts(conn, local),
        incidents.operators(conn),
        incidents.overrides(conn, local),
        quality.section(conn, now_ms),
    ]
    return Report(event, local(now_ms), sections, curve.bars(hours, event.time_zone))


def _clock(event: Event) -> Callable[[int], str]:
    zone = ZoneInfo(event.time_zone)

    def local(at_ms: int) -> str:
        moment = datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(zone)
        return moment.strftime("%Y-%m-%d %H:%M:%S")

    return local


def _attendance(conn: Connection, now_ms: int) -> Section:
    found = stats.overall(conn, now_ms)
    came = found["attendedParticipants"] - found["attendedCancelled"]
    rows: list[tuple[Word, Any]] = [
        (Word.REGISTERED, found["totalParticipants"]),
        (Word.ATTENDED, came),
        (Word.RATE, f"{found['attendanceRate']:.1f} %"),
        (Word.NO_SHOWS, found["totalParticipants"] - came),
        (Word.ATTENDED_CANCELLED, found["attendedCancelled"]),
        (Word.INSIDE, found["inside"]),
        (Word.OPEN_CONFLICTS, found["conflicts"]),
    ]
    return Section(Word.ATTENDANCE, (Word.FIGURE, Word.VALUE), rows)


def _hours(hours: Sequence[dict[str, Any]]) -> Section:
    rows = [(curve.hour_text(hour["hour"], hours), hour["count"]) for hour in hours]
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


def _methods(conn: Connection) -> Section:
    words = {"qr_scan": Word.BY_QR, "ble_auto": Word.BY_BLE, "manual": Word.BY_HAND}
    rows = [
        (words[found["method"]], found["count"], f"{found['percent']:.1f} %")
        for found in stats.methods(conn)
    ]
    return Section(Word.METHODS, (Word.METHOD, Word.PASSED, Word.SHARE), rows)


def _groups(conn: Connection) -> Section:
    """Distinct people; who was cancelled is in no group."""
    found = headcounts.load(conn, "group")
    named, small = disclosure.split({name: counts[0] for name, counts in found.items()})
    rows: list[tuple[Any, int, int, str]] = [
        (
            name or Word.NO_GROUP,
            found[name][0],
            found[name][1],
            _rate(found[name][1], found[name][0]),
        )
        for name in sorted(named)
    ]
    if small:
        registered, came, *_ = headcounts.added([found[name] for name in small])
        rows.append((Word.SMALL_GROUPS, registered, came, _rate(came, registered)))
    columns = (Word.GROUP, Word.REGISTERED, Word.ATTENDED, Word.RATE)
    return Section(Word.GROUPS, columns, rows, Word.GROUPS_NOTE)


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
    if len(stays) >= disclosure.GROUP_MIN:
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
