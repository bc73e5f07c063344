"""Is a journal entry usable? (API §3.5) Pure: what it says, or the code of why it can't be used.

An entry that is not understood is kept as it came and acknowledged (P6).
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import msgspec

from shared import limits, wire
from shared.model import ScanKind
from shared.reasons import Reason

SEQ_MAX = (1 << 53) - 1
TIME_MS_MAX = 253_402_300_799_999  # the end of the year 9999
ID_CHARS_MAX = 100
SCAN_ID_CHARS_MAX = 64
CREDENTIAL_ID_CHARS_MAX = 36
DIGEST_CHARS = 32
TYPE_CHARS_MAX = 16
KNOWN_TYPES = ("scan", "resolution", "note")  # compared, never hashed: the type may be a list


@dataclass(frozen=True, slots=True)
class CheckedEntry:
    """`entry` is None where `unusable` names a code.

    `checksum` is the entry's own; where that fails, one over the entry as it came with it, so that
    the right entry can still arrive beside it.
    """

    seq: int
    checksum: str
    type: str
    body: str
    entry: wire.JournalEntry | None
    unusable: str | None


class _UnusableError(Exception):
    """Carries the code."""


def check_entry(raw: dict[str, Any], gates_of_device: Collection[str]) -> CheckedEntry:
    computed = wire.checksum(raw)
    entry: wire.JournalEntry | None = None
    code: str | None = None
    try:
        entry = _understood(raw, computed)
        _check_values(entry, gates_of_device)
    except _UnusableError as error:
        entry, code = None, str(error)
    said = raw.get("type")
    return CheckedEntry(
        seq=_seq_of(raw),
        checksum=wire.checksum({"came": raw}) if code == "bad_checksum" else computed,
        type=_storable(said[:TYPE_CHARS_MAX]) if isinstance(said, str) else "?",
        body=_body_of(raw),
        entry=entry,
        unusable=code,
    )


def _understood(raw: dict[str, Any], computed: str) -> wire.JournalEntry:
    if raw.get("checksum") != computed:
        raise _UnusableError("bad_checksum")
    if raw.get("type") not in KNOWN_TYPES:
        raise _UnusableError("unknown_type")
    try:
        entry: wire.JournalEntry = msgspec.convert(raw, wire.JournalEntry)
    except (msgspec.ValidationError, UnicodeError) as error:
        raise _UnusableError("malformed") from error
    if not 1 <= entry.seq <= SEQ_MAX:
        raise _UnusableError("bad_seq")
    return entry


def _check_values(entry: wire.JournalEntry, gates_of_device: Collection[str]) -> None:
    if isinstance(entry, wire.ScanEntry):
        _check_scan(entry)
        if entry.gate_id not in gates_of_device:
            raise _UnusableError("foreign_gate")
    elif isinstance(entry, wire.ResolutionEntry):
        _check_time(entry.at)
        _check_text(entry.scan_id, SCAN_ID_CHARS_MAX)
        _check_text(entry.operator_id, ID_CHARS_MAX)
        _check_text(entry.text, limits.FIELD_CHARS_MAX)
    else:
        _check_text(entry.note, limits.FIELD_CHARS_MAX)


def _check_scan(scan: wire.ScanEntry) -> None:
    if not scan.scan_id:
        raise _UnusableError("no_scan_id")  # nobody could ever name it to resolve it
    _check_time(scan.occurred_at)
    for error_ms in (scan.time_error_ms, scan.decided_error_ms):
        if not 0 <= error_ms <= TIME_MS_MAX:
            raise _UnusableError("bad_time_error")
    if not 0 <= scan.processing_ms <= TIME_MS_MAX:
        raise _UnusableError("bad_processing_time")
    try:
        Reason.from_label(scan.reason)
    except KeyError as error:
        raise _UnusableError("unknown_reason") from error
    for said, most in (
        (scan.scan_id, SCAN_ID_CHARS_MAX),
        (scan.gate_id, ID_CHARS_MAX),
        (scan.time_quality, TYPE_CHARS_MAX),
        (scan.digest, DIGEST_CHARS),
        (scan.participant_id, ID_CHARS_MAX),
        (scan.credential_id, CREDENTIAL_ID_CHARS_MAX),
    ):
        _check_text(said, most)
    if scan.override is not None:
        _check_text(scan.override.operator_id, ID_CHARS_MAX)
        _check_text(scan.override.text, limits.FIELD_CHARS_MAX)


def _check_time(said: str) -> None:
    try:
        at_ms = wire.parse_time(said)
    except (ValueError, OverflowError) as error:
        raise _UnusableError("bad_time") from error
    if not 0 <= at_ms <= TIME_MS_MAX:
        raise _UnusableError("bad_time")


def _check_text(said: str | None, chars_max: int) -> None:
    if said is None:
        return
    if len(said) > chars_max:
        raise _UnusableError("text_too_long")
    if "\x00" in said or not (said.isascii() or _storable(said) == said):
        raise _UnusableError("malformed")


def _seq_of(raw: dict[str, Any]) -> int:
    """The number that the entry claims, so that it counts as received; 0 where there is none."""
    seq = raw.get("seq")
    usable = isinstance(seq, int) and not isinstance(seq, bool) and 1 <= seq <= SEQ_MAX
    return seq if usable and isinstance(seq, int) else 0


def _storable(said: str) -> str:
    """Without half surrogate pairs and zero characters, which databases do not take."""
    return said.encode("utf-8", "replace").decode().replace("\x00", "?")


def _body_of(raw: dict[str, Any]) -> str:
    """The entry as JSON with sorted keys; its checksum can be computed again from it."""
    try:
        return msgspec.json.encode(raw, order="sorted").decode()
    except (UnicodeError, OverflowError, ValueError):  # half a surrogate pair, a huge number
        return json.dumps(raw, sort_keys=True, separators=(",", ":"))


def scan_row(device_id: str, epoch: str, entry: wire.ScanEntry, received_ms: int) -> dict[str, Any]:
    """A usable scan as columns of schema.scans, the verdict's left out.

    Claims of a signed ticket name a credential; the fold believes them only if it is one that
    this server issued. A walk-in has no owner: kept, resolved to nobody.
    """
    override = entry.override
    walk_in = entry.kind is ScanKind.WALK_IN
    return {
        "scan_id": entry.scan_id,
        "device_id": device_id,
        "epoch": epoch,
        "seq": entry.seq,
        "checksum": entry.checksum,
        "kind": entry.kind.value,
        "method": entry.method.value,
        "direction": entry.direction.value,
        "gate_id": entry.gate_id,
        "digest": None if walk_in else entry.digest,
        "named_participant_id": None if walk_in else entry.participant_id,
        "named_credential_id": None if walk_in else entry.credential_id,
        "occurred_ms": wire.parse_time(entry.occurred_at),
        "time_error_ms": entry.time_error_ms,
        "decided_error_ms": entry.decided_error_ms,
        "time_quality": entry.time_quality,
        "received_ms": received_ms,
        "admitted": entry.admitted,
        "reason": int(Reason.from_label(entry.reason)),
        "override": None
        if override is None
        else {"operatorId": override.operator_id, "text": override.text},
        "processing_ms": float(entry.processing_ms),
        "location": None,
        "device_info": None,
        "metadata": None,
    }
