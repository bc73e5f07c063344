"""What partner systems send to `attendance/*` and `tickets/verify`, and how we answer (API §3.3)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from shared import wire
from shared.credentials import Fault
from shared.limits import METADATA_BYTES_MAX, PARTNER_ID_CHARS_MAX
from shared.model import Direction, Method
from shared.reasons import WORDS, Reason

METHODS = {"ble": Method.BLE_AUTO, "qr": Method.QR_SCAN} | {m.value: m for m in Method}


# Checked in `checked`, in words that a person understands: the document shows the limits alone.
_Id = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": PARTNER_ID_CHARS_MAX})]


class Location(wire.Request):
    """Where the partner's device was: degrees, and metres of accuracy."""

    lat: Annotated[float, Meta(extra_json_schema={"minimum": -90, "maximum": 90})]
    lng: Annotated[float, Meta(extra_json_schema={"minimum": -180, "maximum": 180})]
    accuracy: float | None = None


class DeviceInfo(wire.Request):
    device_id: str | None = None
    platform: str | None = None
    version: str | None = None


class RecordRequest(wire.Request, kw_only=True):
    """One call of `attendance/record`; `token` may stand in place of `participantId`."""

    gate_id: _Id
    method: Annotated[str, Meta(extra_json_schema={"enum": sorted(METHODS)})]
    participant_id: _Id | None = None
    token: str | None = None
    timestamp: Annotated[str, Meta(extra_json_schema={"format": "date-time"})] | None = None
    direction: Direction | None = None
    location: Location | None = None
    device_info: DeviceInfo | None = None
    metadata: dict[str, Any] | None = None
    request_id: _Id | None = None


class VerifyRequest(wire.Request, kw_only=True):
    token: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, when (server's epoch ms), with the event's digest key and verifying keys (id → 32 bytes)."""

    key_name: str
    now_ms: int
    digest_key: bytes
    ticket_keys: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def device_id(self) -> str:
        return f"partner:{self.key_name}"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and a JSON body: `{"attendanceRecord":…}` or `{"error":…}`."""

    status: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        return self.status < 300


class RefusedError(Exception):
    """Carries a refusal's answer out of the steps of a decision."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.answer = Answer(status, {"error": {"code": code, "message": message, **more}})


# DESIGN §4.1 reason → API §3.3 answer.
ANSWER_OF: dict[Reason, tuple[int, str]] = {
    Reason.UNREADABLE: (400, "invalid_token"),
    Reason.WRONG_EVENT: (400, "invalid_token"),
    Reason.FORGED: (400, "invalid_token"),
    Reason.UNKNOWN: (400, "invalid_token"),
    Reason.REVOKED: (400, "ticket_revoked"),
    Reason.CANCELLED: (400, "participant_not_active"),
    Reason.BLOCKED: (400, "participant_not_active"),
    Reason.GATE_CLOSED: (400, "event_not_open"),
    Reason.TOO_EARLY: (400, "outside_allowed_period"),
    Reason.TOO_LATE: (400, "outside_allowed_period"),
    Reason.NOT_PERMITTED: (400, "not_permitted"),
    Reason.JUST_SCANNED: (409, "recent_attendance"),
    Reason.ALREADY_INSIDE: (409, "already_inside"),
}
REASON_OF_FAULT = {
    Fault.UNREADABLE: Reason.UNREADABLE,
    Fault.WRONG_EVENT: Reason.WRONG_EVENT,
    Fault.FORGED: Reason.FORGED,
}


def checked(raw: Any) -> RecordRequest:
    try:
        request = msgspec.convert(raw, RecordRequest)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        field = where.strip("`").removeprefix("$.").removeprefix("$") or None
        more = {"field": field} if field else {}
        raise RefusedError(400, "invalid_request", message, **more) from error
    if request.method not in METHODS:
        raise invalid("method", f"method must be one of {', '.join(sorted(METHODS))}")
    if (request.participant_id is None) == (request.token is None):
        raise invalid("participantId", "give either participantId or token")
    if request.metadata is not None and len(wire.canonical(request.metadata)) > METADATA_BYTES_MAX:
        raise invalid("metadata", f"metadata is longer than {METADATA_BYTES_MAX} bytes")
    for field, text in (
        ("participantId", request.participant_id),
        ("gateId", request.gate_id),
        ("requestId", request.request_id),
    ):
        if text is not None and not 0 < len(text) <= PARTNER_ID_CHARS_MAX:
            raise invalid(field, f"{field} must have 1 to {PARTNER_ID_CHARS_MAX} characters")
    place = request.location
    if place is not None and not (-90 <= place.lat <= 90 and -180 <= place.lng <= 180):
        raise invalid("location", "lat must be in -90…90 and lng in -180…180 degrees")
    return request


def body_hash(raw: Any) -> str:
    return hashlib.sha256(wire.canonical(raw)).hexdigest()


def refusal(reason: Reason) -> RefusedError:
    status, code = ANSWER_OF[reason]
    return RefusedError(status, code, WORDS[reason].en, reason=reason.label)


def invalid(field: str, message: str) -> RefusedError:
    return RefusedError(400, "invalid_request", message, field=field)


def batch_result(items: Sequence[Any], answers: Sequence[Answer]) -> dict[str, Any]:
    """The body of `attendance/batch` (API §3.3)."""
    result: dict[str, Any] = {
        "totalProcessed": len(items),
        "successful": [],
        "failed": [],
        "duplicates": [],
    }
    for index, (item, answer) in enumerate(zip(items, answers, strict=True)):
        if answer.ok:
            result["successful"].append(answer.body["attendanceRecord"])
            continue
        error = answer.body["error"]
        if "earlier" in error:
            result["duplicates"].append(
                {"index": index, "request": item, "earlier": error["earlier"]}
            )
        else:
            result["failed"].append({"index": index, "request": item, "error": error})
    return result


def in_order_of_time(items: Sequence[Any], now_ms: int) -> list[int]:
    """Places of a batch's items, the earliest first: each then comes after those before it, so that
    a person's scans are not folded again for each. A requestId used twice keeps the order given.
    """
    ids = [item.get("requestId") for item in items if isinstance(item, dict)]
    named = [str(said) for said in ids if said is not None]
    if len(set(named)) < len(named):
        return list(range(len(items)))
    return sorted(range(len(items)), key=lambda place: _said_ms(items[place], now_ms))


def _said_ms(item: Any, now_ms: int) -> int:
    said = item.get("timestamp") if isinstance(item, dict) else None
    try:
        return now_ms if not isinstance(said, str) else wire.parse_time(said)
    except (ValueError, OverflowError):
        return now_ms  # it will be refused
