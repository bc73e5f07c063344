"""A message for everybody who watches, made into bytes once (RFC 6455, section 5.2; pure)."""

from collections.abc import Iterable
from typing import Any

import msgspec

from shared.wire import format_time

_TEXT = 0x81  # a whole message of text, unmasked as a server's are, not compressed


def message(kind: str, data: Any, at_ms: int) -> bytes:
    """A message of API §2: `{"type","data","at"}`."""
    return msgspec.json.encode({"type": kind, "data": data, "at": format_time(at_ms)})


def packed(messages: Iterable[bytes]) -> bytes:
    """As a server's WebSocket says them, one after the other."""
    pieces: list[bytes] = []
    for content in messages:
        length = len(content)
        if length < 126:
            head = bytes((_TEXT, length))
        elif length < 1 << 16:
            head = bytes((_TEXT, 126)) + length.to_bytes(2, "big")
        else:
            head = bytes((_TEXT, 127)) + length.to_bytes(8, "big")
        pieces += (head, content)
    return b"".join(pieces)
