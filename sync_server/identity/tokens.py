"""Signed tokens: a device's assertion in, short access tokens and certificates out (RFC 7523).

Pure but for the keys given: the time is an argument, and one use of each assertion is kept by
`identity.devices`.
"""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from joserfc import jws, jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from shared.errors import PermanentError
from shared.limits import ASSERTION_LEEWAY_S, ASSERTION_TTL_S_MAX, DEVICE_TOKEN_TTL_S
from sync_server.identity.keys import ServerKeys, to_base64url

ALGORITHM = "EdDSA"  # API.md's name; RFC 9864 calls the same with this curve Ed25519


class _EdDsaOnly(JWSRegistry):
    """EdDSA and nothing else: no `none`, no shared secrets, and no warning about the name."""

    def get_alg(self, name: str) -> Any:
        if name not in {ALGORITHM, "Ed25519"}:
            raise UnsupportedAlgorithmError("only EdDSA is taken here")
        return self.algorithms[name]


_REGISTRY = _EdDsaOnly()
_TOKEN_CHARS_MAX = 4_096


class InvalidTokenError(PermanentError):
    """A token that is not genuine, not for us, or not valid now."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a device proved: who it is, and the one-use id of the proof."""

    device_id: str
    jti_hash: str
    expires_ms: int


def claimed_device(token: str) -> str:
    """Whose key to check an assertion with: its unproven `iss`."""
    if len(token) > _TOKEN_CHARS_MAX:
        raise InvalidTokenError("The assertion is too long.")
    try:
        claims = _json_of(jws.extract_compact(token.encode()).payload)
    except (JoseError, ValueError) as error:
        raise InvalidTokenError("The assertion is no signed JWT.") from error
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or not issuer:
        raise InvalidTokenError("The assertion has no iss.")
    return issuer


def check_assertion(
    token: str, public_key: bytes, audiences: Collection[str], now_ms: int
) -> Assertion:
    """Believe an assertion: EdDSA by this key, iss = sub, for us, of now, at most 5 minutes."""
    claims = _verified(token, OKPKey.import_key(Ed25519PublicKey.from_public_bytes(public_key)))
    issuer, now_s = claims.get("iss"), now_ms / 1_000
    if issuer != claims.get("sub"):
        raise InvalidTokenError("The assertion's iss and sub must both be the device's id.")
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not any(isinstance(name, str) and name.rstrip("/") in audiences for name in named):
        raise InvalidTokenError("The assertion's aud must be this server's URL or its event id.")
    issued_s, expires_s = _seconds(claims, "iat"), _seconds(claims, "exp")
    if expires_s - issued_s > ASSERTION_TTL_S_MAX:
        raise InvalidTokenError(f"exp may be at most {ASSERTION_TTL_S_MAX} s after iat.")
    if issued_s > now_s + ASSERTION_LEEWAY_S or expires_s < now_s - ASSERTION_LEEWAY_S:
        raise InvalidTokenError("The assertion is not valid now: compare the clock with Date.")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 8 <= len(jti) <= 200:
        raise InvalidTokenError("The assertion needs a jti of 8 to 200 characters.")
    digest = hashlib.sha256(f"{issuer}\x00{jti}".encode()).hexdigest()
    return Assertion(str(issuer), digest, int((expires_s + ASSERTION_LEEWAY_S) * 1_000) + 1_000)


class AccessTokens:
    """Short JWTs by the server's key: 15 minutes for one device or service."""

    def __init__(self, keys: ServerKeys, event_id: str) -> None:
        self._key = _signing_key(keys)
        self._event_id = event_id

    def issue(self, subject: str, now_ms: int) -> str:
        now_s = now_ms // 1_000
        claims = {
            "iss": self._event_id,
            "aud": self._event_id,
            "sub": subject,
            "iat": now_s,
            "exp": now_s + DEVICE_TOKEN_TTL_S,
        }
        return jwt.encode(
            {"alg": ALGORITHM, "typ": "at+jwt"}, claims, self._key, registry=_REGISTRY
        )

    def subject_of(self, token: str, now_ms: int) -> str:
        """Whom a token was issued to; InvalidTokenError if it is not ours or over."""
        if len(token) > _TOKEN_CHARS_MAX:
            raise InvalidTokenError("The token is too long.")
        claims = _verified(token, self._key, "at+jwt")
        if claims.get("aud") != self._event_id or claims.get("iss") != self._event_id:
            raise InvalidTokenError("The token is for another event.")
        if _seconds(claims, "exp") * 1_000 <= now_ms:
            raise InvalidTokenError("The token has expired.")
        return str(claims.get("sub"))


def certificate(keys: ServerKeys, content: dict[str, Any]) -> str:
    """A compact JWS by the server's key over what it granted a device (API §2)."""
    return jwt.encode(
        {"alg": ALGORITHM, "typ": "gatesync-device+jwt"},
        content,
        _signing_key(keys),
        registry=_REGISTRY,
    )


def certificate_content(
    keys: ServerKeys, device_id: str, public_key: str, gate_id: str, event_id: str, now_ms: int
) -> dict[str, Any]:
    return {
        "deviceId": device_id,
        "publicKey": public_key,
        "gateId": gate_id,
        "eventId": event_id,
        "digestKey": to_base64url(keys.digest),
        "iat": now_ms // 1_000,
    }


@dataclass(frozen=True, slots=True)
class Granted:
    """What a certificate of ours says of a device."""

    device_id: str
    public_key: str
    gate_id: str
    enrolled_ms: int


def read_certificate(keys: ServerKeys, text: str, event_id: str) -> Granted:
    """Believe an enrolment certificate that this server's key signed, for this event."""
    if len(text) > _TOKEN_CHARS_MAX:
        raise InvalidTokenError("The certificate is too long.")
    claims = _verified(text, _signing_key(keys), "gatesync-device+jwt")
    named = [claims.get(name) for name in ("deviceId", "publicKey", "gateId", "eventId")]
    if not all(isinstance(value, str) and value for value in named):
        raise InvalidTokenError("The certificate is of another kind.")
    device_id, public_key, gate_id, of_event = map(str, named)
    if of_event != event_id:
        raise InvalidTokenError("The certificate is for another event.")
    return Granted(device_id, public_key, gate_id, int(_seconds(claims, "iat") * 1_000))


def _signing_key(keys: ServerKeys) -> OKPKey:
    return OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(keys.private))


def _verified(token: str, key: OKPKey, kind: str | None = None) -> dict[str, Any]:
    try:
        decoded = jwt.decode(token, key, registry=_REGISTRY)
    except (JoseError, ValueError) as error:
        raise InvalidTokenError("The token's signature is not genuine.") from error
    if kind is not None and decoded.header.get("typ") != kind:
        raise InvalidTokenError("The token is of another kind.")
    return decoded.claims


def _seconds(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise InvalidTokenError(f"The token needs {name} in seconds.")
    return float(value)


def _json_of(payload: bytes) -> dict[str, Any]:
    claims = json.loads(payload)
    if not isinstance(claims, dict):
        raise InvalidTokenError("The assertion's claims are no object.")
    return claims
