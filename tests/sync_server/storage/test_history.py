"""Dated changes: the initial value holds since ever, then each change from its own time."""

from sqlalchemy import func, select

from shared.model import CredentialStatus, ParticipantStatus
from sync_server.storage import schema
from sync_server.storage.history import load_history, record_change
from tests.sync_server.builders import START_MS, digest_of, participant_row

ON_EACH_DATABASE = True


def test_values_before_between_and_after_changes(database):
    registered, blocked = participant_row(1), participant_row(1, status="blocked")

    def change(conn):
        record_change(conn, "participant", "P000001", registered, blocked, START_MS + 10)
        record_change(conn, "participant", "P000001", blocked, registered, START_MS + 20)

    database.write_now(change)
    line = database.read_now(lambda conn: load_history(conn, ["P000001"])).participants["P000001"]
    statuses = [line.at(START_MS + at_ms).status for at_ms in (-(10**9), 9, 10, 19, 20)]
    assert statuses == [
        ParticipantStatus.REGISTERED,
        ParticipantStatus.REGISTERED,
        ParticipantStatus.BLOCKED,
        ParticipantStatus.BLOCKED,
        ParticipantStatus.REGISTERED,
    ]


def test_a_change_that_the_rules_do_not_read_is_not_dated(database):
    before, after = participant_row(1), participant_row(1, name="다른 이름")
    database.write_now(
        lambda conn: record_change(conn, "participant", "P000001", before, after, START_MS)
    )
    count = select(func.count()).select_from(schema.dated_changes)
    assert database.read_now(lambda conn: conn.execute(count).scalar_one()) == 0


def test_a_history_holds_the_owner_of_each_digest_with_all_their_credentials(database):
    history = database.read_now(lambda conn: load_history(conn, [], [digest_of(3)], ["C000004"]))
    assert set(history.participants) == {"P000003", "P000004"}
    assert history.credential_of[digest_of(4)] == "C000004"
    assert history.credentials["C000003"].now.status is CredentialStatus.ACTIVE
    assert history.event.now.tag == "DEMO"
    assert set(history.gates) == {"north", "south", "vip"}
