"""P10: the gates where a double entry happened say so, in `status`, health and on the kiosk."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from edge_agent.commands.status import _for_people
from edge_agent.config import Config
from edge_agent.folder import GateFolder
from edge_agent.health import Health, NoSync
from edge_agent.parts import GateParts
from edge_agent.storage import sqlite_file
from edge_agent.storage.replica import Replica
from shared import wire
from tests.edge_agent.gate import enrolled_folder
from tests.edge_agent.storage import lines

AT, OTHER_AT = "2026-11-21T09:31:00.000Z", "2026-11-21T09:30:00.000Z"


def seen(gate_id: str = "main", other: str = "north", kind: str = "double_entry") -> Any:
    return wire.ConflictSeen(
        kind=kind,
        scan_id="s2",
        gate_id=gate_id,
        at=AT,
        against_gate_id=other,
        against_at=OTHER_AT,
    )


def health_with(folder: Path, *told: Any) -> dict[str, Any]:
    enrolled_folder(folder)
    replica = Replica.open(folder / "replica.db")
    rows = [lines.gate("north", 11, name="North gate"), lines.presence(1, 12, conflicts=list(told))]
    replica.apply_page(rows, lines.page(12))
    replica.close()
    with GateParts.open(GateFolder(folder), Config()) as parts:
        parts.lane.facts.refresh()
        health = Health(parts)
        try:
            status = health.status(NoSync())
            return {"status": status, "kiosk": health.kiosk(status)}
        finally:
            health.close()


@pytest.mark.parametrize(
    ("told", "here", "there"),
    [(seen("main", "north"), AT, OTHER_AT), (seen("north", "main"), OTHER_AT, AT)],
    ids=["the later scan here", "the earlier scan here"],
)
def test_p10_each_of_the_two_gates_names_the_other(
    tmp_path: Path, told: Any, here: str, there: str
) -> None:
    said = health_with(tmp_path / "gate", told)
    (conflict,) = said["status"]["conflicts"]
    assert conflict["participantId"] == "P1"
    assert (conflict["at"], conflict["otherAt"]) == (here, there)
    assert conflict["otherGateName"] == "North gate"
    assert said["kiosk"]["doubleEntries"] == {"count": 1, "gate": "North gate", "at": there}
    assert "double_entry of P1" in _for_people(said["status"])


def test_other_gates_conflicts_and_other_kinds_do_not_fill_the_strip(tmp_path: Path) -> None:
    said = health_with(tmp_path / "gate", seen("north", "south"), seen("main", "north", "revoked"))
    assert [one["kind"] for one in said["status"]["conflicts"]] == ["revoked"]
    assert said["kiosk"]["doubleEntries"] is None


def test_a_conflict_that_was_decided_is_gone_with_the_next_page(tmp_path: Path) -> None:
    replica = Replica.open(tmp_path / "replica.db")
    reader = replica.reader()
    replica.apply_page([lines.presence(1, 3, conflicts=[seen()])], lines.page(3))
    assert len(reader.conflicts()) == 1
    replica.apply_page([lines.presence(1, 4)], lines.page(4))
    assert reader.conflicts() == []
    reader.close()
    replica.close()


def test_p5_a_list_of_the_version_before_is_kept_and_decided_on(tmp_path: Path) -> None:
    path = tmp_path / "replica.db"
    first = sqlite_file._MIGRATIONS / "replica" / "0001_first.sql"
    conn = sqlite3.connect(path, isolation_level=None)
    conn.executescript(first.read_text("utf-8"))
    conn.execute("INSERT INTO presences_a VALUES ('P1',1,5,0,'entry','main',5,5,1,7,?)", (b"h",))
    conn.execute("PRAGMA user_version=1")
    conn.close()
    replica = Replica.open(path)
    found = replica._conn.execute("SELECT * FROM presences_a").fetchall()
    assert found == [("P1", 1, 5, 0, "entry", "main", 5, 5, 1, None, 7, b"h")]
    replica.apply_page([lines.presence(1, 9, conflicts=[seen()])], lines.page(9))
    replica.close()
