"""P8: a scan's time is right within its stated error, and one journal never swaps order."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from shared.timekeeping import (
    MOVE_MS_MAX,
    Anchor,
    Stamp,
    better,
    estimate,
    measure,
    seal,
)

T0 = 1_700_000_000_000  # server time at which the truth's boot clock reads 0


class World:
    """A true clock, and a boot clock that drifts: true ms since boot → what the Pi reads."""

    def __init__(self, ppm: float, began_ms: int = T0) -> None:
        self.ppm = ppm
        self.began_ms = began_ms

    def boot_ms(self, true_ms: float) -> int:
        return int((true_ms - self.began_ms) * (1 + self.ppm / 1e6))

    def exchange(self, boot_id, at_ms, there_ms, wait_ms, back_ms):
        return measure(
            boot_id,
            self.boot_ms(at_ms),
            int(at_ms + there_ms),
            int(at_ms + there_ms + wait_ms),
            self.boot_ms(at_ms + there_ms + wait_ms + back_ms),
        )


ppms = st.floats(-45, 45)  # the promise is 50; the rest is the anchor's own stretch
delays = st.floats(0, 20_000)
spans = st.floats(0, 10 * 24 * 3_600_000)


@given(ppm=ppms, at=spans, there=delays, wait=st.floats(0, 55_000), back=delays, later=spans)
def test_p8_the_error_of_a_synced_time_covers_the_truth(ppm, at, there, wait, back, later):
    world = World(ppm)
    anchor = world.exchange("b", T0 + at, there, wait, back)
    assert anchor is not None
    true_ms = T0 + later
    moment, quality = estimate(anchor, "b", world.boot_ms(true_ms), wall_ms=0)
    assert quality == "synced"
    assert abs(moment.at_ms - true_ms) <= moment.error_ms + 1


@given(ppm=ppms, exchanges=st.lists(st.tuples(spans, delays, delays), min_size=1, max_size=8))
def test_p8_the_kept_anchor_is_never_worse_than_the_newest(ppm, exchanges):
    world, kept, clock = World(ppm), None, float(T0)
    for gap, there, back in exchanges:
        clock += gap
        new = world.exchange("b", clock, there, 0, back)
        clock += there + back
        assert new is not None
        kept = better(kept, new)
        assert kept.at(new.boot_ms).error_ms <= new.error_ms
        assert abs(kept.at(world.boot_ms(clock)).at_ms - clock) <= kept.at(new.boot_ms).error_ms + 1


def test_p8_a_server_whose_clock_was_set_is_followed():
    old = Anchor("b", 1_000, T0, 2)
    new = Anchor("b", 2_000, T0 + 3_600_000, 50)
    assert better(old, new) is new


def test_p8_a_tight_anchor_is_kept_against_a_loose_one():
    tight, loose = Anchor("b", 1_000, T0, 2), Anchor("b", 2_000, T0 + 1_040, 50)
    assert better(tight, loose) is tight


def test_an_exchange_during_which_a_clock_was_set_gives_no_anchor():
    assert measure("b", 1_000, T0, T0 + 60_000, 2_000) is None
    assert measure("b", 1_000, T0, T0 - 60_000, 2_000) is None
    assert measure("b", 2_000, T0, T0, 1_000) is None


def test_p8_a_wall_clock_that_says_1970_is_not_believed():
    anchor = Anchor("earlier", 50_000, T0, 5, wall_ms=T0)
    moment, quality = estimate(anchor, "now", 9_000, wall_ms=8_000)
    assert quality == "wall"
    assert moment.at_ms >= T0 - 5
    assert moment.error_ms >= 3_600_000


def test_p8_how_far_the_wall_clock_was_off_before_is_in_its_error():
    anchor = Anchor("earlier", 50_000, T0, 5, wall_ms=T0 + 7_200_000)
    moment, _ = estimate(anchor, "now", 9_000, wall_ms=T0 + 7_300_000)
    assert abs(moment.at_ms - (T0 + 100_000)) <= moment.error_ms


def test_without_any_anchor_the_wall_clock_is_the_last_resort():
    moment, quality = estimate(None, "b", 1, wall_ms=T0)
    assert (moment.at_ms, quality) == (T0, "wall")
    assert moment.error_ms > 0


@st.composite
def journals(draw):
    """Some boots in a row, each synced or not, with entries; the truth kept beside each."""
    boots = draw(st.integers(1, 5))
    true_ms = float(T0)
    stamps, truth, anchors = [], [], []
    for number in range(boots):
        true_ms += draw(st.floats(1_000, 3_600_000))
        world = World(draw(ppms), int(true_ms))
        wall_off = draw(st.sampled_from([0, -T0, 5_000, 3_600_000]))
        for _ in range(draw(st.integers(0, 4))):
            true_ms += draw(st.floats(0, 600_000))
            boot = world.boot_ms(true_ms)
            stamps.append(Stamp(len(stamps) + 1, f"b{number}", boot, int(true_ms) + wall_off))
            truth.append(true_ms)
        if number == boots - 1 or draw(st.booleans()):
            there, back = draw(delays), draw(delays)
            anchors.append(world.exchange(f"b{number}", true_ms, there, 0, back))
            true_ms += there + back
    return stamps, truth, anchors


@given(journals())
def test_p8_sealed_times_never_swap_and_cover_the_truth(journal):
    stamps, truth, anchors = journal
    sealed = seal(stamps, anchors, after_ms=T0)
    assert [time.seq for time in sealed] == [stamp.seq for stamp in stamps]
    assert all(a.at_ms <= b.at_ms for a, b in itertools.pairwise(sealed))
    for time, true_ms in zip(sealed, truth, strict=True):
        assert time.quality in {"synced", "bounded"}
        assert abs(time.at_ms - true_ms) <= time.error_ms + 1, time


@given(journals(), st.integers(0, 20))
def test_p8_sealing_in_two_goes_keeps_the_order_too(journal, cut):
    stamps, truth, anchors = journal
    first = seal(stamps[:cut], anchors, after_ms=T0)
    previous = first[-1].at_ms if first else 0
    rest = seal(stamps[cut:], anchors, after_ms=T0, previous_ms=previous)
    times = first + rest
    assert all(a.at_ms <= b.at_ms for a, b in itertools.pairwise(times))
    for time, true_ms in zip(times, truth, strict=True):
        assert abs(time.at_ms - true_ms) <= time.error_ms + 1


def test_p8_a_moved_time_says_so_in_its_error_and_a_far_move_asks_for_a_new_epoch():
    anchor = Anchor("b", 0, T0, 3)
    near, far = (
        seal([Stamp(1, "b", 0, 0)], [anchor], previous_ms=T0 + moved)[0]
        for moved in (400, MOVE_MS_MAX + 1)
    )
    assert (near.at_ms, near.error_ms, near.wants_new_epoch) == (T0 + 400, 403, False)
    assert far.wants_new_epoch


def test_a_boot_without_neighbours_falls_back_to_its_wall_clock():
    (time,) = seal([Stamp(1, "b", 5_000, T0)], [])
    assert (time.at_ms, time.quality) == (T0, "wall")
