"""Rows that an import refused, kept whole on disk: as many as there are, in little memory.

One file an import, `DIR/imports/ID.refused`: a line of headings, then a line a row, each sealed by
the vault. Read back they come in the list's order, though rows that were put off came last.
"""

import csv
import io
import json
import re
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from shared.limits import REFUSED_FILES_MAX
from sync_server.privacy.vault import Vault
from sync_server.registration.list_reader import Record, guarded
from sync_server.registration.quality import Fault

_SUFFIX = ".refused"
_IMPORT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WHY = {"en": "Why refused", "ko": "거부된 까닭"}
LINE = {"en": "Line", "ko": "원래 줄"}


class Refused(NamedTuple):
    line: int
    cells: Sequence[str]
    faults: Sequence[Fault]


class RefusedRows:
    """Written while an import runs; the file is there from the first refused row on."""

    def __init__(self, folder: Path, import_id: str, headings: Sequence[str], vault: Vault) -> None:
        self._path = _path(folder, import_id)
        self._headings = headings
        self._vault = vault
        self._file: BinaryIO | None = None

    def add(self, record: Record, faults: Sequence[Fault]) -> None:
        if self._file is None:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            _forget_old(self._path.parent)
            self._path.touch(mode=0o600)
            self._file = self._path.open("wb")
            self._write(list(self._headings))
        told = [(fault.field, fault.code, fault.message, fault.korean) for fault in faults]
        self._write([record.line, list(record.original), told])

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _write(self, what: Any) -> None:
        assert self._file is not None, "opened with the first row"
        text = self._vault.seal_text(json.dumps(what, ensure_ascii=False))
        self._file.write(text.encode("utf-8", "replace") + b"\n")


def read_refused(folder: Path, import_id: str, vault: Vault) -> Iterator[list[str] | Refused]:
    """The headings, then the rows in the list's order. LookupError where nothing is kept."""
    if not _IMPORT_ID.fullmatch(import_id):
        raise LookupError(import_id)
    try:
        file = _path(folder, import_id).open("rb")
    except FileNotFoundError as error:
        raise LookupError(import_id) from error
    with file:
        headings: list[str] = json.loads(vault.open_text(file.readline().decode()))
        yield headings
        lines, places = array("q"), array("q")
        place = file.tell()
        for text in file:
            lines.append(json.loads(vault.open_text(text.decode()))[0])
            places.append(place)
            place += len(text)
        for number in sorted(range(len(lines)), key=lines.__getitem__):
            file.seek(places[number])
            line, cells, told = json.loads(vault.open_text(file.readline().decode()))
            yield Refused(line, cells, [Fault(*one) for one in told])


def as_csv(rows: Iterator[list[str] | Refused], language: str) -> Iterator[bytes]:
    """The list of what was refused: its own columns, then the line it stood in, then why.

    With a byte order mark, since Excel asks for one; no cell is a formula, and importing the
    mended file again takes the marks off that prevent it.
    """
    width = 0
    for row in rows:
        if isinstance(row, Refused):
            why = " ".join(
                fault.korean if language == "ko" else fault.message for fault in row.faults
            )
            cells = [*row.cells[:width], *[""] * (width - len(row.cells)), str(row.line), why]
            yield _csv_line([*cells, *row.cells[width:]])
        else:
            width = len(row)
            yield b"\xef\xbb\xbf" + _csv_line([*row, LINE[language], WHY[language]])


def _csv_line(cells: Sequence[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(guarded(cell) for cell in cells)
    return out.getvalue().encode("utf-8", "replace")


def _path(folder: Path, import_id: str) -> Path:
    return folder / f"{import_id}{_SUFFIX}"


def _forget_old(folder: Path) -> None:
    found = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime_ns)
    for path in found[: max(0, len(found) - REFUSED_FILES_MAX + 1)]:
        path.unlink(missing_ok=True)
