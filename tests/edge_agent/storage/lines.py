"""Lines of the wire as a server would send them, for tests and benchmarks."""

from typing import Any

import msgspec

from shared import wire

KEY = b"k" * 32
GEN = "g1"
START, END = "2026-11-21T09:00:00.000Z", "2026-11-21T18:00:00.000Z"
NOON_MS = wire.parse_time("2026-11-21T12:00:00.000Z")


def _hashed(line: Any) -> Any:
    line.hash = wire.row_hash(msgspec.to_builtins(line))
    return line


def event(revision: int = 1, **more: Any) -> wire.EventLine:
    values: dict[str, Any] = {
        "event_id": "conf",
        "event_name": "Conf",
        "start_date": START,
        "end_date": END,
        "time_zone": "Asia/Seoul",
        "venue": "Hall",
        "status": "live",
        "settings": wire.SettingsLine(),
        "ticket_keys": {},
        "event_tag": "TCF24",
        **more,
    }
    return _hashed(wire.EventLine(revision=revision, hash="", **values))


def gate(gate_id: str = "main", revision: int = 2, **more: Any) -> wire.GateLine:
    values = {
        "name": gate_id,
        "direction": "both",
        "active": True,
        "capacity_per_minute": 30,
        **more,
    }
    return _hashed(wire.GateLine(revision=revision, hash="", gate_id=gate_id, **values))


def participant(n: int, revision: int, status: str = "registered") -> wire.ParticipantLine:
    return _hashed(
        wire.ParticipantLine(
            revision=revision,
            hash="",
            participant_id=f"P{n}",
            masked_name="홍*동",
            status=status,
            permissions=["attendance"],
        )
    )


def credential(
    n: int, revision: int, digest: str, status: str = "active", **more: Any
) -> wire.CredentialLine:
    values = {"credential_id": f"C{n}", "participant_id": f"P{n}", "kind": "ticket", **more}
    return _hashed(
        wire.CredentialLine(revision=revision, hash="", digest=digest, status=status, **values)
    )


def presence(n: int, revision: int, **more: Any) -> wire.PresenceLine:
    values = {"inside": False, **more}
    return _hashed(wire.PresenceLine(revision=revision, hash="", participant_id=f"P{n}", **values))


def page(
    revision: int,
    *,
    more: bool = False,
    generation: str = GEN,
    digest: str | None = None,
    server_ms: int = NOON_MS,
) -> wire.PageLine:
    time = wire.format_time(server_ms)
    return wire.PageLine(
        cursor=f"{generation}.{revision}",
        more=more,
        server_received_at=time,
        server_time=time,
        digest=digest,
    )


def digest_sum(lines: list[Any]) -> str:
    return f"{sum(int(line.hash, 16) for line in lines) % wire.DIGEST_MODULUS:032x}"
