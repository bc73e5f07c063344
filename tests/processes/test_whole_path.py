"""The whole path with real processes: from a CSV to an opened gate to what organisers read."""

import json
import random
import zipfile
from pathlib import Path

import pytest

from tests.processes.fleet import (
    Gate,
    Server,
    call,
    ending,
    free_port,
    hanging_server,
    hangs_after,
    pids_of,
    run,
    until,
)

pytestmark = pytest.mark.process
ON_EACH_DATABASE = {
    "test_p2_p5_the_gate_decides_on_while_the_server_is_dead_and_all_arrives_once",
}


def test_p2_p5_the_gate_decides_on_while_the_server_is_dead_and_all_arrives_once(
    tmp_path: Path, postgresql_url: str | None
) -> None:
    server = Server(tmp_path, database_url=postgresql_url).start()
    codes = list(server.codes().values())
    gate = Gate(tmp_path, server)
    with ending(server, gate):
        gate.start()
        for code in codes[:8]:
            assert gate.present(code)["admitted"]
        server.kill()
        for code in codes[8:]:
            assert gate.present(code)["admitted"]
        assert gate.present(codes[0])["reason"] == "just_scanned"
        assert gate.present(codes[-1], "exit")["admitted"]
        server.start()
        until(gate.uploaded, "the backlog arrives")
        items = server.attendance()
        entries = [i for i in items if i["verdict"] == "confirmed" and i["direction"] == "entry"]
        assert len(entries) == len({i["participantId"] for i in entries}) == len(codes)
        assert sorted(i["seq"] for i in items) == list(range(1, len(codes) + 3))
        assert server.get("/stats/overall")["attendedParticipants"] == len(codes)
        server.verify()


def test_p5_a_server_that_accepts_and_never_answers_delays_no_decision(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    codes = list(server.codes().values())
    gate = Gate(tmp_path, server)
    server.kill()
    with ending(server, gate), hanging_server(server.port):
        gate.start()
        # A hang, not a speed: any of the agent's time-outs is longer than this for all together.
        with hangs_after(10):
            assert all(gate.present(code)["admitted"] for code in codes)
        assert gate.status()["waiting"] == len(codes)


def test_p1_p2_a_killed_agent_has_every_scan_it_answered(tmp_path: Path) -> None:
    server = Server(tmp_path, participants=40).start()
    codes = iter(server.codes().values())
    gate = Gate(tmp_path, server)
    chance = random.Random(7)
    told: list[int] = []
    with ending(server, gate):
        for _ in range(4):
            gate.start()
            for _ in range(chance.randint(2, 9)):
                answer = gate.present(next(codes))
                assert answer["admitted"], answer
                told.append(answer["seq"])
            gate.kill()
        gate.start()
        assert told == list(range(1, len(told) + 1))
        until(gate.uploaded, "what a killed agent wrote arrives")
        assert sorted(i["seq"] for i in server.attendance()) == told
        server.verify()


def test_p10_two_gates_learn_of_each_others_entries(tmp_path: Path) -> None:
    server = Server(tmp_path, participants=3).start()
    code = next(iter(server.codes().values()))
    one, two = Gate(tmp_path, server, "g1"), Gate(tmp_path, server, "g2")
    with ending(server, one, two):
        one.start()
        two.start()
        assert one.present(code)["admitted"]
        until(
            lambda: not _dry(two, code)["admitted"],
            "gate two hears of the entry at gate one",
        )
        assert two.present(code)["reason"] == "already_inside"
        assert two.present(code, "exit")["admitted"]
        until(lambda: _dry(one, code)["admitted"], "gate one hears of the exit at gate two")


def _dry(gate: Gate, code: str) -> dict[str, object]:
    done = run("edge-agent", "decide", "--data", str(gate.data), code, "--dry-run", "--json")
    return dict(json.loads(done.stdout))


def test_p4_a_revoked_ticket_is_refused_once_the_gate_has_heard(tmp_path: Path) -> None:
    server = Server(tmp_path, participants=3).start()
    codes = server.codes()
    gate = Gate(tmp_path, server)
    with ending(server, gate):
        gate.start()
        token = server.sign_in()
        status, body = call(
            f"{server.url}/api/v1/participants/P000/credentials", {"kind": "ticket"}, token=token
        )
        assert status in {200, 201}, body
        until(lambda: _dry(gate, codes["P000"])["reason"] == "revoked", "the gate hears of it")
        assert gate.present(server.codes()["P000"])["admitted"]
        status, body = call(f"{server.url}/api/v1/participants/P001", token=token, method="DELETE")
        assert status in {200, 204}, body
        until(lambda: _dry(gate, codes["P001"])["reason"] == "cancelled", "the gate hears of it")


def test_no_process_is_left_after_a_stop(tmp_path: Path) -> None:
    server = Server(tmp_path, participants=1).start()
    gate = Gate(tmp_path, server)
    with ending(server, gate):
        gate.start("--camera", str(tmp_path))
    until(lambda: not pids_of(tmp_path), "all children end")


def test_p11_wrong_input_gets_one_line_that_helps(tmp_path: Path) -> None:
    server = Server(tmp_path, participants=1).start()
    with ending(server):
        packed = tmp_path / "people.csv.zip"
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("people.csv", "id,name,email\n")
        fake = tmp_path / "fake.csv"
        fake.write_bytes(packed.read_bytes())
        data = str(server.data)
        wrong = [
            ("sync-server", "import", "--data", data, str(fake)),
            ("sync-server", "import", "--data", data, str(tmp_path / "missing.csv")),
            ("sync-server", "serve", "--data", str(tmp_path / "nothing-here")),
            ("sync-server", "enrol", "--data", data, "--gate", "no-such-gate"),
            ("edge-agent", "decide", "--data", str(tmp_path / "no-agent"), "GS:X"),
            ("edge-agent", "run", "--data", str(fake)),
            ("edge-agent", "read", str(tmp_path / "no-images")),
            (
                "edge-agent",
                "enrol",
                "--data",
                str(tmp_path / "new"),
                "--server",
                f"http://127.0.0.1:{free_port()}",
                "--code",
                "WRONG",
            ),
        ]
        for command in wrong:
            done = run(*command)
            assert done.returncode == 2, (command, done)
            assert len(done.stderr.strip().splitlines()) == 1, (command, done.stderr)
        refused = run(
            "edge-agent",
            "enrol",
            "--data",
            str(tmp_path / "new"),
            "--server",
            server.url,
            "--code",
            "WRONG",
        )
        assert refused.returncode == 1
        assert len(refused.stderr.strip().splitlines()) == 1, refused.stderr


def test_a_full_port_is_one_line(tmp_path: Path) -> None:
    server = Server(tmp_path, participants=1)
    with hanging_server(server.port):
        done = run("sync-server", "serve", "--data", str(server.data), "--port", str(server.port))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
