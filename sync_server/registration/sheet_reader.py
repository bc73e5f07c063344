"""Rows of a workbook's sheet (XLSX, XLS, ODS), read by a child process within limits (ADR 37)."""

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

from shared.errors import TransientError
from shared.limits import SHEET_WAIT_S_MAX, SHEETS_AT_ONCE_MAX
from sync_server.registration.rows import HEADING_ROWS_MAX, Knows, ListError, Row, heading_place

MAGICS = (b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
_children = threading.BoundedSemaphore(SHEETS_AT_ONCE_MAX)


class SheetRows:
    """Iterate for the rows below the headings; `line` is the row's number in the sheet.

    Close it, or read it to its end: either ends the child.
    """

    encoding = None
    delimiter = None

    def __init__(self, path: str, source: str, sheet: str | None, knows: Knows) -> None:
        self.source = source
        self._closed = False
        if not _children.acquire(timeout=SHEET_WAIT_S_MAX):
            raise TransientError("Other workbooks are being read; try again in a moment.")
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.sheet_child", path, sheet or ""],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except BaseException:
            _children.release()
            raise
        try:
            self._begin(sheet, knows)
        except BaseException:
            self.close()
            raise

    def _begin(self, sheet: str | None, knows: Knows) -> None:
        about: dict[str, Any] = self._next() or {}
        self.sheets: list[str] = about.get("sheets", [])
        if about.get("missing"):
            names = ", ".join(f"“{name}”" for name in self.sheets[:20])
            if not self.sheets:
                raise ListError(
                    f"{self.source} holds no sheet", f"{self.source}에 시트가 없습니다."
                )
            raise ListError(
                f"{self.source} has no sheet “{sheet}”; it has {names}",
                f"{self.source}에 시트 “{sheet}”이(가) 없습니다. 있는 시트: {names}",
            )
        self.sheet: str = about["sheet"]
        self.rows_total: int = about["rows"]
        first = [Row(*row) for _ in range(HEADING_ROWS_MAX) if (row := self._next())]
        if not first:
            raise ListError(
                f"the sheet “{self.sheet}” of {self.source} is empty; headings are needed",
                f"{self.source}의 시트 “{self.sheet}”이(가) 비어 있습니다. 제목 행이 필요합니다.",
            )
        place = heading_place([row.cells for row in first], knows)
        self.headings = first[place].cells
        while self.headings and not self.headings[-1].strip():
            self.headings.pop()
        self._waiting = first[place + 1 :]

    def __iter__(self) -> Iterator[Row]:
        width = len(self.headings)
        try:
            while True:
                row = self._waiting.pop(0) if self._waiting else None
                if row is None:
                    said = self._next()
                    if said is None:
                        return
                    row = Row(*said)
                cells = row.cells[:width]  # what stands beside the table is no part of it
                if any(cell.strip() for cell in cells):
                    yield Row(row.line, cells + [""] * (width - len(cells)))
        finally:
            self.close()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        _children.release()
        with contextlib.suppress(ProcessLookupError):
            self._child.kill()
        if self._child.stdout is not None:
            self._child.stdout.close()
        self._child.wait()

    def _next(self) -> Any:
        """The next line of the child, None at its end; ListError where it could not read on."""
        assert self._child.stdout is not None, "it was asked for"
        line = self._child.stdout.readline()
        if not line:
            if self._child.wait() != 0:
                raise ListError(
                    f"{self.source} is too large to be read as a workbook, or damaged; "
                    "save the sheet as “CSV UTF-8” and import that",
                    f"{self.source}은(는) 통합 문서로 읽기에 너무 크거나 손상되었습니다. "
                    "시트를 ‘CSV UTF-8’로 저장해서 가져와 주세요.",
                )
            return None
        said = json.loads(line)
        if isinstance(said, dict) and "error" in said:
            raise _explained(self.source, str(said["error"]))
        return said


def _explained(source: str, error: str) -> ListError:
    if "password" in error.lower():
        return ListError(
            f"{source} is protected by a password; save it without one first",
            f"{source}에 암호가 걸려 있습니다. 암호 없이 저장해 주세요.",
        )
    return ListError(
        f"{source} is a ZIP archive or a workbook that can't be read ({error[:120]}); "
        "save it as XLSX or “CSV UTF-8” first",
        f"{source}은(는) 읽을 수 없는 통합 문서이거나 ZIP 파일입니다. "
        "XLSX나 ‘CSV UTF-8’로 저장해 주세요.",
    )
