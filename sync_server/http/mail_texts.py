"""The words of tickets' mails: read, looked at, changed."""

import asyncio
import base64
from typing import Annotated, Any

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from shared import wire
from sync_server.http import answers_mail
from sync_server.http.answers_mail import Language
from sync_server.http.errors import invalid, not_found
from sync_server.http.routing import Call, Route, json_response
from sync_server.identity.rights import Right
from sync_server.mail import own_texts
from sync_server.mail.letters import Letter, NoLetter, letter_for, sample, texts_of
from sync_server.mail.message import page
from sync_server.mail.queue import Kind
from sync_server.mail.sender import draft_of
from sync_server.mail.settings import LANGUAGES
from sync_server.mail.texts import BODY_CHARS_MAX, VARIABLES, TextError, Texts, check
from sync_server.registration.event_store import load_event


class NewTexts(wire.Request, kw_only=True):
    """Plain text with variables, as `{{ name }}`."""

    subject: Annotated[str, msgspec.Meta(max_length=1_000)]
    body: Annotated[str, msgspec.Meta(max_length=2 * BODY_CHARS_MAX)]


class PreviewMail(wire.Request, kw_only=True):
    """A sample in this language, or the mail that this participant would get. `subject` and `body`:
    words that are not kept yet.
    """

    language: Language = "ko"
    participant_id: Annotated[str, msgspec.Meta(max_length=500)] | None = None
    subject: Annotated[str, msgspec.Meta(max_length=1_000)] | None = None
    body: Annotated[str, msgspec.Meta(max_length=2 * BODY_CHARS_MAX)] | None = None


async def read(call: Call) -> web.StreamResponse:
    items = await call.services.database.read(own_texts.all_texts)
    return json_response({"items": items, "variables": list(VARIABLES)})


async def change(call: Call) -> web.StreamResponse:
    language = _language(call)
    asked: NewTexts = await call.body()
    texts = Texts(asked.subject.strip(), asked.body.replace("\r\n", "\n").strip())
    _checked(texts)
    who = call.person.name

    def job(conn: Connection) -> dict[str, Any]:
        own_texts.keep(conn, language, texts, who, call.received_ms)
        return _one(conn, language)

    return json_response(await call.services.database.write(job))


async def reset(call: Call) -> web.StreamResponse:
    language = _language(call)

    def job(conn: Connection) -> dict[str, Any]:
        own_texts.forget(conn, language, call.received_ms)
        return _one(conn, language)

    return json_response(await call.services.database.write(job))


def _one(conn: Connection, language: str) -> dict[str, Any]:
    return next(one for one in own_texts.all_texts(conn) if one["language"] == language)


def _language(call: Call) -> str:
    language = call.part("language")
    if language not in LANGUAGES:
        raise not_found("language_not_found", "Mails are written in ko and en.")
    return language


def _checked(texts: Texts) -> None:
    try:
        check(texts)
    except TextError as error:
        raise invalid(error.field, str(error), "invalid_text") from error


async def preview(call: Call) -> web.StreamResponse:
    asked: PreviewMail = await call.body()
    services = call.services
    draft: Texts | None = None
    if asked.participant_id is not None and (asked.subject or asked.body):
        raise invalid("participantId", "New words are shown in a sample: leave out participantId.")
    if asked.subject is not None or asked.body is not None:
        draft = Texts(asked.subject or "", asked.body or "")
        _checked(draft)

    def job(conn: Connection) -> Letter:
        if asked.participant_id is None:
            texts = draft or texts_of(conn, asked.language)
            return sample(load_event(conn), texts, asked.language)
        row = {"kind": Kind.TICKET.value, "participant_id": asked.participant_id,
               "credential_id": None, "mail_id": -1}  # fmt: skip
        found = letter_for(conn, services.vault, row, asked.language)
        if isinstance(found, NoLetter):
            raise not_found("no_mail", found.reason)
        return found

    letter = await services.database.read(job)
    made = await asyncio.to_thread(draft_of, letter)
    picture = "data:image/png;base64," + base64.b64encode(made.picture or b"").decode()
    return json_response(
        {
            "language": letter.language,
            "sender": str(services.mail.settings.sender),
            "to": letter.to,
            "subject": made.subject,
            "text": made.body,
            "html": page(made, picture if made.picture else "", styled=False),
        }
    )


_WORDS = {
    "subject": "{{ event }}: your ticket",
    "body": "Hello {{ name }}, your code is {{ code }}.",
}

ROUTES = (
    Route("GET", "/api/v1/mail/texts", Right.OPERATOR, read,
          "The words of tickets' mails, in each language", "mail",
          response=answers_mail.MailTexts),
    Route("PUT", "/api/v1/mail/texts/{language}", Right.OPERATOR, change,
          "Words of one's own; an unknown variable is refused", "mail", request=NewTexts, example=_WORDS,
          response=answers_mail.MailText, statuses=(400, 404, 413, 415)),
    Route("DELETE", "/api/v1/mail/texts/{language}", Right.OPERATOR, reset,
          "Back to the words that came with Gatesync", "mail",
          response=answers_mail.MailText, statuses=(404,)),
    Route("POST", "/api/v1/mail/preview", Right.OPERATOR, preview,
          "A ticket's mail to look at", "mail", request=PreviewMail, example={"language": "ko"},
          response=answers_mail.MailPreview, statuses=(400, 404, 413, 415)),
)  # fmt: skip
