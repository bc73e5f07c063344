"""How good the data are: clocks, holes, what could not be used."""

from typing import Any

from sqlalchemy import Connection, func, select

from sync_server.report.sections import Section
from sync_server.report.words import Word
from sync_server.storage import schema
from sync_server.stream import tail


def section(conn: Connection, now_ms: int) -> Section:
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
