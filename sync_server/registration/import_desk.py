"""Where lists of people are taken in: looked at first, imported, undone.

Everything here blocks, so it is not for an event loop's thread; `import_jobs` runs it beside one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Connection

from shared.errors import PermanentError
from shared.limits import IMPORT_PREVIEW_ROWS
from sync_server.identity.keys import ServerKeys
from sync_server.ports import Store
from sync_server.privacy.vault import Vault
from sync_server.registration import import_store
from sync_server.registration.event_store import load_event
from sync_server.registration.headings import FIELDS
from sync_server.registration.importer import Importer, Options, Registered
from sync_server.registration.list_reader import COPY_PREFIX, ListReader, Record, open_list
from sync_server.registration.planning import Patience, Planner
from sync_server.registration.quality import CleanRow, Rules, clean
from sync_server.registration.refusals import Refused, RefusedRows, as_csv, read_refused
from sync_server.registration.tickets import Issuer
from sync_server.registration.undo import effect_of, undo

Progress = Callable[[int], None]


class NotUndoableError(PermanentError):
    """The import can't be undone now."""


@dataclass(frozen=True, slots=True)
class Request:
    """A list to take in. `mapping` is heading → field, None for a column that is not used."""

    source: str = "the file"
    mapping: Mapping[str, str | None] = field(default_factory=dict)
    sheet: str | None = None
    dry_run: bool = False
    reinstate: bool = False
    caller: str | None = None  # who asks for it

    def open(self, file: BinaryIO, folder: Path) -> ListReader:
        return open_list(file, self.source, self.mapping, self.sheet, folder)

    def as_json(self) -> dict[str, Any]:
        return {"dryRun": self.dry_run, "reinstate": self.reinstate, "mapping": dict(self.mapping)}


def silent(_rows: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class ImportDesk:
    """`folder` is the data folder's place for imports; `registered` is told of new people."""

    database: Store
    vault: Vault
    keys: ServerKeys
    folder: Path
    now_ms: Callable[[], int]
    registered: Registered | None = None

    def clear(self) -> None:
        """Take away what a server that was killed left behind."""
        for path in self.folder.glob(f"{COPY_PREFIX}*"):
            path.unlink(missing_ok=True)

    def check(self, file: BinaryIO, request: Request) -> None:
        """UsageError where the file can't be a list of people."""
        with request.open(file, self.folder) as reader:
            reader.check()

    def run(
        self,
        file: BinaryIO,
        request: Request,
        progress: Progress = silent,
        import_id: str | None = None,
        opened: Callable[[ListReader], None] | None = None,
    ) -> dict[str, Any]:
        """Import and answer as API §3.2; UsageError where the file is no list."""
        options = Options(dry_run=request.dry_run, reinstate=request.reinstate)
        importer = Importer(
            self.database, self.vault, self.keys, options, self.now_ms,
            import_id=import_id, caller=request.caller,
        )  # fmt: skip
        with request.open(file, self.folder) as reader:
            reader.check()
            if opened is not None:
                opened(reader)
            kept = RefusedRows(self.folder, importer.import_id, reader.headings, self.vault)
            importer.kept, importer.registered = kept, self.registered
            try:
                result = importer.run(reader, request.source, progress)
            finally:
                kept.close()
            return result | reader.about()

    def preview(self, file: BinaryIO, request: Request) -> dict[str, Any]:
        """How a file would be understood: its columns, and what its first rows would do."""
        with request.open(file, self.folder) as reader:
            records = list(islice(reader, IMPORT_PREVIEW_ROWS))
            headings = [
                {"heading": heading, "field": reader.columns.field_at(place)}
                for place, heading in enumerate(reader.headings)
            ]
            told = reader.about() | {
                "headings": headings,
                "fields": list(FIELDS),
                "missing": reader.columns.missing,
            }
        if told["missing"]:
            rows = [{"line": one.line, "cells": list(one.original)} for one in records]
        else:
            rows = self.database.read_now(lambda conn: self._judged(conn, records, request))
        return told | {"rows": rows}

    def _judged(
        self, conn: Connection, records: list[Record], request: Request
    ) -> list[dict[str, Any]]:
        event, now_ms = load_event(conn), self.now_ms()
        rules = Rules.of(event)
        issuer = Issuer.now(conn, event, self.vault, self.keys, now_ms)
        planner = Planner(event, self.vault, None, reinstate=request.reinstate)
        rows: list[dict[str, Any]] = []
        for record in records:
            judged = [record.problem] if record.problem else clean(record.cells, rules)
            outcome, stored = "refused", None
            if isinstance(judged, CleanRow):
                stored = _as_cells(judged)
                plan = planner.plan(conn, [(1, judged)], issuer, now_ms, Patience.NONE)
                planner.keep()
                judged = plan.refused[0][1] if plan.refused else []
                outcome = plan.outcomes[0].value if plan.outcomes else outcome
            rows.append({
                "line": record.line,
                "cells": list(record.original),
                "outcome": outcome,
                "stored": stored,
                "errors": [fault.as_json() for fault in judged],
            })  # fmt: skip
        return rows

    def refused_csv(self, import_id: str, language: str) -> Iterator[bytes]:
        """The refused rows of an import as a CSV; LookupError where none are kept."""
        return as_csv(read_refused(self.folder, import_id, self.vault), language)

    def refused_rows(self, import_id: str, after_line: int, limit: int) -> list[Refused]:
        rows = read_refused(self.folder, import_id, self.vault)
        later = (row for row in rows if isinstance(row, Refused) and row.line > after_line)
        return list(islice(later, limit))

    def effect(self, import_id: str) -> dict[str, Any]:
        """What undoing would do; LookupError where there is no such import."""
        self.database.read_now(lambda conn: _undoable(conn, import_id))
        return effect_of(self.database, import_id).as_json()

    def undo(self, import_id: str, progress: Progress = silent) -> dict[str, Any]:
        """Undo the whole import; again is no error and finds nothing more to do."""

        def begin(conn: Connection) -> None:
            _undoable(conn, import_id)
            import_store.set_state(conn, import_id, "undoing")

        def finish(conn: Connection) -> None:
            import_store.set_state(conn, import_id, "undone", undo=counts, error=None)

        self.database.write_now(begin)
        try:
            result = undo(self.database, import_id, self.now_ms, progress).as_json()
        except BaseException:  # what was undone stays so; the rest may be asked for again
            self.database.write_now(lambda conn: import_store.set_state(conn, import_id, "done"))
            raise
        counts = {name: value for name, value in result.items() if name != "rows"}
        self.database.write_now(finish)
        return result


def _undoable(conn: Connection, import_id: str) -> None:
    row = import_store.find(conn, import_id)
    if row is None:
        raise LookupError(import_id)
    if row["state"] in {"waiting", "running"}:
        raise NotUndoableError("The import is still running; undo it when it has ended.")
    changed = row["result"].get("created", 0) + row["result"].get("updated", 0)
    if changed and not import_store.remembered(conn, import_id):
        raise NotUndoableError("This import is too long ago: its former values are not kept.")


def _as_cells(row: CleanRow) -> dict[str, Any]:
    """What would be stored, by the names of API §3.1."""
    told: dict[str, Any] = {
        "id": row.participant_id,
        "name": row.name,
        "email": row.email,
        "phone": row.phone,
        "organization": row.organization,
        "birthDate": row.birth_date,
        "region": row.region,
        "group": row.group,
        "permissions": list(row.permissions) if row.permissions else None,
        "status": row.status.value if row.status else None,
        "language": row.language,
    }
    return {name: value for name, value in told.items() if value is not None}
