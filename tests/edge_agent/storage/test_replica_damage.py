"""A damaged list: fetched again, and meanwhile what can be read goes on deciding (P5)."""

import random
import sqlite3
from pathlib import Path

import pytest

from edge_agent.identity import b64_encode
from edge_agent.storage import remains
from edge_agent.storage.carve import PAGE_BYTES
from edge_agent.storage.replica import MovedError, Replica
from shared import credentials
from tests.edge_agent.gate import Gate, code
from tests.edge_agent.storage import lines
from tests.edge_agent.test_lane import PUBLIC, signed

PEOPLE = 600
SEEN = range(1, PEOPLE + 1, 30)


def ready(folder: Path) -> Gate:
    gate = Gate(folder)
    gate.list(people=PEOPLE)
    return gate


def spoil(path: Path, what: str) -> None:
    pages = path.stat().st_size // PAGE_BYTES
    garbage = random.Random(3).randbytes(PAGE_BYTES)
    if what == "deleted":
        path.unlink()
        return
    if what == "another database":
        path.unlink()
        conn = sqlite3.connect(path)
        conn.execute("CREATE TABLE state (id, live)")
        conn.execute("PRAGMA user_version=1")
        conn.commit()
        conn.close()
        return
    with path.open("r+b") as file:
        if what == "garbage":
            file.write(garbage * pages)
        elif what == "empty":
            file.truncate(0)
        elif what == "cut":
            file.truncate(PAGE_BYTES * (pages - 2) + 17)
        elif what == "first page":
            file.write(garbage)
        elif what == "zeroed pages":
            for page in range(pages - 4, pages):
                file.seek(page * PAGE_BYTES)
                file.write(bytes(PAGE_BYTES))


WAYS = ["garbage", "empty", "cut", "first page", "zeroed pages", "another database", "deleted"]


def outcomes(gate: Gate) -> list[str]:
    return [gate.reason(code(n)) for n in SEEN]


@pytest.mark.parametrize("way", WAYS)
def test_p5_damaged_at_start_the_gate_decides_and_fetches_anew(tmp_path: Path, way: str) -> None:
    ready(tmp_path).close()
    spoil(tmp_path / "replica.db", way)
    gate = Gate(tmp_path)
    gate.replica.check()  # as the upkeep does, before anybody comes
    gate.replica.look()
    assert gate.lane.facts.ready, "event and gate are known from their second copy"
    assert gate.replica.cursor() is None, "everything is asked for again"
    said = outcomes(gate)
    assert set(said) <= {"ok", "unknown"}
    if way in {"zeroed pages", "cut"}:
        assert "ok" in said, "what can still be read goes on deciding"
    assert gate.replica.damaged == (way not in {"deleted", "empty"})
    head = gate.journal.head
    assert head == len(SEEN), "the journal is untouched, and takes each decision"
    gate.list(people=PEOPLE)  # the server is back
    assert not gate.replica.damaged
    assert set(outcomes(gate)) <= {"ok", "already_inside", "just_scanned"}
    gate.close()


@pytest.mark.parametrize("way", WAYS)
def test_p5_damaged_while_running_the_gate_decides_on(tmp_path: Path, way: str) -> None:
    gate = ready(tmp_path)
    assert gate.reason(code(1)) == "ok"
    gate.replica._conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    spoil(tmp_path / "replica.db", way)
    gate.reader._conn.execute("PRAGMA shrink_memory")
    said = [gate.reason(code(n)) for n in SEEN[1:]]
    assert set(said) <= {"ok", "unknown"}
    gate.replica.check()
    gate.replica.look()
    assert gate.reason(code(1)) in {"already_inside", "just_scanned", "unknown"}
    gate.list(people=PEOPLE)
    assert set(outcomes(gate)) <= {"ok", "already_inside", "just_scanned"}
    assert not gate.replica.damaged
    gate.close()


def test_p5_with_nothing_left_a_signed_ticket_opens(tmp_path: Path) -> None:
    keys = {credentials.key_id(PUBLIC): b64_encode(PUBLIC)}
    gate = Gate(tmp_path)
    gate.list(lines.event(2, ticket_keys=keys))
    gate.close()
    spoil(tmp_path / "replica.db", "garbage")
    gate = Gate(tmp_path)
    assert gate.reason(code(1)) == "unknown"
    assert gate.reason(signed(900)) == "ok"
    assert gate.reason(signed(900)) == "just_scanned", "its own journal still knows (P10)"
    gate.close()


def test_p4_a_blocked_person_stays_out_on_what_can_be_read(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    gate.list(lines.participant(2, 50, "blocked"), people=3)
    gate.close()
    conn = sqlite3.connect(tmp_path / "replica.db")
    conn.execute("DELETE FROM state")  # it does not say any more how far it had read
    conn.commit()
    conn.close()
    gate = Gate(tmp_path)
    assert gate.replica.damaged
    assert gate.reason(code(2)) == "blocked"
    assert gate.reason(code(1)) == "ok"
    gate.close()


def test_p7_a_page_asked_for_before_the_list_was_begun_anew_is_dropped(tmp_path: Path) -> None:
    """A delta of the old list must never go live as if it were the whole of the new one."""
    gate = ready(tmp_path)
    asked = gate.replica.cursor()
    gate.replica.standing.suspect = True
    gate.replica.look()
    with pytest.raises(MovedError):
        gate.replica.apply_page([lines.participant(1, 99)], lines.page(99), asked)
    assert gate.replica.generation is None
    gate.close()


def test_p9_a_wiped_device_keeps_no_remains(tmp_path: Path) -> None:
    gate = ready(tmp_path)
    gate.replica.standing.suspect = True
    gate.replica.look()
    gate.replica.wipe()
    assert not remains.remains_path(gate.replica.path).exists()
    assert not remains.reference_path(gate.replica.path).exists()
    gate.close()


def test_p12_one_set_of_remains_is_kept(tmp_path: Path) -> None:
    replica = Replica.open(tmp_path / "replica.db")
    for _ in range(3):
        replica.standing.suspect = True
        replica.look()
    assert len(list(tmp_path.glob("replica.db.damaged*"))) <= 3  # with its WAL and index
    replica.close()
