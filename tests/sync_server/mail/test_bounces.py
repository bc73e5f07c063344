"""Mails that came back are found by what they return, and marked with the reason."""

import pytest

from sync_server import system_clock
from sync_server.deployment import Deployment
from sync_server.mail import bounces
from tests.smtp import MailServer
from tests.sync_server.mail.rooms import Room
from tests.sync_server.registration.deployments import import_text

REPORT = """From: Mail Delivery System <MAILER-DAEMON@mx.example.org>
To: {to}
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: text/plain

This is the mail system at host mx.example.org.

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; {recipient}
Original-Recipient: rfc822;{recipient}
Action: {action}
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <{recipient}>: user unknown

{returned}
--B--
"""
HEADERS = "--B\nContent-Type: text/rfc822-headers\n\nMessage-ID: {id}\nSubject: x\n"
WHOLE = "--B\nContent-Type: message/rfc822\n\nMessage-ID: {id}\nSubject: x\n\nbody\n"


def report(
    *, to: str = "tickets@example.org", recipient: str = "x@elsewhere.org", action: str = "failed",
    returned: str = "",
) -> bytes:  # fmt: skip
    text = REPORT.format(to=to, recipient=recipient, action=action, returned=returned)
    return text.encode()


@pytest.fixture
async def room(made: Deployment, smtp: MailServer) -> Room:
    import_text(made, "id,name,email\nP1,Ann Lee,ok1@example.org\nP2,Bob Li,ok2@example.org\n")
    opened = Room(made, smtp)
    opened.choose()
    await opened.send_all()
    return opened


def take(room: Room, data: bytes) -> dict[str, object]:
    reports = [one for part in bounces.split(data) for one in bounces.read(part)]
    now_ms = system_clock.now_ms()
    done = room.made.database.write_now(
        lambda conn: bounces.take(conn, room.made.vault, reports, now_ms)
    )
    return {name: value for name, value in done.as_json().items() if value and name != "mails"}


async def test_by_id_by_address_or_by_recipient(room: Room) -> None:
    row = room.rows()["P1"]
    token = row["message_id"].strip("<>").partition(".")[0]
    for one in (
        report(returned=HEADERS.format(id=row["message_id"])),
        report(returned=WHOLE.format(id=row["message_id"])),
        report(to=f"bounces+{token}@example.org"),
        report(recipient="OK1@example.org"),
    ):
        assert [found.failed for found in bounces.read(one)] == [True]
    assert take(room, report(recipient="OK1@example.org")) == {"bounced": 1}
    assert room.states() == {"P1": "bounced", "P2": "sent"}
    assert "user unknown" in room.rows()["P1"]["reason"]
    again = report(returned=HEADERS.format(id=row["message_id"]))
    assert take(room, again) == {"known": 1}, "the same report again changes nothing"
    by_token = room.rows()["P2"]["message_id"].strip("<>").partition(".")[0]
    assert take(room, report(to=f"bounces+{by_token}@example.org")) == {"bounced": 1}


async def test_an_mbox_with_everything_in_it(room: Room) -> None:
    one = report(returned=WHOLE.format(id=room.rows()["P2"]["message_id"]))
    parts = [one, report(action="delayed"), report(), b"Subject: out of office\n\nI am away.\n"]
    box = b"".join(
        b"From MAILER-DAEMON Sat Nov 21 19:00:00 2026\n" + part + b"\n" for part in parts
    )
    assert take(room, box) == {"bounced": 1, "others": 1, "unmatched": 1}
    assert room.states() == {"P1": "sent", "P2": "bounced"}


@pytest.mark.parametrize(
    "data",
    [b"", b"From ", b"\xff\xfe\0", b"Content-Type: multipart/report\n\n", report()[:300],
     b"Content-Type: message/delivery-status\n\nAction: failed\n", b"From x\n\nFrom y\n"],
)  # fmt: skip
def test_p6_what_is_no_report_is_left(data: bytes) -> None:
    for part in bounces.split(data):
        assert all(found.recipient in {None, "x@elsewhere.org"} for found in bounces.read(part))
