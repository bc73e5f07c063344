"""Scans and resolutions as the merge reads them from the database."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, or_, select

from shared.history import History
from shared.merge import ResolutionFact, ScanFact, ScanKey
from shared.model import Direction, ScanKind
from shared.reasons import Reason
from sync_server.storage.chunks import mappings, mappings_in
from sync_server.storage.schema import devices, resolutions, scans

Row = Mapping[str, Any]

# What the fold, the counters and the messages need: not the wide JSON columns.
_READ = (
    scans.c.row_id,
    scans.c.scan_id,
    scans.c.device_id,
    scans.c.epoch,
    scans.c.seq,
    scans.c.checksum,
    scans.c.kind,
    scans.c.method,
    scans.c.direction,
    scans.c.gate_id,
    scans.c.digest,
    scans.c.named_participant_id,
    scans.c.named_credential_id,
    scans.c.participant_id,
    scans.c.credential_id,
    scans.c.occurred_ms,
    scans.c.time_error_ms,
    scans.c.decided_error_ms,
    scans.c.received_ms,
    scans.c.admitted,
    scans.c.reason,
    scans.c.override,
    scans.c.processing_ms,
    scans.c.verdict,
    scans.c.verdict_kind,
    scans.c.against,
)


def key_of(row: Row) -> ScanKey:
    return ScanKey(row["device_id"], row["epoch"], row["seq"], row["checksum"])


def fact_of(row: Row) -> ScanFact:
    """A row of schema.scans (verdict columns aside) as the merge reads it."""
    return ScanFact(
        key=key_of(row),
        scan_id=row["scan_id"],
        gate_id=row["gate_id"],
        direction=Direction(row["direction"]),
        occurred_ms=row["occurred_ms"],
        admitted=row["admitted"],
        reason=Reason(row["reason"]),
        kind=ScanKind(row["kind"]),
        time_error_ms=row["time_error_ms"],
        decided_error_ms=row["decided_error_ms"],
        overridden=row["override"] is not None,
        digest=row["digest"],
        credential_id=row["named_credential_id"],
        participant_id=row["named_participant_id"],
    )


def rows_of_participants(conn: Connection, participant_ids: Collection[str]) -> Iterator[Row]:
    """All scans that are resolved to these participants."""
    return mappings_in(conn, select(*_READ), scans.c.participant_id, participant_ids)


def rows_by_id(conn: Connection, scan_ids: Collection[str]) -> Iterator[Row]:
    return mappings_in(conn, select(*_READ), scans.c.scan_id, scan_ids)


def unresolved_rows(conn: Connection, history: History, digests: Collection[str]) -> Iterator[Row]:
    """Scans of nobody so far that one of the history's credentials or participants may claim."""
    nobody = scans.c.participant_id.is_(None)
    if conn.execute(select(scans.c.row_id).where(nobody).limit(1)).first() is None:
        return
    wanted = {*digests, *history.credential_of}
    yield from mappings_in(conn, select(*_READ).where(nobody), scans.c.digest, wanted)
    named = or_(scans.c.named_credential_id.is_not(None), scans.c.named_participant_id.is_not(None))
    for row in mappings(conn, select(*_READ).where(nobody, named)):
        if (
            row["named_credential_id"] in history.credentials
            or row["named_participant_id"] in history.participants
        ):
            yield row


def load_scans(conn: Connection, participant_ids: Collection[str]) -> list[ScanFact]:
    """The scans that are resolved to these participants, in no order."""
    return [fact_of(row) for row in rows_of_participants(conn, participant_ids)]


def load_resolutions(conn: Connection, scan_ids: Iterable[str]) -> list[ResolutionFact]:
    """Words on these scans; those spoken by a device in quarantine wait until it is accepted."""
    quarantined = tuple(
        f"{device_id}:"
        for device_id in conn.execute(
            select(devices.c.device_id).where(devices.c.quarantined)
        ).scalars()
    )
    return [
        ResolutionFact(row["resolution_id"], row["scan_id"], row["action"], row["at_ms"])
        for row in mappings_in(conn, select(resolutions), resolutions.c.scan_id, set(scan_ids))
        if not row["resolution_id"].startswith(quarantined)
    ]
