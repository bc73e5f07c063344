"""The forms of answers about mails."""

from typing import Literal

from msgspec import Struct

from sync_server.http.answers import Form
from sync_server.http.forms import At

MailState = Literal["queued", "sending", "sent", "failed", "uncertain", "bounced", "cancelled"]
Language = Literal["ko", "en"]


class MailCounts(Struct):
    queued: int
    sending: int
    sent: int
    failed: int
    uncertain: int
    bounced: int
    cancelled: int


class MailProblem(Form):
    """Why the mail server can't be reached."""

    message: str
    since: At


class MailOverview(Form):
    """`configured`: a mail server is named in the settings. `byItself`: what mails a ticket."""

    configured: bool
    server: str | None
    sender: str
    language: Language
    by_itself: list[str]
    per_minute: int
    counts: MailCounts
    seconds_to_go: int
    problem: MailProblem | None
    groups: list[str]


class MailItem(Form):
    """`uncertain`: handed over, and no answer came; perhaps sent."""

    id: str
    kind: Literal["alert", "ticket"]
    participant_id: str | None
    name: str | None
    to: str | None
    state: MailState
    attempts: int
    reason: str | None
    language: Language | None
    queued_at: At
    at: At
    next_attempt_at: At | None


class MailItemShort(Form):
    id: str
    kind: Literal["alert", "ticket"]
    participant_id: str | None
    state: MailState
    attempts: int
    reason: str | None
    language: Language | None
    queued_at: At
    at: At
    next_attempt_at: At | None


class MailsQueued(Form):
    queued: int


class MailsCancelled(Form):
    cancelled: int


class MailsChosen(Form):
    """`queued` is how many get a mail; with `dryRun`, how many would."""

    dry_run: bool
    chosen: int
    queued: int
    failed_before: int
    waiting: int
    had_it: int
    without_ticket: int
    seconds_to_go: int


class MailText(Form):
    """`own`: an organiser's words, not ours."""

    language: Language
    subject: str
    body: str
    own: bool
    changed_at: At | None
    changed_by: str | None


class MailTexts(Form):
    items: list[MailText]
    variables: list[str]


class MailPreview(Form):
    """`html` shows the picture inside it, as a data address."""

    language: Language
    sender: str
    to: str
    subject: str
    text: str
    html: str


class MailTested(Form):
    """What the mail server said."""

    sent: bool
    message: str


class BouncesRead(Form):
    """`unmatched` are of no mail of ours, `others` tell of no failure; `mails` are the ids."""

    bounced: int
    known: int
    unmatched: int
    others: int
    mails: list[str]
