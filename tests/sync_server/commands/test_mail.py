"""`sync-server mail`, as a person types it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sync_server.__main__ import main
from tests.smtp import MailServer, mail_server
from tests.sync_server.registration.deployments import deployment, import_text

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def smtp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with mail_server(tmp_path / "smtp") as running:
        for name, value in running.settings().items():
            monkeypatch.setenv(f"GATESYNC_{name.upper()}", str(value))
        yield running


@pytest.fixture
def mail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    with deployment(tmp_path / "data") as made:
        import_text(
            made, "id,name,email,group\nP1,Ann Lee,a@example.org,Press\nP2,Bob Li,b@example.org,\n"
        )

    def run(*words: str) -> tuple[int, str, str]:
        status = main(["mail", *words, "--data", str(tmp_path / "data")])
        said = capsys.readouterr()
        return status, said.out.strip(), said.err.strip()

    return run


def test_choosing_who_gets_a_ticket(mail: Command) -> None:
    assert mail("send", "--dry-run") == (0, "would be: 2 mails queued", "")
    assert mail("send", "--group", "Press") == (0, "1 mails queued", "")
    assert mail("send", "--participant", "P1", "--participant", "P9")[1] == "1 wait already"
    assert mail("send")[1] == "1 mails queued, 1 wait already"
    assert json.loads(mail("status", "--json")[1])["queued"] == 2
    assert mail("retry") == (0, "nothing to do", "")


def test_a_sample_says_what_the_mail_server_says(mail: Command, smtp: MailServer) -> None:
    status, said, _ = mail("test", "ok-test@example.org", "--language", "en")
    assert (status, "250" in said) == (0, True)
    (arrived,) = smtp.arrived()
    assert arrived.message["Subject"] == "[Tech Conference 2024] Your ticket"
    status, _, problem = mail("test", "gone@example.org")
    assert (status, "550 5.1.1 No such person here" in problem) == (1, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("bounces",), "needs a FILE"),
        (("send", "x"), "takes no FILE"),
        (("bounces", "nowhere.eml"), "No such file"),
        (("bounces", "/dev/null"), "no mail"),
        (("test", "somebody@example.org"), "smtp_host"),
        (("send", "--group", "x", "--participant", "P1"), "not both"),
    ],
)
def test_p11_wrong_use_is_one_line(mail: Command, words: tuple[str, ...], said: str) -> None:
    status, _, problem = mail(*words)
    assert status == 2
    assert said in problem
    assert len(problem.splitlines()) == 1


def test_an_import_mails_nobody_unless_the_settings_say_so(
    tmp_path: Path, mail: Command, smtp: MailServer, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for when, queued in (("registered,reissued", 0), ("imported", 1)):
        monkeypatch.setenv("GATESYNC_MAIL_WHEN", when)
        people = tmp_path / f"{queued}.csv"
        people.write_text(f"name,email\nCai Li,c{queued}@example.org\nAnn Lee,a@example.org\n")
        assert main(["import", str(people), "--data", str(tmp_path / "data")]) == 0
        capsys.readouterr()
        assert json.loads(mail("status", "--json")[1])["queued"] == queued


def test_bounces_from_a_file(mail: Command, tmp_path: Path) -> None:
    (tmp_path / "none.eml").write_text("Subject: hello\n\nnothing\n")
    assert mail("bounces", str(tmp_path / "none.eml")) == (0, "nothing to do", "")
