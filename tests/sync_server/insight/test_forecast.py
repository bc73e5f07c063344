"""The forecast, on arrivals whose end is known."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sync_server.insight.forecast import Arrivals, forecast, gate_shares

SLOTS = 132  # eleven hours of five minutes


def wave(final: int, middle: int, width: int) -> list[int]:
    """A triangle of arrivals around a slot."""
    heights = [max(0, width - abs(slot - middle)) for slot in range(SLOTS)]
    whole = sum(heights)
    return [round(final * height / whole) for height in heights]


def upto(counts: list[int], passed: int) -> list[int]:
    return [count if slot < passed else 0 for slot, count in enumerate(counts)]


def test_when_all_have_come_the_forecast_is_what_came() -> None:
    counts = wave(700, 20, 12)
    found = forecast(Arrivals(counts, SLOTS, 1_000))
    assert found.final.value == sum(counts)
    assert found.final.low == found.final.high == sum(counts)


def test_half_of_a_wave_seen_tells_about_the_whole() -> None:
    counts = wave(600, 20, 14)
    found = forecast(Arrivals(upto(counts, 20), 20, 1_000, share_before=0.65))
    assert abs(found.final.value - 600) < 90
    assert found.final.low < 600 < found.final.high


def test_before_anybody_has_come_the_past_share_speaks() -> None:
    found = forecast(Arrivals([0] * SLOTS, 0, 1_000, share_before=0.6))
    assert 530 < found.final.value < 670
    assert found.final.low < 600 < found.final.high


def test_the_busiest_hour_and_the_end_are_those_of_the_curve() -> None:
    counts = wave(900, 30, 10)
    found = forecast(Arrivals(counts, SLOTS, 1_000))
    assert found.peak_slot.value == 24  # the hour of slots 24 … 35
    assert 30 < found.complete_slot.value <= 40


def test_hours_begin_at_full_hours_of_the_zone() -> None:
    counts = [0] * SLOTS
    counts[10:14] = [50] * 4
    found = forecast(Arrivals(counts, SLOTS, 400), hour_offset=6)
    assert found.peak_slot.value == 6


@settings(max_examples=30, deadline=None)
@given(
    counts=st.lists(st.integers(0, 400), min_size=2, max_size=60),
    passed=st.floats(0, 60),
    registered=st.integers(0, 5_000),
    share=st.none() | st.floats(0.01, 1.0),
)
def test_any_counts_give_an_ordered_forecast(
    counts: list[int], passed: float, registered: int, share: float | None
) -> None:
    found = forecast(Arrivals(counts, min(passed, len(counts)), registered, share))
    for estimate in (found.final, found.peak_slot, found.complete_slot):
        assert estimate.low <= estimate.high
        assert estimate.low - 1e-6 <= estimate.value <= estimate.high + 1e-6 or estimate is (
            found.peak_slot
        )
    assert 0 <= found.complete_slot.value <= len(counts)


def test_the_same_counts_give_the_same_forecast() -> None:
    known = Arrivals(upto(wave(500, 20, 14), 18), 18, 900)
    assert forecast(known) == forecast(known)


def test_gates_are_expected_to_go_on_as_they_were() -> None:
    shares = gate_shares({"a": 300, "b": 100}, {"a": 20, "b": 20, "c": 20})
    assert 65 < shares["a"].value < 75
    assert shares["c"].value < 5
    assert abs(sum(share.value for share in shares.values()) - 100) < 1e-6


def test_before_anybody_came_gates_share_by_capacity() -> None:
    shares = gate_shares({}, {"a": 30, "b": 10})
    assert shares["a"].value == 75


def test_a_small_event_is_no_more_certain_than_a_large_one() -> None:
    """Of five registered three came in the first hour: four or five are as likely as three."""
    counts = [0] * 132
    counts[12] = 3
    found = forecast(Arrivals(counts, 14, 5)).final
    assert found.low == 3
    assert found.high > 3
    calm = forecast(Arrivals([0] * 132, 2, 40)).final
    assert 5 < calm.low < 28 < calm.high <= 40


def test_nobody_who_came_is_forecast_away() -> None:
    """A scan of the slot that begins now, or of a clock that is ahead."""
    counts = [0] * 132
    counts[33] = 4
    for passed in (32.5, 33.0, 33.01, 34.0):
        assert forecast(Arrivals(counts, passed, 5)).final.low >= 4
