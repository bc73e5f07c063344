"""Who this gate is: `DIR/device.key` (32 raw bytes) and `DIR/identity.json`, both mode 0600.

The key is made before the enrolment code is spent and kept until it succeeded, so that an
enrolment cut short anywhere can be run again.
"""

import base64
import binascii
import hashlib
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws, jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import OKPKey

from edge_agent.durable_file import write_whole
from shared.errors import RefusedError, UsageError

IDENTITY_FILE = "identity.json"
KEY_FILE = "device.key"
KEY_BYTES = 32
FINGERPRINT_HEX_MIN = 16
ALGORITHM = "EdDSA"


class _EdDsaOnly(jws.JWSRegistry):
    """EdDSA and nothing else. joserfc warns of the name since RFC 9864; API.md §2 fixes it."""

    def get_alg(self, name: str) -> Any:  # the library does not export the type
        if name != ALGORITHM:
            raise UnsupportedAlgorithmError(f"Algorithm of '{name}' is not allowed")
        return self.algorithms[name]


_REGISTRY = _EdDsaOnly()


class CertificateError(RefusedError):
    """The server's answer to the enrolment is not signed by the key that the code names."""


class Identity(msgspec.Struct, rename="camel", frozen=True):
    """DIR/identity.json. Keys are raw 32 bytes in base64url without padding.

    `enrolled_at_ms` is the server's time of the enrolment: no scan of this gate is earlier.
    """

    device_id: str
    gate_id: str
    event_id: str
    server_url: str
    server_key: str
    digest_key: str
    certificate: str
    name: str = ""
    enrolled_at_ms: int | None = None

    def digest_key_bytes(self) -> bytes:
        return b64_decode(self.digest_key)


def b64_encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64_decode(text: str) -> bytes:
    """Base64url with or without padding; ValueError where it is none."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64url: {error}") from error


def load_identity(folder: Path) -> Identity:
    """The gate's identity; UsageError, one helpful line, where the folder has none."""
    path = folder / IDENTITY_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Identity)
    except FileNotFoundError as error:
        raise UsageError(
            f"{folder} is not enrolled yet: run `edge-agent enrol --data {folder} --server URL"
            " --code CODE` with a code from `sync-server enrol`"
        ) from error
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(
            f"{path} can't be read ({error}): restore it from a backup, or enrol into an empty folder"
        ) from error


def save_identity(folder: Path, identity: Identity) -> None:
    write_whole(folder / IDENTITY_FILE, msgspec.json.format(msgspec.json.encode(identity)) + b"\n")


def is_enrolled(folder: Path) -> bool:
    return (folder / IDENTITY_FILE).exists()


class DeviceKey:
    """The device's Ed25519 private key; it never leaves the gate."""

    def __init__(self, raw: bytes) -> None:
        private = Ed25519PrivateKey.from_private_bytes(raw)
        self._key = OKPKey.import_key(private)
        self._public = private.public_key().public_bytes_raw()

    @classmethod
    def load(cls, folder: Path) -> "DeviceKey":
        path = folder / KEY_FILE
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise UsageError(
                f"{path} can't be read ({error.strerror}): the gate can't sign in without it; "
                "enrol again into an empty folder"
            ) from error
        if len(raw) != KEY_BYTES:
            raise UsageError(
                f"{path} holds {len(raw)} bytes instead of {KEY_BYTES}: enrol into an empty folder"
            )
        return cls(raw)

    @classmethod
    def load_or_make(cls, folder: Path) -> "DeviceKey":
        """The key of an enrolment that was cut short, else a new one, durable before it is used."""
        if (folder / KEY_FILE).exists():
            return cls.load(folder)
        write_whole(folder / KEY_FILE, Ed25519PrivateKey.generate().private_bytes_raw())
        return cls.load(folder)

    @property
    def public_text(self) -> str:
        return b64_encode(self._public)

    def assertion(
        self, device_id: str, audience: str, now_s: int, *, lives_s: int, jti: str
    ) -> str:
        """The signed question for a token (RFC 7523)."""
        claims = {
            "iss": device_id,
            "sub": device_id,
            "aud": audience,
            "iat": now_s,
            "exp": now_s + lives_s,
            "jti": jti,
        }
        return jwt.encode({"alg": ALGORITHM, "typ": "JWT"}, claims, self._key, registry=_REGISTRY)


def key_matches(server_key: str, fingerprint: str) -> bool:
    """Whether an enrolment URL's `key` means this key: the first 16 or more hex digits of its
    SHA-256, or all of it in base64url.
    """
    digest = hashlib.sha256(b64_decode(server_key))
    given = fingerprint.strip()
    if len(given) >= FINGERPRINT_HEX_MIN and digest.hexdigest().startswith(given.lower()):
        return True
    return given == b64_encode(digest.digest())


def check_certificate(certificate: str, server_key: str, expected: dict[str, str]) -> int | None:
    """Check the JWS and that it says `expected`; returns its `iat` in ms where it has one."""
    try:
        key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": server_key})
        signed = jws.deserialize_compact(certificate, key, registry=_REGISTRY)
        claims: Any = msgspec.json.decode(signed.payload)
    except (JoseError, ValueError, msgspec.DecodeError) as error:
        raise CertificateError(
            "The server's certificate for this gate is not signed by its key: "
            "someone may stand between this gate and the server"
        ) from error
    for name, value in expected.items():
        if not isinstance(claims, dict) or claims.get(name) != value:
            raise CertificateError(f"The server's certificate names another {name} than its answer")
    iat = claims.get("iat")
    return int(iat * 1_000) if isinstance(iat, int | float) else None
