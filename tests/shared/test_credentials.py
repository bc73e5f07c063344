"""Ticket codes: made, read back, mistyped, signed and forged."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from shared import base45, credentials
from shared.credentials import ALPHABET, Claims, Fault, TicketCode
from shared.masking import mask_name

KEY = Ed25519PrivateKey.generate()
PRIVATE, PUBLIC = KEY.private_bytes_raw(), KEY.public_key().public_bytes_raw()
LETTERS = credentials.make_letters(bytes(range(10)))
CLAIMS = Claims(
    credentials.key_id(PUBLIC), credentials.event_mark("e"), "P1", "C1", 5, None, None, [], "J*"
)
KEYS = {CLAIMS.key_id: PUBLIC}


@given(st.binary(min_size=10, max_size=10), st.from_regex(r"[A-Z0-9]{2,5}", fullmatch=True))
def test_a_code_reads_back_from_the_qr_and_from_what_people_type(random: bytes, tag: str) -> None:
    letters = credentials.make_letters(random)
    code = TicketCode(tag, letters)
    assert credentials.parse(credentials.payload(tag, letters)) == code
    typed = credentials.readable(tag, letters)
    assert credentials.parse(typed) == code
    assert credentials.parse(f"  {typed.lower().replace('-', ' ')}\n") == code
    assert credentials.parse(letters) == TicketCode(None, letters)


def test_misread_letters_are_forgiven() -> None:
    typed = LETTERS.replace("0", "o").replace("1", "l")
    assert credentials.parse(typed) == TicketCode(None, LETTERS)


@given(st.binary(min_size=10, max_size=10), st.integers(0, 16), st.integers(1, 31))
def test_p4_every_single_mistyped_letter_is_caught(random: bytes, place: int, step: int) -> None:
    letters = credentials.make_letters(random)
    wrong = ALPHABET[(ALPHABET.index(letters[place]) + step) % 32]
    mistyped = letters[:place] + wrong + letters[place + 1 :]
    assert credentials.parse(mistyped) is Fault.UNREADABLE


@pytest.mark.parametrize(
    "text", ["", "GS:", "hello", "GS:" + "A" * 40, "x" * 5_000, "GS:TCF24\x00", f"TOOLONG{LETTERS}"]
)
def test_what_is_no_code_is_unreadable(text: str) -> None:
    assert credentials.parse(text) is Fault.UNREADABLE


def test_a_signed_ticket_verifies_and_a_changed_one_is_forged() -> None:
    text = credentials.sign_payload("EV", LETTERS, CLAIMS, PRIVATE)
    code = credentials.parse(text)
    assert isinstance(code, TicketCode)
    assert credentials.verify_claims(code, "e", KEYS) == CLAIMS
    assert credentials.verify_claims(code, "other", KEYS) is Fault.WRONG_EVENT
    assert credentials.verify_claims(code, "e", {}) is Fault.FORGED
    assert code.signed is not None
    for place in range(len(code.signed)):
        changed = bytearray(code.signed)
        changed[place] ^= 1
        forged = TicketCode(code.tag, code.letters, bytes(changed))
        assert isinstance(credentials.verify_claims(forged, "e", KEYS), Fault), place
    other = TicketCode(code.tag, credentials.make_letters(bytes(10)), code.signed)
    assert credentials.verify_claims(other, "e", KEYS) is Fault.FORGED


def test_p9_a_digest_tells_nothing_without_the_key() -> None:
    assert credentials.ticket_digest(b"k" * 32, LETTERS) != credentials.ticket_digest(
        b"j" * 32, LETTERS
    )
    assert len(credentials.ticket_digest(b"k" * 32, LETTERS)) == 32


@given(st.binary(max_size=200))
def test_base45_reads_back(data: bytes) -> None:
    assert base45.decode(base45.encode(data)) == data


def test_base45_of_the_rfc() -> None:
    assert base45.encode(b"AB") == "BB8"
    assert base45.encode(b"ietf!") == "QED8WEX0"
    for wrong in ("GGW", "A", "ab"):
        with pytest.raises(ValueError, match="base 45"):
            base45.decode(wrong)


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("홍길동", "홍*동"),
        ("김철", "김*"),
        ("남궁민수", "남**수"),
        ("John Doe", "J*** D**"),
        ("王小明", "王*明"),
    ],
)
def test_p9_names_are_masked_as_their_culture_asks(name: str, masked: str) -> None:
    assert mask_name(name) == masked
