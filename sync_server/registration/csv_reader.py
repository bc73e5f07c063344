"""Rows from a CSV as people really send them: any usual encoding and delimiter.

A stream goes in and rows come out one at a time, so a file of any length needs little memory.
A file that is no list is a ListError; a bad line is a row that says so (P6).
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from sync_server.registration.headings import recognised
from sync_server.registration.quality import Fault
from sync_server.registration.rows import (
    HEADING_ROWS_MAX,
    Knows,
    ListError,
    Row,
    heading_place,
    malformed,
)

PREFIX_BYTES = 1 << 20  # what the encoding is judged by
RECORD_LINES_MAX = 100  # a quote that is never closed must not swallow the file
RECORD_CHARS_MAX = 65_536
_BAD = "\udcff"  # stands where bytes could not be decoded
_SEPARATOR_LINE = re.compile(r'^"?sep=(.)"?\s*$', re.IGNORECASE)
_NOT_CSV = (
    (b"PK\x03\x04", "an Excel workbook or ZIP archive"),
    (b"PK\x05\x06", "a ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x7fELF", "a program"),
)


def _mark_bad(error: UnicodeError) -> tuple[str, int]:
    """Replace what can't be decoded by a mark; one byte at a time where bytes may be ASCII."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wide = error.encoding.lower().replace("-", "").startswith("utf16")
    return _BAD, error.end if wide else error.start + 1


codecs.register_error("gatesync.mark", _mark_bad)


class CsvRows:
    """Iterate for the rows below the headings (`registration.rows.Rows`)."""

    def __init__(
        self, stream: BinaryIO, source: str = "the file", knows: Knows = recognised
    ) -> None:
        self.source = source
        prefix = read_up_to(stream, PREFIX_BYTES)
        self.encoding = detect_encoding(prefix, source)
        text = io.TextIOWrapper(
            chained(prefix, stream),
            encoding=self.encoding,
            errors="gatesync.mark",
            newline="",
        )
        self._lines = _Lines(text)
        self.delimiter, self.headings = self._read_headings(knows)
        self._width = len(self.headings)

    def __iter__(self) -> Iterator[Row]:
        while True:
            line = self._lines.number + 1
            cells = self._next_cells()
            if cells is None:
                return
            if isinstance(cells, Fault):
                yield Row(line, [], cells)
            elif any(cell.strip() for cell in cells):
                yield self._checked(line, cells)

    def close(self) -> None:
        """The stream is its owner's."""

    def _checked(self, line: int, cells: list[str]) -> Row:
        problem = None
        extra = cells[self._width :]
        if any(_BAD in cell for cell in cells):
            named = _named(self.encoding)
            problem = malformed(
                f"The row has bytes that are not {named}.",
                f"{named}(으)로 읽을 수 없는 글자가 있습니다.",
            )
            cells = [cell.replace(_BAD, "\ufffd") for cell in cells]
        elif any("\x00" in cell for cell in cells):
            problem = malformed(
                "The row has NUL bytes, so it is damaged.", "NUL 글자가 있어 손상된 행입니다."
            )
        elif len(cells) < self._width or any(cell.strip() for cell in extra):
            problem = malformed(
                f"The row has {len(cells)} cells, the headings are {self._width}.",
                f"칸이 {len(cells)}개인데 제목은 {self._width}개입니다.",
            )
        return Row(line, cells, problem)

    def _read_headings(self, knows: Knows) -> tuple[str, list[str]]:
        delimiters = ",;\t"
        first: list[str] = []  # lines from which the headings are chosen
        while len(first) < HEADING_ROWS_MAX and (text := self._lines.next_line()) is not None:
            chosen = _SEPARATOR_LINE.match(text)
            if chosen and self._lines.number == 1:
                delimiters = chosen[1]
            elif first or text.strip(" \t\r\n,;\ufeff"):
                first.append(text)
        if not first:
            raise _empty(self.source)
        # By the most known words; of delimiters that do as well, the one that stands there.
        scores = {
            delimiter: max(sum(map(knows, _split(text, delimiter))) for text in first)
            for delimiter in delimiters
        }
        delimiter = max(delimiters, key=lambda one: (scores[one], first[0].count(one)))
        place = heading_place([_split(text, delimiter) for text in first], knows)
        self._lines.push_back(first[place:])
        found = self._next_cells(delimiter)
        names = found if isinstance(found, list) else _split(first[place], delimiter)
        return delimiter, [name.replace(_BAD, "\ufffd") for name in names]

    def _next_cells(self, delimiter: str | None = None) -> list[str] | Fault | None:
        """The next record's cells, or what is wrong with it, or None at the end."""
        delimiter = delimiter or self.delimiter
        first = self._lines.next_line()
        if first is None:
            return None
        if '"' not in first:
            return first.rstrip("\r\n").split(delimiter)
        if len(first) > RECORD_CHARS_MAX:
            return malformed(
                f"The row is longer than {RECORD_CHARS_MAX} characters.",
                f"행이 {RECORD_CHARS_MAX}자를 넘습니다.",
            )
        feed = _Feed(first, self._lines)
        try:
            cells = next(csv.reader(feed, delimiter=delimiter))
        except csv.Error as error:
            self._lines.push_back(feed.taken[1:])
            return malformed(f"The row can't be read: {error}.", "행을 읽을 수 없습니다.")
        if feed.exhausted:
            self._lines.push_back(feed.taken[1:])
            return malformed(
                "The row has a quotation mark that is never closed.",
                "닫히지 않은 따옴표가 있습니다.",
            )
        return cells


class _Feed:
    """Gives csv.reader lines until the record ends, the file ends or it has taken too many."""

    def __init__(self, first: str, lines: "_Lines") -> None:
        self.taken: list[str] = []
        self.exhausted = False
        self._first: str | None = first
        self._lines = lines
        self._chars = 0

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = self._first
        if line is None and len(self.taken) < RECORD_LINES_MAX and self._chars < RECORD_CHARS_MAX:
            line = self._lines.next_line()
        self._first = None
        if line is None:
            self.exhausted = True
            raise StopIteration
        self.taken.append(line)
        self._chars += len(line)
        return line


class _Lines:
    """Physical lines with their numbers; lines can be put back. Very long lines come in parts."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self.number = 0
        self._text = text
        self._waiting: list[str] = []

    def next_line(self) -> str | None:
        if self._waiting:
            self.number += 1
            return self._waiting.pop()
        line = self._text.readline(RECORD_CHARS_MAX + 1)
        if not line:
            return None
        if len(line) > RECORD_CHARS_MAX:
            self._skip_rest_of_line(line)
        self.number += 1
        return line

    def push_back(self, lines: list[str]) -> None:
        self._waiting.extend(reversed(lines))
        self.number -= len(lines)

    def _skip_rest_of_line(self, part: str) -> None:
        while part and not part.endswith(("\n", "\r")):
            part = self._text.readline(RECORD_CHARS_MAX)


class _Chained(io.RawIOBase):
    """The prefix that was read ahead, then the rest of the stream."""

    def __init__(self, prefix: bytes, rest: BinaryIO) -> None:
        self._prefix = io.BytesIO(prefix)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._prefix.read(len(buffer)) or self._rest.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def chained(prefix: bytes, rest: BinaryIO) -> io.BufferedReader:
    return io.BufferedReader(_Chained(prefix, rest))


def read_up_to(stream: BinaryIO, size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _split(text: str, delimiter: str) -> list[str]:
    return next(csv.reader([text], delimiter=delimiter), [])


def detect_encoding(prefix: bytes, source: str = "the file") -> str:
    """The encoding that fits the beginning of a file; UsageError where it is no text."""
    if not prefix.strip():
        raise _empty(source)
    for magic, what in _NOT_CSV:
        if prefix.startswith(magic):
            raise ListError(
                f"{source} is {what}, not a CSV; open it and save it as “CSV UTF-8” first",
                f"{source}은(는) CSV가 아닙니다({what}). 열어서 ‘CSV UTF-8’로 저장해 주세요.",
            )
    if prefix.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if prefix.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = prefix[:4096]
    if sample.count(0) > len(sample) // 5:
        odd, even = sample[1::2].count(0), sample[::2].count(0)
        if min(odd, even) > max(odd, even) // 10:
            raise ListError(
                f"{source} is not text; a CSV with headings is needed",
                f"{source}은(는) 글자로 된 파일이 아닙니다. 제목 행이 있는 CSV가 필요합니다.",
            )
        return "utf-16-le" if odd > even else "utf-16-be"
    return _utf8_or_cp949(prefix)


def _empty(source: str) -> ListError:
    return ListError(
        f"{source} is empty; a CSV with headings is needed",
        f"{source}이(가) 비어 있습니다. 제목 행이 있는 CSV가 필요합니다.",
    )


def _utf8_or_cp949(prefix: bytes) -> str:
    """By most lines: one damaged line must not turn a UTF-8 file into another alphabet."""
    utf8 = cp949 = 0
    for line in prefix.split(b"\n")[: prefix.count(b"\n") or 1]:
        if line.isascii():
            continue
        if _decodes(line, "utf-8"):
            utf8 += 1
        elif _decodes(line, "cp949"):
            cp949 += 1
    return "cp949" if cp949 > utf8 else "utf-8"


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _named(encoding: str) -> str:
    return {"utf-8-sig": "UTF-8", "utf-8": "UTF-8", "cp949": "CP949"}.get(encoding, "UTF-16")
