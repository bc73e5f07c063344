"""P1, P2, P3: killed, cut off and lied to at random, nothing is lost and nothing counts twice."""

from pathlib import Path

import pytest

from tests.processes.chaos import Chaos
from tests.processes.fleet import Gate, Server, ending, ok, run, until
from tests.processes.proxy import Proxy

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]
ON_EACH_DATABASE = {"test_p2_an_answer_swallowed_after_the_commit_counts_once"}


def test_p1_p2_p3_every_opening_is_at_the_server_once_after_kills_and_a_lying_line(
    tmp_path: Path,
) -> None:
    story = Chaos(tmp_path, seed=20261121).run(15).story
    for what in ("admitted", "gates killed", "server killed", "cut off", "swallow", "truncate"):
        assert story[what], f"this seed saw no {what!r}: {story}"


def test_p2_an_answer_swallowed_after_the_commit_counts_once(
    tmp_path: Path, postgresql_url: str | None
) -> None:
    server = Server(tmp_path, participants=4, database_url=postgresql_url).start()
    codes = list(server.codes().values())
    with ending(server), Proxy(server.port) as proxy:
        gate = Gate(tmp_path, server, through=proxy.url)
        with ending(gate):
            gate.start()
            until(lambda: gate.state()["online"], "the gate meets its server")
            proxy.arm("sync/scans", "swallow")
            for code in codes:
                assert gate.present(code)["admitted"]
            until(lambda: proxy.met("swallow"), "an answer is swallowed")
            until(gate.uploaded, "all is acknowledged in the end")
            items = server.attendance()
            assert sorted(item["seq"] for item in items) == [1, 2, 3, 4]
            assert {item["verdict"] for item in items} == {"confirmed"}
            assert server.get("/stats/overall")["attendedParticipants"] == 4
            server.verify()


def test_an_enrolment_whose_answer_was_swallowed_is_run_again_with_the_same_code(
    tmp_path: Path,
) -> None:
    """P11: the line says so, and the code is not lost with the answer."""
    server = Server(tmp_path, participants=1).start()
    with ending(server), Proxy(server.port) as proxy:
        code = server.ask("POST", "/gates/g1/enrolments")["code"]
        command = ("edge-agent", "enrol", "--data", str(tmp_path / "gate"),
                   "--server", proxy.url, "--code", code)  # fmt: skip
        proxy.arm("devices/enrol", "swallow")
        done = run(*command)
        assert done.returncode == 2
        assert "run this again with the same code" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        ok(*command)
        assert len(server.get("/devices")["items"]) == 1
