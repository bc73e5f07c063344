"""The replica: P7 whole or not at all, P4 no known-bad entry, P9 little to steal."""

import sqlite3
from pathlib import Path

import msgspec
import pytest

from edge_agent.storage import sqlite_file
from edge_agent.storage.replica import Replica
from shared.errors import NewerDataError
from shared.model import CredentialStatus, ParticipantStatus
from tests.edge_agent.storage import lines

_STEPS = Path(sqlite_file.__file__).parent / "migrations" / "replica"
D1, D2 = "11" * 16, "22" * 16


def base() -> list:
    return [
        lines.event(),
        lines.gate(),
        lines.participant(1, 3),
        lines.credential(1, 4, D1),
        lines.presence(1, 5),
    ]


@pytest.fixture
def replica(tmp_path: Path):
    opened = Replica.open(tmp_path / "replica.db")
    yield opened
    opened.close()


def test_snapshot_goes_live_with_its_last_page_only(replica: Replica) -> None:
    reader = replica.reader()
    first, second = base()[:3], base()[3:]
    replica.apply_page(first, lines.page(3, more=True))
    assert (replica.live_cursor(), replica.cursor()) == (None, "g1.3")
    assert reader.reference().event is None
    applied = replica.apply_page(second, lines.page(5, digest=lines.digest_sum(base())))
    assert (applied.digest_ok, applied.went_live) == (True, True)
    assert replica.cursor() == replica.live_cursor() == "g1.5"
    found = reader.by_digest(bytes.fromhex(D1))
    assert found.credential is not None and found.participant is not None
    assert (found.credential.credential_id, found.masked_name, found.cursor) == (
        "C1",
        "홍*동",
        "g1.5",
    )
    reference = reader.reference()
    assert reference.event is not None and reference.event.tag == "TCF24"
    assert list(reference.gates) == ["main"]
    reader.close()


def test_p7_a_page_that_fails_leaves_rows_and_cursor(replica: Replica) -> None:
    replica.apply_page(base(), lines.page(5))
    reader = replica.reader()
    bad = lines.credential(2, 7, D2)
    bad.hash = "zz"
    with pytest.raises(ValueError, match="non-hexadecimal"):
        replica.apply_page([lines.participant(1, 6, "blocked"), bad], lines.page(7))
    replica._conn.set_authorizer(
        lambda action, name, *_: (
            sqlite3.SQLITE_DENY
            if (action, name) == (sqlite3.SQLITE_UPDATE, "state")
            else sqlite3.SQLITE_OK
        )
    )
    with pytest.raises(sqlite3.DatabaseError):
        replica.apply_page([lines.participant(1, 6, "blocked")], lines.page(7))
    replica._conn.set_authorizer(None)
    assert replica.cursor() == "g1.5"
    person = reader.by_person("P1").participant
    assert person is not None and person.status is ParticipantStatus.REGISTERED
    reader.close()


def test_delta_replaces_rows_and_the_sum_follows(replica: Replica) -> None:
    replica.apply_page(base(), lines.page(5))
    changed = lines.credential(1, 6, D1, "revoked")
    now = [*(line for line in base() if line.revision != 4), changed]
    applied = replica.apply_page([changed], lines.page(6, digest=lines.digest_sum(now)))
    assert applied.digest_ok is True
    wrong = replica.apply_page([], lines.page(6, digest="0" * 32))
    assert wrong.digest_ok is False
    replica.start_snapshot()
    assert (replica.cursor(), replica.live_cursor()) == (None, "g1.6")
    again = replica.apply_page(now, lines.page(6, digest=lines.digest_sum(now)))
    assert again.digest_ok is True


def test_old_list_serves_while_a_new_generation_is_fetched(replica: Replica) -> None:
    replica.apply_page(base(), lines.page(5))
    reader = replica.reader()
    replica.apply_page(base()[:2], lines.page(2, more=True, generation="g2"))
    assert reader.by_digest(bytes.fromhex(D1)).generation == "g1"
    replica.apply_page([], lines.page(2, generation="g2"))
    gone = reader.by_digest(bytes.fromhex(D1))
    assert (gone.generation, gone.credential) == ("g2", None)
    reader.close()


def test_p4_what_was_known_bad_stays_refused_in_an_older_server(replica: Replica) -> None:
    bad = [lines.participant(1, 3, "blocked"), lines.credential(1, 4, D1, "revoked")]
    replica.apply_page([*base()[:2], *bad], lines.page(5))
    digest = lines.digest_sum(base())
    applied = replica.apply_page(base(), lines.page(5, generation="g2", digest=digest))
    assert applied.digest_ok is True
    reader = replica.reader()
    found = reader.by_digest(bytes.fromhex(D1))
    assert found.credential is not None and found.participant is not None
    assert found.credential.status is CredentialStatus.REVOKED
    assert found.participant.status is ParticipantStatus.BLOCKED
    replica.apply_page([lines.participant(1, 9)], lines.page(9, generation="g2"))
    newer = reader.by_person("P1").participant
    assert newer is not None and newer.status is ParticipantStatus.REGISTERED
    reader.close()


def test_a_reassigned_badge_answers_with_its_active_row(replica: Replica) -> None:
    replica.apply_page(
        [
            *base(),
            lines.participant(2, 6),
            lines.credential(2, 7, D2),
            lines.credential(1, 8, D2, "revoked"),
        ],
        lines.page(8),
    )
    reader = replica.reader()
    found = reader.by_digest(bytes.fromhex(D2))
    assert found.credential is not None and found.credential.participant_id == "P2"
    reader.close()


def test_acknowledgements_and_a_server_that_came_back_older(replica: Replica) -> None:
    replica.apply_page(base(), lines.page(5))
    assert replica.sync_state("e").acknowledged_through == 0
    replica.record_ack("e", 3, "g1.5")
    replica.record_ack("e", 7, "g1.9")
    state = replica.sync_state("e")
    assert (state.acknowledged_through, state.visible_at) == (7, "g1.9")
    replica.apply_page([], lines.page(9))
    reader = replica.reader()
    assert [ack.through for ack in reader.reference().acks["e"]] == [7]
    replica.record_ack("e", 2, "g2.4")
    assert replica.sync_state("e").acknowledged_through == 2
    reader.close()


def test_readers_never_wait_for_the_writer(replica: Replica) -> None:
    """P5: a page that is being applied holds up no decision."""
    replica.apply_page(base(), lines.page(5))
    reader = replica.reader()
    replica._conn.execute("BEGIN IMMEDIATE")
    replica._conn.execute("UPDATE state SET revision = 99")
    assert reader.by_digest(bytes.fromhex(D1)).revision == 5
    replica._conn.execute("ROLLBACK")
    reader.close()


def test_an_unreadable_replica_is_set_aside_and_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "replica.db"
    path.write_bytes(b"\x00garbage" * 600)
    replica = Replica.open(path)
    assert replica.cursor() is None
    assert (tmp_path / "replica.db.damaged-1").exists()
    replica.close()


def test_a_newer_replica_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "replica.db"
    Replica.open(path).close()
    conn = sqlite3.connect(path)
    conn.execute("PRAGMA user_version=50")
    conn.close()
    with pytest.raises(NewerDataError):
        Replica.open(path)


def test_p9_wipe_leaves_no_person(replica: Replica) -> None:
    replica.apply_page(base(), lines.page(5))
    replica.wipe()
    reader = replica.reader()
    assert (replica.cursor(), reader.participants()) == (None, 0)
    reader.close()


def test_p9_wipe_takes_a_list_that_is_half_fetched(replica: Replica) -> None:
    replica.apply_page(base()[:3], lines.page(3, more=True))
    assert replica.wipe()
    assert not any(
        replica._conn.execute(f"SELECT 1 FROM {table}_{side}").fetchone()
        for table in ("participants", "reference")
        for side in "ab"
    )
    assert not replica.wipe()  # nothing left to forget


def test_p3_a_list_half_fetched_before_a_wipe_is_fetched_whole_after_it(replica: Replica) -> None:
    """Found by the simulation: its first page was taken, and asked for again, without end."""
    replica.apply_page(base()[:3], lines.page(3, more=True))
    replica.wipe()
    replica.apply_page(base()[:3], lines.page(3, more=True), None)
    assert replica.cursor() == "g1.3"
    applied = replica.apply_page(base()[3:], lines.page(5, digest=lines.digest_sum(base())), "g1.3")
    assert (applied.went_live, applied.digest_ok, replica.cursor()) == (True, True, "g1.5")


def test_p3_a_list_left_so_by_an_earlier_version_is_fetched_whole(replica: Replica) -> None:
    """A wipe of earlier versions forgot that a list was being built, and not of which server."""
    replica.apply_page(base()[:3], lines.page(3, more=True))
    replica.wipe()
    replica._conn.execute("UPDATE state SET building_generation = 'g1'")
    replica.apply_page(base()[:3], lines.page(3, more=True), None)
    assert replica.cursor() == "g1.3"


def test_a_list_of_the_version_before_serves_while_it_is_fetched_once_more(tmp_path: Path) -> None:
    """What the older program did not keep of its rows is not in them, and no digest tells."""
    path = tmp_path / "replica.db"
    old = sqlite3.connect(path, isolation_level=None)
    for step in sorted(_STEPS.glob("000[123]_*.sql")):
        old.executescript(step.read_text())
    old.executescript(
        "PRAGMA user_version = 3;"
        " UPDATE state SET generation = 'g1', revision = 5;"
        " INSERT INTO participants_a VALUES"
        " ('P1', '홍*동', 'registered', 'attendance', NULL, ' ', 3, zeroblob(16))"
    )
    old.close()
    replica = Replica.open(path)
    reader = replica.reader()
    assert (replica.live_cursor(), replica.cursor()) == ("g1.5", None)
    assert reader.by_person("P1").masked_name == "홍*동"
    person = msgspec.structs.replace(lines.participant(1, 3), language="en")
    rows = [*base()[:2], person, *base()[3:]]
    replica.apply_page(rows[:2], lines.page(2, more=True), None)
    assert reader.by_person("P1").language is None
    assert replica.apply_page(rows[2:], lines.page(5), "g1.2").went_live
    assert (reader.by_person("P1").language, replica.cursor()) == ("en", "g1.5")
    reader.close()
    replica.close()
    again = Replica.open(path)
    assert again.cursor() == "g1.5", "once only"
    again.close()
