"""Whose tickets are mailed: one person's after registering, or those whom an organiser chooses.

A ticket's mail has the key `ticket:CREDENTIAL`: the same ticket is queued once, however often and
by whomever it is asked for. To mail it once more, on purpose, the request's own id joins the key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, select

from shared.model import CredentialStatus, ParticipantStatus
from sync_server.mail import queue
from sync_server.mail.queue import Kind, State
from sync_server.storage import schema
from sync_server.storage.chunks import mappings_in
from sync_server.storage.mail_tables import mails

PEOPLE_PER_JOB = 1_000
IDS_MAX = 1_000
_HELD = select(mails.c.key, mails.c.state, mails.c.mail_id)
_ON_ITS_WAY = frozenset({State.QUEUED.value, State.SENDING.value})
_NOT_SENT = frozenset({State.FAILED.value, State.CANCELLED.value})


@dataclass(frozen=True, slots=True)
class Chosen:
    """Registered participants of a group, or of these ids, or all of them.

    `again`: the id of the request, where those are to get it too who had it before.
    """

    group: str | None = None
    ids: tuple[str, ...] | None = None
    again: str | None = None


@dataclass(slots=True)
class Sums:
    """`queued` get a mail now; `failed_before` of them once more after a failure."""

    chosen: int = 0
    queued: int = 0
    failed_before: int = 0
    waiting: int = 0  # queued already
    had_it: int = 0  # sent before, or perhaps
    without_ticket: int = 0

    def as_json(self) -> dict[str, int]:
        return {
            "chosen": self.chosen,
            "queued": self.queued,
            "failedBefore": self.failed_before,
            "waiting": self.waiting,
            "hadIt": self.had_it,
            "withoutTicket": self.without_ticket,
        }


@dataclass(slots=True)
class Progress:
    """`after` is the last participant seen; None once all are."""

    after: str | None = ""
    sums: Sums = field(default_factory=Sums)


def key_of(credential_id: str, again: str | None = None) -> str:
    return f"ticket:{credential_id}" + (f":{again}" if again else "")


def queue_ticket(conn: Connection, participant_id: str, now_ms: int) -> Sums:
    """Part of the job that registered this person, or issued the ticket."""
    return queue_tickets(conn, [participant_id], now_ms)


def queue_tickets(conn: Connection, ids: Sequence[str], now_ms: int) -> Sums:
    sums = Sums()
    _take(conn, list(ids), None, sums, now_ms, dry_run=False)
    return sums


def step(
    conn: Connection, chosen: Chosen, progress: Progress, now_ms: int, *, dry_run: bool
) -> Progress:
    """The next thousand people: a job each, so that no gate waits for a long list.

    A new Progress: a job may run again, so it changes nothing outside of its connection.
    """
    if progress.after is None:
        return progress
    ids = [row.participant_id for row in conn.execute(_next_people(chosen, progress.after))]
    told = progress.sums
    sums = Sums(told.chosen, told.queued, told.failed_before, told.waiting, told.had_it,
                told.without_ticket)  # fmt: skip
    _take(conn, ids, chosen.again, sums, now_ms, dry_run=dry_run)
    return Progress(ids[-1] if len(ids) == PEOPLE_PER_JOB else None, sums)


def _next_people(chosen: Chosen, after: str) -> Select[tuple[str]]:
    people = schema.participants
    query = select(people.c.participant_id).where(
        people.c.status == ParticipantStatus.REGISTERED.value, people.c.participant_id > after
    )
    if chosen.group is not None:
        query = query.where(people.c.group == chosen.group)
    if chosen.ids is not None:
        query = query.where(people.c.participant_id.in_(chosen.ids))
    return query.order_by(people.c.participant_id).limit(PEOPLE_PER_JOB)


def _take(
    conn: Connection, ids: list[str], again: str | None, sums: Sums, now_ms: int, *, dry_run: bool
) -> None:
    tickets = _current(conn, ids)
    first = {key_of(ticket): person for person, ticket in tickets.items()}
    more = {key_of(ticket, again) for ticket in tickets.values()} if again else set()
    held = {
        row["key"]: row
        for row in mappings_in(conn, _HELD, mails.c.key, [*first, *more])
    }  # fmt: skip
    new: list[Mapping[str, Any]] = []
    anew: list[int] = []
    sums.chosen += len(ids)
    sums.without_ticket += len(ids) - len(tickets)
    for person, ticket in tickets.items():
        key = key_of(ticket)
        row = held.get(key)
        if row is not None and row["state"] in _NOT_SENT:
            anew.append(row["mail_id"])
            sums.failed_before += 1
            continue
        if row is not None and row["state"] in _ON_ITS_WAY:
            sums.waiting += 1
            continue
        if row is not None:
            key = key_of(ticket, again)
            if again is None or key in held:
                sums.had_it += 1
                continue
        new.append({"key": key, "kind": Kind.TICKET.value, "participant_id": person,
                    "credential_id": ticket})  # fmt: skip
    sums.queued += len(new) + len(anew)
    if not dry_run:
        queue.put_new(conn, new, now_ms)
        queue.retry_these(conn, anew, now_ms)


def _current(conn: Connection, ids: Sequence[str]) -> dict[str, str]:
    """Participant → the newest active ticket."""
    held = schema.credentials
    active = select(held.c.participant_id, held.c.credential_id, held.c.issued_ms).where(
        held.c.kind == "ticket",
        held.c.status == CredentialStatus.ACTIVE.value,
        held.c.code.is_not(None),
    )
    rows = sorted(
        mappings_in(conn, active, held.c.participant_id, ids),
        key=lambda row: (row["issued_ms"], row["credential_id"]),
    )
    return {row["participant_id"]: row["credential_id"] for row in rows}
