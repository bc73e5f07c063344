"""JSON columns as text, fast, and able to hold whatever JSON can."""

import json
from typing import Any

import msgspec


def to_json(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON may hold and UTF-8 may not
        return json.dumps(value, separators=(",", ":"))


def from_json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return json.loads(text)
