"""The parts of a gate that concern beacons, joined: what it knows, what it fetches, what it hears.

All of it may fail without the gate: then it takes tickets.
"""

from collections.abc import Callable

from edge_agent.badges import BadgeBook
from edge_agent.facts import Place
from edge_agent.parts import GateParts
from edge_agent.readers.pairing import NearestUnknown
from edge_agent.storage.badge_store import BadgeStore
from edge_agent.sync.badge_fetch import BadgeFetch
from edge_agent.sync.transport import HttpTransport


class BeaconParts:
    """Of a gate that runs with a Bluetooth adapter."""

    def __init__(
        self, parts: GateParts, transport: HttpTransport, token: Callable[[], str | None]
    ) -> None:
        identity = parts.identity
        place = Place(identity.device_id, identity.gate_id, identity.digest_key_bytes())
        self._store = BadgeStore.open(parts.folder.badges)
        self._reader = parts.replica.reader()
        self.nearest = NearestUnknown()
        self.book = BadgeBook(self._reader, self._store, parts.time, place)
        self.fetch = BadgeFetch(self._store, transport, parts.time, token, self.nearest)

    def close(self) -> None:
        self._reader.close()
        self._store.close()
