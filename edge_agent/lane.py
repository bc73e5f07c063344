"""The lane: one sighting at a time, facts → decide → journal → barrier → kiosk (P1, P5, P10).

Synchronous, on one thread that owns the journal. Nothing here awaits the network.
"""

import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import msgspec
import structlog

from edge_agent import system_clock
from edge_agent.disk import Disk, DiskFault
from edge_agent.facts import FactSource, Gathered, method_of
from edge_agent.ports import Barrier, Order, Outcome, Sighting
from edge_agent.storage.journal import Appended, Journal
from edge_agent.timekeeper import Timekeeper
from shared.admission import decide, forgiven
from shared.credentials import Claims
from shared.errors import TransientError
from shared.limits import UNREADABLE_RECORDED_PER_MINUTE_MAX
from shared.model import Decision, Direction, Method, Moment, Override, ScanKind
from shared.reasons import Reason
from shared.timekeeping import MOVE_MS_MAX, Quality
from shared.wire import format_time

log = structlog.get_logger(__name__)

_MINUTE_MS = 60_000
T = TypeVar("T")


class OutOfOrderError(TransientError):
    """The gate can't write its journal down, so it opens for nobody; it goes on trying."""


class Reading(NamedTuple):
    """One look at all clocks for the whole decision; `moment` is the best time known."""

    moment: Moment
    quality: Quality
    boot_ms: int
    wall_ms: int

    @classmethod
    def of(cls, time: Timekeeper) -> "Reading":
        boot_ms, wall_ms = time.boot_ms(), time.wall_ms()
        return cls(*time.at(boot_ms, wall_ms), boot_ms, wall_ms)


@dataclass(slots=True)
class LaneHealth:
    """What `status` and the kiosk say of the lane. `fault` is empty while all is well."""

    fault: str = ""
    fault_code: str = ""  # one of troubles.TROUBLES
    barrier_fault: str = ""
    decisions: int = 0
    unreadable_not_recorded: int = 0


@dataclass(slots=True)
class _UnreadableQuota:
    """At most so many a minute are recorded, the rest counted: noise must not fill a card."""

    _recorded_ms: deque[int] = field(default_factory=deque)

    def take(self, boot_ms: int) -> bool:
        while self._recorded_ms and boot_ms - self._recorded_ms[0] >= _MINUTE_MS:
            self._recorded_ms.popleft()
        if len(self._recorded_ms) >= UNREADABLE_RECORDED_PER_MINUTE_MAX:
            return False
        self._recorded_ms.append(boot_ms)
        return True


class Lane:
    """Decides. `on_outcome` are called on the lane's thread, after the barrier."""

    def __init__(
        self,
        facts: FactSource,
        journal: Journal,
        barrier: Barrier,
        time: Timekeeper,
        disk: Disk,
        *,
        new_scan_id: Callable[[], str],
    ) -> None:
        self.facts = facts
        self.health = LaneHealth()
        self.on_outcome: list[Callable[[Outcome], None]] = []
        self._journal = journal
        self._barrier = barrier
        self._time = time
        self._disk = disk
        self._new_scan_id = new_scan_id
        self._quota = _UnreadableQuota()

    def present(
        self, sighting: Sighting, direction: Direction | None = None, *, dry_run: bool = False
    ) -> Outcome:
        """Decide on a sighting and act. OutOfOrderError when it can't be written down,
        NotReadyError before the first list; nothing opens then.
        """
        started_s = system_clock.monotonic_s()
        reading = Reading.of(self._time)
        waited_ms = max(0, reading.boot_ms - sighting.boot_ms)  # decoding and the queue
        gathered = self.facts.gather(sighting, direction, reading.moment)
        decision = decide(gathered.facts)
        recorded = not dry_run and self._worth_recording(decision, reading)
        processing_ms = round(waited_ms + (system_clock.monotonic_s() - started_s) * 1_000, 2)
        typed = sighting.kind == "typed"
        if not recorded:
            outcome = self._outcome(gathered, decision, reading, processing_ms, typed=typed)
            if not dry_run:  # who stands there sees the answer to each try, recorded or counted
                self._tell(outcome)
            return outcome
        scan_id = self._new_scan_id()
        method = method_of(sighting)
        body = _body(
            scan_id, method, gathered, decision, reading, processing_ms, self._time.boot_id
        )
        return self._carry_out(body, gathered, decision, reading, typed=typed)

    def manual(self, order: Order) -> Outcome:
        """A supervisor's decision: recorded, opened and shown as any other, with who and why.

        OutOfOrderError and NotReadyError as `present`.
        """
        started_s = system_clock.monotonic_s()
        reading = Reading.of(self._time)
        gathered = self._gather_order(order, reading)
        facts = msgspec.structs.replace(
            gathered.facts,
            override=order.override if order.admit else None,
            staff_refuses=not order.admit,
        )
        decision = decide(facts)
        processing_ms = round((system_clock.monotonic_s() - started_s) * 1_000, 2)
        body = _body(
            self._new_scan_id(),
            Method.MANUAL,
            gathered,
            decision,
            reading,
            processing_ms,
            self._time.boot_id,
        )
        body["override"] = {
            "operatorId": order.override.operator_id,
            "text": order.override.text,
        }
        if order.participant_id is not None:
            body["participantId"] = order.participant_id
        if order.walk_in is not None:
            body["walkIn"] = order.walk_in
        decision = msgspec.structs.replace(decision, override=order.override)
        return self._carry_out(body, gathered, decision, reading)

    def _gather_order(self, order: Order, reading: Reading) -> Gathered:
        asked = order.direction
        if order.code is not None:
            sighting = Sighting("typed", order.code, None, reading.boot_ms, "staff")
            return self.facts.gather(sighting, asked, reading.moment)
        kind = ScanKind.PERSON if order.walk_in is None else ScanKind.WALK_IN
        found = self.facts.gather_person(order.participant_id, kind, asked, reading.moment)
        name = order.walk_in.get("maskedName") if order.walk_in else found.masked_name
        return found._replace(masked_name=name)

    def resolve(self, scan_id: str, override: Override) -> Appended:
        """Take back an admitted scan of this gate: a resolution in the journal."""
        reading = Reading.of(self._time)
        at_ms = reading.moment.at_ms
        body: dict[str, Any] = {
            "scanId": scan_id,
            "action": "void",
            "operatorId": override.operator_id,
            "at": format_time(at_ms),
            "text": override.text,
        }
        appended = self._durably(lambda: self._journal.append_resolution(body, at_ms=at_ms))
        word = body | {"type": "resolution", "seq": appended.seq}
        self.facts.own.take(self._journal.epoch, appended.seq, word, at_ms)
        return appended

    def note(self, text: str, data: dict[str, Any]) -> Appended:
        """What the gate wants remembered: a PIN tried, a direction changed, a barrier held."""
        at_ms = Reading.of(self._time).moment.at_ms
        body: dict[str, Any] = {"note": text, "at": format_time(at_ms), "data": data}
        return self._durably(lambda: self._journal.append_note(body, at_ms=at_ms))

    def _carry_out(
        self,
        body: dict[str, Any],
        gathered: Gathered,
        decision: Decision,
        reading: Reading,
        *,
        typed: bool = False,
    ) -> Outcome:
        """Down on the card, then the barrier, then whoever listens (P1)."""
        scan_id: str = body["scanId"]
        appended = self._write_down(body, reading)
        if decision.admitted:
            self._open(scan_id)
        processing_ms: float = body["processingMs"]
        outcome = self._outcome(
            gathered,
            decision,
            reading,
            processing_ms,
            scan_id,
            appended,
            method=body["method"],
            typed=typed,
        )
        self.health.decisions += 1
        self._tell(outcome)
        return outcome

    def _tell(self, outcome: Outcome) -> None:
        for listener in self.on_outcome:
            listener(outcome)

    def idle(self) -> None:
        """Housekeeping between visitors."""
        try:
            self._journal.tidy()
        except sqlite3.Error as error:
            log.warning("journal_checkpoint_failed", error=str(error))

    def _worth_recording(self, decision: Decision, reading: Reading) -> bool:
        if decision.reason is not Reason.UNREADABLE or self._quota.take(reading.boot_ms):
            return True
        self.health.unreadable_not_recorded += 1
        return False

    def _write_down(self, body: dict[str, Any], reading: Reading) -> Appended:
        """The durable commit (P1), then the overlay (P7): in memory only what is on disk."""
        sealed = self._seal(body, reading)
        at_ms = reading.moment.at_ms
        if sealed:
            at_ms = max(at_ms, self._journal.last_occurred_ms)
        appended = self._durably(
            lambda: self._journal.append_scan(body, at_ms=at_ms, sealed=sealed)
        )
        body["type"] = "scan"
        self.facts.own.take(self._journal.epoch, appended.seq, body, at_ms)
        return appended

    def try_disk(self) -> None:
        """A durable write that says nothing, so that a fault shows, and goes, without a visitor."""
        with contextlib.suppress(OutOfOrderError):
            self._durably(self._journal.probe)

    def _durably(self, write: Callable[[], T]) -> T:
        """A write of the journal. On a full disk the reserve is freed, and it is tried again."""
        started_s = system_clock.monotonic_s()
        try:
            try:
                written = write()
            except (sqlite3.Error, OSError):
                if self._disk.why() is not DiskFault.FULL or not self._disk.free_reserve():
                    raise
                written = write()
        except (sqlite3.Error, OSError) as error:
            code = self._disk.why()
            if self.health.fault_code != code:
                log.error("journal_write_failed", error=str(error), why=code)  # noqa: TRY400 — one line
            self.health.fault, self.health.fault_code = f"journal: {error}", code
            raise OutOfOrderError(
                f"the gate can't write its journal down ({error}), so it opens for nobody; "
                "free some space or replace the card: it goes on trying"
            ) from error
        self._disk.committed((system_clock.monotonic_s() - started_s) * 1_000)
        self.health.fault = self.health.fault_code = ""
        return written

    def _seal(self, body: dict[str, Any], reading: Reading) -> bool:
        """Final times in the same commit, where the clock is sure and nothing waits before it."""
        if reading.quality != "synced" or self._journal.unsealed_count:
            return False
        moment = reading.moment
        moved_ms = max(self._journal.last_occurred_ms - moment.at_ms, 0)
        if moved_ms > MOVE_MS_MAX:
            return False  # two stories in one journal: the sync's sealing starts a new epoch
        # The same as `timekeeping.seal` of this one entry, which a test holds to.
        body["occurredAt"] = format_time(moment.at_ms + moved_ms)
        body["timeErrorMs"] = moment.error_ms + moved_ms
        body["timeQuality"] = reading.quality
        return True

    def _open(self, scan_id: str) -> None:
        try:
            self._barrier.open(scan_id)
        except Exception as error:  # whatever the hardware throws, the scan stands
            self.health.barrier_fault = f"barrier: {error}"
            log.exception("barrier_failed", scan_id=scan_id)
            with suppress(OutOfOrderError):  # health says it too
                self.note("barrier_failed", {"scanId": scan_id})
        else:
            self.health.barrier_fault = ""

    def _outcome(
        self,
        gathered: Gathered,
        decision: Decision,
        reading: Reading,
        processing_ms: float,
        scan_id: str | None = None,
        appended: Appended | None = None,
        *,
        typed: bool,
        method: str = Method.QR_SCAN,
    ) -> Outcome:
        participant = gathered.facts.participant
        return Outcome(
            decision=decision,
            direction=gathered.facts.direction,
            moment=reading.moment,
            participant_id=None if participant is None else participant.participant_id,
            masked_name=gathered.masked_name,
            language=gathered.language,
            scan_id=scan_id,
            epoch=None if appended is None else self._journal.epoch,
            seq=None if appended is None else appended.seq,
            processing_ms=processing_ms,
            typed=typed,
            override=decision.override,
            method=method,
            presence=gathered.facts.presence,
            forgiven=forgiven(gathered.facts),
        )


def _body(
    scan_id: str,
    method: Method,
    gathered: Gathered,
    decision: Decision,
    reading: Reading,
    processing_ms: float,
    boot_id: str,
) -> dict[str, Any]:
    """The wire's members (API §3.5) but for seq, checksum and the sealed times."""
    facts, seen = gathered.facts, gathered.seen
    body: dict[str, Any] = {
        "scanId": scan_id,
        "gateId": facts.gate.gate_id,
        "kind": seen.kind,
        "method": method,
        "direction": facts.direction,
        "bootId": boot_id,
        "bootMs": reading.boot_ms,
        "wallAt": format_time(reading.wall_ms),
        "decidedErrorMs": reading.moment.error_ms,
        "admitted": decision.admitted,
        "reason": decision.reason.label,
        "processingMs": processing_ms,
    }
    if gathered.cursor is not None:
        body["replicaCursor"] = gathered.cursor
    if seen.digest is not None:
        body["digest"] = seen.digest
    if facts.participant is not None:
        body["participantId"] = facts.participant.participant_id
    if facts.credential is not None:
        body["credentialId"] = facts.credential.credential_id
    if seen.claims is not None:
        body["claims"] = claims_json(seen.claims)
    return body


def claims_json(claims: Claims) -> dict[str, Any]:
    """A signed ticket's claims as a scan records them; what is absent is left out."""
    said: dict[str, Any] = {
        "keyId": claims.key_id,
        "participantId": claims.participant_id,
        "credentialId": claims.credential_id,
        "issuedAt": format_time(claims.issued_at_s * 1_000),
        "permissions": claims.permissions,
        "maskedName": claims.name,
    }
    if claims.valid_from_s is not None:
        said["validFrom"] = format_time(claims.valid_from_s * 1_000)
    if claims.valid_until_s is not None:
        said["validUntil"] = format_time(claims.valid_until_s * 1_000)
    return said
