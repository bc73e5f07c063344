"""Backup and restore as their user types them, on each database (P2, P7)."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from sync_server.__main__ import main
from sync_server.storage.backup import MAGIC
from tests.postgres import PASSWORD, Cluster

PROGRAM = [str(Path(sys.executable).parent / "sync-server")]
EVENT = {
    "eventId": "tech-conference-2024",
    "eventName": "Tech Conference 2024",
    "startDate": "2024-01-20T09:00:00Z",
    "endDate": "2024-01-20T18:00:00Z",
    "gates": ["main-entrance"],
}
# Runs a command on a data folder, with the settings of SQLite or PostgreSQL: (kind, folder, …).
Run = Callable[..., int]


@pytest.fixture
def run(tmp_path, request, monkeypatch) -> Run:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "event.json").write_text(json.dumps(EVENT))
    (tmp_path / "list.csv").write_text(
        "name,email\nKim Minji,kim@example.com\n홍길동,h@example.com\n"
    )
    lent: dict[str, str] = {}

    def settings(kind: str, folder: str) -> list[str]:
        if kind == "sqlite":
            return []
        cluster: Cluster = request.getfixturevalue("postgres_cluster")
        if folder not in lent:
            lent[folder] = cluster.lend()
            request.addfinalizer(lambda: cluster.take_back(lent[folder]))
        (tmp_path / f"{folder}.toml").write_text(f'database_url = "{lent[folder]}"')
        return ["--config", f"{folder}.toml"]

    def call(kind: str, folder: str, command: str, *rest: str) -> int:
        return main([command, "--data", folder, *settings(kind, folder), *rest])

    return call


def begin(run: Run, kind: str, folder: str) -> None:
    assert run(kind, folder, "init", "--event", "event.json") == 0
    assert run(kind, folder, "import", "list.csv") == 0


KINDS = ("sqlite", "postgresql")


@pytest.mark.parametrize("into", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_p2_a_backup_of_either_database_is_restored_into_either(run, capsys, source, into):
    begin(run, source, "first")
    assert run(source, "first", "backup", "--to", "copy", "--with-keys") == 0
    assert Path("copy").stat().st_mode & 0o777 == 0o600
    assert PASSWORD.encode() not in Path("copy").read_bytes()
    assert run(into, "second", "restore", "--from", "copy") == 0
    assert "changes to lists after" in capsys.readouterr().out
    assert run(into, "second", "verify") == 0
    capsys.readouterr()
    assert run(into, "second", "import", "list.csv", "--json") == 0
    assert json.loads(capsys.readouterr().out)["unchanged"] == 2
    assert tickets(run, source, "first") == tickets(run, into, "second")
    assert list(Path().glob(".copy*")) == []


def tickets(run: Run, kind: str, folder: str) -> str:
    assert run(kind, folder, "tickets", "--out", f"out-{folder}", "--format", "csv") == 0
    return Path(f"out-{folder}/tickets.csv").read_text("utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_there_before_is_kept_and_can_be_restored(run, kind, capsys):
    begin(run, kind, "data")
    assert run(kind, "data", "backup", "--to", "old") == 0
    Path("more.csv").write_text("name,email\nLee Jun,lee@example.com\n")
    assert run(kind, "data", "import", "more.csv") == 0
    assert run(kind, "data", "restore", "--from", "old") == 0
    assert "is kept as" in capsys.readouterr().out
    assert "lee@" not in tickets(run, kind, "data")
    assert "Lee" not in tickets(run, kind, "data")
    if kind == "postgresql":
        assert run(kind, "data", "restore", "--from", "data/replaced.backup") == 0
        assert tickets(run, kind, "data").count("\n") == 4
    else:
        with sqlite3.connect("data/sync.db.replaced") as conn:
            assert conn.execute("SELECT count(*) FROM participants").fetchone() == (3,)


def damaged(how: str, good: bytes) -> bytes:
    middle = len(good) // 2
    return {
        "empty": b"",
        "another file": b"PK\x03\x04" + bytes(500),
        "cut in the head": good[: len(MAGIC) + 5],
        "cut in the middle": good[:middle],
        "one byte short": good[:-1],
        "a bit flipped": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
        "a bit of the last": good[:-1] + bytes([good[-1] ^ 1]),
        "something added": good + b"x",
        "a bare file cut": b"SQLite format 3\x00" + bytes(2_000),
    }[how]


@pytest.mark.parametrize(
    "how",
    ["empty", "another file", "cut in the head", "cut in the middle", "one byte short",
     "a bit flipped", "a bit of the last", "something added", "a bare file cut"],
)  # fmt: skip
def test_p7_a_damaged_backup_is_refused_in_one_line_with_nothing_changed(run, capsys, how):
    begin(run, "sqlite", "data")
    assert run("sqlite", "data", "backup", "--to", "good") == 0
    Path("bad").write_bytes(damaged(how, Path("good").read_bytes()))
    before = content("data")
    capsys.readouterr()
    for folder in ("data", "missing"):
        assert run("sqlite", folder, "restore", "--from", "bad") == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1, said
        assert "bad" in said
    assert content("data") == before
    assert not Path("missing").exists()


def content(folder: str) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file() and path.name != "lock"
    }


def test_p7_postgresql_is_unchanged_after_a_damaged_backup(run, capsys):
    begin(run, "postgresql", "data")
    assert run("postgresql", "data", "backup", "--to", "good") == 0
    Path("bad").write_bytes(Path("good").read_bytes()[:-1])
    before = tickets(run, "postgresql", "data")
    assert run("postgresql", "data", "restore", "--from", "bad") == 2
    assert tickets(run, "postgresql", "data") == before


def test_p7_rows_that_postgresql_does_not_take_leave_it_as_it_was(run, capsys):
    begin(run, "sqlite", "data")
    with sqlite3.connect("data/sync.db") as conn:
        conn.execute("UPDATE participants SET organization = 'a' || char(0) || 'b'")
    conn.close()
    assert run("sqlite", "data", "backup", "--to", "odd", "--with-keys") == 0
    begin(run, "postgresql", "other")
    before = tickets(run, "postgresql", "other")
    capsys.readouterr()
    assert run("postgresql", "other", "restore", "--from", "odd") == 2
    said = capsys.readouterr().err
    assert "does not take the backup's rows" in said
    assert said.count("\n") == 1
    assert tickets(run, "postgresql", "other") == before


def test_keys_must_be_in_the_folder_the_backup_or_named(run, capsys):
    begin(run, "sqlite", "data")
    assert run("sqlite", "data", "backup", "--to", "copy") == 0
    assert run("sqlite", "new", "restore", "--from", "copy") == 2
    assert "--keys FOLDER" in capsys.readouterr().err
    assert not Path("new").exists()
    assert run("sqlite", "new", "restore", "--from", "copy", "--keys", "data/keys") == 0
    assert run("sqlite", "new", "verify") == 0
    assert run("sqlite", "other", "restore", "--from", "nothing") == 2
    assert "nothing: there is no such file" in capsys.readouterr().err


def test_a_bare_file_of_the_version_before_is_still_read(run):
    begin(run, "sqlite", "data")
    with sqlite3.connect("data/sync.db") as conn, sqlite3.connect("bare") as bare:
        conn.backup(bare)
        bare.execute("CREATE TABLE backup_info (at_ms INTEGER NOT NULL)")
        bare.execute("INSERT INTO backup_info VALUES (1700000000000)")
        bare.execute("CREATE TABLE backup_keys (name TEXT PRIMARY KEY, key BLOB NOT NULL)")
    bare.close()
    conn.close()
    assert run("sqlite", "data", "restore", "--from", "bare") == 0
    assert run("sqlite", "data", "verify") == 0


def test_a_destroyed_database_is_replaced_too(run):
    begin(run, "sqlite", "data")
    assert run("sqlite", "data", "backup", "--to", "copy") == 0
    Path("data/sync.db").write_bytes(b"garbage" * 1_000)
    assert run("sqlite", "data", "restore", "--from", "copy") == 0
    assert run("sqlite", "data", "verify") == 0


@pytest.mark.process
def test_backups_go_on_beside_a_server_that_says_how_old_the_last_is(run, capsys):
    begin(run, "sqlite", "data")
    capsys.readouterr()
    assert run("sqlite", "data", "api-key", "--name", "probe", "--role", "owner") == 0
    key = capsys.readouterr().out.strip()
    Path("s.toml").write_text('backup_to = "kept"\nbackup_every_s = 1\nbackup_keep = 2\n')
    server = subprocess.Popen(
        [*PROGRAM, "serve", "--data", "data", "--port", "0", "--config", "s.toml"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    by_hand = None
    try:
        assert server.stdout is not None
        url = json.loads(server.stdout.readline())["url"]
        by_hand = subprocess.Popen(
            [*PROGRAM, "backup", "--data", "data", "--to", "hand", "--every", "1", "--keep", "1"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert by_hand.stdout is not None
        lines = [by_hand.stdout.readline() for _ in range(2)]
        assert all(line.startswith("copied to ") for line in lines)
        assert len(set(lines)) == 2
        assert len(list(Path("hand").iterdir())) == 1
        deadline = time.monotonic() + 30
        seen: set[str] = set()
        while len(seen) < 3:
            assert time.monotonic() < deadline
            seen |= {path.name for path in Path("kept").glob("gatesync-*.backup")}
            time.sleep(0.05)
        assert len(list(Path("kept").glob("gatesync-*.backup"))) <= 3
        asked = urllib.request.Request(f"{url}/readyz", headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(asked, timeout=20) as answer:
            said = json.load(answer)["backup"]
        assert said["at"] is not None
        assert 0 <= said["ageS"] < 60
    finally:
        if by_hand is not None:
            by_hand.send_signal(signal.SIGTERM)
            assert by_hand.wait(timeout=20) == 0
            by_hand.stdout.close()
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=20) == 0
        server.stdout.close()
    newest = max(Path("kept").glob("gatesync-*.backup"))
    shutil.rmtree("hand")
    assert run("sqlite", "data", "restore", "--from", str(newest)) == 0
    assert run("sqlite", "data", "verify") == 0
