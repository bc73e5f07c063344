"""The mail queue against a real mail server process."""

import asyncio
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import update

from sync_server import system_clock
from sync_server.deployment import Deployment
from sync_server.mail import queue
from sync_server.mail.choosing import Chosen
from sync_server.mail.settings import ATTEMPTS_MAX
from sync_server.registration.participants import Registrar
from sync_server.registration.tickets import issue_ticket, revoke_credential
from sync_server.storage.mail_tables import mails
from tests.smtp import MailServer, mail_server
from tests.sync_server.mail.rooms import Room
from tests.sync_server.registration.deployments import everything, import_text

PEOPLE = """id,name,email
P1,홍길동,ok1@example.org
P2,Jane Doe,gone@example.org
P3,Ann Lee,later@example.org
P4,Bob Li,cut@example.org
P5,Cai Li,twice@example.org
P6,Dan Li,spam@example.org
P7,Eve Li,lost@example.org
P8,Fay Li,ok8@example.org
"""
ONE = "id,name,email\nP1,Ann Lee,ok1@example.org\n"


def names(smtp: MailServer) -> Counter[str]:
    return Counter(mail.to.partition("@")[0] for mail in smtp.arrived())


async def test_p12_each_answer_of_a_server_has_its_outcome(
    made: Deployment, smtp: MailServer
) -> None:
    import_text(made, PEOPLE)
    room = Room(made, smtp)
    assert room.choose().queued == 8
    assert await room.send_all() == {
        "P1": "sent", "P2": "failed", "P3": "failed", "P4": "uncertain", "P5": "sent",
        "P6": "failed", "P7": "uncertain", "P8": "sent",
    }  # fmt: skip
    rows = room.rows()
    assert rows["P2"]["reason"] == "550 5.1.1 No such person here"
    assert rows["P2"]["attempts"] == 1, "a refusal for good is not tried again"
    assert rows["P3"]["attempts"] == ATTEMPTS_MAX
    assert "Greylisted" in rows["P3"]["reason"]
    assert "perhaps it was sent" in rows["P7"]["reason"]
    assert rows["P5"]["attempts"] == 3
    assert names(smtp) == {"ok1": 1, "ok8": 1, "twice": 1, "lost": 1}, "nothing came twice"
    assert room.choose().had_it == 5, "who has it, or perhaps, is not mailed again by a group"
    again = await room.send_all()
    assert again["P7"] == "uncertain"
    assert names(smtp)["lost"] == 1


async def test_a_person_has_it_sent_again(made: Deployment, smtp: MailServer) -> None:
    import_text(made, ONE)
    room = Room(made, smtp)
    room.choose()
    await room.send_all()
    assert room.choose(Chosen(again="r1")).queued == 1
    assert room.choose(Chosen(again="r1")).queued == 0, "the same request again changes nothing"
    await room.send_all()
    assert room.choose(Chosen(again="r1")).queued == 0
    assert names(smtp) == {"ok1": 2}
    await room.send_all()
    assert names(smtp) == {"ok1": 2}


async def test_an_unknown_authority_gets_no_mail(made: Deployment, smtp: MailServer) -> None:
    import_text(made, ONE)
    room = Room(made, smtp, smtp_ca_file="")
    room.choose()
    assert await room.send_all() == {"P1": "failed"}
    row = room.rows()["P1"]
    assert "certificate is not trusted" in row["reason"]
    assert row["attempts"] == ATTEMPTS_MAX
    assert room.mail.problem is not None
    assert smtp.arrived() == []


@pytest.mark.parametrize("options", [(), ("--tls",)])
async def test_signing_in(made: Deployment, tmp_path: Path, options: tuple[str, ...]) -> None:
    import_text(made, ONE)
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    security = {"smtp_security": "tls" if options else "starttls", "smtp_user": "gate"}
    with mail_server(tmp_path / "in", "--user", "gate:s3cret", *options) as smtp:
        wrong = Room(made, smtp, smtp_password="guess", **security)
        wrong.choose()
        assert await wrong.send_all() == {"P1": "failed"}
        assert "535" in wrong.rows()["P1"]["reason"]
        right = Room(made, smtp, smtp_password_file=str(secret), **security)
        assert right.choose().failed_before == 1
        assert await right.send_all() == {"P1": "sent"}
        assert smtp.arrived()[0].envelope["tls"] or options
        assert smtp.arrived()[0].envelope["user"] == "gate"


async def test_a_server_without_tls_gets_nothing(made: Deployment, tmp_path: Path) -> None:
    import_text(made, ONE)
    with mail_server(tmp_path / "plain", "--plain") as smtp:
        room = Room(made, smtp)
        room.choose()
        assert await room.send_all() == {"P1": "failed"}
        assert "STARTTLS" in room.rows()["P1"]["reason"]
        plainly = Room(made, smtp, smtp_security="none")
        plainly.choose()
        assert await plainly.send_all() == {"P1": "sent"}


async def test_a_server_that_comes_back_gets_what_waited(
    made: Deployment, smtp: MailServer
) -> None:
    import_text(made, ONE + "P2,Bob Li,ok2@example.org\n")
    smtp.stop()
    room = Room(made, smtp, mail_pause_s=1)
    room.choose()
    async with room.running():
        async with asyncio.timeout(60):
            while not any(row["attempts"] for row in room.rows().values()):
                await asyncio.sleep(0.02)
        tried = [row["attempts"] for row in room.rows().values()]
        assert sorted(tried) == [0, 1], "a server that is away costs one mail an attempt, not all"
        assert room.mail.problem is not None
        smtp.start()
        await room.until_done()
    assert room.states() == {"P1": "sent", "P2": "sent"}
    assert room.mail.problem is None
    assert names(smtp) == {"ok1": 1, "ok2": 1}


async def test_a_silent_server_is_not_waited_for_without_end(
    made: Deployment, smtp: MailServer
) -> None:
    import_text(made, "id,name,email\nP1,Ann Lee,hang@example.org\nP2,Bob Li,ok2@example.org\n")
    room = Room(made, smtp, mail_timeout_s=3)
    room.choose()
    assert await room.send_all() == {"P1": "uncertain", "P2": "sent"}


async def test_the_rate_holds_and_one_connection_serves_many(
    made: Deployment, smtp: MailServer
) -> None:
    import_text(made, ONE + "P2,Bob Li,ok2@example.org\nP3,Cai Li,ok3@example.org\n")
    room = Room(made, smtp, mail_per_minute=120)
    room.choose()
    await room.send_all()
    seen = [mail.envelope for mail in smtp.arrived()]
    assert all(b["at"] - a["at"] > 0.3 for a, b in pairwise(seen))
    assert len({envelope["peer"] for envelope in seen}) == 1


async def test_p2_what_a_killed_server_was_sending_is_left_to_a_person(
    made: Deployment, smtp: MailServer
) -> None:
    import_text(made, ONE)
    room = Room(made, smtp)
    room.choose()
    now_ms = system_clock.now_ms()
    row = room.rows()["P1"]
    begun = made.database.write_now(
        lambda conn: queue.begin(conn, row["mail_id"], "<x@y>", "ko", now_ms)
    )
    assert begun
    assert await room.send_all() == {"P1": "uncertain"}
    assert smtp.arrived() == []
    assert made.database.write_now(lambda conn: queue.retry(conn, row["mail_id"], now_ms))
    assert await room.send_all() == {"P1": "sent"}
    assert smtp.arrived()[0].message["Message-ID"] == "<x@y>", "a copy is known as one"


async def test_p2_what_waited_in_a_restored_backup_is_not_sent_by_itself(
    made: Deployment, smtp: MailServer
) -> None:
    import_text(made, ONE)
    room = Room(made, smtp)
    room.choose()
    made.database.write_now(lambda conn: conn.execute(update(mails).values(generation="before")))
    assert await room.send_all() == {"P1": "uncertain"}
    assert smtp.arrived() == []


async def test_who_is_no_longer_to_come_gets_no_ticket(made: Deployment, smtp: MailServer) -> None:
    import_text(
        made, "id,name,email\nP1,Ann Lee,ok1@example.org\nP2,Bob Li,ok2@example.org\n"
        "P3,Cai Li,ok3@example.org\nP4,Dan Li,ok4@example.org\n",
    )  # fmt: skip
    room = Room(made, smtp)
    room.choose()
    now_ms = system_clock.now_ms()
    registrar = Registrar(made.vault, made.keys, now_ms)
    made.database.write_now(lambda conn: registrar.cancel(conn, "P1"))
    made.database.write_now(lambda conn: registrar.change(conn, "P2", {"status": "blocked"}))
    held = {row["participant_id"]: row["credential_id"] for row in everything(made)["credentials"]}
    made.database.write_now(lambda conn: revoke_credential(conn, held["P3"], now_ms))
    new = made.database.write_now(
        lambda conn: issue_ticket(conn, "P4", made.vault, made.keys, now_ms + 1)
    )
    assert await room.send_all() == {
        "P1": "cancelled", "P2": "cancelled", "P3": "cancelled", "P4": "sent",
    }  # fmt: skip
    reasons = {person: row["reason"] for person, row in room.rows().items()}
    assert "cancelled" in reasons["P1"]
    assert "blocked" in reasons["P2"]
    assert "revoked" in reasons["P3"]
    assert new is not None
    letters = made.vault.open_text(new["code"])
    body = smtp.arrived()[0].message.get_body(("plain",))
    assert body is not None
    assert letters[-5:] in body.get_content(), "the ticket as it is now"
    assert room.choose().queued == 0, "the newer ticket has been mailed"
