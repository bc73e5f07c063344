"""What the relay does when: pure, so each millisecond can be named."""

import pytest

from edge_agent.config_hardware import HardwareConfig
from edge_agent.hardware.lines import pins_of
from edge_agent.hardware.pulses import PULSES_WAITING_MAX, Event, PulseRules, Pulses
from shared.errors import UsageError


def rules(*, joined: bool = False, feedback_ms: int | None = None) -> PulseRules:
    return PulseRules(500, 300, joined, feedback_ms, 30_000)


def course(pulses: Pulses, until_ms: int) -> list[tuple[int, bool]]:
    """When the relay changes, looking each 100 ms."""
    changes: list[tuple[int, bool]] = []
    for now_ms in range(0, until_ms, 100):
        on = pulses.relay(now_ms)
        if not changes or changes[-1][1] is not on:
            changes.append((now_ms, on))
    return changes


def test_two_people_are_two_pulses_with_a_gap() -> None:
    pulses = Pulses(rules())
    pulses.open("a", 0)
    pulses.open("b", 0)
    assert course(pulses, 2_000) == [(0, True), (500, False), (800, True), (1_300, False)]


def test_p1_a_late_look_swallows_no_pulse() -> None:
    """Who looks late finds both due: the relay still falls between them, for the whole gap."""
    pulses = Pulses(rules())
    pulses.open("a", 0)
    pulses.open("b", 0)
    assert pulses.relay(0)
    assert not pulses.relay(5_000)
    assert not pulses.relay(5_299)
    assert pulses.relay(5_300)
    assert not pulses.relay(9_000)


def test_joined_openings_hold_the_door() -> None:
    pulses = Pulses(rules(joined=True))
    pulses.open("a", 0)
    assert pulses.relay(0)
    pulses.open("b", 400)
    assert pulses.relay(800)
    assert not pulses.relay(900)


def test_p12_what_waits_is_bounded() -> None:
    pulses = Pulses(rules())
    for number in range(PULSES_WAITING_MAX + 5):
        pulses.open(str(number), 0)
    assert len(pulses.waiting) == PULSES_WAITING_MAX


def test_feedback_tells_stuck_held_and_forced() -> None:
    pulses = Pulses(rules(feedback_ms=1_000))
    pulses.open("a", 0)
    pulses.relay(0)
    assert pulses.watch(999, is_open=False) == []
    assert pulses.watch(1_000, is_open=False) == [Event("not_moved", "a")]
    assert pulses.watch(5_000, is_open=True) == [Event("forced")]
    assert pulses.watch(35_001, is_open=True) == [Event("held_open")]
    assert pulses.watch(36_000, is_open=True) == []
    assert pulses.watch(37_000, is_open=False) == [Event("closed_again")]


def test_two_names_on_one_line_are_refused() -> None:
    with pytest.raises(UsageError, match="same line"):
        pins_of(HardwareConfig(relay_line=17, green_line=17))
