"""The queue of mails. Every function is one job, or part of one, inside a transaction.

    queued ─► sending ─► sent ─► bounced        a later report says that it did not arrive
      ▲ └──────┬──┴─► failed                    refused for good, or three times in passing
      │        ├────► uncertain                 handed over, and no answer came: perhaps sent
    a retry    └────► cancelled                 nobody to mail any more, or a person's word

`sending` is committed before a mail server hears anything of the mail. Whoever finds it after a
crash can't know whether the server took it: so it is `uncertain`, and a person decides. Nothing is
ever sent twice by itself.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, insert, select, update

from shared.wire import format_time
from sync_server.mail.settings import ATTEMPTS_MAX
from sync_server.storage import revisions
from sync_server.storage.chunks import insert_rows, mappings
from sync_server.storage.mail_tables import mails
from sync_server.storage.outbox import emit

REASON_CHARS_MAX = 500
Row = Mapping[str, Any]


class State(StrEnum):
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    BOUNCED = "bounced"
    CANCELLED = "cancelled"


class Kind(StrEnum):
    ALERT = "alert"  # goes first: see `next_due`
    TICKET = "ticket"


RETRIED = (State.FAILED, State.BOUNCED, State.UNCERTAIN)  # what “all of them again” may name
_MAY_RETRY = frozenset({*RETRIED, State.CANCELLED})


class Result(NamedTuple):
    """What became of an attempt: `sent`, `failed` for good, `uncertain`, or `queued` once more."""

    state: State
    reason: str | None = None


def put(conn: Connection, rows: Iterable[Row], now_ms: int) -> int:
    """Queue mails whose key is not known yet; how many were new."""
    new, generation = 0, revisions.head(conn).generation
    for row in rows:
        known = select(mails.c.mail_id).where(mails.c.key == row["key"])
        if conn.execute(known).first() is None:
            conn.execute(insert(mails).values(_fresh(row, generation, now_ms)))
            new += 1
    if new:
        emit(conn, [("mail.queued", {"mails": new})], now_ms)
    return new


def put_new(conn: Connection, rows: list[Row], now_ms: int) -> None:
    """Queue mails whose keys are known to be new."""
    if rows:
        generation = revisions.head(conn).generation
        insert_rows(conn, mails, [_fresh(row, generation, now_ms) for row in rows])
        emit(conn, [("mail.queued", {"mails": len(rows)})], now_ms)


def _fresh(row: Row, generation: str, now_ms: int) -> dict[str, Any]:
    blank = dict.fromkeys(("participant_id", "credential_id", "address", "data", "language",
                           "reason", "message_id"))  # fmt: skip
    times = dict.fromkeys(("queued_ms", "next_ms", "at_ms"), now_ms)
    return {**blank, **times, "generation": generation, "state": State.QUEUED.value,
            "attempts": 0, **row}  # fmt: skip


def next_due(conn: Connection, now_ms: int) -> Row | None:
    """Alerts before tickets; of each the one that has waited longest."""
    due = (mails.c.state == State.QUEUED.value) & (mails.c.next_ms <= now_ms)
    query = select(mails).where(due).order_by(mails.c.kind, mails.c.next_ms, mails.c.mail_id)
    return next(mappings(conn, query.limit(1)), None)


def begin(conn: Connection, mail_id: int, message_id: str, language: str, now_ms: int) -> bool:
    """From here on it may have been sent. False where somebody else changed it in between."""
    mine = (mails.c.mail_id == mail_id) & (mails.c.state == State.QUEUED.value)
    begun = update(mails).where(mine).values(
        state=State.SENDING.value, attempts=mails.c.attempts + 1, message_id=message_id,
        language=language, at_ms=now_ms,
    )  # fmt: skip
    return conn.execute(begun).rowcount == 1


def charge(
    conn: Connection, mail_id: int, reason: str, pause_ms: tuple[int, ...], now_ms: int
) -> None:
    """An attempt that did not come so far as to hand it over: no connection, no login."""
    mine = (mails.c.mail_id == mail_id) & (mails.c.state == State.QUEUED.value)
    conn.execute(update(mails).where(mine).values(attempts=mails.c.attempts + 1))
    _finish(conn, mine, Result(State.QUEUED, reason), pause_ms, now_ms)


def finish(
    conn: Connection, mail_id: int, result: Result, pause_ms: tuple[int, ...], now_ms: int
) -> None:
    """What became of a mail that was being sent; `pause_ms` after the first, second … attempt."""
    mine = (mails.c.mail_id == mail_id) & (mails.c.state == State.SENDING.value)
    _finish(conn, mine, result, pause_ms, now_ms)


def _finish(
    conn: Connection, mine: Any, result: Result, pause_ms: tuple[int, ...], now_ms: int
) -> None:
    row = next(mappings(conn, select(mails).where(mine)), None)
    if row is None:
        return
    state, next_ms = result.state, row["next_ms"]
    if state is State.QUEUED:
        if row["attempts"] >= ATTEMPTS_MAX:
            state = State.FAILED
        else:
            next_ms = now_ms + pause_ms[row["attempts"] - 1]
    _set(conn, row, state, result.reason, now_ms, next_ms=next_ms)


def cancel(conn: Connection, mail_id: int, reason: str, now_ms: int) -> None:
    """It waits no longer; no effect on one that is on its way."""
    mine = (mails.c.mail_id == mail_id) & (mails.c.state == State.QUEUED.value)
    row = next(mappings(conn, select(mails).where(mine)), None)
    if row is not None:
        _set(conn, row, State.CANCELLED, reason, now_ms)


def cancel_waiting(conn: Connection, reason: str, now_ms: int) -> int:
    """All tickets' mails that wait."""
    waiting = (mails.c.state == State.QUEUED.value) & (mails.c.kind == Kind.TICKET.value)
    values = {"state": State.CANCELLED.value, "reason": reason, "at_ms": now_ms}
    stopped = conn.execute(update(mails).where(waiting).values(values)).rowcount
    if stopped:
        emit(conn, [("mail.cancelled", {"mails": stopped})], now_ms)
    return stopped


def adopt(conn: Connection, mail_id: int, credential_id: str, key: str | None) -> None:
    """It brings the newer ticket that was issued while it waited."""
    values = {"credential_id": credential_id} | ({"key": key} if key else {})
    conn.execute(update(mails).where(mails.c.mail_id == mail_id).values(values))


def interrupted(conn: Connection, now_ms: int) -> int:
    """At the start: what a server that ended was sending, and what waited in a backup that was
    restored, whose mails may have gone out after it was made.
    """
    generation = revisions.head(conn).generation
    rows = list(mappings(conn, select(mails).where(mails.c.state == State.SENDING.value)))
    for row in rows:
        reason = "The server ended while it handed this mail over: perhaps it was sent."
        _set(conn, row, State.UNCERTAIN, reason, now_ms)
    older = (mails.c.state == State.QUEUED.value) & (mails.c.generation != generation)
    reason = "It waited when the backup was made that was restored: perhaps it was sent since."
    values = {"state": State.UNCERTAIN.value, "reason": reason, "at_ms": now_ms}
    restored = conn.execute(update(mails).where(older).values(values)).rowcount
    if restored:
        emit(conn, [("mail.uncertain", {"mails": restored})], now_ms)
    return len(rows) + restored


def retry(conn: Connection, mail_id: int, now_ms: int) -> dict[str, Any] | None:
    """Its attempts anew; None where there is none that has failed, bounced or was cancelled."""
    mine = (mails.c.mail_id == mail_id) & mails.c.state.in_([s.value for s in _MAY_RETRY])
    row = next(mappings(conn, select(mails).where(mine)), None)
    if row is None:
        return None
    conn.execute(update(mails).where(mine).values(_anew(conn, now_ms)))
    emit(conn, [("mail.queued", {"mails": 1})], now_ms)
    return item({**row, **_anew(conn, now_ms)})


def retry_all(conn: Connection, state: State, now_ms: int) -> int:
    return _retry_where(conn, mails.c.state == state.value, now_ms)


def retry_these(conn: Connection, mail_ids: list[int], now_ms: int) -> int:
    """Some hundreds, whose states allow it."""
    return _retry_where(conn, mails.c.mail_id.in_(mail_ids), now_ms) if mail_ids else 0


def _retry_where(conn: Connection, those: Any, now_ms: int) -> int:
    again = conn.execute(update(mails).where(those).values(_anew(conn, now_ms))).rowcount
    if again:
        emit(conn, [("mail.queued", {"mails": again})], now_ms)
    return again


def _anew(conn: Connection, now_ms: int) -> dict[str, Any]:
    # The Message-ID stays: a mail program knows a copy of what it has.
    times = {"next_ms": now_ms, "at_ms": now_ms}
    generation = revisions.head(conn).generation
    return {**times, "state": State.QUEUED.value, "attempts": 0, "generation": generation}


def bounce(conn: Connection, row: Row, reason: str, now_ms: int) -> None:
    _set(conn, row, State.BOUNCED, reason, now_ms)


def _set(
    conn: Connection, row: Row, state: State, reason: str | None, now_ms: int, **more: Any
) -> None:
    said = reason[:REASON_CHARS_MAX] if reason else None
    values = {"state": state.value, "reason": said, "at_ms": now_ms, **more}
    conn.execute(update(mails).where(mails.c.mail_id == row["mail_id"]).values(values))
    told = {"mailId": str(row["mail_id"]), "kind": row["kind"],
            "participantId": row["participant_id"], "reason": said}  # fmt: skip
    emit(conn, [(f"mail.{state.value}", told)], now_ms)


def counts(conn: Connection) -> dict[str, int]:
    rows = conn.execute(select(mails.c.state, func.count()).group_by(mails.c.state))
    found = {row[0]: int(row[1]) for row in rows}
    return {state.value: found.get(state.value, 0) for state in State}


def earliest_ms(conn: Connection) -> int | None:
    waiting = mails.c.state == State.QUEUED.value
    return conn.execute(select(func.min(mails.c.next_ms)).where(waiting)).scalar()


def page(
    conn: Connection, *, state: str | None, kind: str | None, participant_id: str | None,
    before: int | None, limit: int,
) -> tuple[list[Row], int | None]:  # fmt: skip
    """Newest first, and where the next page begins."""
    query = select(mails).order_by(mails.c.mail_id.desc()).limit(limit + 1)
    wanted = ((mails.c.state, state), (mails.c.kind, kind),
              (mails.c.participant_id, participant_id))  # fmt: skip
    for column, value in wanted:
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(mails.c.mail_id < before)
    rows = list(mappings(conn, query))
    more = len(rows) > limit
    return list(rows[:limit]), int(rows[limit - 1]["mail_id"]) if more else None


def item(row: Row) -> dict[str, Any]:
    waits = row["state"] == State.QUEUED.value
    return {
        "id": str(row["mail_id"]),
        "kind": row["kind"],
        "participantId": row["participant_id"],
        "state": row["state"],
        "attempts": row["attempts"],
        "reason": row["reason"],
        "language": row["language"],
        "queuedAt": format_time(row["queued_ms"]),
        "at": format_time(row["at_ms"]),
        "nextAttemptAt": format_time(row["next_ms"]) if waits else None,
    }
