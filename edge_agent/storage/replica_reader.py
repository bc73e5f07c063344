"""Reading the replica: one reader per thread, each answer one read transaction with its cursor."""

import base64
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from edge_agent.storage import sqlite_file
from edge_agent.storage.remains import Remains
from shared import wire
from shared.model import (
    Credential,
    CredentialKind,
    CredentialStatus,
    Direction,
    Event,
    Gate,
    Participant,
    ParticipantStatus,
    Presence,
    Settings,
    SignedTickets,
)

_FOUND = """
SELECT s.live, s.generation, s.revision, s.reference_version, s.server_time_ms,
  c.credential_id, c.participant_id, c.kind, c.status, c.valid_from_ms, c.valid_until_ms,
  p.participant_id, p.masked_name, p.status, p.permissions,
  r.revision, r.inside, r.last_ms, r.last_error_ms, r.last_direction, r.last_gate_id,
  r.first_entry_ms, r.last_entry_ms, r.conflict, c.revision, p.language
FROM state s
"""
_BY_DIGEST = (
    _FOUND
    + """
LEFT JOIN credentials_{0} c ON c.digest = ?
LEFT JOIN participants_{0} p ON p.participant_id = c.participant_id
LEFT JOIN presences_{0} r ON r.participant_id = c.participant_id
"""
)
_BY_PERSON = (
    _FOUND
    + """
LEFT JOIN credentials_{0} c ON 0
LEFT JOIN participants_{0} p ON p.participant_id = ?
LEFT JOIN presences_{0} r ON r.participant_id = p.participant_id
"""
)
# A table costs a fortieth of asking the enum.
_CREDENTIAL_KIND = {str(kind): kind for kind in CredentialKind}
_CREDENTIAL_STATUS = {str(status): status for status in CredentialStatus}
_PARTICIPANT_STATUS = {str(status): status for status in ParticipantStatus}
_DIGEST = {side: _BY_DIGEST.format(side) for side in "ab"}
_PERSON = {side: _BY_PERSON.format(side) for side in "ab"}
# What a page of garbage can bring forth: SQLite's word, or values of a type that nobody wrote.
_GARBAGE = (sqlite3.DatabaseError, KeyError, ValueError, TypeError, AttributeError)


class Found(NamedTuple):
    """What the replica says of one credential or person, and how far it had read then."""

    generation: str | None
    revision: int
    reference_version: int
    server_time_ms: int
    credential: Credential | None = None
    participant: Participant | None = None
    masked_name: str | None = None
    presence: Presence | None = None
    presence_revision: int = 0
    language: str | None = None  # what the person wishes to be spoken to in

    @property
    def cursor(self) -> str | None:
        if self.generation is None:
            return None
        return wire.cursor_text(self.generation, self.revision)


@dataclass(frozen=True, slots=True)
class Ack:
    """The server holds the epoch up to `through`; the replica contains that from `revision` on."""

    through: int
    generation: str
    revision: int


class PersonConflict(NamedTuple):
    participant_id: str
    masked_name: str | None
    seen: wire.ConflictSeen


@dataclass(frozen=True, slots=True)
class Reference:
    """The few rows that every decision needs: kept in memory, read anew when they changed."""

    version: int
    generation: str | None
    revision: int
    server_time_ms: int
    event: Event | None
    ticket_keys: dict[str, bytes]
    gates: dict[str, Gate]
    devices: dict[str, wire.DeviceLine]
    operators: dict[str, wire.OperatorLine]
    acks: dict[str, list[Ack]]  # by epoch, lowest first


class Standing:
    """Which file stands under the replica's name, as its writer tells its readers."""

    def __init__(self) -> None:
        self.life = 0  # counts the files since the start
        self.suspect = False  # a reader met damage: the writer is to look


class ReplicaReader:
    """Reads of one thread. Never waits for the writer. What a damaged file can't say is answered
    from its remains, or as unknown, until a new list is whole (P5).
    """

    def __init__(self, path: Path, standing: Standing) -> None:
        self._path = path
        self._standing = standing
        self._life = -1
        self._reference: Reference | None = None
        self._remains: Remains | None = None
        self._known = Found(None, 0, 0, 0)  # how far the last sound answer had read
        self._open()

    def _open(self) -> None:
        self._life = self._standing.life
        self._conn = sqlite_file.connect_reader(self._path)
        self._conn.execute("PRAGMA cache_size=-16384")  # KiB
        self._live = self._read_live()
        if self._remains is not None:
            self._remains.close()
        self._remains = Remains(self._path)

    def _look(self) -> None:
        """Another file stands there now: read that one."""
        if self._life != self._standing.life:
            self._conn.close()
            self._open()

    def close(self) -> None:
        self._conn.close()
        if self._remains is not None:
            self._remains.close()

    def by_digest(self, digest: bytes) -> Found:
        return self._answer(_DIGEST, digest)

    def by_person(self, participant_id: str) -> Found:
        return self._answer(_PERSON, participant_id)

    def _answer(self, statements: dict[str, str], key: bytes | str) -> Found:
        self._look()
        try:
            found = _found(self._find(statements, key))
        except _GARBAGE as error:
            if isinstance(error, sqlite3.Error) and not sqlite_file.is_damage(error):
                raise
            self._standing.suspect = True
            # Of the version that `reference` answers, or the caller would ask for ever.
            version = 0 if self._reference is None else self._reference.version
            # No server time: a good signature may stand in for what can't be read.
            return self._known._replace(server_time_ms=0, reference_version=version)
        if found.generation is None and found.credential is None:
            found = self._of_remains(key, found)
        self._known = Found(*found[:4])
        return found

    def _of_remains(self, key: bytes | str, now: Found) -> Found:
        rows = self._remains.find(key) if self._remains is not None else []
        try:
            left = _found(_best(rows)) if rows else now
        except _GARBAGE:
            return now
        return left._replace(reference_version=now.reference_version)

    def _find(self, statements: dict[str, str], key: bytes | str) -> Sequence[Any]:
        row = _best(self._conn.execute(statements[self._live], (key,)).fetchall())
        if row[0] != self._live:  # a snapshot went live since: ask the other set
            self._live = row[0]
            return self._find(statements, key)
        return row

    def reference(self) -> Reference:
        """The reference rows as they are now; those last read sound, where the file is damaged."""
        self._look()
        try:
            self._reference = self._read_reference()
        except _GARBAGE as error:
            if isinstance(error, sqlite3.Error) and not sqlite_file.is_damage(error):
                raise
            self._standing.suspect = True
            if self._reference is None:
                raise
        return self._reference

    def _read_reference(self) -> Reference:
        self._conn.execute("BEGIN")
        try:
            live, *state = self._conn.execute(
                "SELECT live, reference_version, generation, revision, server_time_ms FROM state"
            ).fetchone()
            rows = self._conn.execute(
                f"SELECT type, body FROM reference_{live}"  # noqa: S608
            ).fetchall()
            acks: dict[str, list[Ack]] = {}
            for epoch, *ack in self._conn.execute(
                "SELECT epoch, through, generation, revision FROM acks ORDER BY epoch, through"
            ):
                acks.setdefault(epoch, []).append(Ack(*ack))
        finally:
            self._conn.execute("COMMIT")
        return _reference(state, rows, acks)

    def conflicts(self) -> list[PersonConflict]:
        """All that nobody has decided yet, at any gate."""
        live = self._read_live()
        rows = self._conn.execute(
            "SELECT r.participant_id, p.masked_name, r.conflicts"  # noqa: S608
            f" FROM presences_{live} r LEFT JOIN participants_{live} p"
            " ON p.participant_id = r.participant_id WHERE r.conflicts IS NOT NULL"
        )
        return [
            PersonConflict(person, name, one)
            for person, name, body in rows
            for one in msgspec.json.decode(body, type=list[wire.ConflictSeen])
        ]

    def versions(self) -> tuple[int, tuple[str | None, int]]:
        """Of the reference rows, and how far the whole was read: what to compare cheaply."""
        version, *read_to = self._conn.execute(
            "SELECT reference_version, generation, revision FROM state"
        ).fetchone()
        return version, (read_to[0], read_to[1])

    def participants(self) -> int:
        self._look()
        sql = f"SELECT count(*) FROM participants_{self._read_live()}"  # noqa: S608
        count: int = self._conn.execute(sql).fetchone()[0]
        return count

    def _read_live(self) -> str:
        live: str = self._conn.execute("SELECT live FROM state").fetchone()[0]
        return live


def _best(rows: Sequence[Sequence[Any]]) -> Sequence[Any]:
    """A badge that was reassigned has several: 'active' stands before 'revoked', then the newest."""
    return rows[0] if len(rows) == 1 else min(rows, key=lambda one: (one[8], -one[24]))


def _found(row: Sequence[Any]) -> Found:
    credential = participant = presence = None
    if row[5] is not None:
        credential = Credential(
            row[5], row[6], _CREDENTIAL_KIND[row[7]], _CREDENTIAL_STATUS[row[8]], row[9], row[10]
        )
    if row[11] is not None:
        permissions = frozenset(row[14].split("\n")) if row[14] else frozenset[str]()
        participant = Participant(row[11], _PARTICIPANT_STATUS[row[13]], permissions)
    if row[15] is not None:
        direction = Direction(row[19]) if row[19] else None
        presence = Presence(
            bool(row[16]), row[17], row[18], direction, row[20], row[21], row[22], bool(row[23])
        )
    return Found(
        generation=row[1],
        revision=row[2],
        reference_version=row[3],
        server_time_ms=row[4],
        credential=credential,
        participant=participant,
        masked_name=row[12],
        presence=presence,
        presence_revision=row[15] or 0,
        language=row[25],
    )


def _reference(
    state: Sequence[Any],
    rows: Sequence[tuple[str, str]],
    acks: dict[str, list[Ack]],
) -> Reference:
    event: Event | None = None
    keys: dict[str, bytes] = {}
    gates: dict[str, Gate] = {}
    devices: dict[str, wire.DeviceLine] = {}
    operators: dict[str, wire.OperatorLine] = {}
    for kind, body in rows:
        if kind == "event":
            line = msgspec.json.decode(body, type=wire.EventLine)
            event, keys = event_of(line), _ticket_keys(line)
        elif kind == "gate":
            gate = msgspec.json.decode(body, type=wire.GateLine)
            gates[gate.gate_id] = gate_of(gate)
        elif kind == "device":
            device = msgspec.json.decode(body, type=wire.DeviceLine)
            devices[device.device_id] = device
        elif kind == "operator":
            operator = msgspec.json.decode(body, type=wire.OperatorLine)
            operators[operator.operator_id] = operator
    version, generation, revision, server_time_ms = state
    return Reference(
        version, generation, revision, server_time_ms, event, keys, gates, devices, operators, acks
    )


def event_of(line: wire.EventLine) -> Event:
    settings = line.settings
    return Event(
        event_id=line.event_id,
        tag=line.event_tag,
        name=line.event_name,
        start_ms=wire.parse_time(line.start_date),
        end_ms=wire.parse_time(line.end_date),
        time_zone=line.time_zone,
        venue=line.venue,
        status=line.status,
        settings=Settings(
            allow_multiple_checkins=settings.allow_multiple_checkins,
            allow_reentry_after_exit=settings.allow_reentry_after_exit,
            offline_mode=settings.offline_mode,
            duplicate_window_s=settings.duplicate_window_seconds,
            admission_margin_s=settings.admission_margin_seconds,
            signed_tickets=SignedTickets(settings.signed_tickets),
            default_region=settings.default_region,
        ),
    )


def gate_of(line: wire.GateLine) -> Gate:
    return Gate(
        gate_id=line.gate_id,
        name=line.name,
        direction=line.direction,
        zone=line.zone,
        required_permission=line.required_permission,
        capacity_per_minute=line.capacity_per_minute,
        active=line.active,
        location=line.location,
        beacon=line.beacon,
    )


def _ticket_keys(line: wire.EventLine) -> dict[str, bytes]:
    return {
        name: base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
        for name, key in line.ticket_keys.items()
    }
