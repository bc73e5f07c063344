"""Messages sent to another system's address, signed (the handler `webhook` of the stream)."""

import hashlib
import hmac
from typing import Any

import aiohttp
import msgspec

from sync_server.stream.handlers import Envelope, HandlerError

SIGNATURE = "Gatesync-Signature"
TIMEOUT_S = 10.0
DEFAULT_TYPES = frozenset({"alert.raised", "alert.cleared"})


class Webhook:
    """POSTs each envelope as JSON; any answer of 2xx takes it.

    The header `Gatesync-Signature: t=<envelope's timestamp>,v1=<hex>` holds HMAC-SHA-256 by the
    shared secret over `<timestamp>.<body>`; the receiver knows a message that comes again by its id.
    """

    name = "webhook"

    def __init__(self, url: str, secret: str, types: frozenset[str] = DEFAULT_TYPES) -> None:
        self._url, self._secret, self.types = url, secret.encode(), types

    async def handle(self, envelope: Envelope) -> None:
        body = msgspec.json.encode(envelope)
        headers = {"Content-Type": "application/json", SIGNATURE: self.signature(envelope, body)}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(
                    self._url, data=body, headers=headers, allow_redirects=False
                ) as answer,
            ):
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise HandlerError(f"{self._url}: {error or type(error).__name__}") from error
        if not 200 <= status < 300:
            raise HandlerError(f"{self._url} answered {status}")

    def signature(self, envelope: Envelope, body: bytes) -> str:
        signed = envelope.timestamp.encode() + b"." + body
        return f"t={envelope.timestamp},v1={hmac.new(self._secret, signed, hashlib.sha256).hexdigest()}"


def webhook_of(url: str, secret: str, types: str) -> list[Any]:
    """The handler of these settings; none without an address."""
    if not url:
        return []
    wanted = frozenset(name.strip() for name in types.split(",") if name.strip())
    return [Webhook(url, secret, wanted or DEFAULT_TYPES)]
