"""When a badge counts as standing at the gate (issue 4): bounds of the rule, and bounded memory."""

import random

from edge_agent.readers.presence_filter import Change, PresenceFilter, PresenceSettings
from shared.limits import BEACON_SAMPLES_MAX, BEACON_TRACKS_MAX
from tests.benchmarks.ble_walks import lingerer, passer, presences, score, simulate, visit

POWER_DBM = -59


def played(
    filtered: PresenceFilter[str], rssi: float, from_ms: int, until_ms: int
) -> list[Change[str]]:
    """A steady signal, five adverts a second."""
    changes = []
    for at_ms in range(from_ms, until_ms, 200):
        changes += filtered.passed(at_ms)
        changes += filtered.heard("badge", rssi, at_ms, POWER_DBM)
    return changes


def test_a_badge_at_the_gate_enters_once_after_the_dwell() -> None:
    changes = played(PresenceFilter(), POWER_DBM - 5, 0, 60_000)
    assert changes == [Change("badge", "enter", 800, POWER_DBM - 5)]


def test_a_badge_just_below_the_threshold_never_enters() -> None:
    assert played(PresenceFilter(), POWER_DBM - 6.1, 0, 60_000) == []


def test_between_the_thresholds_nothing_changes() -> None:
    filtered: PresenceFilter[str] = PresenceFilter()
    played(filtered, POWER_DBM, 0, 2_000)
    assert played(filtered, POWER_DBM - 14, 2_000, 60_000) == []
    assert filtered.inside("badge")


def test_it_leaves_when_it_stayed_far_for_the_leave_dwell() -> None:
    settings = PresenceSettings()
    filtered: PresenceFilter[str] = PresenceFilter(settings)
    played(filtered, POWER_DBM, 0, 2_000)
    (change,) = played(filtered, POWER_DBM - 30, 2_000, 60_000)
    assert change.event == "leave"
    assert change.at_ms >= 2_000 + settings.leave_dwell_ms


def test_silence_is_leaving_and_the_track_is_forgotten() -> None:
    filtered: PresenceFilter[str] = PresenceFilter()
    played(filtered, POWER_DBM, 0, 2_000)
    assert filtered.passed(11_800) == []
    (change,) = filtered.passed(11_801)
    assert (change.event, change.at_ms) == ("leave", 11_800)
    assert len(filtered) == 0


def test_a_single_loud_advert_is_no_visit() -> None:
    filtered: PresenceFilter[str] = PresenceFilter()
    assert filtered.heard("badge", -30, 0, POWER_DBM) == []
    assert played(filtered, POWER_DBM - 25, 3_000, 20_000) == []


def test_memory_is_bounded_by_tracks_and_samples() -> None:
    """P12: who was heard longest ago goes, and is told to have left."""
    filtered: PresenceFilter[int] = PresenceFilter()
    changes = []
    for at_ms in range(0, 2_000, 5):
        changes += filtered.heard(0, POWER_DBM, at_ms, POWER_DBM)
    assert [change.event for change in changes] == ["enter"]
    assert len(filtered._tracks[0].samples) <= BEACON_SAMPLES_MAX
    changes = [
        change
        for stranger in range(1, 3 * BEACON_TRACKS_MAX)
        for change in filtered.heard(stranger, -90, 2_000, POWER_DBM)
    ]
    assert len(filtered) == BEACON_TRACKS_MAX
    assert [(change.key, change.event) for change in changes] == [(0, "leave")]


def test_who_lingers_makes_one_sighting_and_who_walks_past_none() -> None:
    rng = random.Random(4)
    settings = PresenceSettings()
    stays = [simulate("stays", *lingerer(1.5, 300, rng), rng) for _ in range(10)]
    assert [len(presences(walk, settings)) for walk in stays] == [1] * 10
    past = [simulate("past", *passer(12.0), rng) for _ in range(50)]
    assert score(past, settings).enters == 0
    visits = [simulate("visit", *visit(0.6, 4, 1.2), rng) for _ in range(60)]
    found = score(visits, settings)
    assert found.found >= 0.95 * found.visits > 50
