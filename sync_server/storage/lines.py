"""A replicated row as the line that gates receive (API §3.4): what the digest is made of.

A participant's line carries the masked name and nothing else personal; a credential's the digest
and never the code (P9).
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from shared import wire
from shared.model import Direction, EventStatus, GateDirection
from sync_server.storage.schema import PARTNER_DEVICE_PREFIX

Row = Mapping[str, Any]
HASH_OF_NOTHING = "0" * 32


@lru_cache(maxsize=1_024)  # one row often names one moment several times
def _time(ms: int | None) -> str | None:
    return None if ms is None else wire.format_time(ms)


def _event(row: Row) -> wire.Line:
    return wire.EventLine(
        revision=0,
        hash="",
        event_id=row["event_id"],
        event_tag=row["tag"],
        event_name=row["name"],
        start_date=wire.format_time(row["start_ms"]),
        end_date=wire.format_time(row["end_ms"]),
        time_zone=row["time_zone"],
        venue=row["venue"],
        status=EventStatus(row["status"]),
        settings=msgspec.convert(row["settings"], wire.SettingsLine),
        ticket_keys=row["ticket_keys"],
    )


def _gate(row: Row) -> wire.Line:
    return wire.GateLine(
        revision=0,
        hash="",
        gate_id=row["gate_id"],
        name=row["name"],
        direction=GateDirection(row["direction"]),
        active=row["active"],
        capacity_per_minute=row["capacity_per_minute"],
        zone=row["zone"],
        required_permission=row["required_permission"],
        location=row["location"],
        beacon=row["beacon"],
    )


def _participant(row: Row) -> wire.Line:
    return wire.ParticipantLine(
        revision=0,
        hash="",
        participant_id=row["participant_id"],
        masked_name=row["masked_name"],
        status=row["status"],
        permissions=row["permissions"],
        group=row["group"],
        find=(row["find"] or "").split(),
        language=row["language"],
    )


def _credential(row: Row) -> wire.Line:
    return wire.CredentialLine(
        revision=0,
        hash="",
        credential_id=row["credential_id"],
        participant_id=row["participant_id"],
        kind=row["kind"],
        digest=row["shared_digest"] or row["digest"],
        status=row["status"],
        valid_from=_time(row["valid_from_ms"]),
        valid_until=_time(row["valid_until_ms"]),
        mark=row["mark"],
    )


def _presence(row: Row) -> wire.Line:
    direction = row["last_direction"]
    return wire.PresenceLine(
        revision=0,
        hash="",
        participant_id=row["participant_id"],
        inside=row["inside"],
        last_at=_time(row["last_ms"]),
        last_error_ms=row["last_error_ms"],
        last_direction=None if direction is None else Direction(direction),
        last_gate_id=row["last_gate_id"],
        first_entry_at=_time(row["first_entry_ms"]),
        last_entry_at=_time(row["last_entry_ms"]),
        conflict=row["conflict"],
        conflicts=row["conflicts"] or [],
    )


def _device(row: Row) -> wire.Line | None:
    if row["device_id"].startswith(PARTNER_DEVICE_PREFIX):
        return None  # a service has no replica and no gate of its own
    return wire.DeviceLine(
        revision=0,
        hash="",
        device_id=row["device_id"],
        gate_id=row["gate_id"],
        state=row["state"],
        contiguous_through=row["contiguous_through"],
    )


def _operator(row: Row) -> wire.Line:
    """In place of the PIN's hash stands its mark: the feed gives each device a hash of its own."""
    return wire.OperatorLine(
        revision=0,
        hash="",
        operator_id=row["operator_id"],
        name=row["name"],
        active=row["active"],
        pin_hash=row["pin_mark"],
    )


_MAKERS: dict[str, Callable[[Row], wire.Line | None]] = {
    "events": _event,
    "gates": _gate,
    "participants": _participant,
    "credentials": _credential,
    "presences": _presence,
    "devices": _device,
    "people": _operator,
}


def line_of(table_name: str, row: Row) -> wire.Line | None:
    """The row's line with revision 0 and no hash yet; None for a row that is not replicated."""
    return _MAKERS[table_name](row)


def hash_of(table_name: str, row: Row) -> str:
    """32 hex digits over what gates see of the row; zero for a row that they do not see."""
    line = line_of(table_name, row)
    return HASH_OF_NOTHING if line is None else wire.row_hash(line)
