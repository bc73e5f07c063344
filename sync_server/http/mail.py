"""The mail queue as organisers see and steer it (docs/mail.md)."""

import asyncio
import uuid
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from sqlalchemy import Connection, select

from shared import wire
from shared.errors import UsageError
from shared.limits import LIST_ITEMS_DEFAULT, LIST_ITEMS_MAX
from sync_server.http import answers, answers_mail
from sync_server.http.answers_mail import Language, MailState
from sync_server.http.errors import ApiError, invalid, not_found, too_many
from sync_server.http.routing import Call, Query, Route, json_response
from sync_server.identity.rights import Right
from sync_server.mail import bounces, choosing, queue
from sync_server.mail.choosing import IDS_MAX, Chosen, Progress, Sums
from sync_server.mail.queue import State
from sync_server.privacy.vault import Vault
from sync_server.registration.participants import find_participant
from sync_server.storage import schema

_GROUPS_SHOWN_MAX = 500
Text = Annotated[str, msgspec.Meta(max_length=500)]
_RequestId = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[\w.-]+\Z")]


class MailsQuery(Query):
    state: MailState | None = None
    kind: Literal["alert", "ticket"] | None = None
    participant_id: Text | None = None
    cursor: Annotated[int, msgspec.Meta(ge=0, le=2**62)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=LIST_ITEMS_MAX)] = LIST_ITEMS_DEFAULT


class RetryMails(wire.Request, kw_only=True):
    state: Literal["failed", "bounced", "uncertain"]


class SendTickets(wire.Request, kw_only=True):
    """To all registered participants, or those of a group, or these. Who had theirs before is left
    out, unless `again`; the same `requestId` again changes nothing. `dryRun` only counts.
    """

    group: Text | None = None
    participant_ids: Annotated[list[Text], msgspec.Meta(max_length=IDS_MAX)] | None = None
    again: bool = False
    request_id: _RequestId | None = None
    dry_run: bool = False


class TestMail(wire.Request, kw_only=True):
    to: Annotated[str, msgspec.Meta(min_length=3, max_length=320)]
    language: Language = "ko"


async def overview(call: Call) -> web.StreamResponse:
    room, settings = call.services.mail, call.services.mail.settings
    people = schema.participants

    def job(conn: Connection) -> tuple[dict[str, int], list[str]]:
        groups = select(people.c.group).where(people.c.group.is_not(None)).distinct()
        found = conn.execute(groups.order_by(people.c.group).limit(_GROUPS_SHOWN_MAX)).scalars()
        return queue.counts(conn), [str(group) for group in found]

    counts, groups = await call.services.database.read(job)
    server = settings.server
    return json_response(
        {
            "configured": server is not None,
            "server": f"{server.host}:{server.port}" if server else None,
            "sender": str(settings.sender),
            "language": settings.language,
            "byItself": sorted(settings.queued_by_itself),
            "perMinute": settings.per_minute,
            "counts": counts,
            "secondsToGo": _seconds(call, counts[State.QUEUED.value]),
            "problem": room.problem,
            "groups": groups,
        }
    )


def _seconds(call: Call, mails: int) -> int:
    """How long so many take at the rate that is set."""
    return -(-mails * 60 // call.services.mail.settings.per_minute)


async def list_mails(call: Call) -> web.StreamResponse:
    asked: MailsQuery = call.query
    vault = call.services.vault

    def job(conn: Connection) -> dict[str, Any]:
        rows, cursor = queue.page(
            conn, state=asked.state, kind=asked.kind, participant_id=asked.participant_id,
            before=asked.cursor, limit=asked.limit,
        )  # fmt: skip
        items = [queue.item(row) | _whom(conn, vault, row) for row in rows]
        return {"items": items, "cursor": None if cursor is None else str(cursor)}

    return json_response(await call.services.database.read(job))


def _whom(conn: Connection, vault: Vault, row: queue.Row) -> dict[str, str | None]:
    """Name and address as they are now."""
    if row["participant_id"] is None:
        return {"name": None, "to": vault.open(row["address"])}
    person = find_participant(conn, row["participant_id"])
    if person is None:
        return {"name": None, "to": None}
    return {"name": vault.open(person["name"]), "to": vault.open(person["email"]) or None}


async def retry(call: Call) -> web.StreamResponse:
    text = call.part("id")

    def job(conn: Connection) -> dict[str, Any]:
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
        item = queue.retry(conn, number, call.received_ms)
        if item is None:
            raise not_found("mail_not_found", f"There is no mail {text!r} to be sent again.")
        return item

    answer = await call.services.database.write(job)
    call.services.mail.wake()
    return json_response(answer)


async def retry_all(call: Call) -> web.StreamResponse:
    asked: RetryMails = await call.body()
    number = await call.services.database.write(
        lambda conn: queue.retry_all(conn, State(asked.state), call.received_ms)
    )
    call.services.mail.wake()
    return json_response({"queued": number})


async def cancel(call: Call) -> web.StreamResponse:
    reason = f"Stopped by {call.person.name}."
    number = await call.services.database.write(
        lambda conn: queue.cancel_waiting(conn, reason, call.received_ms)
    )
    return json_response({"cancelled": number})


async def send(call: Call) -> web.StreamResponse:
    asked: SendTickets = await call.body()
    if asked.group is not None and asked.participant_ids is not None:
        raise invalid("group", "Name a group or participants, not both.")
    if call.services.mail.settings.server is None and not asked.dry_run:
        raise ApiError(422, "mail_not_configured", "No mail server is named: see docs/mail.md.")
    ids = None if asked.participant_ids is None else tuple(asked.participant_ids)
    again = (asked.request_id or str(uuid.uuid4())) if asked.again else None
    chosen = Chosen(asked.group, ids, again)
    sums = await _send(call, chosen, dry_run=asked.dry_run)
    call.services.mail.wake()
    shown = sums.as_json()
    return json_response(
        {"dryRun": asked.dry_run, **shown, "secondsToGo": _seconds(call, sums.queued)}
    )


async def _send(call: Call, chosen: Chosen, *, dry_run: bool) -> Sums:
    database, progress = call.services.database, Progress()
    run = database.read if dry_run else database.write
    while progress.after is not None:
        before = progress
        progress = await run(
            lambda conn, at=before: choosing.step(  # type: ignore[misc]
                conn, chosen, at, call.received_ms, dry_run=dry_run
            )
        )
    return progress.sums


async def test(call: Call) -> web.StreamResponse:
    asked: TestMail = await call.body()
    tests, now_s = call.services.mail_tests, call.services.monotonic_s()
    if wait_s := tests.wait_s(call.person.caller_id, now_s):
        raise too_many("Wait a little before the next test mail.", wait_s)
    tests.failed(call.person.caller_id, now_s)
    try:
        result = await call.services.mail.test(asked.to, asked.language)
    except UsageError as error:
        raise invalid("to", str(error)) from error
    return json_response({"sent": result.state is State.SENT, "message": result.reason or ""})


async def take_bounces(call: Call) -> web.StreamResponse:
    """One returned message, or an mbox of them."""
    data = await call.raw_body("message/rfc822")
    reports = await asyncio.to_thread(bounces.read_all, data)
    vault = call.services.vault
    outcome = await call.services.database.write(
        lambda conn: bounces.take(conn, vault, reports, call.received_ms)
    )
    return json_response(outcome.as_json())


ROUTES = (
    Route("GET", "/api/v1/mail", Right.OPERATOR, overview,
          "How many mails wait, were sent or failed, and how the mail server is reached", "mail",
          response=answers_mail.MailOverview),
    Route("GET", "/api/v1/mail/messages", Right.OPERATOR, list_mails,
          "Mails, newest first, with the reason of those that failed", "mail", query=MailsQuery,
          response=answers.Page[answers_mail.MailItem], statuses=(400,)),
    Route("POST", "/api/v1/mail/messages/{id}/retry", Right.OPERATOR, retry,
          "Send a mail again that failed, bounced, was cancelled or is perhaps sent", "mail",
          response=answers_mail.MailItemShort, statuses=(404,)),
    Route("POST", "/api/v1/mail/retry", Right.OPERATOR, retry_all,
          "Send all of one state again", "mail", request=RetryMails, example={"state": "failed"},
          response=answers_mail.MailsQueued, statuses=(400, 413, 415)),
    Route("POST", "/api/v1/mail/cancel", Right.OPERATOR, cancel,
          "Send no ticket that still waits", "mail", response=answers_mail.MailsCancelled),
    Route("POST", "/api/v1/mail/send", Right.OPERATOR, send,
          "Mail tickets to those who have not had theirs; a dry run counts them", "mail",
          request=SendTickets, example={"group": "Press", "dryRun": True}, response=answers_mail.MailsChosen, statuses=(400, 413, 415, 422)),
    Route("POST", "/api/v1/mail/test", Right.OPERATOR, test,
          "A sample to an address, at once: what the mail server says to it", "mail",
          request=TestMail, example={"to": "you@example.com", "language": "ko"}, response=answers_mail.MailTested, statuses=(400, 413, 415)),
    Route("POST", "/api/v1/mail/bounces", Right.OPERATOR, take_bounces,
          "Delivery reports that came back (RFC 3464): one message, or an mbox", "mail",
          request=bytes, request_type="message/rfc822", example="Subject: Undelivered Mail\n\n", response=answers_mail.BouncesRead,
          statuses=(413, 415)),
)  # fmt: skip
