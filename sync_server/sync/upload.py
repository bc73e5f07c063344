"""The body of an upload: read so that one bad entry never refuses the others (P6)."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from shared import wire


class Upload(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """`wire.UploadRequest` with its entries as they came, each to be understood alone."""

    device_id: str
    epoch: str
    entries: Sequence[msgspec.Raw]
    lost: list[tuple[int, int]] = []


_decode = msgspec.json.Decoder(Upload).decode


def read_upload(body: bytes) -> Upload:
    """Raises msgspec's errors where the frame around the entries is not what it should be."""
    try:
        return _decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _read_leniently(body, error)


def _read_leniently(body: bytes, error: Exception) -> Upload:
    """What is JSON for others: half a surrogate pair in a text, a number beyond all limits."""
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise error from None
    entries = said.get("entries") if isinstance(said, dict) else None
    if not isinstance(entries, list):
        raise error
    upload = msgspec.convert({**said, "entries": []}, Upload)
    upload.entries = [_raw(entry) for entry in entries]
    return upload


def upload_of(request: wire.UploadRequest) -> Upload:
    """The same from a request made in this process."""
    return Upload(
        device_id=request.device_id,
        epoch=request.epoch,
        entries=[_raw(entry) for entry in request.entries],
        lost=request.lost,
    )


def _raw(entry: Any) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(entry).encode())
