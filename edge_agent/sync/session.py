"""What to do next, and when: the sync session without I/O (DESIGN §5, STYLE habit 7).

Three channels run side by side and fail apart, each with its own patience and its own circuit
breaker: DOWN fetches changes, UP uploads the journal, STATUS tells how the gate is. The loop asks `next(channel, now_s)` for a command, carries it out,
tells the outcome with one of the `…ed` methods, and asks again. All `now_s` are monotonic seconds.

    next → GetToken      → token_granted | failed(TOKEN)
    next → FetchChanges  → page_applied  | failed(DOWN)
    next → Upload        → uploaded | nothing_to_upload | failed(UP)
    next → SendStatus    → status_sent   | failed(STATUS)
    next → Wait(s)       → (after s seconds, or when anything else happened)
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from edge_agent.sync.backoff import Failure, FailureKind, Jitter, delay_s, retry_after_s
from edge_agent.sync.breaker import Breaker
from shared.limits import STATUS_INTERVAL_S, UPLOAD_BATCH_ENTRIES_MAX
from shared.wire import parse_cursor

LONG_POLL_S = 25
FOREVER_S = 3_600.0  # a wait that something else will end
UPLOAD_CHECK_S = 5.0  # should a wake-up ever be missed
TOKEN_SPARE_S = 30.0  # a token is renewed this long before its end
REFETCH_INTERVAL_S = 3_600.0  # whole replica, after a digest that differs
REVOKED_CHECK_S = 300.0
UNCONFIRMED_CHECK_S = 5.0
EMPTY_PAGE_PAUSE_S = 0.05
BATCH_ENTRIES_MIN = 1
SILENCE_S_MAX = 15.0  # without a word from the server, after which a time-out means offline


class Channel(Enum):
    TOKEN = "token"  # noqa: S105 — a name, not a secret
    DOWN = "down"
    UP = "up"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class GetToken:
    pass


@dataclass(frozen=True, slots=True)
class FetchChanges:
    """`afresh`: forget the cursor and fetch everything. `limit` rows, or what the server likes."""

    wait_s: int
    afresh: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """Entries of `epoch` after `after_seq`, at most `limit`. `asks_time`: even if none can go yet,
    for a revoked gate hears the time, which its entries wait for, from no other exchange.
    """

    epoch: str
    after_seq: int
    limit: int
    asks_time: bool = False


@dataclass(frozen=True, slots=True)
class SendStatus:
    pass


@dataclass(frozen=True, slots=True)
class Wait:
    s: float


Command = GetToken | FetchChanges | Upload | SendStatus | Wait


@dataclass(slots=True)
class _Link:
    """One channel's patience."""

    failures: int = 0
    not_before_s: float = 0.0
    busy: bool = False
    last_failure: Failure | None = None
    breaker: Breaker = field(default_factory=Breaker)

    def succeeded(self) -> None:
        self.breaker.succeeded()
        self.failures, self.not_before_s, self.busy, self.last_failure = 0, 0.0, False, None

    def failed(self, failure: Failure, now_s: float, jitter: Jitter) -> None:
        self.failures += 1
        self.breaker.failed(failure, now_s)
        if self.breaker.probing:  # the probes have a beat of their own
            self.not_before_s = now_s + retry_after_s(failure)
        else:
            self.not_before_s = now_s + delay_s(failure, self.failures, jitter)
        self.busy, self.last_failure = False, failure

    def wait_s(self, now_s: float) -> float:
        """Seconds until it may call again; 0 for now."""
        return max(self.not_before_s - now_s, self.breaker.wait_s(now_s), 0.0)


@dataclass(slots=True)
class _EpochProgress:
    """Of one epoch: what the journal holds, what the server says it has."""

    head: int = 0
    through: int = 0

    @property
    def waiting(self) -> int:
        return max(self.head - self.through, 0)


@dataclass(slots=True)
class Session:
    """The state of the three channels. `jitter` is the only randomness, given from outside."""

    jitter: Jitter
    generation: str | None = None
    links: dict[Channel, _Link] = field(default_factory=lambda: {c: _Link() for c in Channel})
    progress: dict[str, _EpochProgress] = field(default_factory=dict)  # oldest epoch first
    revoked: bool = False
    unconfirmed: bool = False  # the server knows this device by its certificate only
    replica_differs: bool = False  # still different after a whole fetch: an alarm
    server_newer: bool = False  # rows came that only a newer version understands
    online: bool = False
    offline_since_s: float | None = None
    last_sync_s: float | None = None
    holds_token: bool = False
    rolled_back: str | None = None  # the server holds more of this epoch than the journal
    _last_met_s: float | None = None
    _heard_before_s: float | None = None  # when an earlier run last heard from the server
    _token_until_s: float = 0.0
    _token_rejected: bool = False  # a token was refused before it was of any use
    _afresh: bool = False
    _refetched_s: float | None = None
    _page_cursor: str | None = None  # of the page before
    _status_due_s: float = 0.0
    _status_sent_through: dict[str, int] = field(default_factory=dict)
    _batch_max: int = UPLOAD_BATCH_ENTRIES_MAX

    def begun(self, now_s: float, silent_s: float | None) -> None:
        """`silent_s`: how long ago an earlier run heard from the server. A restart is no reason to
        call a gate offline since just now.
        """
        self._heard_before_s = None if silent_s is None else now_s - silent_s

    # --- what the journal says --------------------------------------------------------------

    def journal_at(self, epochs: Sequence[tuple[str, int]]) -> None:
        """The epochs of the journal with their heads, oldest first."""
        for epoch, head in epochs:
            self.progress.setdefault(epoch, _EpochProgress()).head = head

    def acknowledged(self, epoch: str, through: int) -> None:
        """What an earlier run of the agent was told; asked once, at the start."""
        self.progress.setdefault(epoch, _EpochProgress()).through = through

    @property
    def waiting(self) -> int:
        return sum(progress.waiting for progress in self.progress.values())

    # --- what to do -------------------------------------------------------------------------

    def next(self, channel: Channel, now_s: float) -> Command:
        """The channel's next command. A command other than Wait is under way until it is told."""
        link = self.links[channel]
        if link.busy:
            return Wait(FOREVER_S)
        if wait_s := link.wait_s(now_s):
            return Wait(wait_s)
        command = self._wish(channel, now_s)
        if isinstance(command, Wait):
            return command
        if not self.holds_token or now_s >= self._token_until_s:
            return self._next_token(now_s)
        link.busy = True
        if isinstance(command, SendStatus):
            self._status_due_s = now_s + STATUS_INTERVAL_S
            self._status_sent_through = {e: p.through for e, p in self.progress.items()}
        return command

    def _wish(self, channel: Channel, now_s: float) -> Command:
        probing = self.links[channel].breaker.probing
        if channel is Channel.DOWN:
            if probing:
                return FetchChanges(0, afresh=self._afresh, limit=1)
            return FetchChanges(LONG_POLL_S, afresh=self._afresh)
        if channel is Channel.UP:
            for epoch, progress in self.progress.items():
                if progress.waiting:
                    return Upload(
                        epoch, progress.through, 1 if probing else self._batch_max, self.revoked
                    )
            return Wait(UPLOAD_CHECK_S)
        if now_s < self._status_due_s:
            return Wait(self._status_due_s - now_s)
        return SendStatus()

    def _next_token(self, now_s: float) -> Command:
        link = self.links[Channel.TOKEN]
        if link.busy:
            return Wait(FOREVER_S)
        if wait_s := link.wait_s(now_s):
            return Wait(wait_s)
        link.busy = True
        return GetToken()

    # --- what happened ----------------------------------------------------------------------

    def token_granted(self, expires_in_s: float, now_s: float) -> None:
        """A token that lives shorter than the spare time is still used for half of its life."""
        rejected, link = self._token_rejected, self.links[Channel.TOKEN]
        failures = link.failures
        link.succeeded()
        if rejected:
            link.failures = failures  # a fresh token was refused at once before: keep the patience
        self.holds_token = True
        self._token_until_s = now_s + max(expires_in_s - TOKEN_SPARE_S, expires_in_s / 2)
        self._met(now_s)

    def page_applied(
        self,
        cursor: str,
        now_s: float,
        *,
        more: bool,
        rows: int = 1,
        skipped: int = 0,
        digest_ok: bool | None = None,
        revoked: bool = False,
    ) -> None:
        """A page is in the replica, with its cursor. `skipped`: rows that were not understood."""
        self._good(Channel.DOWN, now_s)
        # A server that does not wait, or says the same page again, must not make us spin.
        if cursor == self._page_cursor if more else not rows:
            self.links[Channel.DOWN].not_before_s = now_s + EMPTY_PAGE_PAUSE_S
        self._page_cursor = cursor
        self.server_newer |= skipped > 0
        self._afresh = False
        generation, _ = parse_cursor(cursor)
        if generation != self.generation:  # or none was known: a list that was wiped or lost
            self._offer_again()
        self.generation = generation
        self.unconfirmed = False
        if revoked:
            self._revoke(now_s)
        else:
            self.revoked = False
        if more or digest_ok is None:
            return
        if digest_ok:
            self.replica_differs = False
        elif self._refetched_s is None or now_s - self._refetched_s >= REFETCH_INTERVAL_S:
            self._refetched_s, self._afresh, self._page_cursor = now_s, True, None
        else:
            self.replica_differs = True

    def uploaded(
        self, epoch: str, sent_through: int, contiguous_through: int, now_s: float
    ) -> None:
        """The server took a batch that ended at `sent_through`, and has all up to the other."""
        progress = self.progress[epoch]
        advanced = contiguous_through > progress.through
        went_back = contiguous_through < progress.through
        self._good(Channel.UP, now_s)
        self._batch_max = min(self._batch_max * 2, UPLOAD_BATCH_ENTRIES_MAX)
        self._set_through(epoch, contiguous_through, max(sent_through, progress.through))
        if not advanced and not went_back and sent_through > progress.through:
            # It took the batch and is no further: never offer the same without a pause.
            stuck = Failure(FailureKind.LOCAL, f"{epoch} stays at {progress.through}")
            self.links[Channel.UP].failed(stuck, now_s, self.jitter)

    def nothing_to_upload(self, now_s: float) -> None:
        """Entries wait, but none can go yet: their times are not sealed."""
        link = self.links[Channel.UP]
        link.busy, link.not_before_s = False, now_s + 1.0

    def status_sent(self, epoch: str, contiguous_through: int, now_s: float) -> None:
        """Less than was known when the status left: a server that came back older. More than the
        journal holds: a card that went back.
        """
        self._good(Channel.STATUS, now_s)
        known = self._status_sent_through.get(epoch)
        progress = self.progress.get(epoch)
        if known is None or progress is None:
            return
        if contiguous_through < known or contiguous_through > progress.through:
            self._set_through(epoch, contiguous_through, progress.through)

    def failed(self, channel: Channel, failure: Failure, now_s: float) -> None:
        link = self.links[channel]
        if failure.status == 401 and channel is not Channel.TOKEN:
            self._token_refused(link, failure, now_s)
            return
        link.failed(failure, now_s, self.jitter)
        if failure.answered:
            self._met(now_s, synced=False)
        elif failure.kind is not FailureKind.LOCAL:
            self._missed(failure, now_s)
        if failure.code == "device_revoked":
            self._revoke(now_s)
        elif failure.code == "device_adopted":
            self._await_confirmation(now_s)
        if channel is Channel.DOWN and failure.status in {409, 410}:
            self._afresh = True  # the server does not know our cursor any more
        if channel is Channel.UP and failure.status == 413:
            self._batch_max = max(self._batch_max // 2, BATCH_ENTRIES_MIN)

    def released(self, channel: Channel) -> None:
        """The command was given up without an outcome (an own error on the way)."""
        self.links[channel].busy = False

    def woken(self, now_s: float) -> None:
        """Something was appended. A server known to be near is not kept waiting for jitter."""
        link = self.links[Channel.UP]
        if link.failures == 0:
            link.not_before_s = min(link.not_before_s, now_s)

    # --- in between -------------------------------------------------------------------------

    def _good(self, channel: Channel, now_s: float) -> None:
        self.links[channel].succeeded()
        self._token_rejected = False
        self._met(now_s)

    def _met(self, now_s: float, *, synced: bool = True) -> None:
        """There is a server. Whoever was waiting for one need not wait out its patience."""
        if not self.online:
            for link in self.links.values():
                if link.last_failure is not None and not link.last_failure.answered:
                    link.not_before_s = min(link.not_before_s, now_s)
        self.online, self.offline_since_s, self._last_met_s = True, None, now_s
        if synced:
            self.last_sync_s = now_s

    def _missed(self, failure: Failure, now_s: float) -> None:
        """A refused connection is a fact; one that hangs or breaks off may be the channel's own."""
        heard_s = self._last_met_s
        silent = heard_s is None or now_s - heard_s > SILENCE_S_MAX
        if not silent and failure.kind is not FailureKind.REFUSED:
            return
        if self.offline_since_s is None:
            before_s = self._heard_before_s if heard_s is None else None
            self.offline_since_s = now_s if before_s is None else before_s
        self.online = False

    def _token_refused(self, link: _Link, failure: Failure, now_s: float) -> None:
        """Once: get another and try again at once. A fresh one refused as well: with patience."""
        link.busy = False
        self.holds_token = False
        self._met(now_s, synced=False)
        if self._token_rejected:
            self.links[Channel.TOKEN].failed(failure, now_s, self.jitter)
        self._token_rejected = True

    def _set_through(self, epoch: str, contiguous_through: int, offered_through: int) -> None:
        """Never past what was offered: the server may hold other entries under those numbers."""
        progress = self.progress[epoch]
        if contiguous_through > progress.head:
            self.rolled_back = epoch  # it was written by this journal before its card went back
        progress.through = min(contiguous_through, offered_through, progress.head)

    def _offer_again(self) -> None:
        """Another server database: it may hold nothing of ours. What it has, it will know."""
        for progress in self.progress.values():
            progress.through = 0

    def _await_confirmation(self, now_s: float) -> None:
        """The server has forgotten this device, and perhaps what it sent: everything is offered at
        once; lists come when an operator has confirmed it. Until then the gate decides on with the
        list that it has.
        """
        if not self.unconfirmed:
            self._offer_again()
        self.unconfirmed = True
        self.links[Channel.DOWN].not_before_s = now_s + UNCONFIRMED_CHECK_S

    def _revoke(self, now_s: float) -> None:
        """No more lists for this device; what it still uploads waits for an operator."""
        self.revoked = True
        self.links[Channel.DOWN].not_before_s = now_s + REVOKED_CHECK_S
