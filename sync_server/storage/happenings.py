"""What a changed replicated row tells the outbox: which row, what it is now, what differs.

Written where the rows are written, so that no writer can forget it (DESIGN §6 Stream). Presences
are left out: the scan that moved one is told. Names of columns and ids only, nothing personal
beyond a masked name.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

Row = Mapping[str, Any]
Message = tuple[str, dict[str, Any]]


class _Told(NamedTuple):
    """`members`: member of the message → column. A change of `quiet` columns alone is not told."""

    subject: str
    members: Mapping[str, str]
    quiet: frozenset[str] = frozenset()


_ALWAYS_QUIET = frozenset({"revision", "hash", "updated_ms"})
_TOLD = {
    "events": _Told("event", {"eventId": "event_id", "name": "name", "status": "status"}),
    "gates": _Told("gate", {"gateId": "gate_id", "name": "name", "active": "active"}),
    "participants": _Told(
        "participant",
        {
            "participantId": "participant_id",
            "maskedName": "masked_name",
            "status": "status",
            "group": "group",
            "importId": "import_id",
        },
    ),
    "credentials": _Told(
        "credential",
        {
            "credentialId": "credential_id",
            "participantId": "participant_id",
            "kind": "kind",
            "status": "status",
        },
    ),
    "devices": _Told(
        "device",
        {
            "deviceId": "device_id",
            "gateId": "gate_id",
            "state": "state",
            "quarantined": "quarantined",
        },
        quiet=frozenset({"epoch", "contiguous_through"}),  # each upload moves them
    ),
    "people": _Told("operator", {"operatorId": "operator_id", "role": "role", "active": "active"}),
}


def is_told(table_name: str) -> bool:
    return table_name in _TOLD


def of_row(table_name: str, before: Row | None, after: Row) -> Message | None:
    """`SUBJECT.created`, or `SUBJECT.changed` with the names of the columns that differ."""
    told = _TOLD[table_name]
    data = {member: after[column] for member, column in told.members.items()}
    if before is None:
        return f"{told.subject}.created", data
    unsaid = _ALWAYS_QUIET | told.quiet
    changed = sorted(
        str(name) for name, value in after.items() if name not in unsaid and value != before[name]
    )
    return (f"{told.subject}.changed", data | {"changed": changed}) if changed else None
