"""What the handlers work with; made and joined in `bootstrap`."""

from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from shared.limits import (
    ENROL_FAILURES_PER_MINUTE_MAX,
    GATE_SEARCHES_PER_MINUTE_MAX,
    MAIL_TESTS_PER_MINUTE_MAX,
    SIGN_IN_FAILURES_PER_MINUTE_MAX,
    TOKEN_FAILURES_PER_MINUTE_MAX,
)
from sync_server.backups import Backups
from sync_server.exports import Exports
from sync_server.identity.keys import ServerKeys
from sync_server.identity.throttle import Throttle
from sync_server.identity.tokens import AccessTokens
from sync_server.mail.sender import MailRoom
from sync_server.ports import Store
from sync_server.privacy.vault import Vault
from sync_server.readiness import Readiness
from sync_server.registration.import_desk import ImportDesk
from sync_server.registration.import_jobs import ImportJobs
from sync_server.registration.search import ParticipantSearch
from sync_server.stream.head_watch import HeadWatch
from sync_server.stream.live_hub import LiveHub
from sync_server.sync.badge_table import BadgeTable
from sync_server.sync.feed import ChangesFeed


@dataclass(slots=True)
class Services:
    """Both URLs are known once the server listens; `base_url` is the public one.

    `now_ms` is the server's time.
    """

    database: Store
    backups: Backups
    exports: Exports
    readiness: Readiness
    keys: ServerKeys
    tokens: AccessTokens
    vault: Vault
    event_id: str
    heads: HeadWatch
    feed: ChangesFeed
    live: LiveHub
    badges: BadgeTable
    desk: ImportDesk
    import_jobs: ImportJobs
    search: ParticipantSearch
    mail: MailRoom
    now_ms: Callable[[], int]
    monotonic_s: Callable[[], float]
    handlers: tuple[str, ...] = ()  # of the stream, once it runs
    listening_url: str = ""
    base_url: str = ""
    beacon_horizon_ms: int = 6 * 3_600_000  # how far ahead gates hold rotating ids
    past_attendance_share: float | None = None  # of a past event's registered who came
    sign_in_failures: Throttle = field(
        default_factory=lambda: Throttle(SIGN_IN_FAILURES_PER_MINUTE_MAX)
    )
    enrol_failures: Throttle = field(
        default_factory=lambda: Throttle(ENROL_FAILURES_PER_MINUTE_MAX)
    )
    gate_searches: Throttle = field(default_factory=lambda: Throttle(GATE_SEARCHES_PER_MINUTE_MAX))
    mail_tests: Throttle = field(default_factory=lambda: Throttle(MAIL_TESTS_PER_MINUTE_MAX))
    token_failures: Throttle = field(
        default_factory=lambda: Throttle(TOKEN_FAILURES_PER_MINUTE_MAX)
    )


SERVICES = web.AppKey("services", Services)
