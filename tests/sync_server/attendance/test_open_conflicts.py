"""P10: gates are told of the conflicts that nobody has decided yet, with the presence."""

import msgspec
from sqlalchemy import select, update

from sync_server.attendance.merge_store import tell_old_conflicts
from sync_server.attendance.review import NewResolution, resolve
from sync_server.storage import schema
from sync_server.storage.lines import line_of
from sync_server.verify import verify
from tests.sync_server.builders import NOW_MS, scan_entry, upload

ON_EACH_DATABASE = True


def presence(database):
    row = database.read_now(lambda conn: conn.execute(select(schema.presences)).mappings().one())
    return msgspec.json.decode(msgspec.json.encode(line_of("presences", row)))


def double(database, name="first"):
    upload(database, [scan_entry(1, 1, minute=10)])
    south = scan_entry(1, 1, minute=20, scanId="scan-south", gateId="south")
    upload(database, [south], "dev-south", "b1b2c3d4e5f60718")


def test_p10_the_line_names_both_gates_until_somebody_decides(new_database):
    database = new_database()
    double(database)
    (told,) = presence(database)["conflicts"]
    assert told == {
        "kind": "double_entry",
        "scanId": "scan-south",
        "gateId": "south",
        "at": scan_entry(1, 1, minute=20)["occurredAt"],
        "againstGateId": "north",
        "againstAt": scan_entry(1, 1, minute=10)["occurredAt"],
    }
    assert database.read_now(verify) == []
    word = NewResolution("server:1", "scan-south", "accept", "op-1", "seen", NOW_MS)
    database.write_now(lambda conn: resolve(conn, word))
    assert "conflicts" not in presence(database)
    assert database.read_now(verify) == []


def test_p7_a_line_without_conflicts_is_as_the_version_before_wrote_and_hashed_it(database):
    upload(database, [scan_entry(1, 1, minute=10)])
    line = presence(database)
    assert "conflicts" not in line


def test_a_folder_of_the_version_before_is_told_when_it_is_opened(database):
    double(database)
    untold = update(schema.presences).values(conflicts=None)
    database.write_now(lambda conn: conn.execute(untold))
    database.write_now(lambda conn: tell_old_conflicts(conn, NOW_MS))
    assert len(presence(database)["conflicts"]) == 1
    assert database.read_now(verify) == []
