"""P8, P11: windows are judged in the visitor's favour within the clock's error, and say so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.admission import Facts, first_reason, forgiven
from shared.model import (
    Direction,
    Event,
    EventStatus,
    Gate,
    Moment,
    Participant,
    Presence,
    Settings,
)
from shared.reasons import Reason, clock_words
from shared.timekeeping import FAR_AHEAD_MS, WALL_ERROR_MS, Anchor, Stamp, estimate, seal

START_MS, END_MS = 1_763_700_000_000, 1_763_740_000_000
HOUR_MS, YEAR_MS = 3_600_000, 365 * 86_400_000
EVENT = Event(
    event_id="e",
    tag="E",
    name="E",
    start_ms=START_MS,
    end_ms=END_MS,
    time_zone="Asia/Seoul",
    venue="",
    status=EventStatus.LIVE,
    settings=Settings(),
)


def facts(at_ms, error_ms, presence=None):
    return Facts(
        event=EVENT,
        gate=Gate(gate_id="g", name="g"),
        direction=Direction.ENTRY,
        now=Moment(at_ms, error_ms),
        participant=Participant("p"),
        presence=presence or Presence(),
    )


@pytest.mark.parametrize(
    ("at_ms", "error_ms", "reason", "said"),
    [
        (EVENT.opens_ms - 60_000, 0, Reason.TOO_EARLY, None),
        (EVENT.opens_ms - 60_000, 59_999, Reason.TOO_EARLY, None),
        (EVENT.opens_ms - 60_000, 60_000, Reason.OK, Reason.TOO_EARLY),
        (EVENT.closes_ms + 60_000, 60_000, Reason.OK, Reason.TOO_LATE),
        (EVENT.closes_ms + 60_000, 59_999, Reason.TOO_LATE, None),
        (EVENT.opens_ms, 60_000, Reason.OK, None),
    ],
)
def test_a_window_within_the_error_admits_and_says_so(at_ms, error_ms, reason, said):
    asked = facts(at_ms, error_ms)
    assert first_reason(asked) is reason
    assert forgiven(asked) is said


def test_a_repeat_that_the_error_may_explain_says_so():
    last = Presence(last_ms=START_MS, last_gate_id="g", last_direction=Direction.ENTRY)
    late = facts(START_MS + 299_000, 2_000, last)
    assert first_reason(late) is Reason.OK
    assert forgiven(late) is Reason.JUST_SCANNED
    assert forgiven(facts(START_MS + 200_000, 2_000, last)) is None


@given(
    st.integers(EVENT.opens_ms - 10**8, EVENT.closes_ms + 10**8),
    st.integers(0, 10**8),
    st.integers(-(10**8), 10**8),
)
def test_p8_nobody_on_time_is_refused_for_the_clock(true_ms, error_ms, off_ms):
    """Whatever the clock is off within its error: who comes in time is let in."""
    off_ms = max(min(off_ms, error_ms), -error_ms)
    asked = facts(true_ms + off_ms, error_ms)
    if EVENT.opens_ms <= true_ms <= EVENT.closes_ms:
        assert first_reason(asked) is Reason.OK
    if forgiven(asked) is not None:
        assert first_reason(asked) is Reason.OK


def test_the_words_name_the_error_in_its_unit():
    assert "±5 min only" in clock_words(Reason.TOO_EARLY, 300_000).en
    assert "±5분" in clock_words(Reason.TOO_EARLY, 300_000).ko
    for error_ms, span in ((40, "40 ms"), (2_500, "2.5 s"), (7 * HOUR_MS, "7 h")):
        assert f"±{span} only" in clock_words(Reason.TOO_LATE, error_ms).en


@given(
    wall_off_ms=st.sampled_from([-55 * YEAR_MS, -86_400_000, 0, 60_000, 6 * YEAR_MS]),
    off_s=st.integers(0, 48 * 3_600),
    up_s=st.integers(0, 12 * 3_600),
)
def test_p8_a_boot_that_never_synced_states_an_error_that_holds(wall_off_ms, off_s, up_s):
    """A Pi without a battery, switched off for a while: 1970, yesterday's time, 2031."""
    anchor = Anchor("earlier", 1_000, START_MS, 20, START_MS)
    true_ms = START_MS + (off_s + up_s) * 1_000
    wall_ms = max(true_ms + wall_off_ms, up_s * 1_000)
    moment, quality = estimate(anchor, "now", up_s * 1_000, wall_ms)
    assert quality == "wall"
    if wall_off_ms in {0, 60_000, 6 * YEAR_MS, -55 * YEAR_MS}:
        slack_ms = off_s * 1_000 if wall_off_ms < 0 else 0  # what nobody can know while cut off
        assert abs(moment.at_ms - true_ms) <= moment.error_ms + slack_ms
    if wall_off_ms == 6 * YEAR_MS:
        assert moment.error_ms > FAR_AHEAD_MS
    if wall_off_ms == 0:
        assert moment.error_ms == WALL_ERROR_MS


def test_p8_bounds_that_contradict_each_other_are_both_within_the_error():
    running = Anchor("now", 60_000, START_MS, 20)  # began a minute before
    (one,) = seal([Stamp(1, "dead", 5_000, 0)], [running], after_ms=START_MS - 10_000)
    assert one.quality == "bounded"
    assert one.at_ms - one.error_ms <= START_MS - 60_000 + 50
    assert one.at_ms + one.error_ms >= START_MS - 10_000


steps = st.lists(
    st.tuples(
        st.sampled_from(["scan", "set_clock", "reboot", "suspend", "sync"]),
        st.integers(1, 40_000_000),
    ),
    min_size=1,
    max_size=30,
)


@given(steps, st.integers(-60 * YEAR_MS, 60 * YEAR_MS))
def test_p8_sealed_times_hold_their_error_whatever_the_clock_did(steps, wall_off_ms):
    """Clocks set while running, suspended, rebooted without battery, some boots never synced."""
    true_ms, boot_began_ms, boot = START_MS, START_MS - 5_000, 0
    anchors, stamps, truth = {}, [], []
    for step, amount_ms in steps:
        true_ms += amount_ms
        if step == "set_clock":
            wall_off_ms = amount_ms * 37 - 10**9
        elif step == "reboot":
            boot, boot_began_ms, wall_off_ms = boot + 1, true_ms, -55 * YEAR_MS
        elif step == "sync":
            boot_ms = true_ms - boot_began_ms
            anchors[boot] = Anchor(f"b{boot}", boot_ms, true_ms, 25)
        elif step == "scan":  # CLOCK_BOOTTIME counts a suspended hour as well
            wall_ms = max(true_ms + wall_off_ms, 0)
            stamps.append(Stamp(len(stamps) + 1, f"b{boot}", true_ms - boot_began_ms, wall_ms))
            truth.append(true_ms)
    # Sealing waits for the running boot to have met the server.
    anchors[boot] = Anchor(f"b{boot}", true_ms - boot_began_ms, true_ms, 25)
    sealed = seal(stamps, anchors.values(), after_ms=START_MS)
    assert [one.at_ms for one in sealed] == sorted(one.at_ms for one in sealed)
    for one, true in zip(sealed, truth, strict=True):
        assert abs(one.at_ms - true) <= one.error_ms
        assert one.quality in {"synced", "bounded"}
