"""The forms of the answers about people: lists, groups, histories (see `answers`)."""

from sync_server.http.answers import Form, Page, ParticipantItem


class ParticipantPage(Page[ParticipantItem]):
    """`total` counts all pages."""

    total: int


class GroupItem(Form):
    """How many of each status; `group` is null for those in none."""

    group: str | None
    registered: int
    blocked: int
    cancelled: int
