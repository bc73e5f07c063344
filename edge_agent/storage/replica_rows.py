"""From lines of the wire (API §3.4) to rows of `replica.db`. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from shared import wire

Values = tuple[Any, ...]
_encoder = msgspec.json.Encoder()


@dataclass(slots=True)
class Batch:
    """The rows of one table in one page. The key's columns come first, `hash` last."""

    table: str
    key: tuple[str, ...]
    width: int
    rows: dict[Values, Values] = field(default_factory=dict)


_SHAPES: dict[str, tuple[tuple[str, ...], int]] = {
    "credentials": (("digest", "credential_id"), 10),
    "participants": (("participant_id",), 9),
    "presences": (("participant_id",), 12),
    "reference": (("type", "key"), 5),
}


def batches(lines: Iterable[wire.AnyLine]) -> dict[str, Batch]:
    """The page's rows by table; of several lines with one key the last holds."""
    found: dict[str, Batch] = {}
    for line in lines:
        if isinstance(line, wire.PageLine):
            continue
        table, values = row_of(line)
        batch = found.get(table)
        if batch is None:
            batch = found[table] = Batch(table, *_SHAPES[table])
        batch.rows[values[: len(batch.key)]] = values
    return found


def row_of(line: wire.Line) -> tuple[str, Values]:
    revision, content_hash = line.revision, bytes.fromhex(line.hash)
    match line:
        case wire.ParticipantLine():
            permissions = "\n".join(line.permissions)
            return "participants", (
                line.participant_id,
                line.masked_name,
                line.status,
                permissions,
                line.group,
                f" {' '.join(line.find)} ",
                line.language,
                revision,
                content_hash,
            )
        case wire.CredentialLine():
            return "credentials", (
                bytes.fromhex(line.digest),
                line.credential_id,
                line.participant_id,
                line.kind,
                line.status,
                _ms(line.valid_from),
                _ms(line.valid_until),
                line.mark,
                revision,
                content_hash,
            )
        case wire.PresenceLine():
            return "presences", (
                line.participant_id,
                line.inside,
                _ms(line.last_at),
                line.last_error_ms,
                line.last_direction,
                line.last_gate_id,
                _ms(line.first_entry_at),
                _ms(line.last_entry_at),
                line.conflict,
                _encoder.encode(line.conflicts).decode() if line.conflicts else None,
                revision,
                content_hash,
            )
        case wire.GateLine():
            return "reference", ("gate", line.gate_id, *_rest(line))
        case wire.EventLine():
            return "reference", ("event", line.event_id, *_rest(line))
        case wire.DeviceLine():
            return "reference", ("device", line.device_id, *_rest(line))
        case wire.OperatorLine():
            return "reference", ("operator", line.operator_id, *_rest(line))
        case _:
            raise TypeError(f"no table for {type(line).__name__}")


def _rest(line: wire.Line) -> tuple[str, int, bytes]:
    return _encoder.encode(line).decode(), line.revision, bytes.fromhex(line.hash)


def _ms(text: str | None) -> int | None:
    return None if text is None else wire.parse_time(text)
