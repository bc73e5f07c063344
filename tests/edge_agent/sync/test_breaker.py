"""The circuit breaker, and the session that obeys it (DESIGN §5, P12)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.sync.backoff import CEILING_S, REFUSED_CEILING_S, Failure, FailureKind, delay_s
from edge_agent.sync.breaker import OPEN_S_MAX, PROBE_INTERVAL_S, Breaker, State
from edge_agent.sync.session import Channel, FetchChanges, Session, Upload, Wait

UP, DOWN = Channel.UP, Channel.DOWN
HANGING = Failure(FailureKind.TIMED_OUT, "no answer")
REFUSED = Failure(FailureKind.REFUSED, "nobody listens")


def answered(status, retry_after_s=None):
    return Failure(FailureKind.ANSWERED, "no", status, retry_after_s=retry_after_s)


def opened(at_s=0.0):
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(answered(500), at_s)
    return breaker


@pytest.mark.parametrize("sign", [HANGING, answered(500), answered(502), answered(503)])
def test_five_signs_of_struggle_in_a_row_open_it(sign):
    breaker = Breaker()
    for _ in range(4):
        breaker.failed(sign, 0)
    assert breaker.state is State.CLOSED
    breaker.succeeded()
    for _ in range(4):
        breaker.failed(sign, 0)
    assert breaker.state is State.CLOSED
    breaker.failed(sign, 0)
    assert breaker.state is State.OPEN


@pytest.mark.parametrize("other", [REFUSED, answered(404), answered(429), answered(401)])
def test_what_is_no_struggle_never_opens_it(other):
    breaker = Breaker()
    for _ in range(50):
        breaker.failed(other, 0)
    assert breaker.state is State.CLOSED


def test_open_it_lets_a_probe_through_each_five_seconds_and_a_call_after_sixty():
    breaker = opened()
    assert breaker.wait_s(0) == PROBE_INTERVAL_S
    probes = []
    now_s = 0.0
    while breaker.state is State.OPEN:
        now_s += breaker.wait_s(now_s)
        if breaker.wait_s(now_s) == 0 and breaker.probing:
            probes.append(now_s)
            breaker.failed(HANGING, now_s)
    assert probes == [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55]
    assert now_s == OPEN_S_MAX
    assert breaker.state is State.HALF_OPEN


def test_half_open_three_trial_calls_close_it_and_one_struggle_opens_it_again():
    breaker = opened()
    breaker.succeeded()  # the probe
    assert breaker.state is State.HALF_OPEN
    breaker.succeeded()
    breaker.failed(HANGING, 7)
    assert breaker.state is State.OPEN
    assert breaker.wait_s(7) == PROBE_INTERVAL_S
    breaker.succeeded()
    for _ in range(3):
        assert breaker.state is State.HALF_OPEN
        breaker.succeeded()
    assert breaker.state is State.CLOSED


@given(st.lists(st.sampled_from(["ok", "500", "hang", "refused", "404", "tick"]), max_size=60))
def test_p12_it_never_keeps_a_channel_waiting_longer_than_a_probe(steps):
    breaker, now_s = Breaker(), 0.0
    told = {"500": answered(500), "hang": HANGING, "refused": REFUSED, "404": answered(404)}
    for step in steps:
        if step == "ok":
            breaker.succeeded()
        elif step == "tick":
            now_s += 1.75  # exact in binary: sums of it are, too
        else:
            breaker.failed(told[step], now_s)
        assert 0 <= breaker.wait_s(now_s) <= PROBE_INTERVAL_S


@pytest.fixture
def session():
    session = Session(jitter=lambda: 0.999)
    session.journal_at([("e1", 1_200)])
    session.acknowledged("e1", 0)
    session.next(DOWN, 0)
    session.token_granted(900, 0)
    return session


def struggle(session, channel, failure, times):
    now_s = 0.0
    for _ in range(times):
        while isinstance(command := session.next(channel, now_s), Wait):
            now_s += command.s
        session.failed(channel, failure, now_s)
    return now_s


def test_p5_an_uplink_whose_breaker_is_open_probes_with_one_entry_and_leaves_the_downlink(session):
    now_s = struggle(session, UP, answered(503), 5)
    assert session.next(UP, now_s) == Wait(PROBE_INTERVAL_S)
    assert isinstance(session.next(DOWN, now_s), FetchChanges)
    now_s += PROBE_INTERVAL_S
    assert session.next(UP, now_s) == Upload("e1", 0, 1)
    session.uploaded("e1", 1, 1, now_s)
    for sent, through in ((500, 501), (500, 1_001), (199, 1_200)):
        command = session.next(UP, now_s)
        assert (command.after_seq, command.limit) == (through - sent, 500)
        session.uploaded("e1", through, through, now_s)
    assert session.links[UP].breaker.state is State.CLOSED


def test_p5_a_downlink_whose_breaker_is_open_probes_without_waiting_for_news(session):
    now_s = struggle(session, DOWN, HANGING, 5) + PROBE_INTERVAL_S
    assert session.next(DOWN, now_s) == FetchChanges(0, limit=1)
    assert session.next(UP, now_s) == Upload("e1", 0, 500)


def test_p12_a_probe_waits_as_long_as_the_server_asked(session):
    now_s = struggle(session, UP, answered(503, retry_after_s=20), 5)
    assert session.next(UP, now_s) == Wait(20)


def test_p12_the_waits_are_full_jitter_under_their_ceilings():
    for failure, ceiling_s in ((REFUSED, REFUSED_CEILING_S), (HANGING, CEILING_S)):
        widths = [delay_s(failure, n, lambda: 1.0) for n in range(1, 200)]
        assert widths[:3] == [0.5, 1, 2]
        assert widths == sorted(widths)
        assert widths[-1] == ceiling_s
        assert delay_s(failure, 4, lambda: 0.25) == delay_s(failure, 4, lambda: 1.0) / 4
