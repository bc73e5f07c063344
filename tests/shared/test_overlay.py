"""Effective presence at a gate: its own scans over the replica's row (DESIGN §4.2)."""

from shared.merge import ScanFact, ScanKey
from shared.model import Direction, Presence
from shared.overlay import OwnScan, effective_presence
from shared.reasons import Reason

AT = 1_000_000


def own(direction: Direction, at_ms: int, known_revision: int = 0, error_ms: int = 0) -> OwnScan:
    fact = ScanFact(
        ScanKey("d", "e", 1, "c"),
        "s",
        "g1",
        direction,
        at_ms,
        admitted=True,
        reason=Reason.OK,
        time_error_ms=error_ms,
    )
    return OwnScan(fact, known_revision)


def row(*, inside: bool, at_ms: int, error_ms: int = 0) -> Presence:
    direction = Direction.ENTRY if inside else Direction.EXIT
    return Presence(inside, at_ms, error_ms, direction, "g2", at_ms, at_ms)


def test_p10_an_own_scan_lies_on_a_row_that_it_knew_whatever_the_clocks_say() -> None:
    held = row(inside=True, at_ms=AT + 5_000)
    assert not effective_presence(held, 7, [own(Direction.EXIT, AT, known_revision=7)]).inside


def test_p10_of_a_newer_row_and_an_own_scan_the_later_by_time_and_error_wins() -> None:
    left = own(Direction.EXIT, AT + 10, known_revision=6)
    assert not effective_presence(row(inside=True, at_ms=AT), 7, [left]).inside
    earlier = own(Direction.EXIT, AT - 10, known_revision=6)
    assert effective_presence(row(inside=True, at_ms=AT), 7, [earlier]).inside


def test_p10_what_cannot_be_told_apart_counts_as_inside() -> None:
    entered = own(Direction.ENTRY, AT - 10, known_revision=6, error_ms=50)
    assert effective_presence(row(inside=False, at_ms=AT), 7, [entered]).inside
    exited = own(Direction.EXIT, AT + 10, known_revision=6, error_ms=50)
    assert effective_presence(row(inside=True, at_ms=AT), 7, [exited]).inside


def test_own_scans_follow_each_other_where_there_is_no_row() -> None:
    scans = [own(Direction.ENTRY, AT), own(Direction.EXIT, AT + 1)]
    assert not effective_presence(None, 0, scans).inside
    assert effective_presence(None, 0, scans[:1]).inside
