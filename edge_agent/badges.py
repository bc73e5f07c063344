"""Which badge is this? From what a beacon says to the credential that it stands for.

Fixed ids are looked up in the replica by their digest. Rotating ids are looked up in a table of
the ids of about now, made anew twice a minute from `badges.db`; an id outside of its slot,
or of an earlier slot than the badge has shown already, is a recording and nobody's (DESIGN §7).
"""

from collections import OrderedDict

import structlog

from edge_agent.facts import Place
from edge_agent.ports import Badge
from edge_agent.storage.badge_store import BadgeStore, Slot
from edge_agent.storage.replica_reader import ReplicaReader
from edge_agent.timekeeper import Timekeeper
from shared import credentials
from shared.beacon_settings import BeaconSettings, beacon_settings_of
from shared.beacons import TOLERANCE_MS_MAX
from shared.limits import BADGE_CLOCK_ERROR_MS_MAX, BADGES_ASKED_MAX
from shared.model import CredentialKind
from shared.wire_beacons import EID_DIGEST_BYTES

log = structlog.get_logger(__name__)

_WINDOW_MS = 60_000


class BadgeBook:
    """Implements `ports.Badges`. One thread: the reader's."""

    def __init__(
        self,
        reader: ReplicaReader,
        store: BadgeStore,
        time: Timekeeper,
        place: Place,
    ) -> None:
        self._reader = reader
        self._store = store
        self._time = time
        self._digest_key = place.digest_key
        self._place = place
        self._revision: tuple[str | None, int] | None = None
        self._reference_version = -1
        self._settings = BeaconSettings()
        self._fixed: OrderedDict[str, bool] = OrderedDict()  # digest → known; strangers' as well
        self._window: dict[bytes, Slot] = {}
        self._window_until_ms = 0
        self._window_version = -1
        self._last_start_ms: dict[bytes, int] = {}
        self.replayed = 0
        self.clock_unsure = False
        self.settings_fault = ""
        self.rotating_known = 0

    def refresh(self) -> BeaconSettings:
        """Once a second: the gate's settings, and what the replica changed."""
        version, revision = self._reader.versions()
        if revision != self._revision:
            self._revision = revision
            self._fixed.clear()
        if version != self._reference_version:
            self._reference_version = version
            reference = self._reader.reference()
            device = reference.devices.get(self._place.device_id)
            gate_id = self._place.gate_id if device is None else device.gate_id
            gate = reference.gates.get(gate_id)
            stored = None if gate is None else gate.beacon
            self._settings, self.settings_fault = beacon_settings_of(stored)
        return self._settings

    def fixed(self, canonical: str) -> Badge | None:
        """A badge with an id that never changes."""
        digest = credentials.beacon_digest(self._digest_key, canonical)
        known = self._fixed.get(digest)
        if known is None:
            credential = self._reader.by_digest(bytes.fromhex(digest)).credential
            known = credential is not None and credential.kind is CredentialKind.BEACON
            self._fixed[digest] = known
            if len(self._fixed) > BADGES_ASKED_MAX:
                self._fixed.popitem(last=False)
        return Badge(digest, rotating=False) if known else None

    def rotating(self, canonical: str) -> Badge | None:
        """A badge whose id of now this is; None also for one that was recorded."""
        moment, _ = self._time.now()
        self.clock_unsure = moment.error_ms > BADGE_CLOCK_ERROR_MS_MAX
        if self.clock_unsure or not self._window:
            return None
        digest = credentials.beacon_digest(self._digest_key, canonical)
        slot = self._window.get(bytes.fromhex(digest)[:EID_DIGEST_BYTES])
        if slot is None:
            return None
        spare_ms = min(slot.slot_ms, TOLERANCE_MS_MAX) + moment.error_ms
        early = moment.at_ms < slot.starts_ms - spare_ms
        late = moment.at_ms >= slot.starts_ms + slot.slot_ms + spare_ms
        if early or late or slot.starts_ms < self._last_start_ms.get(slot.digest, 0):
            self.replayed += 1
            return None
        self._last_start_ms[slot.digest] = slot.starts_ms
        return Badge(slot.digest.hex(), rotating=True)

    def renew(self) -> None:
        """Once a second: the ids of about now. With 10,000 badges it takes a moment; any thread."""
        moment, _ = self._time.now()
        fresh = moment.at_ms < self._window_until_ms - _WINDOW_MS // 2
        if fresh and self._window_version == self._store.version:
            return
        spare_ms = TOLERANCE_MS_MAX + min(moment.error_ms, BADGE_CLOCK_ERROR_MS_MAX)
        self._window_version = self._store.version
        self._window_until_ms = moment.at_ms + _WINDOW_MS
        slots = self._store.window(moment.at_ms - spare_ms, self._window_until_ms + spare_ms)
        self._window = {slot.eid_digest: slot for slot in slots}
        known = {slot.digest for slot in slots}
        self.rotating_known = len(known)
        self._last_start_ms = {d: s for d, s in self._last_start_ms.items() if d in known}
