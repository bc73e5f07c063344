"""Which of a journal's entries have come: the gapless prefix, the holes, what was declared lost."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, text, update

from shared.errors import WireError
from shared.limits import HOLES_REPORTED_MAX
from sync_server.storage import revisions
from sync_server.storage.outbox import emit
from sync_server.storage.schema import devices, journals, lost_ranges

SEQ_MAX = (1 << 53) - 1  # what JSON numbers carry safely
EPOCH_CHARS_MAX = 32
ROWS_PER_PIECE = 5_000

Range = tuple[int, int]  # from and to, both inclusive

_RECEIVED = """
    SELECT DISTINCT seq FROM entries
    WHERE device_id = :device_id AND epoch = :epoch AND seq > :floor ORDER BY seq LIMIT :rows
"""
# Gaps between the numbers received after a floor, in the database: a journal may be long.
_GAPS = text(
    f"""
    SELECT before + 1 AS from_seq, seq - 1 AS to_seq FROM (
        SELECT seq, LAG(seq, 1, :floor) OVER (ORDER BY seq) AS before FROM (
            {_RECEIVED}
        ) AS received
    ) AS pairs
    WHERE seq - before > 1 ORDER BY seq LIMIT :most
    """  # noqa: S608 — constants
)
_REACHED = text(f"SELECT MAX(seq) AS seq, COUNT(*) AS rows FROM ({_RECEIVED}) AS received")  # noqa: S608
_HIGHEST = text("SELECT MAX(seq) FROM entries WHERE device_id = :device_id AND epoch = :epoch")
_EPOCH = re.compile(rf"[0-9A-Za-z_-]{{1,{EPOCH_CHARS_MAX}}}")


class Received(NamedTuple):
    """`holes` are the ranges missing below the highest known number, at most 1,000."""

    contiguous_through: int
    head: int
    holes: list[Range]


def check_epoch(epoch: str) -> None:
    if not _EPOCH.fullmatch(epoch):
        raise WireError(f"epoch: expected 1 to {EPOCH_CHARS_MAX} letters and digits")


def received(
    conn: Connection,
    device_id: str,
    epoch: str,
    *,
    up_to_head: bool = False,
    first_holes: bool = False,
) -> Received:
    """What has come of a journal, entries that could not be used and lost ranges included.

    With `up_to_head` the entries that the device reported and has not sent yet are a hole too.
    With `first_holes` only the first are looked for, so that a hole that lasts does not make each
    exchange walk the whole journal.
    """
    kept = conn.execute(
        select(journals.c.contiguous_through, journals.c.head).where(
            journals.c.device_id == device_id, journals.c.epoch == epoch
        )
    ).first()
    floor, head = (kept.contiguous_through, kept.head) if kept else (0, 0)
    asked = {"device_id": device_id, "epoch": epoch}
    lost = lost_of(conn, device_id, epoch)
    most = HOLES_REPORTED_MAX + len(lost)
    gaps = _gaps(conn, asked, floor, most, lost if first_holes else None)
    highest = max(conn.execute(_HIGHEST, asked).scalar() or 0, floor)
    lost_to = max((to for _, to in lost), default=0)
    tail = max(head if up_to_head else 0, lost_to)
    if len(gaps) < most and tail > highest:
        gaps.append((highest + 1, tail))
    holes = without(gaps, lost)
    end = max(highest, lost_to)
    if holes and holes[0][0] <= end:
        end = holes[0][0] - 1
    return Received(end, max(head, highest), holes[:HOLES_REPORTED_MAX])


def _gaps(
    conn: Connection,
    asked: dict[str, Any],
    floor: int,
    most: int,
    enough_without: Sequence[Range] | None,
) -> list[Range]:
    """Gaps after the floor, piece by piece; up to the first piece that has one which is not in
    `enough_without`, where that is given.
    """
    gaps: list[Range] = []
    while len(gaps) < most:
        piece = {**asked, "floor": floor, "rows": ROWS_PER_PIECE}
        found = conn.execute(_GAPS, {**piece, "most": most - len(gaps)})
        gaps += [(row.from_seq, row.to_seq) for row in found]
        if enough_without is not None and any(without(gaps, enough_without)):
            break
        reached = conn.execute(_REACHED, piece).one()
        if reached.rows < ROWS_PER_PIECE:
            break
        floor = reached.seq
    return gaps


def without(ranges: Iterable[Range], lost: Sequence[Range]) -> list[Range]:
    """The parts of the ranges that no lost range covers; both in ascending order."""
    rest: list[Range] = []
    for first, last in ranges:
        start = first
        for lost_from, lost_to in lost:
            if lost_to < start or lost_from > last:
                continue
            if lost_from > start:
                rest.append((start, lost_from - 1))
            start = max(start, lost_to + 1)
        if start <= last:
            rest.append((start, last))
    return rest


def lost_of(conn: Connection, device_id: str, epoch: str) -> list[Range]:
    rows = conn.execute(
        select(lost_ranges.c.from_seq, lost_ranges.c.to_seq)
        .where(lost_ranges.c.device_id == device_id, lost_ranges.c.epoch == epoch)
        .order_by(lost_ranges.c.from_seq)
    )
    return [(row.from_seq, row.to_seq) for row in rows]


def declare_lost(
    conn: Connection, device_id: str, epoch: str, ranges: Iterable[Range], now_ms: int
) -> None:
    """List ranges that the agent has lost, for ever; one said again in other bounds widens."""
    held = dict(lost_of(conn, device_id, epoch))
    news: list[Range] = []
    mine = (lost_ranges.c.device_id == device_id) & (lost_ranges.c.epoch == epoch)
    for first, last in ranges:
        if first not in held:
            conn.execute(
                insert(lost_ranges).values(
                    device_id=device_id,
                    epoch=epoch,
                    from_seq=first,
                    to_seq=last,
                    declared_ms=now_ms,
                )
            )
        elif last > held[first]:
            conn.execute(
                update(lost_ranges).where(mine, lost_ranges.c.from_seq == first).values(to_seq=last)
            )
        if last > held.get(first, 0):
            held[first] = last
            news.append((first, last))
    if news:
        about = {"deviceId": device_id, "epoch": epoch, "ranges": [list(one) for one in news]}
        emit(conn, [("journal.lost", about)], now_ms)


def note_journal(conn: Connection, device_id: str, epoch: str, head: int, now_ms: int) -> Received:
    """Keep what is known of a journal after entries or a status came, and tell the gates."""
    mine = (journals.c.device_id == device_id) & (journals.c.epoch == epoch)
    kept = conn.execute(select(journals).where(mine)).first()
    if kept is None:
        conn.execute(
            insert(journals).values(
                device_id=device_id,
                epoch=epoch,
                contiguous_through=0,
                head=head,
                first_received_ms=now_ms,
            )
        )
    now = received(conn, device_id, epoch, first_holes=True)
    head = max(head, now.head)
    if kept is None or (kept.contiguous_through, kept.head) != (now.contiguous_through, head):
        conn.execute(
            update(journals)
            .where(mine)
            .values(contiguous_through=now.contiguous_through, head=head)
        )
    current = conn.execute(
        select(devices.c.epoch).where(devices.c.device_id == device_id)
    ).scalar_one()
    if kept is None or current in {None, epoch}:  # an older journal offered again leaves the row
        revisions.upsert(
            conn,
            devices,
            {
                "device_id": device_id,
                "epoch": epoch,
                "contiguous_through": now.contiguous_through,
            },
        )
    return now
