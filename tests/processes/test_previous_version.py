"""P2, P7: the version before, in its own code out of git, works on a database that we carried over.

So an update can be taken back in the middle of an event. What is compared: the code just before the
newest step of the schema came, and the code of the first schema. Steps themselves are tested in
tests/sync_server/storage/test_migrations.py, also where there is no history.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from sync_server.storage import migrations
from tests.processes.fleet import Gate, Process, Server, ending, until

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]
ON_EACH_DATABASE = {"test_the_version_before_goes_on_with_what_we_wrote_and_we_with_what_it_wrote"}

ROOT = Path(__file__).parent.parent.parent
STEPS = "sync_server/storage/migrations/versions"
NO_HISTORY = "git does not hold the code of the version before: a shallow or an exported copy"


def git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    if done.returncode != 0 or not done.stdout:
        pytest.skip(NO_HISTORY)
    return done.stdout


def code_before(step: str, folder: Path) -> Path:
    """The server's code as it was just before this step of the schema came."""
    added = git("log", "--diff-filter=A", "--format=%H", "--", f"{STEPS}/r{step}_*.py")
    commit = added.decode().split()[-1]
    archive = git("archive", "--format=tar", f"{commit}~1", "shared", "sync_server")
    folder.mkdir()
    subprocess.run(["tar", "-x"], input=archive, cwd=folder, check=True)
    return folder


def old(code: Path, server: Server, name: str, *rest: str) -> str:
    """A command of the old code on the server's data."""
    done = run_old(code, server, name, *rest)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def verify_by(code: Path, server: Server) -> None:
    """Nothing differs but what it must: a row's hash is over what gates see of it, and what our
    gates see has more members than the old code knows. Hashes are stored and sent, never made anew
    (DESIGN §5), so gates don't mind.
    """
    found = run_old(code, server, "verify").stdout.splitlines()
    if found != ["all is as it should be"]:
        assert [line for line in found if "stored hash is not that of the row" not in line] == []


def run_old(code: Path, server: Server, name: str, *rest: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sync_server", name, "--data", str(server.data), *rest],
        cwd=code, capture_output=True, text=True, check=False, timeout=120,
        env={"PYTHONPATH": str(code), "PATH": "/usr/bin:/bin", **server.environment},
    )  # fmt: skip


def test_the_version_before_goes_on_with_what_we_wrote_and_we_with_what_it_wrote(
    tmp_path: Path, postgresql_url: str | None
) -> None:
    code = code_before(migrations.newest(), tmp_path / "old")
    if postgresql_url is not None and "database_url" not in (
        code / "sync_server/config.py"
    ).read_text("utf-8"):
        pytest.skip("the version before did not know PostgreSQL yet")
    server = Server(tmp_path, participants=6, database_url=postgresql_url).start()
    codes = list(server.codes().values())
    gate = Gate(tmp_path, server)
    with ending(server, gate):
        gate.start()
        assert gate.present(codes[0])["admitted"]
        until(gate.uploaded, "a scan arrives at our version")
        server.kill()
        verify_by(code, server)
        server.process = Process(
            sys.executable, "-m", "sync_server", "serve", "--data", str(server.data),
            "--port", str(server.port), log=tmp_path / "old.log",
            environment={"PYTHONPATH": str(code), **server.environment}, cwd=code,
        )  # fmt: skip
        assert gate.present(codes[1])["admitted"]
        until(gate.uploaded, "a scan arrives at the version before")
        (tmp_path / "more.csv").write_text("id,name,email\nQ1,Late Comer,late@example.com\n")
        assert "1 created" in old(code, server, "import", str(tmp_path / "more.csv"))
        server.kill()
        server.start()
        assert gate.present(codes[2])["admitted"]
        until(gate.uploaded, "and at ours again")
        assert [item["verdict"] for item in server.attendance()] == ["confirmed"] * 3
        assert server.get("/stats/overall")["totalParticipants"] == 7
        server.verify()


def test_a_folder_of_the_first_schema_is_carried_over_and_still_read_by_its_code(
    tmp_path: Path,
) -> None:
    code = code_before("0002", tmp_path / "first")
    server = Server.__new__(Server)
    server.data, server.environment = tmp_path / "server", {}
    (tmp_path / "event.json").write_text(
        '{"eventId":"e","eventName":"E","startDate":"2024-01-20T09:00:00Z",'
        '"endDate":"2024-01-20T18:00:00Z","gates":["g1"]}'
    )
    (tmp_path / "people.csv").write_text("name,email\nKim Minji,kim@example.com\n")
    old(code, server, "init", "--event", str(tmp_path / "event.json"))
    old(code, server, "import", str(tmp_path / "people.csv"))
    server.verify()
    server.command("import", str(tmp_path / "people.csv"))
    verify_by(code, server)
    (tmp_path / "more.csv").write_text("name,email\nLee Jun,lee@example.com\n")
    assert "1 created" in old(code, server, "import", str(tmp_path / "more.csv"))
    server.verify()
