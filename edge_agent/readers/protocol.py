"""What the camera's child process tells the agent: one JSON object a line on its standard output.

The parent imports this and neither OpenCV nor numpy: their 60 MB and their crashes stay in the
child.
"""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["running", "waiting", "missing", "failed"]
"""running: frames come. waiting: the source is over or empty, more may come.
missing: not there, tried again by itself. failed: there, but of no use."""


class Seen(msgspec.Struct, frozen=True, tag="seen"):
    """The codes in one frame that has any, whether ours or not."""

    codes: list[str]
    boot_ms: int
    """CLOCK_BOOTTIME in milliseconds when the frame was taken."""


class Beat(msgspec.Struct, frozen=True, tag="beat"):
    """Sent twice a second by the thread that decodes: its silence means that it hangs."""

    state: State
    detail: str
    figures: dict[str, float]
    position: str = ""
    """Where in a folder or video the child is, so that its successor goes on after it."""
    advice: str = ""
    """What a person can do about it."""


class Picture(msgspec.Struct, frozen=True, tag="picture"):
    """What the camera sees, small, while somebody looks."""

    jpeg: bytes


Message = Seen | Beat | Picture

PREVIEW_ON, PREVIEW_OFF = b"preview on\n", b"preview off\n"
"""What the agent tells the child on its standard input."""

LINE_BYTES_MAX = 64 * 1024
"""Longest line that the parent accepts; four full-size codes in one frame fit."""

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Seen | Beat | Picture)


def to_line(message: Message) -> bytes:
    return _encoder.encode(message) + b"\n"


def from_line(line: bytes) -> Message:
    """Raises msgspec.DecodeError for anything that is not one of the messages."""
    return _decoder.decode(line)
