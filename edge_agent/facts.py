"""From a sighting to the facts that the rules are asked about: recognise, look up, lay over.

Everything here runs on the lane's thread and reads memory and two local files: nothing awaits
the network (P5).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from edge_agent.own_scans import OwnScans
from edge_agent.ports import Sighting
from edge_agent.storage.journal import Journal
from edge_agent.storage.replica_reader import Ack, Found, Reference, ReplicaReader
from shared import credentials
from shared.admission import Facts, Recognition
from shared.credentials import Claims, Fault, TicketCode
from shared.errors import TransientError, UsageError
from shared.limits import SIGNED_TICKET_GRACE_MS
from shared.model import (
    NOWHERE,
    Credential,
    Direction,
    Event,
    Gate,
    GateDirection,
    Method,
    Moment,
    Participant,
    Presence,
    ScanKind,
)
from shared.overlay import effective_presence

_RECOGNITION = {
    Fault.UNREADABLE: Recognition.UNREADABLE,
    Fault.WRONG_EVENT: Recognition.WRONG_EVENT,
    Fault.FORGED: Recognition.FORGED,
}


class NotReadyError(TransientError):
    """This gate has no list yet: connect it to the server once, then it works alone."""


@dataclass(frozen=True, slots=True)
class Place:
    """Who and where this device is, from its enrolment (identity.json)."""

    device_id: str
    gate_id: str
    digest_key: bytes


class Recognised(NamedTuple):
    """What a sighting is, before anybody is looked up."""

    recognition: Recognition
    kind: ScanKind
    digest: str | None = None
    claims: Claims | None = None


class Gathered(NamedTuple):
    """The facts, and what the scan records beside them."""

    facts: Facts
    seen: Recognised
    cursor: str | None
    generation: str | None
    masked_name: str | None = None
    language: str | None = None
    on_claims: bool = False  # admitted or refused on the ticket's word: not in the replica


def recognise(
    sighting: Sighting, event: Event, keys: Mapping[str, bytes], digest_key: bytes
) -> Recognised:
    """Parse and check, in the order of DESIGN §4.1's codes 10–12."""
    if sighting.kind == "beacon":
        digest = sighting.digest or credentials.beacon_digest(digest_key, sighting.payload)
        return Recognised(Recognition.FOUND, ScanKind.BEACON, digest)
    code = credentials.parse(sighting.payload)
    if isinstance(code, Fault):
        return Recognised(_RECOGNITION[code], ScanKind.TICKET)
    digest = credentials.ticket_digest(digest_key, code.letters)
    if code.tag is not None and not credentials.same_tag(code.tag, event.tag):
        return Recognised(Recognition.WRONG_EVENT, ScanKind.TICKET, digest)
    return _signed(code, digest, event, keys)


def _signed(code: TicketCode, digest: str, event: Event, keys: Mapping[str, bytes]) -> Recognised:
    if code.signed is None:
        return Recognised(Recognition.FOUND, ScanKind.TICKET, digest)
    claims = credentials.verify_claims(code, event.event_id, keys)
    if isinstance(claims, Fault):
        return Recognised(_RECOGNITION[claims], ScanKind.TICKET, digest)
    return Recognised(Recognition.FOUND, ScanKind.TICKET, digest, claims)


class FactSource:
    """Holds what every decision needs in memory and looks up the rest. One thread: the lane's."""

    def __init__(self, place: Place, reader: ReplicaReader, journal: Journal) -> None:
        self.own = OwnScans(place.device_id)
        self._place = place
        self._reader = reader
        self._journal = journal
        self.usual_direction: Direction | None = (
            None  # at a gate for both ways, if nothing else says
        )
        self.closed = False  # by a supervisor here; the server's word stands beside it
        self._hold(reader.reference())
        self._rebuild()

    @property
    def ready(self) -> bool:
        return self._reference.event is not None and self.gate is not None

    @property
    def event(self) -> Event | None:
        return self._reference.event

    def gate_name(self, gate_id: str | None) -> str | None:
        gate = self._reference.gates.get(gate_id or "")
        return None if gate is None else gate.name

    def refresh(self) -> None:
        """Read the reference rows anew where they changed; for callers between decisions."""
        self._reload(self._reader.reference())

    def gather(self, sighting: Sighting, direction: Direction | None, now: Moment) -> Gathered:
        """All that the rules read, of one moment. NotReadyError before the first list."""
        if not self.ready:
            self.refresh()
        found, seen = self._look_up(sighting)
        event, gate = self._reference.event, self._gate_now()
        if event is None or gate is None:
            raise NotReadyError
        credential, participant = found.credential, found.participant
        recognition, name, on_claims = seen.recognition, found.masked_name, False
        if recognition is Recognition.FOUND and credential is None:
            claims = seen.claims
            if claims is None or self._should_be_here(claims, found):
                recognition = Recognition.UNKNOWN
            else:
                on_claims = True
                found = self._reader.by_person(claims.participant_id)
                credential, participant = _claimed(claims, found.participant)
                name = found.masked_name or claims.name
        presence = NOWHERE
        if participant is not None:
            presence = found.presence or NOWHERE
            own = self.own.of(participant.participant_id)
            if own:
                presence = effective_presence(found.presence, found.presence_revision, own)
        facts = Facts(
            event=event,
            gate=gate,
            direction=direction_at(gate, direction, self.usual_direction),
            now=now,
            recognition=recognition,
            credential=credential,
            participant=participant,
            presence=presence,
        )
        return Gathered(
            facts, seen, found.cursor, found.generation, name, found.language, on_claims
        )

    def gather_person(
        self, participant_id: str | None, kind: ScanKind, direction: Direction | None, now: Moment
    ) -> Gathered:
        """The same for somebody whom a supervisor picked by hand, or a walk-in (None)."""
        self.refresh()
        event, gate = self._reference.event, self._gate_now()
        if event is None or gate is None:
            raise NotReadyError
        found = self._reader.by_person(participant_id or "")
        presence = self.presence_of(found) if found.participant is not None else NOWHERE
        facts = Facts(
            event=event,
            gate=gate,
            direction=direction_at(gate, direction, self.usual_direction),
            now=now,
            recognition=Recognition.FOUND,
            participant=found.participant,
            presence=presence,
        )
        return Gathered(
            facts,
            Recognised(Recognition.FOUND, kind),
            found.cursor,
            found.generation,
            found.masked_name,
            found.language,
        )

    def presence_of(self, found: Found) -> Presence:
        """Where the person is, own scans laid over the replica's row."""
        presence = found.presence or NOWHERE
        participant = found.participant
        own = [] if participant is None else self.own.of(participant.participant_id)
        return effective_presence(found.presence, found.presence_revision, own) if own else presence

    def _gate_now(self) -> Gate | None:
        if not self.closed or self.gate is None:
            return self.gate
        return replace(self.gate, active=False)

    def _look_up(self, sighting: Sighting) -> tuple[Found, Recognised]:
        """One read transaction; once more where the reference rows moved meanwhile."""
        while True:
            reference = self._reference
            if reference.event is None:
                raise NotReadyError
            seen = recognise(
                sighting, reference.event, reference.ticket_keys, self._place.digest_key
            )
            recognised = seen.recognition is Recognition.FOUND
            digest = seen.digest if recognised else None
            found = self._reader.by_digest(bytes.fromhex(digest or ""))
            if found.reference_version == reference.version:
                self._settle(found)
                return found, seen
            self.refresh()

    def _should_be_here(self, claims: Claims, found: Found) -> bool:
        """The replica has read past this ticket's issue and does not know it: no stand-in."""
        return found.server_time_ms > claims.issued_at_s * 1_000 + SIGNED_TICKET_GRACE_MS

    def _hold(self, reference: Reference) -> None:
        """Keep it, and the gate that this device stands at now: its row in the replica moves it."""
        self._reference = reference
        device = reference.devices.get(self._place.device_id)
        gate_id = device.gate_id if device is not None else self._place.gate_id
        self.gate: Gate | None = reference.gates.get(gate_id)
        self._settled_at: tuple[str | None, int] | None = None

    def _reload(self, reference: Reference) -> None:
        changed = reference.generation != self._reference.generation
        self._hold(reference)
        if changed:
            self._rebuild()

    def _rebuild(self) -> None:
        """All that the replica may lack re-enters, from the journal."""
        reference = self._reference
        self.own.clear(reference.generation)
        self._settled = {
            epoch: contained(acks, reference.generation, reference.revision)
            for epoch, acks in reference.acks.items()
        }
        for epoch, _ in self._journal.epochs():
            for row in self._journal.scans_after(epoch, self._settled.get(epoch, 0)):
                self.own.take(epoch, row.seq, row.body, row.at_ms)

    def _settle(self, found: Found) -> None:
        """Own scans whose acknowledgement the cursor has passed leave the overlay."""
        read_to = (found.generation, found.revision)
        if read_to == self._settled_at:
            return
        self._settled_at = read_to
        for epoch, acks in self._reference.acks.items():
            through = contained(acks, found.generation, found.revision)
            if through > self._settled.get(epoch, 0):
                self._settled[epoch] = through
                self.own.settle(epoch, through)


def contained(acks: Iterable[Ack], generation: str | None, revision: int) -> int:
    """Up to which sequence number the replica holds an epoch's entries; 0 for none."""
    return max(
        (a.through for a in acks if a.generation == generation and a.revision <= revision),
        default=0,
    )


def method_of(sighting: Sighting) -> Method:
    return Method.BLE_AUTO if sighting.kind == "beacon" else Method.QR_SCAN


def direction_at(gate: Gate, asked: Direction | None, usual: Direction | None) -> Direction:
    """At a gate for both ways the reader's or kiosk's setting (`usual`) says, else entry; at a gate
    for one way a setting of earlier, when it was for both, says nothing.
    """
    if gate.direction is GateDirection.BOTH:
        return asked or usual or Direction.ENTRY
    only = Direction(gate.direction.value)
    if asked is not None and asked is not only:
        raise UsageError(f"gate {gate.gate_id} is for {only} only: leave the direction out")
    return only


def _claimed(claims: Claims, known: Participant | None) -> tuple[Credential, Participant]:
    """What a good signature stands in for; what the replica says of the person wins."""
    credential = Credential(
        claims.credential_id,
        claims.participant_id,
        valid_from_ms=None if claims.valid_from_s is None else claims.valid_from_s * 1_000,
        valid_until_ms=None if claims.valid_until_s is None else claims.valid_until_s * 1_000,
    )
    if known is not None:
        return credential, known
    return credential, Participant(claims.participant_id, permissions=frozenset(claims.permissions))
