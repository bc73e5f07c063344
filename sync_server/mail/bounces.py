"""Mails that came back: delivery reports (RFC 3464), alone or many in one mbox.

A report is matched to a mail by the Message-ID of what it returns, by the token in the address that
it came to (VERP), or by the recipient that it names. Nothing else in it is believed: a report is
written by strangers.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from typing import Any

from sqlalchemy import Connection, select

from shared.errors import UsageError
from sync_server.mail import queue
from sync_server.mail.queue import Row, State
from sync_server.mail.texts import one_line
from sync_server.privacy.vault import Vault
from sync_server.storage import schema
from sync_server.storage.chunks import mappings
from sync_server.storage.mail_tables import mails

REPORT_BYTES_MAX = 1_000_000
REPORTS_MAX = 10_000
_FROM_LINE = re.compile(rb"(?m)^From [^\r\n]*\r?\n")
_HEADER = re.compile(rb"(?im)^(From|To|Subject|Date|Received|Return-Path|Message-ID|Content-Type):")
_HEAD_BYTES = 65_536
_TOKEN = re.compile(r"(?<![0-9a-f])[0-9a-f]{16}(?![0-9a-f])")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,240}>")
_BEFORE = frozenset({State.SENT.value, State.UNCERTAIN.value, State.SENDING.value})
_CAME_TO = ("To", "Delivered-To", "X-Original-To", "Envelope-To")


@dataclass(frozen=True, slots=True)
class Report:
    """What one message says of one recipient; `failed` where the mail will not arrive."""

    failed: bool
    reason: str
    message_ids: frozenset[str] = frozenset()
    tokens: frozenset[str] = frozenset()
    recipient: str | None = None


@dataclass(slots=True)
class Outcome:
    """`unmatched` reports are of no mail of ours; `others` are no reports of failure."""

    bounced: int = 0
    known: int = 0
    unmatched: int = 0
    others: int = 0
    mails: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "bounced": self.bounced,
            "known": self.known,
            "unmatched": self.unmatched,
            "others": self.others,
            "mails": self.mails[:1_000],
        }


def split(data: bytes) -> Iterator[bytes]:
    """One message, or the messages of an mbox."""
    if not data.startswith(b"From "):
        yield data
        return
    for part in _FROM_LINE.split(data)[1 : REPORTS_MAX + 1]:
        yield re.sub(rb"(?m)^>(>*From )", rb"\1", part)


def read_all(data: bytes) -> list[Report]:
    """The reports in a file; UsageError where there is no mail in it at all."""
    parts = list(split(data))
    if not any(_HEADER.search(part[:_HEAD_BYTES]) for part in parts):
        raise UsageError("this is no mail, nor an mbox of mails: it has none of a mail's headers")
    return [report for part in parts for report in read(part)]


def read(data: bytes) -> list[Report]:
    """The reports in one message; none where it is something else."""
    if len(data) > REPORT_BYTES_MAX:
        data = data[:REPORT_BYTES_MAX]
    try:
        return list(_reports(message_from_bytes(data, policy=policy.default)))
    except (ValueError, LookupError, TypeError, AttributeError, IndexError):
        return []  # the standard library gives up on some broken messages


def _reports(message: EmailMessage) -> Iterator[Report]:
    came_to = " ".join(str(value) for name in _CAME_TO for value in message.get_all(name, []))
    ids = set(
        _MESSAGE_ID.findall(f"{message.get('In-Reply-To', '')} {message.get('References', '')}")
    )
    statuses: list[Message] = []
    for part in message.walk():
        kind = part.get_content_type()
        if kind == "message/delivery-status":
            statuses += [one for one in part.get_payload() if isinstance(one, Message)]
        elif kind in {"message/rfc822", "message/global"}:
            for returned in part.get_payload():
                if isinstance(returned, Message):
                    ids |= set(_MESSAGE_ID.findall(str(returned.get("Message-ID", ""))))
        elif kind in {"text/rfc822-headers", "message/global-headers"}:
            found = re.search(r"(?im)^Message-ID:\s*(<[^<>\s]+>)", _text(part))
            ids |= {found[1]} if found else set()
    for status in statuses:
        action = _said(status, "Action").lower()
        if not action:
            continue  # the block about the message as a whole
        why = _plain(_said(status, "Diagnostic-Code")) or _said(status, "Status")
        named = _plain(_said(status, "Original-Recipient") or _said(status, "Final-Recipient"))
        code = _said(status, "Status")
        reason = why if code in why else f"{code} {why}"
        yield Report(
            failed=action == "failed",
            reason=one_line(reason)[: queue.REASON_CHARS_MAX] or "It came back.",
            message_ids=frozenset(ids),
            tokens=frozenset(_TOKEN.findall(came_to)),
            recipient=named.strip("<>") or None,
        )


def _text(part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


def _said(status: Message, name: str) -> str:
    return str(status.get(name, "")).strip()


def _plain(text: str) -> str:
    """`rfc822; someone@example.org` without its kind."""
    kind, semicolon, rest = text.partition(";")
    return rest.strip() if semicolon and " " not in kind.strip() else text.strip()


def take(conn: Connection, vault: Vault, reports: Iterable[Report], now_ms: int) -> Outcome:
    """Mark what came back; a report that comes again changes nothing."""
    outcome = Outcome()
    for report in reports:
        if not report.failed:
            outcome.others += 1
            continue
        row = _mail_of(conn, vault, report)
        if row is None:
            outcome.unmatched += 1
        elif row["state"] in _BEFORE:
            queue.bounce(conn, row, report.reason, now_ms)
            outcome.bounced += 1
            outcome.mails.append(str(row["mail_id"]))
        else:
            outcome.known += 1
    return outcome


def _mail_of(conn: Connection, vault: Vault, report: Report) -> Row | None:
    for message_id in report.message_ids:
        found = next(mappings(conn, select(mails).where(mails.c.message_id == message_id)), None)
        if found is not None:
            return found
    for token in report.tokens:
        ours = mails.c.message_id.startswith(f"<{token}.", autoescape=True)
        found = next(mappings(conn, select(mails).where(ours)), None)
        if found is not None:
            return found
    if report.recipient is None or "@" not in report.recipient:
        return None
    people = schema.participants
    key = vault.email_key(report.recipient)
    owner = conn.execute(
        select(people.c.participant_id).where(people.c.email_key == key)
    ).scalar()  # fmt: skip
    if owner is None:
        return None
    theirs = (mails.c.participant_id == owner) & mails.c.state.in_(_BEFORE)
    newest = select(mails).where(theirs).order_by(mails.c.mail_id.desc()).limit(1)
    return next(mappings(conn, newest), None)
