"""The session as conversations: what it asks for, what it is told, what it asks for next."""

import pytest

from edge_agent.sync.backoff import Failure, FailureKind, delay_s
from edge_agent.sync.session import (
    EMPTY_PAGE_PAUSE_S,
    LONG_POLL_S,
    REFETCH_INTERVAL_S,
    REVOKED_CHECK_S,
    Channel,
    FetchChanges,
    GetToken,
    SendStatus,
    Session,
    Upload,
    Wait,
)

DOWN, UP, STATUS, TOKEN = Channel.DOWN, Channel.UP, Channel.STATUS, Channel.TOKEN
REFUSED = Failure(FailureKind.REFUSED, "nobody listens")
HANGING = Failure(FailureKind.TIMED_OUT, "no answer")


def answered(status, code=None, retry_after_s=None):
    return Failure(FailureKind.ANSWERED, "no", status, code, retry_after_s)


@pytest.fixture
def session():
    """One with a token, and a journal whose 1,200 entries wait."""
    session = Session(jitter=lambda: 0.5)
    session.journal_at([("e1", 1_200)])
    session.acknowledged("e1", 0)
    assert session.next(DOWN, 0) == GetToken()
    session.token_granted(900, 0)
    return session


def test_one_channel_gets_the_token_and_the_others_wait_for_it():
    session = Session(jitter=lambda: 0.5)
    assert session.next(DOWN, 0) == GetToken()
    assert isinstance(session.next(STATUS, 0), Wait)
    session.token_granted(900, 1)
    assert session.next(STATUS, 1) == SendStatus()
    assert session.next(DOWN, 1) == FetchChanges(LONG_POLL_S)


def test_a_token_is_renewed_before_its_end(session):
    assert session.next(DOWN, 869) == FetchChanges(LONG_POLL_S)
    assert session.next(STATUS, 871) == GetToken()


def test_p2_the_journal_goes_up_in_bounded_batches_until_all_is_acknowledged(session):
    assert session.next(UP, 0) == Upload("e1", 0, 500)
    assert isinstance(session.next(UP, 0), Wait)
    session.uploaded("e1", 500, 500, 1)
    assert session.next(UP, 1) == Upload("e1", 500, 500)
    session.uploaded("e1", 1_000, 1_000, 2)
    assert session.next(UP, 2) == Upload("e1", 1_000, 500)
    session.uploaded("e1", 1_200, 1_200, 3)
    assert session.waiting == 0
    assert isinstance(session.next(UP, 3), Wait)
    session.journal_at([("e1", 1_201)])
    session.woken(3)
    assert session.next(UP, 3) == Upload("e1", 1_200, 500)


def test_p2_the_entries_of_an_old_epoch_go_first(session):
    session.journal_at([("e2", 3)])
    session.acknowledged("e1", 1_200)
    assert session.next(UP, 0) == Upload("e2", 0, 500)
    session.acknowledged("e1", 1_199)
    session.uploaded("e2", 3, 3, 0)
    assert session.next(UP, 0) == Upload("e1", 1_199, 500)


def test_p2_a_swallowed_answer_means_the_same_batch_again(session):
    assert session.next(UP, 0) == Upload("e1", 0, 500)
    session.failed(UP, Failure(FailureKind.INTERRUPTED, "broke off"), 1)
    assert isinstance(session.next(UP, 1), Wait)
    assert session.next(UP, 10) == Upload("e1", 0, 500)
    session.uploaded("e1", 500, 500, 11)  # every outcome was `known`
    assert session.next(UP, 11) == Upload("e1", 500, 500)


def test_p2_another_generation_is_offered_the_whole_journal_again(session):
    session.acknowledged("e1", 1_200)
    session.generation = "g1"
    session.next(DOWN, 0)
    session.page_applied("g1.5", 1, more=False)
    assert isinstance(session.next(UP, 1), Wait)
    session.next(DOWN, 1)
    session.page_applied("g2.3", 2, more=False)
    assert session.next(UP, 2) == Upload("e1", 0, 500)


def test_p2_a_server_that_acknowledges_less_than_before_is_offered_the_rest_again(session):
    session.acknowledged("e1", 1_200)
    assert session.next(STATUS, 0) == SendStatus()
    session.status_sent("e1", 700, 1)
    assert session.next(UP, 1) == Upload("e1", 700, 500)
    session.uploaded("e1", 1_200, 400, 2)
    assert session.next(UP, 2) == Upload("e1", 400, 500)


def test_a_status_answer_older_than_an_acknowledgement_changes_nothing(session):
    session.next(STATUS, 0)
    session.next(UP, 0)
    session.uploaded("e1", 500, 500, 1)
    session.status_sent("e1", 0, 2)  # it left the server before the batch arrived
    assert session.next(UP, 2) == Upload("e1", 500, 500)


def test_p12_a_batch_that_brings_nothing_forward_is_not_repeated_without_a_pause(session):
    session.next(UP, 0)
    session.uploaded("e1", 500, 0, 1)
    assert isinstance(session.next(UP, 1), Wait)


def test_a_server_that_holds_more_than_the_journal_tells_of_a_card_rolled_back(session):
    session.acknowledged("e1", 1_200)
    session.next(STATUS, 0)
    session.status_sent("e1", 1_300, 1)
    assert session.rolled_back == "e1"


def test_p2_a_card_rolled_back_offers_all_it_wrote_since_whatever_the_server_holds(session):
    assert session.next(UP, 0) == Upload("e1", 0, 500)
    session.uploaded("e1", 500, 5_000, 1)
    assert session.rolled_back == "e1"
    session.next(STATUS, 1)
    session.status_sent("e1", 5_000, 1)
    assert session.next(UP, 1) == Upload("e1", 500, 500)
    session.uploaded("e1", 1_000, 1_100, 2)
    assert session.next(UP, 2) == Upload("e1", 1_000, 500)


def test_p2_what_a_status_says_of_entries_not_offered_yet_skips_none(session):
    session.next(STATUS, 0)
    session.status_sent("e1", 700, 1)
    assert session.next(UP, 1) == Upload("e1", 0, 500)


def test_p12_refused_connections_are_tried_again_within_five_seconds():
    waits = [delay_s(REFUSED, n, lambda: 0.999) for n in range(1, 50)]
    assert max(waits) <= 5
    assert max(delay_s(HANGING, n, lambda: 0.999) for n in range(1, 5_000)) <= 30
    assert min(delay_s(REFUSED, n, lambda: 0.0) for n in range(1, 50)) > 0


def test_p12_retry_after_is_honoured_and_bounded(session):
    session.next(UP, 0)
    session.failed(UP, answered(503, retry_after_s=20), 0)
    assert session.next(UP, 0) == Wait(20)
    assert session.next(UP, 20) == Upload("e1", 0, 500)
    session.failed(UP, answered(429, retry_after_s=86_400), 20)
    assert session.next(UP, 20) == Wait(120)


def test_p5_one_channel_in_trouble_leaves_the_others_alone(session):
    session.next(DOWN, 0)
    session.failed(DOWN, answered(500), 0)
    assert isinstance(session.next(DOWN, 0), Wait)
    assert session.next(UP, 0) == Upload("e1", 0, 500)
    assert session.next(STATUS, 0) == SendStatus()


def test_a_restart_does_not_shorten_how_long_the_server_is_gone(session):
    session = Session(session.jitter)
    session.begun(0, 3_600)
    session.failed(UP, REFUSED, 1)
    assert session.offline_since_s == -3_600
    session.token_granted(600, 10)
    session.failed(UP, REFUSED, 20)
    assert session.offline_since_s == 20


def test_a_server_that_is_back_is_met_by_all_channels_at_once(session):
    for channel in (DOWN, UP, STATUS):
        session.next(channel, 0)
    for _ in range(8):
        for channel in (DOWN, UP, STATUS):
            session.failed(channel, REFUSED, 0)
    assert not session.online
    assert session.offline_since_s == 0
    assert session.next(STATUS, 10) == SendStatus()
    for channel in (DOWN, UP):
        session.failed(channel, REFUSED, 9.9)
    session.status_sent("e1", 0, 10)
    assert session.online
    assert session.next(UP, 10) == Upload("e1", 0, 500)
    assert session.next(DOWN, 10) == FetchChanges(LONG_POLL_S)


def test_a_refused_token_is_replaced_at_once_and_the_second_time_with_patience(session):
    session.next(UP, 0)
    session.failed(UP, answered(401), 1)
    assert session.next(UP, 1) == GetToken()
    session.token_granted(900, 1)
    assert session.next(UP, 1) == Upload("e1", 0, 500)
    session.failed(UP, answered(401), 2)
    assert isinstance(session.next(UP, 2), Wait)
    assert session.next(UP, 10) == GetToken()


def test_a_token_that_is_not_granted_is_asked_for_with_patience():
    session = Session(jitter=lambda: 0.5)
    assert session.next(UP, 0) == Wait(5.0)  # nothing to upload
    assert session.next(DOWN, 0) == GetToken()
    session.failed(TOKEN, answered(401), 0)
    assert isinstance(session.next(DOWN, 0), Wait)
    assert session.online


def test_a_revoked_device_asks_for_no_more_lists_and_still_uploads(session):
    session.next(DOWN, 0)
    session.failed(DOWN, answered(403, "device_revoked"), 0)
    assert session.revoked
    assert session.next(DOWN, 60) == Wait(REVOKED_CHECK_S - 60)
    assert session.next(UP, 60) == Upload("e1", 0, 500, asks_time=True)


def test_p2_a_gate_wiped_and_taken_in_again_offers_its_journal_to_a_restored_server(session):
    """Found by the simulation: without a list it had no generation to compare with, so what the
    backup lacked was never sent again, and the overlay waited for it for ever.
    """
    session.page_applied("g1.5", 0, more=False)
    session.next(UP, 0)
    session.uploaded("e1", 500, 500, 1)
    session.failed(DOWN, answered(403, "device_revoked"), 2)
    session.generation = None  # the loop has wiped the list
    session.page_applied("g2.3", 400, more=False)
    assert session.next(UP, 400) == Upload("e1", 0, 500)


def test_a_digest_that_differs_fetches_everything_again_once_an_hour(session):
    session.next(DOWN, 0)
    session.page_applied("g.1", 0, more=False, digest_ok=False)
    assert session.next(DOWN, 0) == FetchChanges(LONG_POLL_S, afresh=True)
    session.page_applied("g.1", 1, more=True)
    assert session.next(DOWN, 1) == FetchChanges(LONG_POLL_S)
    session.page_applied("g.2", 2, more=False, digest_ok=False)
    assert session.replica_differs
    assert session.next(DOWN, 2) == FetchChanges(LONG_POLL_S)
    session.page_applied("g.3", REFETCH_INTERVAL_S, more=False, digest_ok=False)
    session.token_granted(900, REFETCH_INTERVAL_S)
    assert session.next(DOWN, REFETCH_INTERVAL_S) == FetchChanges(LONG_POLL_S, afresh=True)


def test_a_page_full_is_followed_at_once_and_an_empty_one_after_a_breath(session):
    session.next(DOWN, 0)
    session.page_applied("g.1", 0, more=True, rows=5_000)
    assert session.next(DOWN, 0) == FetchChanges(LONG_POLL_S)
    session.page_applied("g.1", 0, more=False, rows=0)
    assert session.next(DOWN, 0) == Wait(EMPTY_PAGE_PAUSE_S)


def test_p12_a_page_that_makes_no_progress_is_asked_for_again_after_a_pause(session):
    session.next(DOWN, 0)
    session.page_applied("g.1", 0, more=True, rows=5)
    assert session.next(DOWN, 0) == FetchChanges(LONG_POLL_S)
    session.page_applied("g.1", 0, more=True, rows=5)
    assert session.next(DOWN, 0) == Wait(EMPTY_PAGE_PAUSE_S)


def test_rows_of_a_newer_server_are_told(session):
    session.page_applied("g.1", 0, more=False, skipped=1)
    assert session.server_newer


def test_a_batch_too_large_for_the_server_is_halved(session):
    session.next(UP, 0)
    session.failed(UP, answered(413), 0)
    assert session.next(UP, 100) == Upload("e1", 0, 250)
    session.uploaded("e1", 250, 250, 100)
    assert session.next(UP, 100) == Upload("e1", 250, 500)


def test_entries_that_are_not_sealed_yet_are_looked_at_again_soon(session):
    session.next(UP, 0)
    session.nothing_to_upload(0)
    assert session.next(UP, 0) == Wait(1.0)
    session.woken(0.5)
    assert session.next(UP, 0.5) == Upload("e1", 0, 500)


def test_a_time_out_after_a_word_from_the_server_is_not_yet_offline(session):
    session.next(STATUS, 0)
    session.status_sent("e1", 0, 5)
    session.next(UP, 5)
    session.failed(UP, HANGING, 15)
    assert session.online
    session.next(UP, 60)
    session.failed(UP, HANGING, 60)
    assert not session.online
