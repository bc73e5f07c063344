"""Participants from a list: matched, created, changed, each row answered (API §3.2).

Rows go through in chunks, a transaction each, so that memory and the writer's time stay bounded
however long the list is. What a chunk changes is planned first and then written; a dry run stops
between the two.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, select

from shared.limits import IMPORT_ROWS_PUT_OFF_MAX, IMPORT_ROWS_REPORTED_MAX
from shared.model import CredentialStatus, Event
from sync_server.attendance import merge_store
from sync_server.identity.keys import ServerKeys
from sync_server.ports import Store
from sync_server.privacy.vault import Vault
from sync_server.registration import import_store
from sync_server.registration.event_store import load_event
from sync_server.registration.list_reader import Record
from sync_server.registration.planning import Outcome, Patience, Plan, Planner
from sync_server.registration.quality import CleanRow, Fault, Rules, clean
from sync_server.registration.refusals import RefusedRows
from sync_server.registration.tickets import Issuer
from sync_server.storage import revisions, schema
from sync_server.storage.chunks import mappings_in
from sync_server.storage.history import record_change, record_changes

CHUNK_ROWS = 1_000
# Told of the people whom a chunk registered, inside its transaction; the moment is the chunk's.
Registered = Callable[[Connection, Sequence[str], int], object]
_TRIES_MAX = 10  # of rows that were put off


@dataclass(frozen=True, slots=True)
class Options:
    """`reinstate` lets a row lift `blocked` and `cancelled`."""

    dry_run: bool = False
    reinstate: bool = False


class Importer:
    """One import. `now_ms` is asked once a transaction; `kept`, if set, takes refused rows whole."""

    def __init__(
        self,
        database: Store,
        vault: Vault,
        keys: ServerKeys,
        options: Options,
        now_ms: Callable[[], int],
        *,
        import_id: str | None = None,
        caller: str | None = None,
    ) -> None:
        self.import_id = import_id or str(uuid.uuid4())
        self._caller = caller
        self.kept: RefusedRows | None = None
        self.registered: Registered | None = None
        self._database = database
        self._vault = vault
        self._keys = keys
        self._options = options
        self._now_ms = now_ms
        self._source = ""
        self._counts = {outcome.value: 0 for outcome in Outcome}
        self._refused: list[dict[str, Any]] = []
        self._put_off: list[tuple[int, CleanRow]] = []
        self._open: dict[int, Record] = {}  # rows without an answer yet, by line

    def run(
        self,
        records: Iterable[Record],
        source: str,
        progress: Callable[[int], None] = lambda _rows: None,
    ) -> dict[str, Any]:
        """Read everything and answer as API §3.2; blocks, so not for an event loop's thread."""
        self._source = source
        event = self._database.read_now(load_event)
        rules = Rules.of(event)
        planner = Planner(event, self._vault, self.import_id, reinstate=self._options.reinstate)
        rows = iter(records)
        done = 0
        while chunk := list(islice(rows, CHUNK_ROWS)):
            self._take(chunk, rules, planner, event)
            done += len(chunk)
            progress(done)
        self._take_put_off(planner, event)
        self._refused.sort(key=lambda row: int(row["line"]))
        result = {**self._counts, "importId": self.import_id}
        if not self._options.dry_run:
            self._database.write_now(lambda conn: self._finish(conn, result))
        return {**result, "rows": self._refused}

    def _finish(self, conn: Connection, result: dict[str, Any]) -> None:
        if import_store.find(conn, self.import_id) is not None:
            import_store.set_state(
                conn, self.import_id, "done", result=result, finished_ms=self._now_ms()
            )
            import_store.prune(conn)

    def _take(self, chunk: list[Record], rules: Rules, planner: Planner, event: Event) -> None:
        good: list[tuple[int, CleanRow]] = []
        refused: list[tuple[int, Sequence[Fault]]] = []
        for record in chunk:
            self._open[record.line] = record
            judged = [record.problem] if record.problem else clean(record.cells, rules)
            if not isinstance(judged, CleanRow):
                refused.append((record.line, judged))
            elif record.last and len(self._put_off) < IMPORT_ROWS_PUT_OFF_MAX:
                self._put_off.append((record.line, judged))
            else:
                good.append((record.line, judged))
        self._report(refused)
        full = len(self._put_off) >= IMPORT_ROWS_PUT_OFF_MAX
        self._put_off += self._save(good, planner, event, Patience.NONE if full else Patience.FULL)
        waiting = {line for line, _ in self._put_off}
        self._open = {line: self._open[line] for line in waiting}

    def _take_put_off(self, planner: Planner, event: Event) -> None:
        """Try rows that were put off again, as long as that helps any, then answer the rest."""
        for _ in range(_TRIES_MAX):
            changed = self._counts["created"] + self._counts["updated"]
            self._try_put_off(planner, event, Patience.WITH_HELD)
            if self._counts["created"] + self._counts["updated"] == changed:
                break
        self._try_put_off(planner, event, Patience.NONE)

    def _try_put_off(self, planner: Planner, event: Event, patience: Patience) -> None:
        waiting, self._put_off = self._put_off, []
        for start in range(0, len(waiting), CHUNK_ROWS):
            piece = waiting[start : start + CHUNK_ROWS]
            self._put_off += self._save(piece, planner, event, patience)

    def _save(
        self, good: list[tuple[int, CleanRow]], planner: Planner, event: Event, patience: Patience
    ) -> list[tuple[int, CleanRow]]:
        """One transaction; returns the rows that were put off."""
        now_ms = self._now_ms()

        def job(conn: Connection) -> Plan:
            issuer = Issuer.now(conn, event, self._vault, self._keys, now_ms)
            plan = planner.plan(conn, good, issuer, now_ms, patience)
            if not self._options.dry_run:
                write_plan(conn, plan, now_ms)
                if self.registered is not None:
                    self.registered(conn, sorted(plan.created), now_ms)
                if import_store.remember(conn, self.import_id, plan, now_ms):
                    import_store.begin(
                        conn, self.import_id, self._source, now_ms, caller=self._caller
                    )
            return plan

        run = self._database.read_now if self._options.dry_run else self._database.write_now
        plan = run(job)
        planner.keep()
        for outcome in plan.outcomes:
            self._counts[outcome.value] += 1
        self._report(plan.refused)
        return plan.put_off

    def _report(self, refused: Sequence[tuple[int, Sequence[Fault]]]) -> None:
        self._counts[Outcome.REFUSED.value] += len(refused)
        for line, faults in sorted(refused, key=lambda pair: pair[0]):
            if self.kept is not None:
                self.kept.add(self._open[line], faults)
            if len(self._refused) < IMPORT_ROWS_REPORTED_MAX:
                errors = [fault.as_json() for fault in faults]
                self._refused.append({"line": line, "outcome": "refused", "errors": errors})


def write_plan(conn: Connection, plan: Plan, now_ms: int) -> None:
    """Write what was planned: rows, dated changes, and the fold of whom they touch."""
    for row in plan.moved_emails:  # one by one and first: an address may be free only then
        revisions.upsert_many(conn, schema.participants, [row])
    if plan.participants:
        revisions.upsert_many(conn, schema.participants, plan.participants)
    if plan.credentials:
        revisions.upsert_many(conn, schema.credentials, plan.credentials)
    changed = [(after["participant_id"], before, after) for before, after in plan.changes]
    record_changes(conn, "participant", changed, now_ms)
    _renew(conn, plan.renewed, now_ms)
    touched = {after["participant_id"] for _, after in plan.changes}
    digests = [row["digest"] for row in plan.credentials] + plan.renewed
    # A row that appears may be whom an earlier scan meant (DESIGN §4.2).
    if plan.created and conn.execute(select(schema.scans.c.row_id).limit(1)).first():
        touched |= plan.created
    if touched or (digests and conn.execute(select(schema.scans.c.row_id).limit(1)).first()):
        merge_store.refold(conn, touched, now_ms, digests=digests)


def _renew(conn: Connection, digests: Sequence[str], now_ms: int) -> None:
    """Tickets that undoing an import revoked, and that a list carries over again."""
    tickets = schema.credentials
    for row in list(mappings_in(conn, select(tickets), tickets.c.digest, digests)):
        after = {**row, "status": CredentialStatus.ACTIVE.value}
        if revisions.upsert(conn, tickets, after):
            record_change(conn, "credential", row["credential_id"], row, after, now_ms)
