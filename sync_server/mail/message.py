"""A mail as bytes: text and HTML, the ticket inside and attached. Pure: ids and times are given.

Headers are built by the standard library, which refuses a line break in any; what strangers wrote is
put on one line before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from sync_server.mail.settings import MailSettings
from sync_server.mail.texts import one_line

PICTURE_ID = "ticket@gatesync"
NAME_CHARS_MAX = 100
WIDTH = 560  # pixels; a phone shows it narrower


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    kind: str  # as application/pdf
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Draft:
    """What is said to whom; `heading` stands above it, `code` below its picture."""

    to: str
    to_name: str
    language: str
    heading: str
    subject: str
    body: str
    code: str = ""
    picture: bytes | None = field(default=None, repr=False)
    attached: Sequence[Attachment] = ()


@dataclass(frozen=True, slots=True)
class Sealed:
    """Ready for a mail server: the envelope and the bytes."""

    sender: str
    recipient: str
    utf8: bool  # an address that only a server with SMTPUTF8 takes
    content: bytes = field(repr=False)


def new_message_id(settings: MailSettings, token: str, mail_id: int | str) -> str:
    """Unguessable, so that nobody can feign a bounce of a mail that they have not seen."""
    return f"<{token}.{mail_id}@{_domain(settings)}>"


def token_of(message_id: str) -> str:
    return message_id.strip("<>").partition(".")[0]


def seal(
    draft: Draft, settings: MailSettings, message_id: str, list_name: str, at_ms: int
) -> Sealed:
    """The whole mail. ValueError for an address that can't be one."""
    recipient = _envelope_address(draft.to)
    utf8 = not recipient.isascii()
    message = EmailMessage(policy=SMTPUTF8 if utf8 else SMTP)
    message["From"] = settings.sender
    local, _, domain = recipient.rpartition("@")
    message["To"] = Address(one_line(draft.to_name)[:NAME_CHARS_MAX], local, domain)
    if settings.reply_to is not None:
        message["Reply-To"] = settings.reply_to
    message["Subject"] = one_line(draft.subject)
    message["Date"] = format_datetime(datetime.fromtimestamp(at_ms / 1_000, UTC))
    message["Message-ID"] = message_id
    # So that no out-of-office answers it, and mail programs can sort it (RFC 3834, RFC 2919).
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["List-Id"] = f"<{_label(list_name)}.gatesync.{_domain(settings)}>"
    asked = settings.reply_to or settings.sender
    message["List-Unsubscribe"] = f"<mailto:{asked.addr_spec}?subject=unsubscribe>"
    message["Content-Language"] = draft.language
    message.set_content(draft.body, cte="base64" if not draft.body.isascii() else None)
    picture = f"cid:{PICTURE_ID}" if draft.picture else ""
    message.add_alternative(page(draft, picture), subtype="html", cte="base64")
    if draft.picture:
        shown: Any = message.get_payload()[1]  # type: ignore[index]
        shown.add_related(
            draft.picture, "image", "png", cid=f"<{PICTURE_ID}>", filename="ticket.png",
            disposition="inline",
        )  # fmt: skip
        del shown["MIME-Version"]  # the whole message's stands above
    for one in draft.attached:
        main, _, sub = one.kind.partition("/")
        message.add_attachment(one.data, main, sub, filename=one.name)
    sender = settings.envelope_sender(token_of(message_id))
    return Sealed(sender, recipient, utf8, message.as_bytes())


def page(draft: Draft, picture: str, *, styled: bool = True) -> str:
    """The HTML part; `picture` is the address of the ticket's picture, or empty. Not `styled` for a
    page whose CSP allows no style.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = (files("sync_server.mail") / "layout.html").read_text("utf-8")
    paragraphs = [part.splitlines() for part in draft.body.strip().split("\n\n") if part.strip()]
    return environment.from_string(template).render(
        language=draft.language, subject=draft.subject, event=draft.heading,
        style=f"max-width:{WIDTH}px" if styled else "",
        paragraphs=paragraphs, picture=picture, code=draft.code,
    )  # fmt: skip


def _envelope_address(address: str) -> str:
    """With the domain as it travels; ValueError where there is a space, a bracket or a line break."""
    local, at, domain = address.strip().rpartition("@")
    if not at or not local or not domain or any(c in address for c in "\r\n<> \t\0"):
        raise ValueError(f"{one_line(address)!r} is no e-mail address")
    return f"{local}@{domain.encode('idna').decode() if not domain.isascii() else domain}"


def _domain(settings: MailSettings) -> str:
    return settings.sender.domain or "localhost.invalid"


def _label(text: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c == "-") else "-" for c in text)[:60]
