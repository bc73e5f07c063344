"""A supervisor at a gate asks the server for somebody: the messages of `sync/search`."""

from shared.wire import Answer, Request


class SearchRequest(Request, kw_only=True):
    """A supervisor at a gate looks for somebody: what they typed."""

    query: str


class FoundPerson(Answer, kw_only=True):
    """Enough to tell people apart, for a signed-in supervisor only."""

    participant_id: str
    name: str
    masked_name: str
    status: str
    organization: str | None = None
    group: str | None = None
    email: str | None = None  # masked
    phone_end: str | None = None
    inside: bool = False
    last_at: str | None = None
    last_gate_id: str | None = None
    last_direction: str | None = None
    last_method: str | None = None


class SearchAnswer(Answer, kw_only=True, omit_defaults=False):
    people: list[FoundPerson]
    more: bool
