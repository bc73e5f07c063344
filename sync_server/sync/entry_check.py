"""Is a journal entry usable? (API §3.5) Pure: what it says, or the code of why it can't be used.

An entry that is not understood is kept as it came and acknowledged (P6).
"""

import hashlib
import json
from collections.abc import Collection
from typing import Any, NamedTuple

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

_NUMBERS = {reason.label: int(reason) for reason in Reason}
_anything = msgspec.json.Decoder().decode
_entry = msgspec.json.Decoder(wire.JournalEntry).decode


class CheckedEntry(NamedTuple):
    """`entry` is None where `unusable` names a code; `at_ms` is when it says that it happened.

    `checksum` is the entry's own; where that fails, one over the entry as it came with it, so that
    the right entry can still arrive beside it.
    """

    seq: int
    checksum: str
    type: str
    body: str
    entry: wire.JournalEntry | None
    unusable: str | None
    at_ms: int


class _UnusableError(Exception):
    """Carries the code."""


def check_entry(raw: bytes | msgspec.Raw, gates_of_device: Collection[str]) -> CheckedEntry:
    """`raw` is one value of the upload's list, as it came."""
    said = _read(raw)
    if not isinstance(said, dict):
        return _not_an_entry(raw)
    body = _body_of(said)
    given = said.get("checksum")
    computed = _checksum(said, body, given)
    entry: wire.JournalEntry | None = None
    code: str | None = None
    at_ms = 0
    if given != computed:
        code, computed = "bad_checksum", wire.checksum({"came": said})
    else:
        try:
            entry = _understood(raw, said)
            at_ms = _check_values(entry, body, gates_of_device)
        except _UnusableError as error:
            entry, code = None, str(error)
    kind = said.get("type")
    return CheckedEntry(
        entry.seq if entry is not None else _seq_of(said),
        computed,
        _storable(kind[:TYPE_CHARS_MAX]) if isinstance(kind, str) else "?",
        body,
        entry,
        code,
        at_ms,
    )


def _read(raw: bytes | msgspec.Raw) -> Any:
    try:
        return _anything(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    try:  # half a surrogate pair, a number beyond all limits: JSON for others
        return json.loads(bytes(raw))
    except (ValueError, RecursionError):
        return None


def _not_an_entry(raw: bytes | msgspec.Raw) -> CheckedEntry:
    """Kept as it came: it has no number, and nobody can say what it was."""
    came = bytes(raw)
    checksum = hashlib.sha256(came).hexdigest()[:16]
    body = _storable(came.decode("utf-8", "replace"))
    return CheckedEntry(0, checksum, "?", body, None, "malformed", 0)


def _checksum(said: dict[str, Any], body: str, given: Any) -> str:
    """As `wire.checksum`. A flat entry's body is the canonical form but for the checksum in it,
    which can be cut out: a key of that name stands there once.
    """
    if isinstance(given, str) and "\\" not in body and wire.written_alike(said):
        rest = body.replace(f'"checksum":"{given}",', "", 1)
        if len(rest) < len(body):
            return hashlib.sha256(rest.encode()).hexdigest()[:16]
    return wire.checksum(said)


def _understood(raw: bytes | msgspec.Raw, said: dict[str, Any]) -> wire.JournalEntry:
    if said.get("type") not in KNOWN_TYPES:
        raise _UnusableError("unknown_type")
    try:
        entry: wire.JournalEntry = _entry(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _UnusableError("malformed") from error
    if not 1 <= entry.seq <= SEQ_MAX:
        raise _UnusableError("bad_seq")
    return entry


def _check_values(entry: wire.JournalEntry, body: str, gates_of_device: Collection[str]) -> int:
    """Returns the time that the entry names, in ms."""
    plain = body.isascii() and "\\" not in body  # nothing in it that a database would not take
    if isinstance(entry, wire.ScanEntry):
        at_ms = _check_scan(entry, plain=plain)
        if entry.gate_id not in gates_of_device:
            raise _UnusableError("foreign_gate")
        return at_ms
    if isinstance(entry, wire.ResolutionEntry):
        at_ms = _time_of(entry.at)
        _check_text(entry.scan_id, SCAN_ID_CHARS_MAX)
        _check_text(entry.operator_id, ID_CHARS_MAX)
        _check_text(entry.text, limits.FIELD_CHARS_MAX)
        return at_ms
    _check_text(entry.note, limits.FIELD_CHARS_MAX)
    return 0


def _check_scan(scan: wire.ScanEntry, *, plain: bool) -> int:
    if not scan.scan_id:
        raise _UnusableError("no_scan_id")  # nobody could ever name it to resolve it
    at_ms = _time_of(scan.occurred_at)
    if not (0 <= scan.time_error_ms <= TIME_MS_MAX and 0 <= scan.decided_error_ms <= TIME_MS_MAX):
        raise _UnusableError("bad_time_error")
    if not 0 <= scan.processing_ms <= TIME_MS_MAX:
        raise _UnusableError("bad_processing_time")
    if scan.reason not in _NUMBERS:
        raise _UnusableError("unknown_reason")
    for said, most in (
        (scan.scan_id, SCAN_ID_CHARS_MAX),
        (scan.gate_id, ID_CHARS_MAX),
        (scan.time_quality, TYPE_CHARS_MAX),
        (scan.digest, DIGEST_CHARS),
        (scan.participant_id, ID_CHARS_MAX),
        (scan.credential_id, CREDENTIAL_ID_CHARS_MAX),
    ):
        if said is not None and (not plain or len(said) > most):
            _check_text(said, most)
    if scan.override is not None:
        _check_text(scan.override.operator_id, ID_CHARS_MAX)
        _check_text(scan.override.text, limits.FIELD_CHARS_MAX)
    return at_ms


def _time_of(said: str) -> int:
    try:
        at_ms = wire.parse_time(said)
    except (ValueError, OverflowError) as error:
        raise _UnusableError("bad_time") from error
    if not 0 <= at_ms <= TIME_MS_MAX:
        raise _UnusableError("bad_time")
    return at_ms


def _check_text(said: str, chars_max: int) -> None:
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
        return wire.encode_sorted(raw).decode()
    except (UnicodeError, OverflowError, ValueError):  # half a surrogate pair, a huge number
        return json.dumps(raw, sort_keys=True, separators=(",", ":"))


def scan_row(
    device_id: str, epoch: str, entry: wire.ScanEntry, occurred_ms: int, received_ms: int
) -> dict[str, Any]:
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
        "occurred_ms": occurred_ms,
        "time_error_ms": entry.time_error_ms,
        "decided_error_ms": entry.decided_error_ms,
        "time_quality": entry.time_quality,
        "received_ms": received_ms,
        "admitted": entry.admitted,
        "reason": _NUMBERS[entry.reason],
        "override": None
        if override is None
        else {"operatorId": override.operator_id, "text": override.text},
        "processing_ms": float(entry.processing_ms),
        "location": None,
        "device_info": None,
        "metadata": None,
    }
