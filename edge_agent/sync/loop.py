"""The sync's asyncio shell: asks the session what to do, does it, tells it what came of it.

Nothing here is awaited by a decision (P5). Disk work is done in worker threads, what writes the
journal on the lane's own; `run` ends by cancellation only.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence

import structlog

from edge_agent.identity import DeviceKey, Identity
from edge_agent.storage.journal import Journal
from edge_agent.storage.replica import Replica
from edge_agent.sync import batches
from edge_agent.sync.backoff import Failure, FailureKind, Jitter
from edge_agent.sync.journal_reads import JournalReads, OnLane
from edge_agent.sync.own_failures import Acknowledgements, own_failure
from edge_agent.sync.pages import apply_body
from edge_agent.sync.report import GateHealth, HealthSource, SyncState
from edge_agent.sync.sealing import renew_epoch, seal_some
from edge_agent.sync.session import (
    Channel,
    FetchChanges,
    GetToken,
    SendStatus,
    Session,
    Upload,
    Wait,
)
from edge_agent.sync.tokens import TokenSource
from edge_agent.sync.transport import AnsweredError, Timed, Transport, UnreachableError
from edge_agent.timekeeper import Timekeeper
from shared import wire

log = structlog.get_logger("sync")


class SyncLoop:
    """Keeps the replica up to date and the journal uploaded, for as long as `run` runs."""

    def __init__(
        self,
        *,
        identity: Identity,
        key: DeviceKey,
        journal: Journal,
        replica: Replica,
        timekeeper: Timekeeper,
        transport: Transport,
        on_lane: OnLane,
        monotonic_s: Callable[[], float],
        health: HealthSource = GateHealth,
        on_change: Callable[[], None] = lambda: None,
        jitter: Jitter = random.random,
        version: str = "",
    ) -> None:
        """`on_change` is called on the event loop after each page applied and batch confirmed."""
        self._identity = identity
        self._journal = journal
        self._replica = replica
        self._acks = Acknowledgements(replica)
        self._timekeeper = timekeeper
        self._transport = transport
        self._on_lane = on_lane
        self._from_journal = JournalReads(journal, on_lane)
        self._now_s = monotonic_s
        self._health = health
        self._on_change = on_change
        self._version = version
        self.tokens = TokenSource(identity, key, timekeeper, transport)
        self._session = Session(jitter)
        self._events = {channel: asyncio.Event() for channel in Channel}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cursor: str | None = None
        self._server_time_ms = 0
        self._unusable = 0
        self._mismatches = 0
        self._reported: dict[Channel, str] = {}

    async def run(self) -> None:
        """Until cancelled. Errors are logged and tried again with patience, never raised."""
        self._loop = asyncio.get_running_loop()
        while not await self._prepared():  # noqa: ASYNC110 — the disk gives no event
            await asyncio.sleep(1)
        async with asyncio.TaskGroup() as group:
            for channel in (Channel.DOWN, Channel.UP, Channel.STATUS):
                group.create_task(self._run_channel(channel), name=f"sync-{channel.value}")

    def wake(self) -> None:
        """Something was appended to the journal: upload it now. Any thread."""
        loop = self._loop
        if loop is not None:
            # A loop that is closing has nobody left to wake.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._woken)

    @property
    def token(self) -> str:
        return self.tokens.token

    def state(self) -> SyncState:
        """How the sync stands; reads memory only. On the event loop's thread."""
        session, journal = self._session, self._journal
        session.journal_at([(journal.epoch, journal.head)])
        errors = [link.last_failure.detail for link in session.links.values() if link.last_failure]
        return SyncState(
            online=session.online,
            offline_since_ms=self._time_of(session.offline_since_s),
            last_sync_ms=self._time_of(session.last_sync_s),
            waiting=session.waiting,
            acknowledged=session.progress[journal.epoch].through,
            cursor=self._cursor,
            generation=session.generation,
            replica_age_s=self._replica_age_s(),
            clock=self._clock(),
            revoked=session.revoked,
            alarms=self._alarms(),
            last_error=errors[0] if errors else None,
            unusable=self._unusable,
            mismatches=self._mismatches,
        )

    # --- one channel ------------------------------------------------------------------------

    async def _run_channel(self, channel: Channel) -> None:
        while True:
            failure: Failure | None = None
            try:
                await self._step(channel)
            except (UnreachableError, AnsweredError) as error:
                failure = error.failure
            except Exception as error:  # noqa: BLE001 — told by what it is called
                failure = own_failure(channel.value, error, self._replica)
            if failure is not None:
                self._session.failed(channel, failure, self._now_s())
                self._report(channel, failure.detail)
                await self._wipe_if_revoked()
                self._stir()

    async def _step(self, channel: Channel) -> None:
        session, journal = self._session, self._journal
        if channel is Channel.UP:
            session.journal_at([(journal.epoch, journal.head)])
        command = session.next(channel, self._now_s())
        if isinstance(command, Wait):
            await self._pause(channel, command.s)
            return
        if isinstance(command, GetToken):
            await self._get_token()
        elif isinstance(command, FetchChanges):
            await self._fetch(command)
        elif isinstance(command, Upload):
            await self._upload(command)
        elif isinstance(command, SendStatus):
            await self._send_status()
        if not isinstance(command, GetToken):
            self._report(channel, "")
        self._stir()

    async def _pause(self, channel: Channel, wait_s: float) -> None:
        event = self._events[channel]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await event.wait()
        event.clear()

    def _stir(self) -> None:
        """Something happened: whoever waits looks again."""
        for event in self._events.values():
            event.set()

    def _woken(self) -> None:
        self._session.woken(self._now_s())
        self._events[Channel.UP].set()

    # --- the exchanges ----------------------------------------------------------------------

    async def _get_token(self) -> None:
        try:
            expires_in_s = await self.tokens.renew()
        except (UnreachableError, AnsweredError) as error:
            self._session.failed(Channel.TOKEN, error.failure, self._now_s())
            self._report(Channel.TOKEN, error.failure.detail)
            await self._wipe_if_revoked()
        except Exception as error:
            failure = Failure(FailureKind.LOCAL, f"{type(error).__name__}: {error}")
            self._session.failed(Channel.TOKEN, failure, self._now_s())
            log.exception("sync.unexpected", channel="token")
        else:
            self._session.token_granted(expires_in_s, self._now_s())
            self._report(Channel.TOKEN, "")

    async def _fetch(self, command: FetchChanges) -> None:
        replica = self._replica
        if command.afresh:
            log.warning("sync.refetch")
            await asyncio.to_thread(replica.start_snapshot)
        cursor = await asyncio.to_thread(replica.cursor)
        wait_s, limit = command.wait_s, command.limit
        body = await self._transport.changes(self.tokens.token, cursor, wait_s, limit)
        me = self._identity.device_id
        applied = await asyncio.to_thread(apply_body, replica, body, me, cursor)
        page = applied.page
        self._learn(page.server_received_at, page.server_time, body.timed)
        if not page.more:
            self._server_time_ms = wire.parse_time(page.server_time)
        self._cursor = await asyncio.to_thread(replica.live_cursor)
        self._session.page_applied(
            page.cursor,
            self._now_s(),
            more=page.more,
            rows=applied.rows,
            skipped=applied.skipped,
            digest_ok=applied.digest_ok,
            revoked=applied.revoked,
        )
        await self._wipe_if_revoked()
        self._on_change()

    async def _upload(self, command: Upload) -> None:
        journal, session = self._journal, self._session
        await self._seal(command.limit)
        batch = await self._from_journal(lambda: batches.make(journal, command, session.progress))
        if batch is None:
            session.nothing_to_upload(self._now_s())
            return
        request = wire.UploadRequest(
            device_id=self._identity.device_id,
            epoch=command.epoch,
            entries=batch.entries,
            lost=batch.lost,
        )
        answer, timed = await self._transport.scans(self.tokens.token, request)
        self._learn(answer.server_received_at, answer.server_time, timed)
        await self._note_outcomes(command.epoch, answer)
        held = min(answer.contiguous_through, batch.through)  # beyond it, perhaps another's entries
        journal.received[command.epoch] = held
        await asyncio.to_thread(self._acks.note, command.epoch, held, answer.visible_at)
        await self._look_at_journal()
        session.uploaded(command.epoch, batch.through, answer.contiguous_through, self._now_s())
        await self._renew_epoch_if_rolled_back()
        self._on_change()

    async def _seal(self, limit: int) -> None:
        """Enough for the next batch. Waits for the first anchor of this boot: then each boot
        before it is bounded on both sides.
        """
        if not self._timekeeper.synced:
            return
        done = 0
        while self._journal.unsealed_count and done < limit:
            sealed = await self._on_lane(lambda: seal_some(self._journal, self._timekeeper))
            if not sealed:
                return
            done += sealed

    async def _note_outcomes(self, epoch: str, answer: wire.UploadAnswer) -> None:
        for outcome in answer.outcomes:
            if outcome.outcome == "unusable":
                self._unusable += 1
                log.warning("sync.unusable", seq=outcome.seq, code=outcome.code)
            elif outcome.outcome == "mismatch":
                self._mismatches += 1
                log.error("sync.mismatch", epoch=epoch, seq=outcome.seq)
        if any(outcome.outcome == "mismatch" for outcome in answer.outcomes):
            await self._renew_epoch(epoch, "mismatch")

    async def _send_status(self) -> None:
        journal, session = self._journal, self._session
        session.journal_at([(journal.epoch, journal.head)])
        health = self._health()
        request = wire.StatusRequest(
            epoch=journal.epoch,
            head=journal.head,
            waiting=session.waiting,
            clock=self._clock(),
            cursor=self._cursor,
            replica_age_s=self._replica_age_s(),
            readers=[
                wire.ReaderStatus(name=r.name, state=r.state, detail=r.detail, figures=r.figures)
                for r in health.readers
            ],
            disk=health.disk,
            power=health.power,
            version=self._version,
        )
        answer, timed = await self._transport.status(self.tokens.token, request)
        self._learn(answer.server_received_at, answer.server_time, timed)
        await self._look_at_journal()
        session.status_sent(request.epoch, answer.contiguous_through, self._now_s())
        await self._renew_epoch_if_rolled_back()
        await asyncio.to_thread(self._timekeeper.save)

    # --- in between -------------------------------------------------------------------------

    async def _prepared(self) -> bool:
        """Read where an earlier run stopped; False if the disk does not let us, yet."""
        try:
            await asyncio.to_thread(self._prepare, await self._from_journal(self._journal.epochs))
        except Exception as error:  # noqa: BLE001 — told by what it is called
            own_failure("start", error, self._replica)
            return False
        return True

    def _prepare(self, epochs: Sequence[tuple[str, int]]) -> None:
        session, replica = self._session, self._replica
        session.journal_at(epochs)
        for epoch, _ in epochs:
            session.acknowledged(epoch, replica.sync_state(epoch).acknowledged_through)
        session.generation = replica.generation
        self._cursor = replica.live_cursor()
        self._server_time_ms = replica.server_time_ms()
        session.begun(self._now_s(), self._replica_age_s())

    def _learn(self, received_at: str, server_time: str, timed: Timed) -> None:
        try:
            t2_ms, t3_ms = wire.parse_time(received_at), wire.parse_time(server_time)
        except ValueError as error:
            log.warning("sync.bad_time", error=str(error))
            return
        was_synced = self._timekeeper.synced
        self._timekeeper.learn(timed.sent_ms, t2_ms, t3_ms, timed.received_ms)
        if not was_synced:
            self._woken()  # what could not be sealed before can be now

    async def _wipe_if_revoked(self) -> None:
        """Who is out gets no lists, and keeps none, half fetched or whole. The journal stays."""
        if self._session.revoked:
            try:
                held = await asyncio.to_thread(self._replica.wipe)
                self._session.generation, self._cursor = None, None
                if held:
                    log.error("sync.device_revoked")
                    self._on_change()
            except Exception as error:  # noqa: BLE001 — a full card: at the next refusal again
                self._report(Channel.DOWN, own_failure("down", error, self._replica).detail)

    async def _renew_epoch_if_rolled_back(self) -> None:
        epoch = self._session.rolled_back
        if epoch is not None:
            await self._renew_epoch(epoch, "rolled back")

    async def _renew_epoch(self, epoch: str, cause: str) -> None:
        journal = self._journal
        if await self._on_lane(lambda: renew_epoch(journal, epoch, cause)):
            log.error("sync.new_epoch", cause=cause, old=epoch, new=journal.epoch)
            await self._look_at_journal()

    async def _look_at_journal(self) -> None:
        """All heads as they are now: scans made during an exchange are in its answer already, and
        an older head would make that answer look like a card rolled back.
        """
        self._session.journal_at(await self._from_journal(self._journal.epochs))

    def _report(self, channel: Channel, detail: str) -> None:
        """One line when a trouble begins or changes, one when it is over."""
        before = self._reported.get(channel, "")
        if detail and self._session.links[channel].breaker.probing:
            detail += "; from now on a light probe each 5 s"
        if detail == before:
            return
        self._reported[channel] = detail
        if detail:
            log.warning("sync.failed", channel=channel.value, detail=detail)
        else:
            log.info("sync.recovered", channel=channel.value)

    def _time_of(self, at_s: float | None) -> int | None:
        if at_s is None:
            return None
        return self._timekeeper.now()[0].at_ms - int((self._now_s() - at_s) * 1_000)

    def _replica_age_s(self) -> float | None:
        """Since the server's time of the last whole page; a long poll that waits ages it ≤ 25 s."""
        if not self._server_time_ms:
            return None
        return max(self._timekeeper.now()[0].at_ms - self._server_time_ms, 0) / 1_000

    def _clock(self) -> wire.ClockStatus:
        moment, quality = self._timekeeper.now()
        return wire.ClockStatus(
            quality=quality, offset_ms=self._timekeeper.offset_ms(), error_ms=moment.error_ms
        )

    def _alarms(self) -> tuple[str, ...]:
        session = self._session
        raised = {
            "device_revoked": session.revoked,
            "device_unconfirmed": session.unconfirmed,
            "replica_differs": session.replica_differs,
            "server_newer": session.server_newer,
            "card_rolled_back": session.rolled_back is not None,
            "entries_unusable": self._unusable > 0,
            "entries_mismatch": self._mismatches > 0,
            "unsynced_clock": not self._timekeeper.synced,
        }
        return tuple(name for name, holds in raised.items() if holds)
