"""Planted faults: each is a mistake that a program like ours is known to make, put into the real
code for the length of a run. A simulation that does not find them proves nothing.

`ALL` names for each the promises by which it must be found; another's word does not count.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

from edge_agent import facts, timekeeper
from edge_agent.lane import Lane
from edge_agent.own_scans import OwnScans
from edge_agent.storage import replica_reader, sqlite_file
from edge_agent.storage.journal import Journal
from edge_agent.storage.replica import Replica
from edge_agent.sync import batches, loop
from edge_agent.sync.session import Session
from edge_agent.sync.transport import HttpTransport, PageBody, Timed, UnreachableError
from shared import wire
from shared.errors import WireError
from shared.merge import ScanFact
from shared.model import CredentialStatus, ParticipantStatus
from shared.timekeeping import Sealed
from sync_server.attendance import onward
from sync_server.http import devices as routes
from sync_server.insight import counters
from sync_server.storage import revisions
from sync_server.sync import feed, ingest, journals

Wrap = Callable[[Any], Any]


class Mutant(NamedTuple):
    promises: tuple[str, ...]
    plant: Callable[[ExitStack], None]


ALL: dict[str, Mutant] = {}


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    with ExitStack() as stack:
        if name is not None:
            ALL[name].plant(stack)
        yield


def is_about(name: str, line: str) -> bool:
    return line.startswith(ALL[name].promises)


def _replaces(target: Any, attribute: str, *promises: str) -> Callable[[Wrap], Wrap]:
    """The decorated function gets the real thing and returns the faulty one."""

    def decorate(make: Wrap) -> Wrap:
        def plant(stack: ExitStack) -> None:
            real = getattr(target, attribute)
            stack.enter_context(patch.object(target, attribute, make(real)))

        ALL[make.__name__] = Mutant(promises, plant)
        return make

    return decorate


# --- the gate -----------------------------------------------------------------------------------


@_replaces(sqlite_file, "connect", "P1", "P2")
def missing_fsync_barrier(real: Any) -> Any:
    return lambda path, synchronous: real(path, synchronous="NORMAL")


@_replaces(Lane, "_write_down", "P1")
def opens_before_writing(real: Any) -> Any:
    def write_down(self: Any, body: Any, reading: Any) -> Any:
        if body["admitted"]:
            self._open(body["scanId"])
        return real(self, body, reading)

    return write_down


@_replaces(Journal, "_append", "P2")
def number_used_up_by_a_failed_write(real: Any) -> Any:
    def append(self: Any, *given: Any, **named: Any) -> Any:
        try:
            return real(self, *given, **named)
        except sqlite3.Error:
            self.head += 1
            raise

    return append


@_replaces(Replica, "apply_page", "P3", "P7")
def cursor_saved_before_rows(real: Any) -> Any:
    def apply_page(self: Any, lines: Any, page: Any, *more: Any, **named: Any) -> Any:
        generation, revision = wire.parse_cursor(page.cursor)
        if generation == self.generation and not self._state("building"):
            self._conn.execute("UPDATE state SET revision = ?", (revision,))
        return real(self, lines, page, *more, **named)

    return apply_page


@_replaces(HttpTransport, "changes", "P3", "P7")
def page_applied_without_its_last_line(real: Any) -> Any:
    async def changes(self: Any, *given: Any, **named: Any) -> Any:
        sent_ms = self._boot_ms()
        try:
            return await real(self, *given, **named)
        except UnreachableError:
            cut = self.network.cuts.pop(self.who, None)
            if cut is None or b'"page"' not in cut.last_line:
                raise
            return PageBody([*cut.lines, cut.last_line], Timed(sent_ms, self._boot_ms()))

    return changes


@_replaces(OwnScans, "take", "P10")
def overlay_dropped(_: Any) -> Any:
    return lambda self, epoch, seq, body, at_ms: None


@_replaces(facts, "contained", "P10")
def overlay_left_with_the_acknowledgement(_: Any) -> Any:
    return lambda acks, generation, revision: max((ack.through for ack in acks), default=0)


@_replaces(HttpTransport, "scans", "P2", "P7", "P10")
def outcome_taken_for_granted(real: Any) -> Any:
    async def scans(self: Any, token: str, request: Any) -> Any:
        sent_ms = self._boot_ms()
        try:
            return await real(self, token, request)
        except UnreachableError:
            if not self.network.server.alive:
                raise
            now = wire.format_time(self.network.world.true_ms)
            answer = wire.UploadAnswer(
                outcomes=[wire.Outcome(seq=e["seq"], outcome="stored") for e in request.entries],
                contiguous_through=max(e["seq"] for e in request.entries),
                holes=[],
                visible_at=self.network.server.head(),
                server_received_at=now,
                server_time=now,
            )
            return answer, Timed(sent_ms, self._boot_ms())

    return scans


@_replaces(timekeeper.timekeeping, "seal", "P8")
def time_not_sealed(_: Any) -> Any:
    def seal(stamps: Any, anchors: Any, *, after_ms: Any = None, previous_ms: int = 0) -> Any:
        return [Sealed(s.seq, max(s.wall_ms, previous_ms), 1_000, "synced") for s in stamps]

    return seal


@_replaces(timekeeper.timekeeping, "estimate", "P8")
def boots_confused(real: Any) -> Any:
    def estimate(anchor: Any, boot_id: str, boot_ms: int, wall_ms: int) -> Any:
        if anchor is None:
            return real(anchor, boot_id, boot_ms, wall_ms)
        return anchor.at(boot_ms), "synced"

    return estimate


@_replaces(loop, "renew_epoch", "P2")
def epoch_not_renewed_after_rollback(_: Any) -> Any:
    return lambda journal, epoch, cause: False


@_replaces(batches, "make", "P2")
def lost_row_not_named(real: Any) -> Any:
    def make(*given: Any) -> Any:
        batch = real(*given)
        return batch and batches.Batch(batch.entries, [], batch.through)

    return make


@_replaces(Replica, "_keep_known_bad", "P4")
def known_bad_forgotten_with_the_server(_: Any) -> Any:
    return lambda self, *given, **named: None


@_replaces(Replica, "wipe", "P9")
def revoked_gate_keeps_its_list(_: Any) -> Any:
    return lambda self: self._conn.execute("UPDATE state SET generation = NULL, revision = 0")


def _restored_server_not_refilled(stack: ExitStack) -> None:
    """What the server once had is taken as had for ever, whatever it says now."""
    uploaded, status_sent = Session.uploaded, Session.status_sent

    def after_upload(self: Any, epoch: str, sent: int, through: int, now_s: float) -> None:
        uploaded(self, epoch, sent, max(through, self.progress[epoch].through), now_s)

    def after_status(self: Any, epoch: str, through: int, now_s: float) -> None:
        held = self.progress.get(epoch)
        status_sent(self, epoch, max(through, held.through if held else 0), now_s)

    stack.enter_context(patch.object(Session, "_offer_again", lambda _self: None))
    stack.enter_context(patch.object(Session, "uploaded", after_upload))
    stack.enter_context(patch.object(Session, "status_sent", after_status))


ALL["restored_server_not_refilled"] = Mutant(("P2",), _restored_server_not_refilled)


def _revocation_not_looked_up(stack: ExitStack) -> None:
    known = replica_reader._CREDENTIAL_STATUS
    stack.enter_context(patch.dict(known, {"revoked": CredentialStatus.ACTIVE}))


def _barred_not_looked_up(stack: ExitStack) -> None:
    known = replica_reader._PARTICIPANT_STATUS
    stack.enter_context(patch.dict(known, {"blocked": ParticipantStatus.REGISTERED}))


ALL["revocation_not_looked_up"] = Mutant(("P4",), _revocation_not_looked_up)
ALL["barred_person_not_looked_up"] = Mutant(("P4",), _barred_not_looked_up)


# --- the server ---------------------------------------------------------------------------------


@_replaces(onward, "comes_after", "P3")
def presence_from_the_latest_arrival(_: Any) -> Any:
    return lambda first, place, last: True


@_replaces(ScanFact, "order", "P3", "P10")
def last_writer_wins(_: Any) -> Any:
    """The walk goes by device and number, not by time."""
    return property(lambda self: (0, self.key))


@_replaces(journals, "received", "P2")
def hole_ignored(real: Any) -> Any:
    def received(conn: Any, device_id: str, epoch: str, **named: Any) -> Any:
        found = real(conn, device_id, epoch, **named)
        return found._replace(contiguous_through=found.head, holes=[])

    return received


@_replaces(routes, "ingest", "P2", "P3")
def known_scans_counted_again(real: Any) -> Any:
    def again(conn: Any, device_id: str, request: Any, received_ms: int, *more: Any) -> Any:
        done = real(conn, device_id, request, received_ms, *more)
        known = sum(o.outcome == "known" and o.verdict == "confirmed" for o in done.outcomes)
        counters.apply(conn, {("overall", "confirmed"): float(known)})
        return done

    return again


@_replaces(routes, "ingest", "P2", "P6")
def poison_scan_stops_its_batch(real: Any) -> Any:
    def strict(conn: Any, device_id: str, request: Any, received_ms: int, *more: Any) -> Any:
        done = real(conn, device_id, request, received_ms, *more)
        if any(outcome.outcome == "unusable" for outcome in done.outcomes):
            raise WireError("one of these can't be used")
        return done

    return strict


@_replaces(ingest, "_fresh", "P2", "P6")
def poison_scan_not_kept(real: Any) -> Any:
    return lambda checked, held: [e for e in real(checked, held) if e.unusable is None]


@_replaces(ingest, "_fresh", "P2")
def second_content_dropped(real: Any) -> Any:
    """Entries known by their number alone: what a rolled-back card writes anew is lost."""

    def fresh(checked: Any, held: Any) -> Any:
        taken = {seq for seq, _ in held}
        return [entry for entry in real(checked, held) if entry.seq not in taken]

    return fresh


@_replaces(feed, "changes_page", "P3", "P7")
def page_with_the_cursor_of_the_head(real: Any) -> Any:
    def changes_page(conn: Any, *given: Any) -> Any:
        page = real(conn, *given)
        return page._replace(cursor=wire.cursor_text(*revisions.head(conn)))

    return changes_page


def check_all_can_be_planted() -> None:
    """Code that moved would leave a mutant without its place."""
    for name in ALL:
        with planted(name):
            pass
