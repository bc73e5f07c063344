"""The mail's routes on a real server, with a real mail server behind it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from shared.reasons import Words
from sync_server import system_clock
from sync_server.insight import alerts
from sync_server.insight.alert_rules import Alert, AlertType, Key
from tests.smtp import MailServer, mail_server
from tests.sync_server.http.conftest import NewServer, Server

ANN = {"name": "Ann Lee", "email": "ok-ann@example.org", "language": "en"}


@pytest.fixture
def smtp(tmp_path: Path):
    with mail_server(tmp_path / "smtp") as running:
        yield running


async def until(server: Server, **wanted: int) -> dict[str, int]:
    async with asyncio.timeout(90):
        while True:
            _, seen = await server.api("GET", "/mail", key=server.keys["operator"])
            if all(seen["counts"][name] == n for name, n in wanted.items()):
                return dict(seen["counts"])
            await asyncio.sleep(0.05)


async def test_who_registers_or_gets_a_new_ticket_is_mailed_at_once(
    new_server: NewServer, smtp: MailServer
) -> None:
    server = await new_server(2, **smtp.settings())
    key = server.keys["operator"]
    status, made = await server.api("POST", "/participants", key=key, json=ANN)
    assert status == 201
    await until(server, sent=1)
    (mail,) = smtp.arrived()
    assert mail.message["Subject"] == "[Demo] Your ticket", "in the participant's language"
    body = mail.message.get_body(("plain",))
    assert body is not None
    assert made["credentials"][0]["code"] in body.get_content()
    path = f"/participants/{made['id']}/credentials"
    status, again = await server.api("POST", path, key=key, json={"kind": "ticket"})
    assert status == 201
    await until(server, sent=2)
    newer = smtp.arrived()[1].message.get_body(("plain",))
    assert newer is not None
    assert again["code"] in newer.get_content()


async def test_nobody_is_mailed_where_the_settings_say_never(
    new_server: NewServer, smtp: MailServer
) -> None:
    server = await new_server(1, **smtp.settings(mail_when="never"))
    key = server.keys["operator"]
    await server.api("POST", "/participants", key=key, json=ANN)
    counts = await until(server, queued=0)
    assert sum(counts.values()) == 0


async def test_choosing_counting_and_sending(new_server: NewServer, smtp: MailServer) -> None:
    server = await new_server(3, **smtp.settings(mail_when="never"))
    key = server.keys["operator"]
    await server.api("PATCH", "/participants/P000001", key=key, json={"group": "Press"})
    asked: dict[str, Any] = {"group": "Press", "dryRun": True}
    status, counted = await server.api("POST", "/mail/send", key=key, json=asked)
    assert (status, counted["chosen"], counted["queued"]) == (200, 1, 1)
    await until(server, queued=0, sent=0)
    status, sent = await server.api("POST", "/mail/send", key=key, json={"group": "Press"})
    assert (status, sent["queued"]) == (200, 1)
    await until(server, sent=1)
    _, rest = await server.api("POST", "/mail/send", key=key, json={})
    assert (rest["chosen"], rest["queued"], rest["hadIt"]) == (3, 2, 1)
    await until(server, sent=3)
    once_more = {"participantIds": ["P000001"], "again": True, "requestId": "r-1"}
    for n in (1, 0):
        _, again = await server.api("POST", "/mail/send", key=key, json=once_more)
        assert again["queued"] == n
    await until(server, sent=4)
    assert len(smtp.arrived()) == 4
    both = {"group": "x", "participantIds": []}
    status, _ = await server.api("POST", "/mail/send", key=key, json=both)
    assert status == 400


async def test_failures_are_listed_with_their_reason_and_tried_again(
    new_server: NewServer, smtp: MailServer
) -> None:
    server = await new_server(0, **smtp.settings())
    key = server.keys["operator"]
    gone = {"name": "Bob Li", "email": "gone@example.org"}
    _, made = await server.api("POST", "/participants", key=key, json=gone)
    await until(server, failed=1)
    _, listed = await server.api("GET", "/mail/messages?state=failed", key=key)
    (item,) = listed["items"]
    assert item["reason"] == "550 5.1.1 No such person here"
    assert (item["to"], item["name"]) == ("gone@example.org", "Bob Li")
    mended = {"email": "ok-bob@example.org"}
    await server.api("PATCH", f"/participants/{made['id']}", key=key, json=mended)
    status, _ = await server.api("POST", f"/mail/messages/{item['id']}/retry", key=key)
    assert status == 200
    await until(server, sent=1)
    assert smtp.arrived()[0].to == "ok-bob@example.org"
    for wrong in (item["id"], "x", "9" * 30):
        status, _ = await server.api("POST", f"/mail/messages/{wrong}/retry", key=key)
        assert status == 404
    status, answer = await server.api("POST", "/mail/retry", key=key, json={"state": "failed"})
    assert (status, answer) == (200, {"queued": 0})


async def test_words_of_ones_own(new_server: NewServer, smtp: MailServer) -> None:
    server = await new_server(0, **smtp.settings())
    key = server.keys["operator"]
    words = {"subject": "Hi {{ name }}", "body": "{{ code }}\n<script>alert(1)</script>"}
    status, kept = await server.api("PUT", "/mail/texts/en", key=key, json=words)
    assert (status, kept["own"], kept["changedBy"]) == (200, True, "operator")
    wrong = words | {"body": "{{ nmae }}"}
    status, refused = await server.api("PUT", "/mail/texts/en", key=key, json=wrong)
    assert (status, refused["error"]["field"]) == (400, "body")
    assert "{{ nmae }}" in refused["error"]["message"]
    status, seen = await server.api("POST", "/mail/preview", key=key, json={"language": "en"})
    assert (status, seen["subject"]) == (200, "Hi Jane Doe")
    assert "<script>" not in seen["html"]
    assert "data:image/png;base64," in seen["html"]
    await server.api("POST", "/participants", key=key, json=ANN)
    await until(server, sent=1)
    assert smtp.arrived()[0].message["Subject"] == "Hi Ann Lee"
    status, ours = await server.api("DELETE", "/mail/texts/en", key=key)
    assert (status, ours["own"]) == (200, False)
    status, _ = await server.api("PUT", "/mail/texts/fr", key=key, json=words)
    assert status == 404


async def test_a_sample_and_what_the_mail_server_says(
    new_server: NewServer, smtp: MailServer
) -> None:
    server = await new_server(0, **smtp.settings())
    key = server.keys["operator"]
    good, bad = {"to": "ok@example.org", "language": "en"}, {"to": "gone@example.org"}
    _, said = await server.api("POST", "/mail/test", key=key, json=good)
    assert said["sent"]
    _, said = await server.api("POST", "/mail/test", key=key, json=bad)
    assert (said["sent"], "No such person" in said["message"]) == (False, True)
    status, _ = await server.api("POST", "/mail/test", key=key, json={"to": "a b@example.org"})
    assert status == 400
    headers = {"Content-Type": "message/rfc822"}
    for body, wanted in ((b"Subject: x\n\ny", 200), (b"x", 400), (b'{"a": 1}', 400), (b"", 400)):
        more = {"data": body, "headers": headers}
        status, _ = await server.api("POST", "/mail/bounces", key=key, **more)
        assert status == wanted, body


async def test_without_a_mail_server_it_says_so(server: Server) -> None:
    key = server.keys["operator"]
    _, seen = await server.api("GET", "/mail", key=key)
    assert seen["configured"] is False
    status, refused = await server.api("POST", "/mail/send", key=key, json={})
    assert (status, refused["error"]["code"]) == (422, "mail_not_configured")
    status, _ = await server.api("POST", "/mail/test", key=key, json={"to": "ok@example.org"})
    assert status == 400
    await server.api("POST", "/participants", key=key, json=ANN)
    _, seen = await server.api("GET", "/mail", key=key)
    assert seen["counts"]["queued"] == 0


async def test_p11_an_alert_is_mailed_once_raised_and_once_over(
    new_server: NewServer, smtp: MailServer
) -> None:
    to = "kim@example.org, lee@example.org"
    server = await new_server(0, **smtp.settings(alert_mail_to=to))
    found = {Key(AlertType.CONFLICT, "event"): Alert({"open": 1}, Words("A conflict", "충돌"))}
    now_ms = system_clock.now_ms()
    # The server's own look finds no conflict and clears it.
    await server.database.write(lambda conn: alerts.settle(conn, found, now_ms))
    await until(server, sent=4)
    subjects = sorted((mail.to, mail.message["Subject"]) for mail in smtp.arrived())
    assert subjects == [
        (who, f"[Demo] {word}: 충돌")
        for who in ("kim@example.org", "lee@example.org")
        for word in ("알림/alert", "해제/over")
    ]
    body = smtp.arrived()[0].message.get_body(("plain",))
    assert body is not None
    assert "A conflict" in body.get_content()
    _, listed = await server.api("GET", "/stream/handlers", key=server.keys["operator"])
    assert [one["name"] for one in listed["items"]] == ["alerts", "mail"]


async def test_parked_messages_are_tried_again_together(
    new_server: NewServer, smtp: MailServer
) -> None:
    server = await new_server(0, webhook_url="http://127.0.0.1:9/", webhook_secret="s")
    key = server.keys["operator"]
    status, answer = await server.api("POST", "/stream/deliveries/retry", key=key, json={})
    assert (status, answer) == (200, {"waiting": 0})
    _, listed = await server.api("GET", "/stream/handlers", key=key)
    assert {one["name"] for one in listed["items"]} == {"alerts", "webhook"}
