"""A list of people, whatever kind of file it came in: records of named cells, one at a time."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self

from sync_server.registration.csv_reader import CsvRows, chained, read_up_to
from sync_server.registration.exports import CANCELLED, Export, export_of
from sync_server.registration.headings import (
    HEADINGS,
    Columns,
    explain_missing,
    map_headings,
    recognised,
)
from sync_server.registration.names import whole_name
from sync_server.registration.plain import plain
from sync_server.registration.quality import Fault
from sync_server.registration.rows import ListError, Row
from sync_server.registration.sheet_reader import MAGICS, SheetRows

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_YES = {"yes", "true", "1", "예", "y"}
COPY_PREFIX = "reading-"  # of a workbook's copy while it is read
_COPY_BYTES = 1 << 20
# A word that only an export has; such a row may be the one that has the headings.
_SIGNS = {"order", "attendee", "ordercode", "positionid", "attendeestatus", "attendeename"}

Mapping_ = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Record:
    """One row. `problem` says why it has no cells; `original` are the cells as they stand.

    `last`: to be taken when all others are through, since it says that somebody does not come:
    another row may say of the same person that they do.
    """

    line: int
    cells: Mapping[str, str] = field(default_factory=dict)
    problem: Fault | None = None
    original: Sequence[str] = ()
    last: bool = False


class ListReader:
    """Iterate once for the records. Close it, or use it in a `with`."""

    def __init__(
        self, rows: CsvRows | SheetRows, source: str, mapping: Mapping_ | None = None
    ) -> None:
        self.rows = rows
        self.source = source
        self.headings = [unguarded(name).strip() for name in rows.headings]
        self.export: Export | None = export_of(self.headings)
        self.columns: Columns = map_headings(self.headings, mapping or {}, source, self.export)

    @property
    def ignored(self) -> list[str]:
        return self.columns.ignored

    def check(self) -> None:
        """ListError where the list can't be one of people."""
        if self.columns.missing:
            raise explain_missing(self.columns.missing, self.headings, self.source)

    def about(self) -> dict[str, Any]:
        """How the file was understood, as results and previews tell it."""
        told: dict[str, Any] = {
            "ignored": self.ignored,
            "columns": {
                heading: name
                for place, heading in enumerate(self.headings)
                if (name := self.columns.field_at(place))
            },
            "export": self.export.name if self.export else None,
        }
        if isinstance(self.rows, SheetRows):
            return told | {"sheet": self.rows.sheet, "sheets": self.rows.sheets}
        return told | {"encoding": self.rows.encoding, "delimiter": self.rows.delimiter}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        self.rows.close()

    def __iter__(self) -> Iterator[Record]:
        for row in self.rows:
            yield self._record(row)

    def _record(self, row: Row) -> Record:
        if row.problem is not None:
            return Record(row.line, problem=row.problem, original=row.cells)
        given = {name: self._first(row.cells, places) for name, places in self._places()}
        cells = _joined(given)
        status = cells.get("status", "")
        if self.export is not None and status:
            ours = self.export.status(status)
            if isinstance(ours, Fault):
                return Record(row.line, problem=ours, original=row.cells)
            cells["status"] = ours
        last = self.export is not None and cells.get("status") == CANCELLED
        return Record(row.line, cells, None, row.cells, last)

    def _places(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        return iter(self.columns.places.items())

    def _first(self, cells: Sequence[str], places: Sequence[int]) -> str:
        texts = (unguarded(cells[place]) for place in places)
        return next((text for text in texts if text.strip()), "")


def _joined(given: dict[str, str]) -> dict[str, str]:
    """Cells by the fields of API §3.1: what is in parts is put together."""
    cells = {name: text for name, text in given.items() if name in HEADINGS}
    if not cells.get("name", "").strip():
        first, last = given.get("firstName", ""), given.get("lastName", "")
        cells["name"] = whole_name(first, last) or given.get("buyerName", "")
    if not cells.get("email", "").strip():
        cells["email"] = given.get("buyerEmail", "")
    if given.get("blocked", "").strip().casefold() in _YES:
        cells["status"] = "blocked"
    return cells


def unguarded(cell: str) -> str:
    """Without the apostrophe that keeps a spreadsheet from taking a text for a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA_STARTS) else cell


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; `unguarded` is its way back."""
    return "'" + cell if unguarded("'" + cell) == cell else cell


def open_list(
    stream: BinaryIO,
    source: str = "the file",
    mapping: Mapping_ | None = None,
    sheet: str | None = None,
    folder: Path | None = None,
) -> ListReader:
    """Whatever the file is, by its first bytes and not by its name.

    `folder` is where a workbook is unpacked from. ListError where it can't be read; call `check` before rows are believed.
    """
    wanted = {plain(heading) for heading in mapping or {}}

    def knows(heading: str) -> bool:
        key = plain(unguarded(heading))
        return recognised(heading) or key in wanted or key in _SIGNS

    beginning = read_up_to(stream, max(map(len, MAGICS)))
    whole = chained(beginning, stream)
    if not beginning.startswith(MAGICS):
        if sheet is not None:
            raise ListError(
                f"{source} is no workbook, so it has no sheet “{sheet}”",
                f"{source}은(는) 통합 문서가 아니어서 시트 “{sheet}”이(가) 없습니다.",
            )
        return _made(CsvRows(whole, source, knows), source, mapping)
    if folder is not None:
        folder.mkdir(mode=0o700, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=COPY_PREFIX) as copy:
        shutil.copyfileobj(whole, copy, _COPY_BYTES)
        copy.flush()
        return _made(SheetRows(copy.name, source, sheet, knows), source, mapping)


def _made(rows: CsvRows | SheetRows, source: str, mapping: Mapping_ | None) -> ListReader:
    try:
        return ListReader(rows, source, mapping)
    except BaseException:
        rows.close()
        raise
