"""Beacons from a CSV (docs/beacons.md): each row answered as API §3.2, good rows kept.

Columns: participantId and type, and what the type needs: uuid, major, minor · id · namespace,
instance · identityKey, rotationExponent and clockSeconds, clockAt or eid.
"""

import csv
import io
import uuid
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

import msgspec
from sqlalchemy import Connection

from shared import credentials
from shared.errors import UsageError
from shared.limits import BEACON_LIST_BYTES_MAX, IMPORT_ROWS_REPORTED_MAX
from sync_server.identity.keys import ServerKeys
from sync_server.ports import Store
from sync_server.privacy.vault import Vault
from sync_server.registration.beacons import (
    BadBeaconError,
    Beacon,
    BeaconBody,
    active_owner,
    add_beacon,
    body_of,
    read_beacon,
)
from sync_server.registration.csv_reader import PREFIX_BYTES, detect_encoding
from sync_server.registration.plain import plain

CHUNK_ROWS = 200
_PERSON = "participantId"
_COLUMNS = {
    plain(name): name
    for name in (_PERSON, *(field.encode_name for field in msgspec.structs.fields(BeaconBody)))
}
_COLUMNS |= {plain("참가자 id"): _PERSON, plain("등록번호"): _PERSON, plain("종류"): "type"}


class _Row(NamedTuple):
    line: int
    participant_id: str
    beacon: Beacon


class _Refused(NamedTuple):
    line: int
    field: str
    code: str
    message: str


def import_beacons(
    file: BinaryIO,
    source: str,
    database: Store,
    vault: Vault,
    keys: ServerKeys,
    now_ms: Callable[[], int],
) -> dict[str, Any]:
    """Blocks: not for an event loop's thread. The same list again changes nothing."""
    counts = {"created": 0, "updated": 0, "unchanged": 0, "refused": 0}
    refused: list[_Refused] = []
    rows = _rows(_records(file, source), now_ms())
    while chunk := list(islice(rows, CHUNK_ROWS)):
        good = [row for row in chunk if isinstance(row, _Row)]
        refused += [row for row in chunk if isinstance(row, _Refused)]
        outcomes = database.write_now(lambda conn: _save(conn, good, vault, keys, now_ms()))  # noqa: B023 — run at once
        for outcome in outcomes:
            if isinstance(outcome, _Refused):
                refused.append(outcome)
            else:
                counts[outcome] += 1
    counts["refused"] = len(refused)
    told = [
        {
            "line": row.line,
            "outcome": "refused",
            "errors": [{"field": row.field, "code": row.code, "message": row.message}],
        }
        for row in sorted(refused)[:IMPORT_ROWS_REPORTED_MAX]
    ]
    return {**counts, "importId": str(uuid.uuid4()), "rows": told}


def _save(
    conn: Connection, rows: list[_Row], vault: Vault, keys: ServerKeys, now_ms: int
) -> list[str | _Refused]:
    outcomes: list[str | _Refused] = []
    for row in rows:
        digest = credentials.beacon_digest(keys.digest, row.beacon.name)
        owner = active_owner(conn, digest)
        if owner == row.participant_id:
            outcomes.append("unchanged")
        elif owner is not None:
            message = "This beacon is another participant's: revoke it there first."
            outcomes.append(_Refused(row.line, "type", "beacon_taken", message))
        elif add_beacon(conn, row.participant_id, row.beacon, keys, vault, now_ms) is None:
            message = f"There is no participant {row.participant_id!r}."
            outcomes.append(_Refused(row.line, _PERSON, "participant_not_found", message))
        else:
            outcomes.append("created")
    return outcomes


def _rows(
    records: Iterator[tuple[int, Mapping[str, str]]], now_ms: int
) -> Iterator[_Row | _Refused]:
    for line, cells in records:
        person = cells.get(_PERSON, "").strip()
        if not person:
            yield _Refused(line, _PERSON, "malformed_row", "The row names no participant.")
            continue
        try:
            body = body_of({name: text for name, text in cells.items() if name != _PERSON})
            yield _Row(line, person, read_beacon(body, now_ms))
        except BadBeaconError as error:
            yield _Refused(line, error.field, "invalid_beacon", str(error))


def _records(file: BinaryIO, source: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """(line, cells by column). UsageError where it is no such list."""
    data = bytearray()
    while piece := file.read(PREFIX_BYTES):
        data += piece
        if len(data) > BEACON_LIST_BYTES_MAX:
            raise UsageError(f"{source} is longer than {BEACON_LIST_BYTES_MAX} bytes: split it")
    encoding = detect_encoding(bytes(data[:PREFIX_BYTES]), source)
    text = io.TextIOWrapper(io.BytesIO(data), encoding=encoding, errors="replace", newline="")
    try:
        first = text.readline()
        delimiter = max(",;\t", key=first.count)
        heading = next(csv.reader([first], delimiter=delimiter), [])
        names = [_COLUMNS.get(plain(name)) for name in heading]
        if _PERSON not in names or "type" not in names:
            raise UsageError(
                f"{source} has no columns participantId and type in its first line; "
                f"the columns are {', '.join(dict.fromkeys(_COLUMNS.values()))}"
            )
        reader = csv.reader(text, delimiter=delimiter)
        line = 2
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, {n: c for n, c in zip(names, cells, strict=False) if n is not None}
            line = reader.line_num + 2
    except csv.Error as error:
        raise UsageError(f"{source} is no CSV: {error}") from error
