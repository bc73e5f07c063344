"""The forms of the answers about imports: see `answers`."""

from typing import Any, Literal

from sync_server.http.answers import Form, Words
from sync_server.http.forms import At

State = Literal["waiting", "running", "done", "failed", "undoing", "undone"]
Outcome = Literal["created", "updated", "unchanged", "refused"]


class ImportFault(Form):
    field: str
    code: str
    message: str
    message_ko: str


class RefusedRow(Form):
    line: int
    outcome: Literal["refused"]
    errors: list[ImportFault]


class KeptRow(RefusedRow):
    """A refused row with its own cells."""

    cells: list[str]


class Understood(Form, kw_only=True):
    """How a file was understood. `ignored` are columns that nothing was made of."""

    ignored: list[str]
    columns: dict[str, str]  # heading → field
    export: str | None  # whose headings these are: Eventbrite's, pretix's
    encoding: str | None = None  # of a CSV
    delimiter: str | None = None
    sheet: str | None = None  # of a workbook
    sheets: list[str] | None = None


class ImportedAnswer(Understood, kw_only=True):
    """API §3.2, and how the file was understood."""

    created: int
    updated: int
    unchanged: int
    refused: int
    import_id: str
    rows: list[RefusedRow]


class PreviewHeading(Form):
    heading: str
    field: str | None


class PreviewRow(Form, kw_only=True):
    """`stored` is what would be stored; without outcome where a needed column is missing."""

    line: int
    cells: list[str]
    outcome: Outcome | None = None
    stored: dict[str, str | list[str]] | None = None
    errors: list[ImportFault] | None = None


class PreviewAnswer(Understood, kw_only=True):
    headings: list[PreviewHeading]
    fields: list[str]  # to choose from
    missing: list[str]  # fields that a list must have and this one has not
    rows: list[PreviewRow]


class Progress(Form, kw_only=True):
    rows_done: int
    rows_total: int | None
    bytes: int | None = None
    bytes_done: int | None = None


class UndoCounts(Form):
    cancelled: int
    restored: int
    left: int


class ImportItem(Form, kw_only=True):
    import_id: str
    source: str
    state: State
    dry_run: bool
    by: str | None
    started_at: At
    finished_at: At | None
    result: dict[str, Any] | None  # as the import's answer, without its rows
    error: Words | None
    undo: UndoCounts | None
    undoable: bool
    progress: Progress | None = None  # while it waits or runs
    url: str | None = None


class ImportAccepted(Form):
    job: ImportItem


class LeftRow(Form):
    participant_id: str
    outcome: Literal["left"]
    reason: Literal["gone", "scanned", "changed", "email_taken"]
    message: str
    message_ko: str


class UndoAnswer(UndoCounts):
    """`rows` are those who are left as they are, at most 1,000."""

    rows: list[LeftRow]
