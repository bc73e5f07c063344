"""The gate's own scans that its replica may not contain yet (DESIGN §4.2, P7, P10).

In memory, rebuilt from the journal at start and whenever the server's generation changed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from shared import wire
from shared.merge import ScanFact, ScanKey
from shared.model import Direction, ScanKind
from shared.overlay import OwnScan
from shared.reasons import Reason

_NEVER_KNOWN = -1  # a revision of another generation compares with nothing: the later wins


@dataclass(slots=True)
class OwnScans:
    """Admitted, not voided scans by participant, in the order of the journal."""

    device_id: str
    _by_person: dict[str, list[OwnScan]] = field(default_factory=dict)
    _person_of: dict[str, str] = field(default_factory=dict)  # scan id → participant
    _words: dict[str, tuple[tuple[str, int], str, OwnScan | None]] = field(default_factory=dict)

    def of(self, participant_id: str) -> list[OwnScan]:
        return self._by_person.get(participant_id, [])

    def __len__(self) -> int:
        return len(self._person_of)

    def clear(self) -> None:
        self._by_person.clear()
        self._person_of.clear()
        self._words.clear()

    def take(
        self, epoch: str, seq: int, body: dict[str, Any], at_ms: int, generation: str | None
    ) -> None:
        """Lay one entry of the journal over the replica, as it was written down.

        `generation` is the replica's live one; `at_ms` the gate's best time of the entry.
        """
        if body["type"] == "resolution":
            self._resolve(body)
        elif body["admitted"] and body.get("participantId"):
            scan = own_scan(self.device_id, epoch, seq, body, at_ms, generation)
            self._by_person.setdefault(body["participantId"], []).append(scan)
            self._person_of[scan.scan.scan_id] = body["participantId"]

    def settle(self, epoch: str, through: int) -> None:
        """The replica contains the epoch's entries up to `through` from now on."""
        settled = [
            (scan_id, person)
            for scan_id, person in self._person_of.items()
            if any(
                mine.scan.scan_id == scan_id
                and mine.scan.key.epoch == epoch
                and mine.scan.key.seq <= through
                for mine in self._by_person[person]
            )
        ]
        for scan_id, person in settled:
            self._drop(scan_id, person)

    def _resolve(self, body: dict[str, Any]) -> None:
        """A supervisor's word: `void` takes the scan out; a later `accept` brings it back."""
        scan_id, word = body["scanId"], (body["at"], body["seq"])
        held = self._words.get(scan_id)
        if held is not None and held[0] > word:
            return
        scan = held[2] if held is not None else None
        person = self._person_of.get(scan_id)
        if body["action"] == "void" and person is not None:
            scan = self._drop(scan_id, person)
        elif body["action"] == "accept" and person is None and scan is not None:
            owner = scan.scan.participant_id
            assert owner is not None
            self._by_person.setdefault(owner, []).append(scan)
            self._by_person[owner].sort(key=lambda mine: (mine.scan.key.epoch, mine.scan.key.seq))
            self._person_of[scan_id] = owner
        self._words[scan_id] = (word, body["action"], scan)

    def _drop(self, scan_id: str, person: str) -> OwnScan | None:
        mine = self._by_person[person]
        found = next((scan for scan in mine if scan.scan.scan_id == scan_id), None)
        rest = [scan for scan in mine if scan.scan.scan_id != scan_id]
        if rest:
            self._by_person[person] = rest
        else:
            del self._by_person[person]
        del self._person_of[scan_id]
        return found


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


def rebuilt(
    device_id: str,
    entries: Iterable[tuple[str, int, dict[str, Any], int]],
    generation: str | None,
) -> OwnScans:
    """From (epoch, seq, body, at_ms) in the journal's order."""
    own = OwnScans(device_id)
    for epoch, seq, body, at_ms in entries:
        own.take(epoch, seq, body, at_ms, generation)
    return own
