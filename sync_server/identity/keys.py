"""The server's own keys, raw 32 bytes in files of mode 0600 (`DIR/keys`)."""

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.errors import UsageError
from sync_server.storage.paths import DataFolder

KEY_BYTES = 32
FINGERPRINT_HEX = 16


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """`private` signs tokens, certificates and tickets; `digest` makes gates' digests."""

    private: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    master: bytes = field(repr=False)

    @property
    def public(self) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(self.private).public_key().public_bytes_raw()

    @property
    def fingerprint(self) -> str:
        """What an enrolment URL carries: 16 hex digits of the public key's SHA-256."""
        return hashlib.sha256(self.public).hexdigest()[:FINGERPRINT_HEX]


def load_keys(folder: DataFolder) -> ServerKeys:
    return ServerKeys(_read(folder.server_key), _read(folder.digest_key), _read(folder.master_key))


def _read(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path}: the key can't be read ({error.strerror}); "
            "run `sync-server init`, or put the keys' backup there"
        ) from error
    if len(key) != KEY_BYTES:
        raise UsageError(f"{path}: a key has {KEY_BYTES} bytes, this file {len(key)}")
    return key


def to_base64url(data: bytes) -> str:
    """base64url without padding, as API.md writes keys and signatures."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """ValueError where the text is none."""
    padded = text.encode("ascii") + b"=" * (-len(text) % 4)
    return base64.b64decode(padded, altchars=b"-_", validate=True)


def check_public_key(text: str) -> bytes:
    """A device's Ed25519 public key in base64url → the raw 32 bytes; ValueError if it is none."""
    key = from_base64url(text)
    Ed25519PublicKey.from_public_bytes(key)
    return key
