"""How the gate is: what `status`, the kiosk and `/sync/status` say. Any thread may ask."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from edge_agent.lane import LaneHealth
from edge_agent.parts import GateParts
from edge_agent.ports import ReaderHealth
from edge_agent.storage.replica_reader import PersonConflict, Reference, ReplicaReader
from edge_agent.storage.salvage import reports
from edge_agent.troubles import TROUBLES, of_journals, say
from shared.limits import CONFLICTS_SHOWN_MAX
from shared.wire import format_time

FOREIGN_CODE_S = 4.0
"""For so long the kiosk says that the code before the camera is no ticket."""


class SyncView(Protocol):
    """What the sync knows of the line to the server. Times in epoch milliseconds."""

    @property
    def online(self) -> bool: ...

    @property
    def offline_since_ms(self) -> int | None: ...

    @property
    def last_sync_ms(self) -> int | None: ...

    @property
    def alarms(self) -> tuple[str, ...]: ...


class NoSync:
    """No agent runs: nobody talks to the server."""

    online = False
    offline_since_ms: int | None = None
    last_sync_ms: int | None = None
    alarms: tuple[str, ...] = ()


class Health:
    """Reads the two files through a reader of its own, so that it never waits for the sync."""

    def __init__(
        self, parts: GateParts, readers: Callable[[], Sequence[ReaderHealth]] = lambda: ()
    ) -> None:
        self.sync: Callable[[], SyncView] = NoSync  # on the event loop's thread
        self.faults: dict[str, str] = {}  # by part: what failed last, in a few words
        self.sightings_dropped = 0
        self.inside: int | None = None
        self.power: dict[str, Any] = {}
        self._parts = parts
        self._readers = readers
        self._lock = threading.Lock()
        self._conflicts: tuple[tuple[str, str | None, int], list[dict[str, Any]]] | None = None
        self._replica: ReplicaReader = parts.replica.reader()

    @property
    def lane(self) -> LaneHealth:
        return self._parts.lane.health

    def close(self) -> None:
        with self._lock:
            self._replica.close()

    def readers(self) -> list[dict[str, Any]]:
        return [
            {
                "name": r.name,
                "state": r.state,
                "detail": r.detail,
                "figures": r.figures,
                "advice": r.advice,
            }
            for r in self._readers()
        ]

    def barrier(self) -> list[ReaderHealth]:
        """Beside the readers in what the server is told, while something is wrong with it."""
        fault = self.lane.barrier_fault
        return [ReaderHealth("barrier", "failed", fault)] if fault else []

    def clock(self) -> dict[str, Any]:
        moment, quality = self._parts.time.now()
        offset_ms = self._parts.time.offset_ms()
        return {"quality": quality, "offsetMs": offset_ms, "errorMs": moment.error_ms}

    def disk(self, sync: SyncView) -> dict[str, Any]:
        """As `status` and `/sync/status` say it: with what is wrong at this gate, in words."""
        return self._parts.disk.status() | {"troubles": self._troubles(sync)}

    def _troubles(self, sync: SyncView) -> list[dict[str, Any]]:
        """What a person should see to, the gravest first."""
        found = [self.lane.fault_code] if self.lane.fault_code else []
        found += self._parts.disk.troubles()
        if self._parts.replica.damaged:
            found.append("replica_damaged")
        found += [alarm for alarm in sync.alarms if alarm in TROUBLES]
        return [say(code) for code in found] + of_journals(reports(self._parts.folder.path))

    def status(self, sync: SyncView, *, count: bool = True) -> dict[str, Any]:
        """As `status --json` (API §1); any thread. `count`: also the participants, which reads a
        whole index.
        """
        parts, journal = self._parts, self._parts.journal
        with self._lock:
            reference = self._replica.reference()
            participants = self._replica.participants() if count else None
        acks = reference.acks.get(journal.epoch, [])
        acknowledged = acks[-1].through if acks else 0
        cursor = f"{reference.generation}.{reference.revision}" if reference.generation else None
        age_s = None
        if reference.server_time_ms:
            now_ms = parts.time.now()[0].at_ms
            age_s = max(0.0, round((now_ms - reference.server_time_ms) / 1_000, 1))
        device = reference.devices.get(parts.identity.device_id)
        gate_id = device.gate_id if device else parts.identity.gate_id
        answer: dict[str, Any] = {
            "deviceId": parts.identity.device_id,
            "gateId": gate_id,
            "generation": reference.generation,
            "cursor": cursor,
            "replicaAgeS": age_s,
            "participants": participants,
            "epoch": journal.epoch,
            "head": journal.head,
            "acknowledged": acknowledged,
            "waiting": sum(
                max(0, head - (reference.acks[epoch][-1].through if epoch in reference.acks else 0))
                for epoch, head in journal.epochs()
            ),
            "online": sync.online,
            "lastSyncAt": _time(sync.last_sync_ms),
            "offlineSince": _time(sync.offline_since_ms),
            "clock": self.clock(),
            "readers": self.readers(),
            "disk": self.disk(sync),
            "faults": self._faults(),
            "conflicts": self._conflicts_at(gate_id, reference),
        }
        return answer

    def _conflicts_at(self, gate_id: str, reference: Reference) -> list[dict[str, Any]]:
        """Conflicts with a scan of this gate, the latest first; read anew when the list moved."""
        state = (gate_id, reference.generation, reference.revision)
        if self._conflicts is None or self._conflicts[0] != state:
            with self._lock:
                found = self._replica.conflicts()
            mine = [
                _conflict(one, gate_id, reference)
                for one in found
                if gate_id in {one.seen.gate_id, one.seen.against_gate_id}
            ]
            mine.sort(key=lambda one: str(one["at"]), reverse=True)
            self._conflicts = (state, mine[:CONFLICTS_SHOWN_MAX])
        return self._conflicts[1]

    def _faults(self) -> dict[str, str]:
        faults = dict(self.faults)
        if self.lane.fault:
            faults["journal"] = self.lane.fault
        if self.lane.barrier_fault:
            faults["barrier"] = self.lane.barrier_fault
        return faults

    def kiosk(self, status: dict[str, Any]) -> dict[str, Any]:
        """The kiosk's state, from the last status and what lies in memory: quick."""
        facts = self._parts.lane.facts
        event, gate, sync = facts.event, facts.gate, self.sync()
        readers = self.readers()
        state: dict[str, Any] = {
            "gate": None,
            "event": None,
            "online": sync.online,
            "offlineSince": _time(sync.offline_since_ms),
            "waiting": max(
                0, status.get("waiting", 0) + self._parts.journal.head - status.get("head", 0)
            ),
            "replicaAgeS": status.get("replicaAgeS"),
            "inside": self.inside,
            "device": {"id": self._parts.identity.device_id, "name": self._parts.identity.name},
            "power": self.power,
            "barrier": self.lane.barrier_fault or None,
            "clock": self.clock(),
            "readers": [
                {name: reader[name] for name in ("name", "state", "detail")} for reader in readers
            ],
            "foreignCode": any(
                reader["figures"].get("foreign_code_s_ago", FOREIGN_CODE_S) < FOREIGN_CODE_S
                for reader in readers
            ),
            "notEnrolled": not facts.ready,
            "sightingsDropped": self.sightings_dropped,
            "doubleEntries": _double_entries(status),
        }
        if gate is not None:
            state["gate"] = {
                "id": gate.gate_id,
                "name": gate.name,
                "direction": str(gate.direction),
            }
        if event is not None:
            state["event"] = {"name": event.name, "timeZone": event.time_zone}
        state["troubles"] = status.get("disk", {}).get("troubles", [])
        if self.lane.fault:
            state["outOfOrder"] = self.lane.fault_code.upper().replace("_", "-")
            state["outOfOrderWords"] = say(self.lane.fault_code)
        return state


def _conflict(one: PersonConflict, gate_id: str, reference: Reference) -> dict[str, Any]:
    """`other…`: the gate and time of the scan that does not stand at this gate."""
    seen = one.seen
    here_last = seen.gate_id == gate_id
    other_id = seen.against_gate_id if here_last else seen.gate_id
    other = None if other_id is None else reference.gates.get(other_id)
    return {
        "participantId": one.participant_id,
        "maskedName": one.masked_name,
        "kind": seen.kind,
        "scanId": seen.scan_id,
        "at": seen.at if here_last else seen.against_at,
        "otherGateId": other_id,
        "otherGateName": other_id if other is None else other.name,
        "otherAt": seen.against_at if here_last else seen.at,
    }


def _double_entries(status: dict[str, Any]) -> dict[str, Any] | None:
    """For the kiosk's strip: how many, and where the latest one's other scan was. No names: the
    screen is public, and `edge-agent status` and the live page tell staff who it is.
    """
    found = [one for one in status.get("conflicts", ()) if one["kind"] == "double_entry"]
    if not found:
        return None
    latest = found[0]
    return {"count": len(found), "gate": latest["otherGateName"], "at": latest["otherAt"]}


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else format_time(at_ms)
