"""The forms of the answers, for the OpenAPI document.

Handlers answer with plain members; these say which, of what kind, and which may be null. The tests
hold every answer that they get against them (tests/sync_server/http/conftest.py), and so does
Schemathesis. Members may be added; a client ignores those it does not know.
"""

from typing import Annotated, Any, Generic, Literal, TypeVar

from msgspec import Meta, Struct

from shared.model import CredentialKind, Direction, EventStatus, GateDirection, Method
from shared.model import ParticipantStatus as Status
from sync_server.http.forms import At

T = TypeVar("T")
Verdict = Literal["confirmed", "duplicate", "conflict", "refused", "voided"]
Role = Literal["owner", "operator", "supervisor", "viewer", "service", "device"]


# First and last sequence of a gap.
Range = Annotated[list[int], Meta(min_length=2, max_length=2)]


class Form(Struct, rename="camel", kw_only=True):
    """Base: every member is there, unless it says otherwise."""


class Page(Form, Generic[T]):
    """`cursor` goes back as `?cursor=`; null at the end."""

    items: list[T]
    cursor: str | None


class Words(Form):
    en: str
    ko: str


# --- people and keys ---------------------------------------------------------------------------


class WhoAmI(Form):
    name: str
    role: Role


class Operator(Form):
    operator_id: str
    name: str
    role: Role
    active: bool
    signs_in: bool  # has a password
    pin_set_at: At | None


# --- event, gates, devices ---------------------------------------------------------------------


class EventSettings(Form):
    allow_multiple_checkins: bool
    allow_reentry_after_exit: bool
    offline_mode: bool
    duplicate_window_seconds: int
    admission_margin_seconds: int
    signed_tickets: Literal["late", "always", "never"]
    default_region: str


class EventAnswer(Form):
    """`status` as of now, `storedStatus` as set by hand."""

    event_id: str
    tag: str
    event_name: str
    start_date: At
    end_date: At
    time_zone: str
    venue: str
    status: EventStatus
    stored_status: EventStatus
    settings: EventSettings


class GateAnswer(Form):
    id: str
    name: str
    direction: GateDirection
    zone: str | None
    required_permission: str | None
    capacity_per_minute: int
    active: bool
    location: dict[str, Any] | None
    beacon: dict[str, Any] | None


class EnrolmentAnswer(Form):
    """`svg`: the QR of `url`, which a gate's own camera reads."""

    code: str
    url: str
    svg: str
    expires_at: At


class DeviceAnswer(Form):
    """Also all that the device last said of itself (`/sync/status`)."""

    device_id: str
    name: str
    gate_id: str
    state: Literal["active", "adopted", "revoked"]
    quarantined: bool
    quarantined_scans: int
    enrolled_at: At
    contiguous_through: int
    holes: list[Range]
    replica_lag: int | None
    online: bool
    last_seen_at: At | None


class Accepted(Form):
    accepted: int


class BeaconNearest(Form):
    beacon: str
    rssi: float
    heard_at: At
    rotating: bool


class PairingAnswer(Form):
    id: str
    gate_id: str
    participant_id: str
    until: At
    nearest: BeaconNearest | None


# --- participants, credentials, imports --------------------------------------------------------


class CredentialAnswer(Form):
    id: str
    participant_id: str
    kind: CredentialKind
    status: Literal["active", "revoked"]
    code: str | None
    issued_at: At
    signed: bool


class ParticipantItem(Form):
    id: str
    name: str
    email: str | None
    phone: str | None
    organization: str | None
    birth_date: str | None
    region: str | None
    group: str | None
    language: Literal["ko", "en"] | None
    permissions: list[str]
    status: Status
    import_id: str | None
    created_at: At
    updated_at: At


class ParticipantAnswer(ParticipantItem):
    credentials: list[CredentialAnswer]


class RowFault(Form):
    field: str
    code: str
    message: str


class RowAnswer(Form):
    """`line` counts from the file's first line as 1."""

    line: int
    outcome: Literal["refused"]
    errors: list[RowFault]


class ImportAnswer(Form):
    created: int
    updated: int
    unchanged: int
    refused: int
    import_id: str
    rows: list[RowAnswer]


# --- attendance --------------------------------------------------------------------------------


class ScanItem(Form):
    scan_id: str
    participant_id: str | None
    masked_name: str | None
    credential_id: str | None
    gate_id: str
    gate_name: str
    device_id: str
    epoch: str
    seq: int
    method: Method
    direction: Direction
    occurred_at: At
    time_error_ms: int
    time_quality: str
    received_at: At
    admitted: bool
    reason: str
    verdict: Verdict
    kind: str | None
    override: dict[str, Any] | None
    location: dict[str, Any] | None
    device_info: dict[str, Any] | None
    metadata: dict[str, Any] | None
    explanation: Words


class Quarantine(Page[ScanItem]):
    waiting: int


class Resolution(Form):
    resolution_id: str
    action: Literal["accept", "void"]
    operator_id: str
    at: At
    reason: str
    kind: str | None  # what it was about, also where the scan is voided
    stale: bool


class Knowledge(Form):
    """What the gate could know of what stands against a scan."""

    could_know: bool
    known_to_server_at: At
    in_contact: bool
    last_heard_at: At | None


class ConflictItem(ScanItem):
    """`against`: the other scan."""

    against: ScanItem | None
    knowledge: Knowledge | None
    resolution: Resolution | None


class RecordItem(Form):
    id: str
    participant_id: str | None
    gate_id: str
    checkin_time: At
    method: Method
    direction: Direction
    device_id: str
    verified: bool
    status: Verdict
    location: dict[str, Any] | None
    device_info: dict[str, Any] | None
    metadata: dict[str, Any] | None


class RecordAnswer(Form):
    attendance_record: RecordItem


class FailedItem(Form):
    index: int
    request: Any
    error: dict[str, Any]


class DuplicateItem(Form):
    index: int
    request: Any
    earlier: RecordItem


class BatchAnswer(Form):
    total_processed: int
    successful: list[RecordItem]
    failed: list[FailedItem]
    duplicates: list[DuplicateItem]


class VerifiedParticipant(Form):
    participant_id: str
    masked_name: str
    group: str | None
    status: Status
    permissions: list[str]
    inside: bool
    first_entry_at: At | None


class VerifiedCredential(Form):
    credential_id: str
    kind: CredentialKind
    status: Literal["active", "revoked"]


class VerifyAnswer(Form):
    admissible: bool
    reason: str
    code: int
    message: Words
    participant: VerifiedParticipant
    credential: VerifiedCredential
