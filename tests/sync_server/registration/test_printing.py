"""Tickets on paper and screen."""

from pathlib import Path

import pytest

from shared import credentials
from sync_server.registration.printing import file_name, png, write_tickets
from sync_server.registration.ticket_codes import make_qr
from sync_server.registration.tickets import Ticket

LETTERS = credentials.make_letters(bytes(range(10)))


def ticket(name: str = "Ann Lee", tag: str = "TCF24", participant_id: str = "P1") -> Ticket:
    return Ticket(
        participant_id, name, credentials.readable(tag, LETTERS), credentials.payload(tag, LETTERS)
    )


@pytest.mark.parametrize("tag", ["AB", "TCF24"])
def test_a_ticket_is_a_version_2_code_of_level_q(tag: str) -> None:
    """Size decides the reading distance, so it may not grow unseen."""
    code = make_qr(ticket(tag=tag).payload)
    assert (code.version, code.error, code.mode) == (2, "Q", "alphanumeric")


def test_a_real_decoder_reads_the_picture() -> None:
    cv2 = pytest.importorskip("cv2")
    np = pytest.importorskip("numpy")
    zxingcpp = pytest.importorskip("zxingcpp")
    image = cv2.imdecode(np.frombuffer(png(ticket()), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert [found.text for found in zxingcpp.read_barcodes(image)] == [ticket().payload]


@pytest.mark.parametrize(
    "strange", ["../../etc/passwd", "a/b", ".", "-x", "이름", "a b", "x" * 101]
)
def test_strange_ids_become_safe_file_names(strange: str, tmp_path: Path) -> None:
    name = file_name(strange)
    assert "/" not in name
    assert not name.startswith((".", "-"))
    (path,) = write_tickets(tmp_path, [ticket(participant_id=strange)], "png", lambda _: None)
    assert path.parent == tmp_path
    assert path.name == f"{name}.png"
    assert file_name(strange + "!") != name
