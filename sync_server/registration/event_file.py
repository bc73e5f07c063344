"""The event file of API §3.1: JSON in, the event and its gates out, or one line that says why."""

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from shared import wire
from shared.beacon_settings import BeaconSettings
from shared.credentials import TAG
from shared.errors import UsageError
from shared.model import Event, EventStatus, Gate, GateDirection, Settings, SignedTickets

GATES_MAX = 1_000
_ID = re.compile(r"[^\s/\x00-\x1f\x7f]{1,100}")
_TAG_CHARS_MAX = 5

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class SettingsBody(wire.Request):
    """Settings as people write them; units in the names."""

    allow_multiple_checkins: bool = False
    allow_reentry_after_exit: bool = True
    offline_mode: bool = True
    duplicate_window_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 300
    admission_margin_seconds: Annotated[int, msgspec.Meta(ge=0, le=604_800)] = 3_600
    signed_tickets: SignedTickets = SignedTickets.LATE
    default_region: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")] = "KR"


class GateBody(wire.Request):
    """A gate as in API §2, `gates`."""

    id: Text
    name: Text | None = None
    direction: GateDirection = GateDirection.BOTH
    zone: Text | None = None
    required_permission: Text | None = None
    capacity_per_minute: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 30
    active: bool = True
    location: dict[str, Any] | None = None
    beacon: BeaconSettings | None = None


class EventBody(wire.Request):
    event_id: Text
    event_name: Text
    start_date: str
    end_date: str
    tag: str | None = None
    time_zone: str = "Asia/Seoul"
    venue: Annotated[str, msgspec.Meta(max_length=500)] = ""
    status: EventStatus = EventStatus.OPEN
    gates: Annotated[list[GateBody | str], msgspec.Meta(max_length=GATES_MAX)] = msgspec.field(
        default_factory=list
    )
    settings: SettingsBody = msgspec.field(default_factory=SettingsBody)


@dataclass(frozen=True, slots=True)
class EventFile:
    event: Event
    gates: tuple[Gate, ...]


def settings_of(body: SettingsBody) -> Settings:
    return Settings(
        allow_multiple_checkins=body.allow_multiple_checkins,
        allow_reentry_after_exit=body.allow_reentry_after_exit,
        offline_mode=body.offline_mode,
        duplicate_window_s=body.duplicate_window_seconds,
        admission_margin_s=body.admission_margin_seconds,
        signed_tickets=body.signed_tickets,
        default_region=body.default_region,
    )


def settings_json(settings: Settings) -> dict[str, Any]:
    """As API §3.1 names them; what the database keeps."""
    return {
        "allowMultipleCheckins": settings.allow_multiple_checkins,
        "allowReentryAfterExit": settings.allow_reentry_after_exit,
        "offlineMode": settings.offline_mode,
        "duplicateWindowSeconds": settings.duplicate_window_s,
        "admissionMarginSeconds": settings.admission_margin_s,
        "signedTickets": settings.signed_tickets.value,
        "defaultRegion": settings.default_region,
    }


def gate_of(body: GateBody | str) -> Gate:
    if isinstance(body, str):
        return Gate(check_id(body, "gates"), body)
    return Gate(
        gate_id=check_id(body.id, "gates"),
        name=body.name or body.id,
        direction=body.direction,
        zone=body.zone,
        required_permission=body.required_permission,
        capacity_per_minute=body.capacity_per_minute,
        active=body.active,
        location=body.location,
        beacon=None if body.beacon is None else body.beacon.as_json(),
    )


def parse_event_file(data: bytes, source: str) -> EventFile:
    """UsageError names the file and the member."""
    try:
        raw = json.loads(data.decode("utf-8-sig"))
        body = msgspec.convert(raw, EventBody)
        return EventFile(event_of(body), tuple(_gates(body)))
    except UnicodeDecodeError as error:
        raise UsageError(f"{source} is not UTF-8 text; an event file is JSON") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise UsageError(f"{source} is not JSON: {error.msg} at {place}") from error
    except RecursionError as error:
        raise UsageError(f"{source} is nested too deep for an event file") from error
    except msgspec.ValidationError as error:
        raise UsageError(f"{source}: {_plain(str(error))}") from error
    except (ValueError, UsageError) as error:
        raise UsageError(f"{source}: {error}") from error


def event_of(body: EventBody) -> Event:
    """ValueError or UsageError where a member makes no sense."""
    start_ms, end_ms = (
        check_time(body.start_date, "startDate"),
        check_time(body.end_date, "endDate"),
    )
    if end_ms <= start_ms:
        raise UsageError("endDate is not after startDate")
    return Event(
        event_id=check_id(body.event_id, "eventId"),
        tag=check_tag(body.tag) if body.tag is not None else make_tag(body.event_id),
        name=body.event_name,
        start_ms=start_ms,
        end_ms=end_ms,
        time_zone=check_zone(body.time_zone),
        venue=body.venue,
        status=body.status,
        settings=settings_of(body.settings),
    )


def check_time(text: str, member: str) -> int:
    """Epoch milliseconds of an RFC 3339 time."""
    try:
        return wire.parse_time(text)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{member}: {text!r} is not a time; write it as 2026-11-21T09:30:00Z"
        ) from error


def check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"timeZone: {name!r} is not a time zone; one is Asia/Seoul") from error
    return name


def check_tag(tag: str) -> str:
    if not TAG.fullmatch(tag):
        raise UsageError(f"tag: {tag!r} is not 2 to 5 capital letters A–Z or digits")
    return tag


def check_id(text: str, member: str) -> str:
    if not _ID.fullmatch(text):
        raise UsageError(f"{member}: {text!r} can't be an id (1–100 characters, no spaces, no /)")
    return text


def make_tag(event_id: str) -> str:
    """`tech-conference-2024` → `TC24`: initials and the year's last digits, or the first letters."""
    ascii_id = unicodedata.normalize("NFKD", event_id).encode("ascii", "ignore").decode().upper()
    words = re.findall(r"[A-Z]+|[0-9]+", ascii_id)
    initials = "".join(word[0] for word in words if word.isalpha())
    year = next((word[-2:] for word in reversed(words) if word.isdigit()), "")
    tag = initials[: _TAG_CHARS_MAX - len(year)] + year
    if len(tag) < 2:
        tag = ("".join(words) + "EV")[:_TAG_CHARS_MAX]
    return tag


def _gates(body: EventBody) -> Iterator[Gate]:
    seen: set[str] = set()
    for item in body.gates:
        gate = gate_of(item)
        if gate.gate_id in seen:
            raise UsageError(f"gates: {gate.gate_id!r} stands twice")
        seen.add(gate.gate_id)
        yield gate


def _plain(message: str) -> str:
    """Msgspec's words, with the member first: `startDate: Expected …`."""
    found = re.fullmatch(r"(.*) - at `\$\.?(.*)`", message)
    return f"{found[2]}: {found[1]}" if found else message
