"""Rows out of a file that SQLite can't read any more: every page for itself, whatever leads to it.

A lost page 1 or a lost inner page hides thousands of sound rows from SQLite's own tools
(FINDINGS §5). Here each leaf page of a table is read where it lies, in the file and in its WAL.
What comes out is a guess: the caller believes a row only by its own checksum.
"""

import io
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

PAGE_BYTES = 4_096  # as `sqlite_file.connect` makes them
_LEAF = 0x0D
_FILE_HEADER_BYTES = 100
_WAL_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_LOCAL_MAX = PAGE_BYTES - 35  # a longer payload goes on in overflow pages
_LOCAL_MIN = (PAGE_BYTES - 12) * 32 // 255 - 23
_OVERFLOW_PAGES_MAX = 512  # a row of 2 MiB: more than any body
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}

Value = int | float | bytes | None


class Cell(NamedTuple):
    """A row of some table: its rowid, and its columns as they were stored; text stays bytes."""

    row_id: int
    columns: list[Value]


class _Pages:
    """A database's page images: of the file, and of the WAL laid over it."""

    def __init__(self, file: BinaryIO, frames: list[tuple[int, bytes]]) -> None:
        self._file = file
        self._frames = frames
        self._newest = dict(frames)

    def all(self) -> Iterator[tuple[int, bytes]]:
        number = 1
        while page := self._in_file(number):
            yield number, page
            number += 1
        yield from self._frames

    def newest(self, number: int) -> bytes:
        return self._newest.get(number) or self._in_file(number)

    def _in_file(self, number: int) -> bytes:
        self._file.seek((number - 1) * PAGE_BYTES)
        return self._file.read(PAGE_BYTES)


def cells(path: Path) -> Iterator[Cell]:
    """Every row that can be made out. One that was changed may come in both forms."""
    with path.open("rb") if path.exists() else io.BytesIO() as file:
        pages = _Pages(file, _committed_frames(path.with_name(path.name + "-wal")))
        for number, page in pages.all():
            yield from _cells_of(page, _FILE_HEADER_BYTES if number == 1 else 0, pages)


def _committed_frames(wal: Path) -> list[tuple[int, bytes]]:
    """(page number, page) of the WAL's frames up to its last commit; stale ones left out.

    The frames' checksums are not asked: one bad frame would hide all later ones.
    """
    if not wal.exists():
        return []
    frames: list[tuple[int, int, bytes, bytes]] = []
    with wal.open("rb") as file:
        file.read(_WAL_HEADER_BYTES)
        while len(head := file.read(_FRAME_HEADER_BYTES)) == _FRAME_HEADER_BYTES:
            number, size_after = struct.unpack(">II", head[:8])
            frames.append((number, size_after, head[8:16], file.read(PAGE_BYTES)))
    if not frames:
        return []
    # The file's own salts may be what is damaged; a WAL begins with the frames of its last life.
    salt = Counter(frame[2] for frame in frames[:8]).most_common(1)[0][0]
    live = [frame for frame in frames if frame[2] == salt]
    commits = [place for place, frame in enumerate(live) if frame[1]]
    end = commits[-1] + 1 if commits else 0
    return [(number, page) for number, _, _, page in live[:end]]


def _cells_of(page: bytes, start: int, pages: _Pages) -> Iterator[Cell]:
    if len(page) < start + 8 or page[start] != _LEAF:
        return
    count = int.from_bytes(page[start + 3 : start + 5])
    for place in range(start + 8, start + 8 + 2 * count, 2):
        try:
            yield _cell(page, int.from_bytes(page[place : place + 2]), pages)
        except (IndexError, ValueError):  # a garbage pointer or length: the next may be sound
            continue


def _cell(page: bytes, at: int, pages: _Pages) -> Cell:
    size, at = _varint(page, at)
    row_id, at = _varint(page, at)
    if size <= _LOCAL_MAX:
        return Cell(row_id, _columns(page[at : at + size]))
    if size > _OVERFLOW_PAGES_MAX * PAGE_BYTES:
        raise ValueError
    local = _LOCAL_MIN + (size - _LOCAL_MIN) % (PAGE_BYTES - 4)
    local = local if local <= _LOCAL_MAX else _LOCAL_MIN
    payload = bytearray(page[at : at + local])
    follows = int.from_bytes(page[at + local : at + local + 4])
    for _ in range(_OVERFLOW_PAGES_MAX):
        if not follows or len(payload) >= size:
            break
        more = pages.newest(follows)
        payload += more[4:]
        follows = int.from_bytes(more[:4])
    return Cell(row_id, _columns(bytes(payload[:size])))


def _columns(payload: bytes) -> list[Value]:
    end, at = _varint(payload, 0)
    if end > len(payload):
        raise ValueError
    kinds: list[int] = []
    while at < end:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    columns: list[Value] = []
    at = end
    for kind in kinds:
        value, at = _value(payload, at, kind)
        columns.append(value)
    return columns


def _value(payload: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind in _INTEGER_BYTES:
        width = _INTEGER_BYTES[kind]
        return int.from_bytes(payload[at : at + width], signed=True), at + width
    if kind == 7:
        return struct.unpack_from(">d", payload.ljust(at + 8, b"\0"), at)[0], at + 8
    if kind in {0, 8, 9}:
        return {0: None, 8: 0, 9: 1}[kind], at
    if kind < 12:
        raise ValueError
    width = (kind - 12) // 2
    if at + width > len(payload):
        raise ValueError
    return payload[at : at + width], at + width


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for _ in range(8):
        byte = data[at]
        value, at = value << 7 | byte & 0x7F, at + 1
        if byte < 0x80:
            return value, at
    return value << 8 | data[at], at + 1
