"""Every command on PostgreSQL, as its user types it; the folder holds keys and the socket only."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from sync_server.__main__ import main
from tests.postgres import PASSWORD, Cluster

EVENT = {
    "eventId": "tech-conference-2024",
    "eventName": "Tech Conference 2024",
    "startDate": "2024-01-20T09:00:00Z",
    "endDate": "2024-01-20T18:00:00Z",
    "gates": ["main-entrance"],
}


@pytest.fixture
def place(
    tmp_path: Path, postgres_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A folder with a settings file that names a database and the file of its password."""
    url = postgres_cluster.lend()
    bare = make_url(url).set(password=None).render_as_string()
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    (tmp_path / "server.toml").write_text(
        f'database_url = "{bare}"\ndatabase_password_file = "{tmp_path}/password"\n'
    )
    (tmp_path / "event.json").write_text(json.dumps(EVENT))
    (tmp_path / "list.csv").write_text(
        "name,email\nKim Minji,kim@example.com\n홍길동,h@example.com\n"
    )
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    postgres_cluster.take_back(url)


def gatesync(command: str, *rest: str) -> int:
    return main([command, "--data", "data", "--config", "server.toml", *rest])


def test_all_commands_work_and_leave_no_database_in_the_folder(place, capsys):
    assert gatesync("init", "--event", "event.json") == 0
    assert gatesync("init", "--event", "event.json") == 0
    assert "unchanged" in capsys.readouterr().out
    assert gatesync("import", "list.csv") == 0
    assert gatesync("tickets", "--out", "out", "--format", "csv") == 0
    assert len((place / "out/tickets.csv").read_text("utf-8").splitlines()) == 3
    assert gatesync("enrol", "--gate", "main-entrance", "--json") == 0
    assert gatesync("api-key", "--name", "app", "--role", "service") == 0
    capsys.readouterr()
    assert gatesync("verify", "--json") == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    assert sorted(path.name for path in (place / "data").iterdir()) == ["keys", "lock"]


def test_the_password_comes_from_the_environment_too(place, monkeypatch):
    text = (place / "server.toml").read_text().splitlines()[0]
    (place / "server.toml").write_text(text)
    monkeypatch.setenv("GATESYNC_DATABASE_PASSWORD", PASSWORD)
    assert gatesync("init", "--event", "event.json") == 0


@pytest.mark.parametrize(
    ("settings", "status", "says"),
    [
        ('database_url = "mysql://u@h/x"', 2, "only sqlite:/// and postgresql://"),
        ('database_url = "postgresql+asyncpg://u@h/x"', 2, "psycopg"),
        ('database_url = "sqlite:///x.db"', 2, "nothing for SQLite"),
        ('database_url = "no url"', 2, "can't be read"),
        ('database_url = "postgresql://u:secret@127.0.0.1:1/x"', 1, "can't be reached"),
        ('database_url = "postgresql://u@h/x"\ndatabase_password_file = "no"', 2, "no: No such"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_line_without_its_password(
    place, capsys, settings, status, says
):
    (place / "server.toml").write_text(settings)
    assert gatesync("init", "--event", "event.json") == status
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert "secret" not in said


def test_a_wrong_password_and_a_missing_database_are_one_line(place, capsys, monkeypatch):
    (place / "password").write_text("wrong")
    assert gatesync("init", "--event", "event.json") == 1
    assert "password authentication failed" in capsys.readouterr().err
    (place / "password").write_text(PASSWORD)
    text = (place / "server.toml").read_text()
    (place / "server.toml").write_text(text.replace("@/test_", "@/missing_"))
    assert gatesync("init", "--event", "event.json") == 1
    said = capsys.readouterr().err
    assert "does not exist" in said
    assert said.count("\n") == 1


def test_an_import_is_undone_and_its_refused_rows_are_written(place, capsys):
    assert gatesync("init", "--event", "event.json") == 0
    assert gatesync("import", "list.csv") == 0
    (place / "more.csv").write_text(
        "name,email,phone\nKim Minja,kim@example.com,010-1234-5678\nAnn Lee,a@example.com,\nx,y,\n"
    )
    capsys.readouterr()
    assert gatesync("import", "more.csv", "--json", "--refused", "refused.csv") == 3
    result = json.loads(capsys.readouterr().out)
    assert (result["created"], result["updated"]) == (1, 1)
    assert (place / "refused.csv").read_text("utf-8-sig").splitlines()[1].startswith("x,y,,4,")
    assert gatesync("import", "--undo", result["importId"], "--json") == 0
    undone = json.loads(capsys.readouterr().out)
    assert (undone["cancelled"], undone["restored"], undone["left"]) == (1, 1, 0)
    assert gatesync("import", "more.csv", "--json") == 3
    assert json.loads(capsys.readouterr().out)["created"] == 1
    assert gatesync("import", "--list", "--json") == 0
    states = [one["state"] for one in json.loads(capsys.readouterr().out)]
    assert states == ["done", "undone", "done"]
    assert gatesync("verify", "--json") == 0
