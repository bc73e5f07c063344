"""Mails through real processes: a server that is killed while it sends, a mail server of its own."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.processes.fleet import Server, ending, until
from tests.smtp import MailServer, mail_server

PEOPLE = 24
pytestmark = [pytest.mark.process]


def mailing(folder: Path, smtp: MailServer, participants: int, **settings: object) -> Server:
    server = Server(folder, participants)
    given = smtp.settings(mail_pause_s=1, **settings)
    server.environment |= {f"GATESYNC_{name.upper()}": str(value) for name, value in given.items()}
    return server


def status(server: Server) -> dict[str, int]:
    return dict(json.loads(server.command("mail", "status", "--json")))


def test_p2_nothing_twice_and_nothing_lost_over_kills(tmp_path: Path) -> None:
    with mail_server(tmp_path / "smtp") as smtp:
        server = mailing(tmp_path, smtp, PEOPLE, mail_per_minute=1_200)
        with ending(server):
            assert json.loads(server.command("mail", "send", "--json"))["queued"] == PEOPLE
            for arrived in (4, 12):
                server.start()
                until(lambda n=arrived: len(smtp.arrived()) >= n, "mails arrive")
                server.kill()
            server.start()
            until(lambda: status(server)["queued"] + status(server)["sending"] == 0, "all are sent")
            found = status(server)
            reached = Counter(mail.to for mail in smtp.arrived())
            assert max(reached.values()) == 1, "nothing is sent twice"
            assert found["sent"] + found["uncertain"] == PEOPLE, "nothing is lost"
            assert found["uncertain"] <= 2, "at most one mail a kill is left to a person"
            assert len(reached) >= found["sent"]
            listed = server.get("/mail/messages?state=uncertain&limit=10")["items"]
            assert all("perhaps it was sent" in item["reason"] for item in listed)
            server.command("mail", "retry", "--state", "uncertain")
            until(lambda: status(server)["sent"] == PEOPLE, "the rest by a person's word")
            copies = Counter(mail.message["Message-ID"] for mail in smtp.arrived())
            assert len(copies) == PEOPLE, "a copy has the id of the first"
