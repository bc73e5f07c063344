"""What time it was: server time against a boot clock, and the sealing of times (DESIGN §4.3, P8).

A Pi has no clock battery, so its wall clock is a last resort. CLOCK_BOOTTIME never steps: one
exchange with the server anchors it, and every entry of that boot, earlier or later, can then be
told in server time within an error that grows with the distance from the anchor.

All times are milliseconds: `boot_ms` since boot, the others since 1970 in UTC.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from shared.limits import CLOCK_DRIFT_PPM
from shared.model import Moment

Quality = Literal["synced", "bounded", "wall"]

# What a wall clock may be off that nothing contradicts, and that nothing vouches for either.
WALL_ERROR_MS = 5 * 60_000
# … and one that is proven wrong: earlier than a time that has passed.
WRONG_WALL_ERROR_MS = 24 * 3_600_000
# A wall clock this far beyond the last anchor is more likely wrong than a gate so long switched off.
FAR_AHEAD_MS = 3 * 24 * 3_600_000
# A time moved further than this to keep the order means two stories in one journal: a new epoch.
MOVE_MS_MAX = 10 * 60_000
# Four readings cut to whole milliseconds, at most one each, halved; and the result's own rounding.
_TRUNCATION_MS = 2


@dataclass(frozen=True, slots=True)
class Anchor:
    """At `boot_ms` of boot `boot_id` the server's clock said `server_ms`, ± `error_ms`.

    `wall_ms` is what the wall clock said then, so that a later boot knows how far it was off.
    """

    boot_id: str
    boot_ms: int
    server_ms: int
    error_ms: int
    wall_ms: int | None = None

    def at(self, boot_ms: int) -> Moment:
        """The server's time at `boot_ms` of the same boot."""
        distance_ms = boot_ms - self.boot_ms
        return Moment(self.server_ms + distance_ms, self.error_ms + drift_ms(distance_ms))

    @property
    def boot_began(self) -> Moment:
        """When this boot began: nothing of an earlier boot happened later."""
        return self.at(0)


@dataclass(frozen=True, slots=True)
class Stamp:
    """The raw times of one journal entry."""

    seq: int
    boot_id: str
    boot_ms: int
    wall_ms: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """The final time of one entry. `moved_ms`: how far it was moved to keep the order."""

    seq: int
    at_ms: int
    error_ms: int
    quality: Quality
    moved_ms: int = 0

    @property
    def wants_new_epoch(self) -> bool:
        return self.moved_ms > MOVE_MS_MAX


def drift_ms(distance_ms: int) -> int:
    """How far a crystal may wander over that distance, rounded up."""
    return -(-abs(distance_ms) * CLOCK_DRIFT_PPM // 1_000_000)


def measure(
    boot_id: str, t1_ms: int, t2_ms: int, t3_ms: int, t4_ms: int, wall_ms: int | None = None
) -> Anchor | None:
    """The anchor of one exchange; None where its times contradict each other.

    t1 and t4 are boot times of sending and receiving, t2 and t3 the server's of receiving and
    answering. A long poll's wait is between t2 and t3 and costs nothing but drift.
    """
    network_ms = (t4_ms - t1_ms) - (t3_ms - t2_ms)
    wander_ms = drift_ms(t4_ms - t1_ms)
    if t4_ms < t1_ms or t3_ms < t2_ms or network_ms < -_TRUNCATION_MS - wander_ms:
        return None  # somebody's clock was set in between
    half_ms = (max(network_ms, 0) + 1) // 2
    error_ms = half_ms + _TRUNCATION_MS + wander_ms
    return Anchor(boot_id, t4_ms, t3_ms + half_ms, error_ms, wall_ms)


def better(old: Anchor | None, new: Anchor) -> Anchor:
    """Of two anchors the one that is tighter now; the new one where they contradict each other."""
    if old is None or old.boot_id != new.boot_id:
        return new
    aged = old.at(new.boot_ms)
    if new.error_ms <= aged.error_ms:
        return new
    if abs(aged.at_ms - new.server_ms) > aged.error_ms + new.error_ms:
        return new  # the server's clock was set: it is the clock that counts
    return old


def estimate(
    anchor: Anchor | None, boot_id: str, boot_ms: int, wall_ms: int
) -> tuple[Moment, Quality]:
    """The best knowledge of the time now, from the latest anchor of any boot."""
    if anchor is None:
        return Moment(wall_ms, WALL_ERROR_MS), "wall"
    if anchor.boot_id == boot_id:
        return anchor.at(boot_ms), "synced"
    earliest_ms = anchor.server_ms - anchor.error_ms
    if wall_ms < earliest_ms:
        return Moment(earliest_ms + boot_ms, WRONG_WALL_ERROR_MS), "wall"
    if wall_ms - earliest_ms > FAR_AHEAD_MS:
        return Moment(wall_ms, wall_ms - earliest_ms), "wall"  # any time since may be the true one
    known_off_ms = 0 if anchor.wall_ms is None else abs(anchor.wall_ms - anchor.server_ms)
    return Moment(wall_ms, WALL_ERROR_MS + known_off_ms), "wall"


def seal(
    stamps: Sequence[Stamp],
    anchors: Iterable[Anchor],
    *,
    after_ms: int | None = None,
    previous_ms: int = 0,
) -> list[Sealed]:
    """Final times for entries in sequence order.

    `anchors`: the best of each boot known, oldest boot first, the running boot's last. `after_ms`:
    a time that had passed before the first of these entries. `previous_ms`: the sealed time of the
    entry before them; no time returned is lower.
    """
    known = list(anchors)
    by_boot = {anchor.boot_id: anchor for anchor in known}
    groups = [(boot_id, list(group)) for boot_id, group in groupby(stamps, lambda s: s.boot_id)]
    sealed: list[Sealed] = []
    for index, (boot_id, group) in enumerate(groups):
        anchor = by_boot.get(boot_id)
        if anchor is not None:
            times = [_timed(stamp, anchor.at(stamp.boot_ms), "synced") for stamp in group]
        else:
            before_ms = _upper_bound(groups[index + 1 :], by_boot, known)
            times = _seal_unsynced(group, after_ms, before_ms)
        if times[-1].quality != "wall":
            earliest_ms = times[-1].at_ms - times[-1].error_ms
            after_ms = earliest_ms if after_ms is None else max(after_ms, earliest_ms)
        sealed += times
    return _in_order(sealed, previous_ms)


def _upper_bound(
    later: Sequence[tuple[str, list[Stamp]]], by_boot: Mapping[str, Anchor], known: list[Anchor]
) -> int | None:
    """The latest time at which an entry before `later` can have been written."""
    began = [by_boot[boot_id].boot_began for boot_id, _ in later if boot_id in by_boot]
    if known:
        began.append(known[-1].boot_began)  # the running boot comes after every other
    return min((moment.at_ms + moment.error_ms for moment in began), default=None)


def _seal_unsynced(
    group: Sequence[Stamp], after_ms: int | None, before_ms: int | None
) -> list[Sealed]:
    """Entries of one boot that never met the server. One offset serves all: order is kept."""
    first, last = group[0], group[-1]
    wander_ms = drift_ms(last.boot_ms - first.boot_ms)
    guess_ms = last.wall_ms - last.boot_ms  # the last one: what set the clock, set it by then
    if after_ms is None or before_ms is None:
        error_ms = WALL_ERROR_MS + wander_ms
        if after_ms is not None and guess_ms + first.boot_ms < after_ms:
            guess_ms, error_ms = after_ms - first.boot_ms, WRONG_WALL_ERROR_MS
        if before_ms is not None and guess_ms + last.boot_ms > before_ms:
            guess_ms, error_ms = before_ms - last.boot_ms, WRONG_WALL_ERROR_MS
        return [_timed(s, Moment(guess_ms + s.boot_ms, error_ms), "wall") for s in group]
    lowest_ms = after_ms - first.boot_ms - wander_ms
    highest_ms = before_ms - last.boot_ms + wander_ms
    if highest_ms < lowest_ms:  # the bounds contradict each other: the error covers them both
        lowest_ms, highest_ms = highest_ms, lowest_ms
    if not lowest_ms <= guess_ms <= highest_ms:
        guess_ms = (lowest_ms + highest_ms) // 2  # the wall clock is proven wrong
    error_ms = max(guess_ms - lowest_ms, highest_ms - guess_ms) + wander_ms
    return [_timed(s, Moment(guess_ms + s.boot_ms, error_ms), "bounded") for s in group]


def _timed(stamp: Stamp, moment: Moment, quality: Quality) -> Sealed:
    return Sealed(stamp.seq, moment.at_ms, moment.error_ms, quality)


def _in_order(times: list[Sealed], previous_ms: int) -> list[Sealed]:
    """Never lower than the one before; the error of what moves widens to cover where it was."""
    ordered: list[Sealed] = []
    for time in times:
        moved_ms = max(previous_ms - time.at_ms, 0)
        ordered.append(
            replace(
                time,
                at_ms=time.at_ms + moved_ms,
                error_ms=time.error_ms + moved_ms,
                moved_ms=moved_ms,
            )
        )
        previous_ms = time.at_ms + moved_ms
    return ordered
