"""What arrives: both languages, the ticket inside and attached, headers that nobody can add to."""

import io
from typing import Any

import numpy as np
import pytest
import zxingcpp
from PIL import Image

from sync_server.config import Config
from sync_server.deployment import Deployment
from sync_server.mail.message import Draft, seal
from sync_server.mail.settings import mail_settings
from sync_server.mail.texts import DEFAULTS, VARIABLES, TextError, Texts, check, render
from sync_server.registration.tickets import tickets_of
from tests.smtp import SENDER, MailServer
from tests.sync_server.mail.rooms import Room
from tests.sync_server.registration.deployments import import_text


async def test_a_ticket_arrives_inline_and_attached(made: Deployment, smtp: MailServer) -> None:
    import_text(made, 'id,name,email\nP1,"홍길동 <b>&",ok1@example.org\n')
    room = Room(
        made, smtp, mail_reply_to="Help <help@example.org>", mail_bounce_to="b+{id}@example.org"
    )
    room.choose()
    await room.send_all()
    (mail,) = smtp.arrived()
    message = mail.message
    assert mail.envelope["tls"]
    assert message["Subject"] == "[Tech Conference 2024] 입장권"
    assert message["From"] == SENDER
    assert message["Reply-To"] == "Help <help@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "tech-conference-2024" in message["List-Id"]
    assert message.get_content_type() == "multipart/mixed"
    token = message["Message-ID"].strip("<>").partition(".")[0]
    assert mail.envelope["from"] == f"b+{token}@example.org"
    text = message.get_body(("plain",)).get_content()
    html = message.get_body(("html",)).get_content()
    assert "홍길동 <b>& 님" in text
    assert "홍길동 &lt;b&gt;&amp; 님" in html, "what a stranger wrote is text, not markup"
    picture = next(part for part in message.walk() if part.get_content_type() == "image/png")
    assert f"cid:{picture['Content-ID'].strip('<>')}" in html
    (ticket,) = made.database.read_now(lambda conn: tickets_of(conn, made.vault))
    pixels = np.array(Image.open(io.BytesIO(picture.get_content())).convert("L"))
    assert zxingcpp.read_barcodes(pixels)[0].text == ticket.payload
    assert ticket.code in text
    (sheet,) = message.iter_attachments()
    assert sheet.get_filename() == "ticket.pdf"
    assert sheet.get_content().startswith(b"%PDF")


def sealed(**changes: Any) -> Any:
    draft = {"to": "a@example.org", "to_name": "Ann", "language": "en", "heading": "E", "subject": "s",
             "body": "b\n"} | changes  # fmt: skip
    settings = mail_settings(Config(smtp_host="127.0.0.1", mail_from=SENDER))
    return seal(Draft(**draft), settings, "<1.2@event.example.org>", "demo", 0)


@pytest.mark.parametrize("place", ["to_name", "subject"])
@pytest.mark.parametrize("evil", ["x\r\nBcc: e@example.org", "x\nBcc: e@example.org", "x\x0bBcc: e",
                                  "x\u2028Bcc: e@example.org", "\0"])  # fmt: skip
def test_no_header_can_be_smuggled_in(place: str, evil: str) -> None:
    content = sealed(**{place: evil}).content
    head = content.partition(b"\r\n\r\n")[0]
    assert not any(line.lower().startswith(b"bcc") for line in head.splitlines())


@pytest.mark.parametrize("address", ["a@b\r\nRCPT TO:<x@y>", "a b@example.org", "<a@example.org>", "@",
                                     "a@", "nobody"])  # fmt: skip
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="e-mail"):
        sealed(to=address)


def test_domains_and_names_beyond_ascii() -> None:
    there = sealed(to="hong@한국.kr", to_name="홍길동" * 40)
    assert there.recipient == "hong@xn--3e0b707e.kr"
    assert not there.utf8
    assert max(len(line) for line in there.content.split(b"\r\n")) < 998
    assert sealed(to="홍@example.org").utf8


@pytest.mark.parametrize("language", ["ko", "en"])
def test_our_own_words_pass_our_own_check(language: str) -> None:
    check(DEFAULTS[language])
    values = {name: f"<{name}>" for name in VARIABLES}
    assert "<code>" in render(DEFAULTS[language], values).body
    assert "\n\n\n" not in render(DEFAULTS[language], dict.fromkeys(VARIABLES, "")).body


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("Hello {{ nmae }}", "{{ nmae }}"),
        ("{% for x in name %}y{% endfor %}", "for"),
        ("{{ name.__class__.__mro__ }}", "getattr"),
        ("{{ 9 ** 9 ** 9 }}", "pow"),
        ("{{ name * 1000000000 }}", "mul"),
        ("{{ name() }}", "call"),
        ("{% include 'x' %}", "include"),
        ("line\n{{ name", "Line 2"),
        ("", "empty"),
        ("x" * 10_001, "longer"),
    ],
)
def test_p11_words_that_can_not_be_used_are_named(body: str, said: str) -> None:
    with pytest.raises(TextError) as caught:
        check(Texts("Subject", body))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
