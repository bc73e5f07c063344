"""P2, P3, P4: the server comes back older, or from nothing but its keys; the gates refill it."""

import shutil
from pathlib import Path

import pytest

from tests.processes.fleet import Gate, Server, ending, ok, until

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


def ids(server: Server) -> list[str]:
    return sorted(item["scanId"] for item in server.attendance())


def test_p2_p4_a_server_restored_from_an_old_backup_is_refilled_by_its_gates(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path, participants=12).start()
    codes = list(server.codes().values())
    one = Gate(tmp_path, server, "g1")
    with ending(server, one):
        one.start()
        assert all(one.present(code)["admitted"] for code in codes[:3])
        until(one.uploaded, "three scans arrive")
        server.command("backup", "--to", str(tmp_path / "old.backup"))
        late = Gate(tmp_path, server, "g2")  # enrolled after the backup
        with ending(late):
            late.start()
            assert all(one.present(code)["admitted"] for code in codes[3:6])
            assert all(late.present(code)["admitted"] for code in codes[6:9])
            server.ask("DELETE", "/participants/P010")
            until(lambda: one.would(codes[10]) == "cancelled", "the gate hears of it")
            until(lambda: one.uploaded() and late.uploaded(), "all arrives")
            before = ids(server)
            server.kill()
            server.command("restore", "--from", str(tmp_path / "old.backup"))
            server.start()
            until(lambda: ids(server) == before, "both gates offer all they have again", 60)
            assert server.device(late)["state"] == "adopted"
            told = until(lambda: late.state()["troubles"], "the gate says what it waits for")
            assert [one["code"] for one in told] == ["device_unconfirmed"]
            assert late.present(codes[9])["admitted"], "it decides on with the list that it has"
            assert one.would(codes[10]) == "cancelled", "what the server forgot is still refused"
            server.ask("PATCH", f"/devices/{late.identity()['deviceId']}", {"state": "active"})
            life = one.status()["generation"]
            until(lambda: late.status()["generation"] == life, "once confirmed it gets the list")
            until(late.uploaded, "what it decided meanwhile arrives")
            server.ask("DELETE", "/participants/P010")
            server.ask("PATCH", "/participants/P010", {"status": "registered"})
            until(lambda: one.would(codes[10]) == "ok", "a newer change says otherwise")
            assert len(ids(server)) == len(before) + 1
            server.verify()


def test_p2_p3_a_database_made_anew_with_the_earlier_keys_is_refilled(tmp_path: Path) -> None:
    server = Server(tmp_path, participants=8).start()
    tickets = server.codes()
    codes = list(tickets.values())
    one, two = Gate(tmp_path, server, "g1"), Gate(tmp_path, server, "g2")
    with ending(server, one, two):
        one.start()
        two.start()
        assert all(one.present(code)["admitted"] for code in codes[:3])
        until(one.uploaded, "its scans arrive at the first server")
        server.kill()
        assert all(two.present(code)["admitted"] for code in codes[3:6])
        keys = tmp_path / "keys"
        (server.data / "keys").rename(keys)
        shutil.rmtree(server.data)
        server.init("--keys", str(keys))
        out = (tmp_path / "tickets" / "tickets.csv").read_text("utf-8-sig").splitlines()[1:]
        readable = {line.split(",")[0]: line.split(",")[1] for line in out}
        rows = [f"{p},Person {p},{p.lower()}@example.com,{readable[p]}\n" for p in tickets]
        people = tmp_path / "again.csv"
        people.write_text("id,name,email,code\n" + "".join(rows))
        server.command("import", str(people))
        server.start()

        def all_here() -> bool:
            items = server.attendance()
            return len(items) == 6 and {i["verdict"] for i in items} == {"confirmed"}

        until(all_here, "both gates show their certificates and offer all they have", 60)
        assert {server.device(gate)["state"] for gate in (one, two)} == {"adopted"}
        server.ask("PATCH", f"/devices/{one.identity()['deviceId']}", {"state": "active"})
        before = two.identity()["deviceId"]
        two.stop()
        code = server.ask("POST", "/gates/g2/enrolments")["code"]
        said = ok("edge-agent", "enrol", "--again", "--data", str(two.data),
                  "--server", server.url, "--code", code)  # fmt: skip
        assert "3 entries will be offered" in said
        assert two.identity()["deviceId"] == before, "so that nothing counts under two names"
        two.start()
        assert one.present(codes[6])["admitted"]
        assert two.present(codes[7])["admitted"]
        until(lambda: one.uploaded() and two.uploaded(), "all is acknowledged")
        until(lambda: one.would(codes[7]) == "already_inside", "lists come again")
        assert len(ids(server)) == 8
        assert server.get("/stats/overall")["attendedParticipants"] == 8
        server.verify()
