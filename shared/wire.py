"""The messages of API.md §3 between gate and server, and the times and checksums in them.

Requests refuse unknown members; answers and lines ignore them, so that versions may differ.
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import NoneType
from typing import Any, Literal

import msgspec

from shared.model import Direction, EventStatus, GateDirection, Method, ScanKind


class Request(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Base of what is sent to us: an unknown member is an error."""


class Answer(msgspec.Struct, rename="camel", omit_defaults=True):
    """Base of what we read from the other side: unknown members are ignored."""


def format_time(ms: int) -> str:
    """Epoch milliseconds → `2026-11-21T09:30:00.000Z`."""
    return f"{_to_the_second(ms // 1_000)}.{ms % 1_000:03d}Z"


@lru_cache(maxsize=256)  # most calls of a busy moment name the same second
def _to_the_second(s: int) -> str:
    return datetime.fromtimestamp(s, UTC).isoformat()[:19]  # a year below 1000 keeps its zeros


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = datetime.min.replace(tzinfo=UTC) - _EPOCH
_BEYOND = datetime.max.replace(microsecond=0, tzinfo=UTC) - _EPOCH + timedelta(seconds=1)


def parse_time(text: str) -> int:
    """RFC 3339 with any offset → epoch milliseconds; ValueError if it is none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset: write a time as 2026-11-21T09:30:00.000Z")
    delta = moment - _EPOCH
    if not _FIRST <= delta < _BEYOND:  # the offset leads out of the years that can be written
        raise ValueError(f"{text!r} is out of range: its year in UTC must be 1 to 9999")
    return delta.days * 86_400_000 + delta.seconds * 1_000 + delta.microseconds // 1_000


_encode_canonical = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False
).encode


def canonical(entry: dict[str, Any]) -> bytes:
    """JSON with sorted keys, no white space, UTF-8 unescaped (API §3.5)."""
    if written_alike(entry):
        try:
            return encode_sorted(entry)
        except UnicodeEncodeError:  # half a surrogate pair
            pass
    return _encode_canonical(entry).encode("utf-8", "surrogatepass")


encode_sorted = msgspec.json.Encoder(order="sorted").encode


def written_alike(entry: dict[str, Any]) -> bool:
    """Whether msgspec, seven times faster, writes the canonical form of a flat entry: it does but
    for floats with an exponent.
    """
    kinds = set(map(type, entry.values()))
    if kinds <= _PLAIN:
        return True
    if not kinds <= _PLAIN_OR_FLOAT:
        return False
    return all(
        value == 0 or 1e-4 <= abs(value) < 1e16 for value in entry.values() if type(value) is float
    )


_PLAIN = frozenset({str, int, bool, NoneType})
_PLAIN_OR_FLOAT = _PLAIN | {float}


def checksum(entry: dict[str, Any]) -> str:
    """First 16 hex digits of SHA-256 over the entry without its checksum."""
    rest = entry.copy()
    rest.pop("checksum", None)
    return hashlib.sha256(canonical(rest)).hexdigest()[:16]


DIGEST_MODULUS = 1 << 128


def cursor_text(generation: str, revision: int) -> str:
    return f"{generation}.{revision}"


def parse_cursor(text: str) -> tuple[str, int]:
    """`generation.revision` → both; ValueError if it is no cursor."""
    generation, dot, revision = text.rpartition(".")
    if not dot or not generation or not revision.isdecimal():
        raise ValueError(f"{text!r} is not a cursor")
    return generation, int(revision)


# --- Changes, down (API §3.4): one object a line, told apart by `type` ---------------------------


class Line(Answer, tag_field="type", kw_only=True):
    revision: int
    hash: str


def row_hash(line: Line) -> str:
    """A replicated row's hash, 32 hex digits over its line with revision 0 and hash "".

    Gates keep it as it came and never compute it, so that versions may differ.
    """
    return hashlib.sha256(msgspec.json.encode(line, order="sorted")).hexdigest()[:32]


class ParticipantLine(Line, tag="participant", kw_only=True):
    """`find`: marks to find the person by (shared.findable). `language`: their wish, ko or en."""

    participant_id: str
    masked_name: str
    status: str
    permissions: list[str]
    group: str | None = None
    find: list[str] = []
    language: str | None = None


class CredentialLine(Line, tag="credential", kw_only=True):
    credential_id: str
    participant_id: str
    kind: str
    digest: str
    status: str
    valid_from: str | None = None
    valid_until: str | None = None
    mark: str | None = None  # of a ticket's last group (shared.findable)


class GateLine(Line, tag="gate", kw_only=True):
    gate_id: str
    name: str
    direction: GateDirection
    active: bool
    capacity_per_minute: int
    zone: str | None = None
    required_permission: str | None = None
    location: dict[str, Any] | None = None
    beacon: dict[str, Any] | None = None


class SettingsLine(Answer, kw_only=True, omit_defaults=False):
    allow_multiple_checkins: bool = False
    allow_reentry_after_exit: bool = True
    offline_mode: bool = True
    duplicate_window_seconds: int = 300
    admission_margin_seconds: int = 3_600
    signed_tickets: str = "late"
    default_region: str = "KR"


class EventLine(Line, tag="event", kw_only=True):
    """`ticket_keys`: key id → verifying Ed25519 key, base64url, for signed tickets."""

    event_id: str
    event_name: str
    start_date: str
    end_date: str
    time_zone: str
    venue: str
    status: EventStatus
    settings: SettingsLine
    ticket_keys: dict[str, str]
    event_tag: str = msgspec.field(name="tag")  # in Python `tag` names the line's type


class ConflictSeen(Answer, kw_only=True):
    """One conflict that nobody has decided yet, for the gates where it happened. `against…`: the
    earlier scan of a double entry.
    """

    kind: str
    scan_id: str
    gate_id: str
    at: str
    against_gate_id: str | None = None
    against_at: str | None = None


class PresenceLine(Line, tag="presence", kw_only=True):
    participant_id: str
    inside: bool
    last_at: str | None = None
    last_error_ms: int = 0
    last_direction: Direction | None = None
    last_gate_id: str | None = None
    first_entry_at: str | None = None
    last_entry_at: str | None = None
    conflict: bool = False
    conflicts: list[ConflictSeen] = []


class DeviceLine(Line, tag="device", kw_only=True):
    device_id: str
    gate_id: str
    state: Literal["active", "adopted", "revoked"]
    contiguous_through: int = 0


class OperatorLine(Line, tag="operator", kw_only=True):
    """`pin_hash`: argon2, another for each device (DESIGN §7); None where there is no PIN."""

    operator_id: str
    name: str
    active: bool
    pin_hash: str | None = None


class PageLine(Answer, tag_field="type", tag="page", kw_only=True):
    """The last line of a page; a body without it was interrupted: apply nothing."""

    cursor: str
    more: bool
    server_received_at: str
    server_time: str
    digest: str | None = None


AnyLine = (
    ParticipantLine
    | CredentialLine
    | GateLine
    | EventLine
    | PresenceLine
    | DeviceLine
    | OperatorLine
    | PageLine
)

# --- Scans, up (API §3.5) ------------------------------------------------------------------------


class OverrideBody(Request):
    operator_id: str
    text: str


class ScanEntry(Request, tag_field="type", tag="scan", kw_only=True):
    """One scan as a journal holds it and as it goes up. `epoch` and `deviceId` stand around it."""

    seq: int
    checksum: str
    scan_id: str
    gate_id: str
    kind: ScanKind
    method: Method
    direction: Direction
    occurred_at: str
    time_error_ms: int
    time_quality: str
    boot_id: str
    boot_ms: int
    wall_at: str
    decided_error_ms: int
    admitted: bool
    reason: str
    replica_cursor: str | None = None
    processing_ms: float = 0
    digest: str | None = None
    participant_id: str | None = None
    credential_id: str | None = None
    claims: dict[str, Any] | None = None
    walk_in: dict[str, Any] | None = None
    override: OverrideBody | None = None


class ResolutionEntry(Request, tag_field="type", tag="resolution", kw_only=True):
    seq: int
    checksum: str
    scan_id: str
    action: Literal["accept", "void"]
    operator_id: str
    at: str
    text: str = ""


class NoteEntry(Request, tag_field="type", tag="note", kw_only=True):
    """Wrong PIN, barrier held, direction changed, range lost: what a gate wants remembered."""

    seq: int
    checksum: str
    note: str
    at: str | None = None
    data: dict[str, Any] | None = None


JournalEntry = ScanEntry | ResolutionEntry | NoteEntry


class UploadRequest(Request, kw_only=True):
    """Entries stay raw: one that can't be understood must not stop the rest (P6)."""

    device_id: str
    epoch: str
    entries: list[dict[str, Any]]
    lost: list[tuple[int, int]] = []


class Outcome(Answer, kw_only=True):
    seq: int
    outcome: Literal["stored", "known", "unusable", "mismatch"]
    code: str | None = None
    verdict: str | None = None
    kind: str | None = None


class UploadAnswer(Answer, kw_only=True):
    outcomes: list[Outcome]
    contiguous_through: int
    holes: list[tuple[int, int]]
    visible_at: str
    server_received_at: str
    server_time: str


# --- Device status (API §3.6) --------------------------------------------------------------------


class ClockStatus(Request, kw_only=True, omit_defaults=False):
    quality: str
    offset_ms: int | None = None
    error_ms: int | None = None


class ReaderStatus(Request, kw_only=True, omit_defaults=False):
    name: str
    state: str
    detail: str = ""
    figures: dict[str, float] = {}


class StatusRequest(Request, kw_only=True):
    epoch: str
    head: int
    waiting: int
    clock: ClockStatus
    cursor: str | None = None
    replica_age_s: float | None = None
    readers: list[ReaderStatus] = []
    disk: dict[str, Any] = {}
    power: dict[str, Any] = {}
    version: str = ""


class StatusAnswer(Answer, kw_only=True):
    contiguous_through: int
    server_received_at: str
    server_time: str


# --- Enrolment and tokens ------------------------------------------------------------------------


class EnrolRequest(Request, kw_only=True):
    """`certificate`: of an earlier enrolment of this key, so that the device keeps its id and what
    its journal holds is never counted twice.
    """

    code: str
    public_key: str
    name: str = ""
    certificate: str = ""


class EnrolAnswer(Answer, kw_only=True):
    """Keys are raw 32 bytes in base64url; the certificate is a compact JWS by the server's key."""

    device_id: str
    gate_id: str
    event_id: str
    server_key: str
    digest_key: str
    certificate: str


class TokenAnswer(msgspec.Struct):
    """Members as RFC 6749 writes them."""

    access_token: str
    token_type: str
    expires_in: int
