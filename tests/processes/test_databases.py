"""P2, P7 on a real PostgreSQL: it restarts under the server; either database is destroyed."""

import sqlite3
from pathlib import Path

import psycopg
import pytest

from tests.postgres import Cluster
from tests.processes.fleet import Gate, Server, call, ending, until

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]
ON_EACH_DATABASE = {"test_p2_a_destroyed_database_is_restored_and_refilled_by_the_gates"}


def ready(server: Server, key: str) -> int:
    """What `/readyz` answers to a service."""
    return call(f"{server.url}/readyz", token=key)[0]


def test_p2_postgresql_restarts_under_the_server(tmp_path: Path, postgres_cluster: Cluster) -> None:
    url = postgres_cluster.lend()
    server = Server(tmp_path, participants=16, database_url=url).start()
    key = server.command("api-key", "--name", "probe", "--role", "owner").strip()
    codes = list(server.codes().values())
    gate = Gate(tmp_path, server)
    with ending(server, gate):
        gate.start()
        assert all(gate.present(code)["admitted"] for code in codes[:4])
        until(gate.uploaded, "the first scans arrive")
        assert ready(server, key) == 200
        pid = server.process.pid
        for number, mode in enumerate(("immediate", "fast"), start=1):
            postgres_cluster.stop(mode)
            assert all(
                gate.present(code)["admitted"] for code in codes[number * 4 : number * 4 + 4]
            )
            until(lambda: ready(server, key) == 503, "readyz tells")
            assert gate.status()["waiting"] == 4
            postgres_cluster.start()
            until(lambda: ready(server, key) == 200, "the server finds its database again")
            until(gate.uploaded, "what waited arrives")
        postgres_cluster.stop("immediate")
        postgres_cluster.start()  # nobody spoke meanwhile: the first who does finds it lost
        assert all(gate.present(code)["admitted"] for code in codes[12:])
        until(gate.uploaded, "and so do the last")
        assert server.process.pid == pid, "the same process all the time"
        items = server.attendance()
        assert sorted(item["seq"] for item in items) == list(range(1, 17))
        assert {item["verdict"] for item in items} == {"confirmed"}
        assert server.get("/stats/overall")["attendedParticipants"] == 16
        server.verify()
    postgres_cluster.take_back(url)


def test_p2_a_destroyed_database_is_restored_and_refilled_by_the_gates(
    tmp_path: Path, postgresql_url: str | None
) -> None:
    server = Server(tmp_path, participants=12, database_url=postgresql_url).start()
    codes = list(server.codes().values())
    one, two = Gate(tmp_path, server, "g1"), Gate(tmp_path, server, "g2")
    with ending(server, one, two):
        one.start()
        two.start()
        assert all(one.present(code)["admitted"] for code in codes[:3])
        until(one.uploaded, "three scans arrive")
        server.command("backup", "--to", str(tmp_path / "old.backup"))
        assert all(one.present(code)["admitted"] for code in codes[3:6])
        assert all(two.present(code)["admitted"] for code in codes[6:9])
        until(lambda: one.uploaded() and two.uploaded(), "more arrive after the backup")
        before = sorted((item["scanId"], item["verdict"]) for item in server.attendance())
        assert len(before) == 9
        server.kill()
        if postgresql_url is not None:
            with psycopg.connect(postgresql_url, autocommit=True) as conn:
                conn.execute("DROP SCHEMA public CASCADE")
                conn.execute("CREATE SCHEMA public")
        else:
            (server.data / "sync.db").write_bytes(b"\xff" * 65_536)
        said = server.command("restore", "--from", str(tmp_path / "old.backup"))
        assert "changes to lists after" in said
        server.start()

        def refilled() -> bool:
            held = sorted((item["scanId"], item["verdict"]) for item in server.attendance())
            return held == before

        until(refilled, "the gates offer all they have again", 60)
        assert two.present(codes[9])["admitted"]
        until(lambda: one.uploaded() and two.uploaded(), "and go on")
        assert len(server.attendance()) == 10
        assert server.get("/stats/overall")["attendedParticipants"] == 10
        server.verify()
        if postgresql_url is None:
            with sqlite3.connect(server.data / "sync.db") as conn:
                assert conn.execute("PRAGMA quick_check").fetchone() == ("ok",)
            conn.close()
