"""What decoders and scanners add to a code is taken off again. Pure."""

import re

PAYLOAD_BYTES_MAX = 4296
"""The most letters that a QR code can hold (ISO/IEC 18004, version 40-L, alphanumeric)."""

_PREFIX = re.compile(rb"^(?:\s|[\x00-\x1f\x7f]|\xef\xbb\xbf|\\[0-9]{6}|\][A-Za-z][0-9])*")
_SUFFIX = re.compile(rb"(?:\s|[\x00-\x1f\x7f])*\Z")
_CONTROLS = re.compile(rb"[\x00-\x1f\x7f]")
_ECI = re.compile(rb"\\[0-9]{6}")
_OURS = re.compile(rb"[Gg][Ss][\x00-\x1f\x7f]*:")


def clean(payload: bytes) -> bytes:
    r"""Strip ECI (`\000026`) and symbology (`]Q1`) prefixes, a byte order mark, white space and
    control characters at both ends; inside as well where the payload looks like ours, which is
    plain letters (a foreign GS1 code needs its separators).
    """
    payload = _PREFIX.sub(b"", payload[:PAYLOAD_BYTES_MAX])
    payload = _SUFFIX.sub(b"", payload)
    if _OURS.match(payload):
        return _ECI.sub(b"", _CONTROLS.sub(b"", payload))
    return payload


def clean_text(text: str) -> str:
    return clean(text.encode("utf-8", "replace")).decode("utf-8", "replace")
