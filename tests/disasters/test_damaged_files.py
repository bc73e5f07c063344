"""P2, P5: a real gate's two files damaged, at rest and while it runs, beside a real server."""

import random
from pathlib import Path

import pytest

from tests.disasters.cards import sent, troubles
from tests.processes.fleet import Gate, Server, ending, until

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]
PAGE = 4_096


def spoil(path: Path, pages: range) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek(page * PAGE)
            file.write(random.Random(page).randbytes(PAGE))


def test_p2_a_damaged_journal_is_salvaged_and_what_is_lost_is_named_everywhere(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path, participants=60).start()
    codes = sorted(server.codes().values())
    gate = Gate(tmp_path, server)
    with ending(server, gate):
        gate.start()
        first = [gate.present(code) for code in codes[:5]]
        until(lambda: sent(gate), "uploaded")
        server.kill()
        cut_off = [gate.present(code) for code in codes[5:45]]
        assert gate.process is not None
        gate.process.stop()
        journal = gate.data / "journal.db"
        size = journal.stat().st_size // PAGE
        spoil(journal, range(size // 2, size // 2 + 1))
        spoil(journal, range(1))
        gate.start()
        assert "lost" in troubles(gate)["journal_salvaged"]
        assert (gate.data / "journal.db.damaged-1").exists()
        after = gate.present(codes[50])
        assert (after["admitted"], after["epoch"] != first[0]["epoch"]) == (True, True)
        server.start()
        until(lambda: sent(gate), "uploaded")
        arrived = {item["scanId"] for item in server.attendance()}
        wrote = {one["scanId"] for one in first + cut_off}
        assert {one["scanId"] for one in first} | {after["scanId"]} <= arrived
        assert len(wrote - arrived) <= 2 * PAGE // 400, "only what lay on the damaged page"
        assert wrote - arrived, "or this test did not damage anything"
        [device] = server.get("/devices")["items"]
        assert device["holes"] == [], "a lost range is declared, not a hole"

        def told() -> bool:
            [said] = server.get("/devices")["items"]
            return "journal_salvaged" in {one["code"] for one in said["disk"]["troubles"]}

        until(told, "the server knows")
    server.verify()


def test_p5_a_list_damaged_while_the_gate_runs_is_fetched_again(tmp_path: Path) -> None:
    server = Server(tmp_path, participants=60).start()
    codes = sorted(server.codes().values())
    gate = Gate(tmp_path, server)
    with ending(server, gate):
        gate.start()
        assert gate.present(codes[0])["admitted"]
        until(lambda: sent(gate), "uploaded")
        server.kill()
        head = gate.status()["head"]
        (gate.data / "replica.db").write_bytes(random.Random(1).randbytes(40 * PAGE))
        (gate.data / "replica.db-wal").write_bytes(b"")
        for code in codes[1:4]:
            assert gate.present(code)["reason"] in {"ok", "unknown"}
        until(lambda: "replica_damaged" in troubles(gate), "it is told")
        assert gate.status()["head"] == head + 3, "the journal is untouched"
        assert gate.present(codes[0])["reason"] in {"unknown", "just_scanned", "already_inside"}
        server.start()
        until(lambda: "replica_damaged" not in troubles(gate), "a new list is whole", wait_s=60)
        assert gate.status()["participants"] == 60
        assert gate.present(codes[30])["admitted"]
        assert gate.present(codes[0])["reason"] in {"just_scanned", "already_inside"}
        until(lambda: sent(gate), "uploaded")
    server.verify()
