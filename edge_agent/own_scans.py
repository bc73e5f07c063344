"""The gate's own scans that its replica may not contain yet (DESIGN §4.2, P7, P10).

In memory, rebuilt from the journal at start and whenever the server's generation changed.
"""

from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from shared import wire
from shared.merge import ScanFact, ScanKey
from shared.model import Direction, ScanKind
from shared.overlay import OwnScan
from shared.reasons import Reason

_NEVER_KNOWN = -1  # a revision of another generation compares with nothing: the later wins


class _Raw(NamedTuple):
    """An admitted scan as it was written down; made a fact only when its person comes again."""

    epoch: str
    seq: int
    body: dict[str, Any]
    at_ms: int

    @property
    def scan_id(self) -> str:
        scan_id: str = self.body["scanId"]
        return scan_id


@dataclass(slots=True)
class OwnScans:
    """Admitted, not voided scans by participant, in the order of the journal.

    `generation` is the replica's live one; when it changes, everything is taken anew.
    """

    device_id: str
    generation: str | None = None
    _by_person: dict[str, list[_Raw]] = field(default_factory=dict)
    _person_of: dict[str, str] = field(default_factory=dict)  # scan id → participant
    # scan id → (order of the last word on it, the scan if it was taken out)
    _words: dict[str, tuple[tuple[str, int], _Raw | None]] = field(default_factory=dict)

    def of(self, participant_id: str) -> list[OwnScan]:
        raw = self._by_person.get(participant_id)
        return [self._fact(scan) for scan in raw] if raw else []

    def people(self, limit: int) -> list[str]:
        return list(islice(self._by_person, limit))

    def __len__(self) -> int:
        return len(self._person_of)

    def clear(self, generation: str | None) -> None:
        self.generation = generation
        self._by_person.clear()
        self._person_of.clear()
        self._words.clear()

    def take(self, epoch: str, seq: int, body: dict[str, Any], at_ms: int) -> None:
        """Lay one entry of the journal over the replica, as it was written down.

        `at_ms` is the gate's best time of the entry.
        """
        if body["type"] == "resolution":
            self._resolve(body)
        elif body["admitted"] and "participantId" in body:
            person = body["participantId"]
            self._by_person.setdefault(person, []).append(_Raw(epoch, seq, body, at_ms))
            self._person_of[body["scanId"]] = person

    def settle(self, epoch: str, through: int) -> None:
        """The replica contains the epoch's entries up to `through` from now on."""
        for person, mine in list(self._by_person.items()):
            for scan in [one for one in mine if one.epoch == epoch and one.seq <= through]:
                self._drop(scan.scan_id, person)

    def _resolve(self, body: dict[str, Any]) -> None:
        """A supervisor's word: `void` takes the scan out; a later `accept` brings it back."""
        scan_id, word = body["scanId"], (body["at"], body["seq"])
        held = self._words.get(scan_id)
        if held is not None and held[0] > word:
            return
        taken_out = held[1] if held is not None else None
        person = self._person_of.get(scan_id)
        if body["action"] == "void" and person is not None:
            taken_out = self._drop(scan_id, person)
        elif body["action"] == "accept" and person is None and taken_out is not None:
            owner = taken_out.body["participantId"]
            mine = self._by_person.setdefault(owner, [])
            mine.append(taken_out)
            mine.sort(key=lambda one: one.at_ms)
            self._person_of[scan_id] = owner
        self._words[scan_id] = (word, taken_out)

    def _drop(self, scan_id: str, person: str) -> _Raw | None:
        mine = self._by_person[person]
        found = next((scan for scan in mine if scan.scan_id == scan_id), None)
        rest = [scan for scan in mine if scan.scan_id != scan_id]
        if rest:
            self._by_person[person] = rest
        else:
            del self._by_person[person]
        del self._person_of[scan_id]
        return found

    def _fact(self, raw: _Raw) -> OwnScan:
        return own_scan(self.device_id, raw.epoch, raw.seq, raw.body, raw.at_ms, self.generation)


def own_scan(
    device_id: str,
    epoch: str,
    seq: int,
    body: dict[str, Any],
    at_ms: int,
    generation: str | None,
) -> OwnScan:
    """A journal's scan as the merge sees one."""
    if "occurredAt" in body:
        at_ms = wire.parse_time(body["occurredAt"])
    fact = ScanFact(
        key=ScanKey(device_id, epoch, seq, body.get("checksum", "")),
        scan_id=body["scanId"],
        gate_id=body["gateId"],
        direction=Direction(body["direction"]),
        occurred_ms=at_ms,
        admitted=True,
        reason=Reason.from_label(body["reason"]),
        kind=ScanKind(body["kind"]),
        time_error_ms=body.get("timeErrorMs", 0),
        decided_error_ms=body["decidedErrorMs"],
        overridden="override" in body,
        digest=body.get("digest"),
        credential_id=body.get("credentialId"),
        participant_id=body["participantId"],
    )
    return OwnScan(fact, _known_revision(body.get("replicaCursor"), generation))


def _known_revision(cursor: str | None, generation: str | None) -> int:
    if cursor is None or generation is None:
        return _NEVER_KNOWN
    of_generation, revision = wire.parse_cursor(cursor)
    return revision if of_generation == generation else _NEVER_KNOWN
