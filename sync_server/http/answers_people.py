"""The forms of the answers about people: lists, groups, histories (see `answers`)."""

from typing import Any, Literal

from sync_server.http.answers import Form, Page, ParticipantItem, ScanItem
from sync_server.http.forms import At


class ParticipantPage(Page[ParticipantItem]):
    """`total` counts all pages."""

    total: int


class GroupItem(Form):
    """How many of each status; `group` is null for those in none."""

    group: str | None
    registered: int
    blocked: int
    cancelled: int


class HistoryItem(Form):
    """`scan` of a scan; `subject`, `subjectId` and `value` of a dated change; `kind` and `subjectId`
    of what was issued; `state` and `reason` of a mail.
    """

    at: At
    type: Literal["scan", "change", "issued", "mail"]
    scan: ScanItem | None = None
    subject: Literal["participant", "credential"] | None = None
    subject_id: str | None = None
    value: dict[str, Any] | None = None
    kind: str | None = None
    state: str | None = None
    reason: str | None = None


class NotChanged(Form):
    """Somebody who stayed as they were, and why."""

    id: str
    code: str
    message: str


class ManyChanged(Form):
    changed: int
    unchanged: int
    refused: list[NotChanged]


class ApiKeyItem(Form):
    name: str
    role: Literal["owner", "operator", "supervisor", "viewer", "service"]
    created_at: At
    revoked_at: At | None


class NewApiKey(Form):
    """The key is told here and never again."""

    name: str
    role: Literal["owner", "operator", "supervisor", "viewer", "service"]
    key: str
