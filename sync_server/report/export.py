"""The complete export: a ZIP of every table as NDJSON and as CSV, with a README and a manifest.

Rows go from the database through the compressor to the file: what is held in memory does not grow
with the event. All is read in one transaction, so that the tables agree with each other.
"""

import csv
import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from typing import IO, Any, BinaryIO

import msgspec
from sqlalchemy import Connection

from shared.wire import cursor_text, format_time
from sync_server.privacy.vault import Vault
from sync_server.report.export_tables import Exported, tables
from sync_server.report.render import safe
from sync_server.storage import revisions

FORMAT = "gatesync-export-1"
PIECE_BYTES = 256 * 1_024
_LEVEL = 1  # of deflate: 6 takes three times as long for a tenth less
_BOM = b"\xef\xbb\xbf"  # Excel reads UTF-8 only with it

README = """\
Complete export of one event, made by Gatesync.

Each table is here twice, with the same rows in the same order:
  NAME.ndjson   one JSON object a line, UTF-8
  NAME.csv      UTF-8 with a byte order mark, CRLF; lists and objects are JSON text in a cell.
                A text that a spreadsheet would take for a formula has an apostrophe in front.
manifest.json   rows, bytes and SHA-256 of each file; when it was made, of which state of the
                database. `sha256sum -c SHA256SUMS` checks all of them.

Times are UTC. An empty cell is null. All tables are of one moment.
Ticket codes, keys, passwords and PINs are not in here: a backup holds them.
%s
Tables:
"""
_PERSONAL = (
    "Names, e-mails, phones and birth dates ARE in here: keep it as you keep the list itself."
)
_MASKED = "Names are masked; e-mails, phones and birth dates are left out."


def write_export(
    conn: Connection, vault: Vault, to: BinaryIO, now_ms: int, *, personal: bool = True
) -> dict[str, Any]:
    """Part of one read transaction. Returns the manifest."""
    generation, revision = revisions.head(conn)
    files: list[dict[str, Any]] = []
    readme = README % (_PERSONAL if personal else _MASKED)
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        event = ""
        for table in tables(conn, vault, now_ms, personal=personal):
            readme += f"  {table.name:<14} {table.about}\n"
            files.append(_member(archive, f"{table.name}.ndjson", _ndjson(table)))
            files.append(_member(archive, f"{table.name}.csv", _csv(table)))
            if table.name == "event":
                event = str(next(iter(table.rows()))[0])
        files.append(_member(archive, "README.txt", [(readme.encode(), 0)]))
        manifest = {
            "format": FORMAT,
            "eventId": event,
            "madeAt": format_time(now_ms),
            "cursor": cursor_text(generation, revision),
            "personal": personal,
            "files": files,
        }
        pretty = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
        last = _member(archive, "manifest.json", [(pretty, 0)])
        sums = "".join(f"{one['sha256']}  {one['name']}\n" for one in [*files, last])
        _member(archive, "SHA256SUMS", [(sums.encode(), 0)])
    return manifest


def _member(
    archive: zipfile.ZipFile, name: str, pieces: Iterable[tuple[bytes, int]]
) -> dict[str, Any]:
    """Write one file from pieces of (bytes, rows in them)."""
    digest, size, rows = hashlib.sha256(), 0, 0
    with archive.open(name, "w", force_zip64=True) as file:
        for piece, held in pieces:
            file.write(piece)
            digest.update(piece)
            size, rows = size + len(piece), rows + held
    told = {"name": name, "bytes": size, "sha256": digest.hexdigest()}
    return told if name.endswith((".txt", ".json")) else {**told, "rows": rows}


def _ndjson(table: Exported) -> Iterator[tuple[bytes, int]]:
    out, held = bytearray(), 0
    encode = msgspec.json.Encoder().encode
    for row in table.rows():
        out += encode(dict(zip(table.columns, row, strict=True)))
        out += b"\n"
        held += 1
        if len(out) >= PIECE_BYTES:
            yield bytes(out), held
            out, held = bytearray(), 0
    yield bytes(out), held


def _csv(table: Exported) -> Iterator[tuple[bytes, int]]:
    out, held = io.StringIO(), 0
    writer = csv.writer(out)
    writer.writerow(table.columns)
    yield _BOM + _taken(out), 0
    for row in table.rows():
        writer.writerow([_cell(value) for value in row])
        held += 1
        if out.tell() >= PIECE_BYTES:
            yield _taken(out), held
            held = 0
    yield _taken(out), held


def _taken(out: io.StringIO) -> bytes:
    text = out.getvalue()
    out.seek(0)
    out.truncate()
    return text.encode("utf-8", "surrogatepass")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return msgspec.json.encode(value).decode()


def pieces_of(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece
