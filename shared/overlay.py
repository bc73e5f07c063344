"""Effective presence at a gate: its own scans laid over the replica's row (DESIGN §4.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.merge import ScanFact, moved
from shared.model import NOWHERE, Direction, Presence


@dataclass(frozen=True, slots=True)
class OwnScan:
    """An own admitted scan that the replica may not contain yet.

    `known_revision` is the revision of the cursor that the replica had when it was decided.
    """

    scan: ScanFact
    known_revision: int


def effective_presence(row: Presence | None, row_revision: int, own: Sequence[OwnScan]) -> Presence:
    """The presence to decide on. `own` are the admitted, not voided scans in sequence order."""
    presence = row or NOWHERE
    for mine in own:
        if row_revision <= mine.known_revision or _mine_is_later(presence, mine.scan):
            presence = moved(presence, mine.scan)
        elif _cannot_be_told_apart(presence, mine.scan):
            presence = _inside_of_both(presence, mine.scan)
    return presence


def _mine_is_later(presence: Presence, scan: ScanFact) -> bool:
    if presence.last_ms is None:
        return True
    return scan.occurred_ms - scan.error_ms > presence.last_ms + presence.last_error_ms


def _cannot_be_told_apart(presence: Presence, scan: ScanFact) -> bool:
    if presence.last_ms is None:
        return False
    apart_ms = abs(scan.occurred_ms - presence.last_ms)
    return apart_ms <= scan.error_ms + presence.last_error_ms


def _inside_of_both(presence: Presence, scan: ScanFact) -> Presence:
    """Of two passages that may be in either order an entry counts: inside is the safe answer."""
    if presence.inside or scan.direction is Direction.EXIT:
        return presence
    return moved(presence, scan)
