"""Commands as a person types them, each failure one line (issue 2, “Must hold”)."""

import csv
import io
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sync_server.__main__ import main
from sync_server.folder_lock import locked
from sync_server.storage.paths import DataFolder

PROGRAM = [sys.executable, "-m", "sync_server"]
EVENT = {
    "eventId": "tech-conference-2024",
    "eventName": "Tech Conference 2024",
    "startDate": "2024-01-20T09:00:00Z",
    "endDate": "2024-01-20T18:00:00+09:00",
    "gates": [{"id": "main-entrance", "direction": "entry"}, "side-entrance"],
}
LIST = "이름,이메일\n홍길동,hong@example.com\n김,x\nJohn Doe,john@example.com\n"
EVENT["endDate"] = "2024-01-20T18:00:00Z"


@pytest.fixture
def event_file(tmp_path: Path) -> Path:
    path = tmp_path / "event.json"
    path.write_text(json.dumps(EVENT), "utf-8")
    return path


@pytest.fixture
def data(tmp_path: Path, event_file: Path) -> Path:
    folder = tmp_path / "data"
    assert main(["init", "--data", str(folder), "--event", str(event_file)]) == 0
    return folder


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    path = tmp_path / "list.csv"
    path.write_bytes(LIST.encode("cp949"))
    return path


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("sync-server: ")
    assert err.count("\n") == 1
    return err


def test_init_makes_event_owner_and_keys(
    tmp_path: Path, event_file: Path, monkeypatch, capsys
) -> None:
    folder = tmp_path / "data"
    arguments = ["init", "--data", str(folder), "--event", str(event_file), "--admin", "kim"]
    for _ in range(2):  # the second run is no error and changes nothing
        monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse\n"))
        assert main([*arguments, "--password-stdin"]) == 0
    assert "unchanged" in capsys.readouterr().out
    keys = sorted(folder.joinpath("keys").iterdir())
    assert [path.name for path in keys] == ["digest.key", "master.key", "server_ed25519.key"]
    assert all(path.stat().st_mode & 0o777 == 0o600 and path.stat().st_size == 32 for path in keys)
    with sqlite3.connect(folder / "sync.db") as conn:
        assert conn.execute("SELECT tag FROM events").fetchall() == [("TC24",)]
        assert conn.execute("SELECT name, role FROM people").fetchall() == [("kim", "owner")]
    conn.close()


def test_an_earlier_servers_keys_are_taken_over(
    tmp_path: Path, data: Path, event_file: Path
) -> None:
    other = tmp_path / "other"
    arguments = ["--data", str(other), "--event", str(event_file), "--keys", str(data / "keys")]
    assert main(["init", *arguments]) == 0
    for path in (data / "keys").iterdir():
        assert (other / "keys" / path.name).read_bytes() == path.read_bytes()


def test_another_event_is_refused(data: Path, event_file: Path, capsys) -> None:
    event_file.write_text(json.dumps(EVENT | {"eventId": "another"}), "utf-8")
    capsys.readouterr()
    assert main(["init", "--data", str(data), "--event", str(event_file)]) == 2
    assert "tech-conference-2024" in one_line(capsys)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"colour": "red"}, "colour"),
        ({"startDate": "soon"}, "startDate"),
        ({"startDate": "2024-01-20T09:00:00"}, "startDate"),
        ({"endDate": "2024-01-20T08:00:00Z"}, "endDate"),
        ({"tag": "toolong"}, "tag"),
        ({"timeZone": "Mars/Base"}, "timeZone"),
        ({"timeZone": "../etc/passwd"}, "timeZone"),
        ({"gates": [{"id": "a", "direction": "up"}]}, "gates"),
        ({"gates": ["a", "a"]}, "twice"),
        ({"settings": {"duplicateWindowSeconds": -1}}, "duplicateWindowSeconds"),
        ({"eventId": "a b"}, "eventId"),
    ],
)
def test_a_wrong_event_file_names_file_and_member(
    tmp_path: Path, event_file: Path, capsys, change: dict, says: str
) -> None:
    event_file.write_text(json.dumps(EVENT | change), "utf-8")
    assert main(["init", "--data", str(tmp_path / "new"), "--event", str(event_file)]) == 2
    line = one_line(capsys)
    assert "event.json" in line
    assert says in line
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_an_event_file_that_is_none(tmp_path: Path, event_file: Path, capsys, content) -> None:
    event_file.write_bytes(content)
    assert main(["init", "--data", str(tmp_path / "new"), "--event", str(event_file)]) == 2
    one_line(capsys)


def test_a_short_password(tmp_path: Path, event_file: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    arguments = ["--data", str(tmp_path / "new"), "--event", str(event_file)]
    assert main(["init", *arguments, "--admin", "kim", "--password-stdin"]) == 2
    assert "8 characters" in one_line(capsys)


def test_import_answers_each_refused_row(data: Path, sheet: Path, capsys) -> None:
    capsys.readouterr()
    assert main(["import", "--data", str(data), str(sheet), "--json"]) == 3
    result = json.loads(capsys.readouterr().out)
    assert set(result) >= {"created", "updated", "unchanged", "refused", "importId", "rows"}
    assert (result["created"], result["refused"]) == (2, 1)
    assert result["rows"][0]["line"] == 3
    assert main(["import", "--data", str(data), str(sheet), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["unchanged"] == 2


def test_a_zip_given_as_csv_changes_nothing(data: Path, tmp_path: Path, capsys) -> None:
    path = tmp_path / "list.csv"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")
    capsys.readouterr()
    assert main(["import", "--data", str(data), str(path)]) == 2
    assert "ZIP" in one_line(capsys)


@pytest.mark.parametrize(
    "arguments",
    [
        ["import", "--data", "DATA", "missing.csv"],
        ["import", "--data", "DATA", "."],
        ["import", "--data", "DATA", "/dev/null"],
        ["enrol", "--data", "DATA", "--gate", "nowhere"],
        ["enrol", "--data", "nowhere", "--gate", "main-entrance"],
        ["api-key", "--data", "DATA", "--name", "x", "--role", "king"],
        ["serve", "--data", "DATA", "--port", "99999"],
        ["serve", "--data", "DATA", "--config", "missing.toml"],
        ["tickets", "--data", "DATA", "--out", "/dev/null/x"],
        ["restore", "--data", "DATA", "--from", "missing"],
        ["dance"],
        [],
    ],
)
def test_wrong_use_gets_one_line(data: Path, capsys, arguments: list[str]) -> None:
    capsys.readouterr()
    assert main([str(data) if word == "DATA" else word for word in arguments]) == 2
    one_line(capsys)


def test_a_newer_data_folder(data: Path, capsys) -> None:
    conn = sqlite3.connect(data / "sync.db")
    conn.execute("PRAGMA user_version = 9999")
    conn.close()
    capsys.readouterr()
    assert main(["verify", "--data", str(data)]) == 2
    assert "newer" in one_line(capsys)


def test_a_locked_folder(data: Path, capsys) -> None:
    capsys.readouterr()
    with locked(DataFolder(data)):
        assert main(["enrol", "--data", str(data), "--gate", "main-entrance"]) == 1
    assert "another process" in one_line(capsys)


def test_tickets_in_every_form(data: Path, sheet: Path, tmp_path: Path) -> None:
    main(["import", "--data", str(data), str(sheet)])
    out = tmp_path / "tickets"
    for form in ("csv", "png", "svg"):
        assert main(["tickets", "--data", str(data), "--out", str(out), "--format", form]) == 0
    with (out / "tickets.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [list(row) for row in rows] == [["participantId", "code", "payload"]] * 2
    for row in rows:
        assert row["payload"] == "GS:" + row["code"].replace("-", "")
        assert (out / f"{row['participantId']}.png").read_bytes().startswith(b"\x89PNG")
        assert b"<svg" in (out / f"{row['participantId']}.svg").read_bytes()


def test_enrol_and_api_key_as_programs_read_them(data: Path, capsys) -> None:
    capsys.readouterr()
    assert main(["enrol", "--data", str(data), "--gate", "main-entrance", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) == {"code", "url", "expiresAt"}
    assert answer["code"] in answer["url"]
    assert main(["api-key", "--data", str(data), "--name", "app", "--role", "service"]) == 0
    key = capsys.readouterr().out
    assert key.count("\n") == 1
    assert len(key) > 32


def test_backup_and_restore_begin_a_new_generation(data: Path, sheet: Path, tmp_path: Path) -> None:
    main(["import", "--data", str(data), str(sheet)])
    file = tmp_path / "copy"
    assert main(["backup", "--data", str(data), "--to", str(file), "--with-keys"]) == 0
    before = generation(data)
    keys = (data / "keys" / "digest.key").read_bytes()
    shutil.rmtree(data)
    data.mkdir()
    assert main(["restore", "--data", str(data), "--from", str(file)]) == 0
    assert generation(data) != before
    assert (data / "keys" / "digest.key").read_bytes() == keys
    assert main(["verify", "--data", str(data)]) == 0


def generation(data: Path) -> str:
    conn = sqlite3.connect(data / "sync.db")
    (found,) = conn.execute("SELECT generation FROM state").fetchone()
    conn.close()
    return found


@pytest.mark.process
def test_commands_work_beside_a_running_server(
    data: Path, sheet: Path, event_file: Path, tmp_path: Path, capsys
) -> None:
    server = subprocess.Popen(
        [*PROGRAM, "serve", "--data", str(data), "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=Path.cwd(),
    )  # fmt: skip
    try:
        url = json.loads(server.stdout.readline())["url"]
        assert (data / "control.sock").stat().st_mode & 0o777 == 0o600
        capsys.readouterr()
        assert main(["import", "--data", str(data), str(sheet), "--json"]) == 3
        assert json.loads(capsys.readouterr().out)["created"] == 2
        assert main(["import", "--data", str(data), str(event_file)]) == 2
        one_line(capsys)
        assert main(["enrol", "--data", str(data), "--gate", "main-entrance", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["url"].startswith(url)
        assert main(["init", "--data", str(data), "--event", str(event_file)]) == 0
        assert (
            main(["tickets", "--data", str(data), "--out", str(tmp_path), "--format", "csv"]) == 0
        )
        assert main(["verify", "--data", str(data)]) == 0
        capsys.readouterr()
        assert main(["serve", "--data", str(data)]) == 2  # one server a folder
        one_line(capsys)
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()
        server.stdout.close()
    # The socket that the SIGKILL left behind hinders nobody.
    assert (data / "control.sock").exists()
    assert main(["import", "--data", str(data), str(sheet)]) == 3


@pytest.mark.process
def test_output_into_a_closed_pipe_is_no_failure(data: Path) -> None:
    command = (
        f"{sys.executable} -m sync_server enrol --data {data} --gate main-entrance --json | true"
    )
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
