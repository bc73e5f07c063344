"""How many people are inside, as far as this gate knows: the replica's count, own scans laid over."""

import threading

from edge_agent.own_scans import OwnScans
from edge_agent.ports import Outcome
from edge_agent.storage.people_search import PeopleSearch
from edge_agent.storage.replica import Replica
from shared.model import Direction
from shared.overlay import OwnScan, effective_presence

OWN_PEOPLE_MAX = 5_000  # beyond it the newest scans are counted by `moved` alone


class Occupancy:
    def __init__(self, replica: Replica) -> None:
        self._people = PeopleSearch(replica.path)
        self._reader = replica.reader()
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            self._reader.close()

    def count(self, own: dict[str, list[OwnScan]]) -> int | None:
        """Reads the whole list's presences: for a worker thread, when something changed."""
        with self._lock:
            inside = self._people.inside()
            if inside is None:
                return None
            for person, scans in list(own.items())[:OWN_PEOPLE_MAX]:
                found = self._reader.by_person(person)
                before = found.presence is not None and found.presence.inside
                after = effective_presence(found.presence, found.presence_revision, scans).inside
                inside += after - before
        return inside


def snapshot(own: OwnScans) -> dict[str, list[OwnScan]]:
    """On the lane's thread."""
    return {person: own.of(person) for person in own.people(OWN_PEOPLE_MAX)}


def moved(outcome: Outcome) -> int:
    """How an outcome changes the number at once."""
    if not outcome.decision.admitted or outcome.participant_id is None:
        return 0
    return (outcome.direction == Direction.ENTRY) - outcome.presence.inside
