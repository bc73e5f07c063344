"""What only the server may read again, sealed at a gate that keeps no key to open it (P9). Pure.

A walk-in's name, e-mail and phone lie in the gate's journal until the event is archived. They are
sealed to the server's Ed25519 key, turned into X25519 as RFC 7748 and libsodium do: an ephemeral
key, HKDF over the shared secret, AES-256-GCM.
"""

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_P = 2**255 - 19
_PUBLIC_BYTES = 32
_NONCE = b"\x00" * 12  # each key seals one text: the ephemeral key is new
_INFO = b"gatesync-walk-in-1"


class SealedError(ValueError):
    """This was not sealed to this server's key, or was changed since."""


def seal(text: bytes, server_public: bytes, ephemeral: bytes) -> bytes:
    """`ephemeral`: 32 random bytes, used once."""
    mine = X25519PrivateKey.from_private_bytes(ephemeral)
    theirs = X25519PublicKey.from_public_bytes(_montgomery(server_public))
    public = mine.public_key().public_bytes_raw()
    return public + AESGCM(_key(mine.exchange(theirs), public)).encrypt(_NONCE, text, public)


def open_sealed(box: bytes, server_private: bytes) -> bytes:
    """SealedError where it is none of ours."""
    public, sealed = box[:_PUBLIC_BYTES], box[_PUBLIC_BYTES:]
    mine = X25519PrivateKey.from_private_bytes(hashlib.sha512(server_private).digest()[:32])
    try:
        secret = mine.exchange(X25519PublicKey.from_public_bytes(public))
        return AESGCM(_key(secret, public)).decrypt(_NONCE, sealed, public)
    except (InvalidTag, ValueError) as error:
        raise SealedError from error


def _key(secret: bytes, public: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=public, info=_INFO).derive(secret)


def _montgomery(edwards: bytes) -> bytes:
    """The u coordinate of an Ed25519 public key: u = (1 + y) / (1 - y)."""
    y = int.from_bytes(edwards, "little") & ((1 << 255) - 1)
    return ((1 + y) * pow(1 - y, -1, _P) % _P).to_bytes(32, "little")
