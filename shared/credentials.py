"""Ticket codes: what a QR holds, what a person types, what a gate keeps (DESIGN §6, API §3.4).

A code is 16 letters of Crockford's base 32 (80 random bits) and a check letter (Luhn mod 32 over
the same letters). The QR holds `GS:` + tag + the 17 letters; a signed ticket goes on with
`:` + base45(claims + signature). The readable form is `TCF24-ABCD-1234-EFGH-JKMN7`.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared import base45
from shared.limits import CODE_CHARS_MAX

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U
PREFIX = "GS:"
LETTERS = 17  # 16 random and the check letter
RANDOM_BYTES = 10
TAG = re.compile(r"[A-Z0-9]{2,5}")
_COMPACT = re.compile(rf"({TAG.pattern})?([{ALPHABET}]{{{LETTERS}}})")
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1"})
_SEPARATORS = re.compile(r"[\s\-‐-―]")
# Letter, as a byte → what it adds to the check sum: as it is, and doubled (every second place).
_SINGLE = bytes(max(ALPHABET.find(chr(byte)), 0) for byte in range(256))
_DOUBLE = bytes(value * 2 // 32 + value * 2 % 32 for value in _SINGLE)
_SIGNATURE_BYTES = 64
_DOMAIN = b"gatesync-ticket-1\x00"


class Fault(Enum):
    """Why a text is not a ticket of this event."""

    UNREADABLE = "unreadable"
    WRONG_EVENT = "wrong_event"
    FORGED = "forged"


class Claims(msgspec.Struct, frozen=True, array_like=True):
    """What a signed ticket says of itself; short, since size decides the reading distance.

    Times are whole seconds of the epoch; `event` is the first 4 bytes of SHA-256(event id).
    """

    key_id: str
    event: bytes
    participant_id: str
    credential_id: str
    issued_at_s: int
    valid_from_s: int | None
    valid_until_s: int | None
    permissions: list[str]
    name: str  # masked, so that a kiosk can greet


class TicketCode(msgspec.Struct, frozen=True):
    """A well-formed code: the event's tag (None where it was left out) and 17 letters."""

    tag: str | None
    letters: str
    signed: bytes | None = None


def make_letters(random: bytes) -> str:
    """17 letters from 10 random bytes."""
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"need {RANDOM_BYTES} random bytes, got {len(random)}")
    number = int.from_bytes(random)
    body = "".join(ALPHABET[(number >> shift) & 31] for shift in range(75, -1, -5))
    return body + check_letter(body)


def check_letter(body: str) -> str:
    """Luhn mod N with N = 32: catches every single mistyped letter and most swaps."""
    return ALPHABET[-_check_sum(body + ALPHABET[0]) % 32]


def _check_sum(letters: str) -> int:
    """Of a body and its check letter: a multiple of 32 where they fit."""
    backwards = letters.encode()[::-1]
    return sum(backwards[::2].translate(_SINGLE)) + sum(backwards[1::2].translate(_DOUBLE))


def readable(tag: str, letters: str) -> str:
    return f"{tag}-{letters[:4]}-{letters[4:8]}-{letters[8:12]}-{letters[12:]}"


def payload(tag: str, letters: str) -> str:
    return f"{PREFIX}{tag}{letters}"


def looks_like_ours(text: str) -> bool:
    """Whether a reader should pass this on: camera noise and strangers' codes stay outside."""
    return len(text) <= CODE_CHARS_MAX and text[:3].upper() == PREFIX


def looks_like_enrolment(text: str) -> bool:
    """An address with an enrolment code in it, as the server's page shows it to installers."""
    return len(text) <= CODE_CHARS_MAX and "://" in text and "code=" in text


def parse(text: str) -> TicketCode | Fault:
    """A QR's text or a typed code, with misread letters and separators forgiven."""
    if len(text) > CODE_CHARS_MAX:
        return Fault.UNREADABLE
    text = text.strip().upper()
    signed: bytes | None = None
    if text.startswith(PREFIX):
        text, colon, rest = text[len(PREFIX) :].partition(":")
        if colon:
            try:
                signed = base45.decode(rest)
            except ValueError:
                return Fault.UNREADABLE
    well_formed = _COMPACT.fullmatch(text) or _COMPACT.fullmatch(_forgiven(text))
    if well_formed is None:
        return Fault.UNREADABLE
    tag, letters = well_formed.groups()
    if _check_sum(letters) % 32:
        return Fault.UNREADABLE
    return TicketCode(tag, letters, signed)


def _forgiven(text: str) -> str:
    """Without separators, and with the letters that people misread put right."""
    compact = _SEPARATORS.sub("", text)
    return compact[:-LETTERS] + compact[-LETTERS:].translate(_MISREAD)


def same_tag(one: str, other: str) -> bool:
    """Whether two event tags are equal but for letters that people misread."""
    return one == other or one.translate(_MISREAD) == other.translate(_MISREAD)


def ticket_digest(digest_key: bytes, letters: str) -> str:
    """What a gate keeps of a ticket: 16 bytes of HMAC-SHA-256, in hex (API §3.4)."""
    return _digest(digest_key, letters)


def beacon_digest(digest_key: bytes, canonical_id: str) -> str:
    """The same of a beacon, over its canonical id in lower case."""
    return _digest(digest_key, canonical_id.lower())


def _digest(digest_key: bytes, text: str) -> str:
    keyed = _keyed(digest_key).copy()  # a copy costs a quarter of keying anew, at each scan
    keyed.update(text.encode())
    return keyed.digest()[:16].hex()


@lru_cache(maxsize=4)
def _keyed(digest_key: bytes) -> hmac.HMAC:
    return hmac.new(digest_key, digestmod="sha256")


def key_id(public_key: bytes) -> str:
    """A verifying key's short name: 8 hex digits of its SHA-256."""
    return hashlib.sha256(public_key).hexdigest()[:8]


def event_mark(event_id: str) -> bytes:
    return hashlib.sha256(event_id.encode()).digest()[:4]


def sign_payload(tag: str, letters: str, claims: Claims, private_key: bytes) -> str:
    """The QR text of a signed ticket; `private_key` is the raw 32 bytes."""
    body = msgspec.msgpack.encode(claims)
    signature = Ed25519PrivateKey.from_private_bytes(private_key).sign(_signed(letters, body))
    return f"{payload(tag, letters)}:{base45.encode(body + signature)}"


def verify_claims(
    code: TicketCode, event_id: str, public_keys: Mapping[str, bytes]
) -> Claims | Fault:
    """The claims of a signed ticket, or why they can't be believed."""
    blob = code.signed or b""
    body, signature = blob[:-_SIGNATURE_BYTES], blob[-_SIGNATURE_BYTES:]
    try:
        claims = msgspec.msgpack.decode(body, type=Claims)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Fault.FORGED
    if claims.event != event_mark(event_id):
        return Fault.WRONG_EVENT
    public_key = public_keys.get(claims.key_id)
    if public_key is None:
        return Fault.FORGED
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            signature, _signed(code.letters, body)
        )
    except InvalidSignature:
        return Fault.FORGED
    return claims


def _signed(letters: str, body: bytes) -> bytes:
    return _DOMAIN + letters.encode() + b"\x00" + body
