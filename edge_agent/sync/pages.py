"""A page of changes from bytes to lines, and what the loop must know of it."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import structlog

from edge_agent.storage.replica import Replica
from edge_agent.sync.backoff import Failure, FailureKind
from edge_agent.sync.transport import PageBody, UnreachableError
from shared import wire

log = structlog.get_logger(__name__)

_TYPES_KNOWN = frozenset(
    {"participant", "credential", "gate", "event", "presence", "device", "operator"}
)


@dataclass(frozen=True, slots=True)
class AppliedPage:
    """What became of a page. `skipped`: lines that only a newer version understands."""

    page: wire.PageLine
    digest_ok: bool | None
    rows: int
    skipped: int
    revoked: bool


class _Frame(msgspec.Struct):
    """What every row has, whatever it is and whoever made it."""

    type: str
    revision: int
    hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{32}$")]


class _Kind(msgspec.Struct):
    type: str


_line = msgspec.json.Decoder(wire.AnyLine)
_frame = msgspec.json.Decoder(_Frame)
_kind = msgspec.json.Decoder(_Kind)


def decode_page(lines: list[bytes]) -> tuple[list[wire.AnyLine], wire.PageLine, int]:
    """Lines, the page line and how many were skipped, since a newer server's type or value stops
    no other row (P6). UnreachableError if one is broken: then nothing of the page may be applied
    (P7).
    """
    decoded: list[wire.AnyLine] = []
    skipped = 0
    for number, raw in enumerate(lines, 1):
        try:
            decoded.append(_line.decode(raw))
        except msgspec.DecodeError as error:
            if _is_of_a_newer_server(raw):
                log.warning("sync.row_not_understood", line=raw[:500].decode(errors="replace"))
                skipped += 1
                continue
            detail = f"line {number} of a page of changes can't be understood: {error}"
            raise UnreachableError(Failure(FailureKind.LOCAL, detail)) from error
    page = decoded.pop() if decoded else None
    if not isinstance(page, wire.PageLine) or any(isinstance(x, wire.PageLine) for x in decoded):
        raise UnreachableError(Failure(FailureKind.INTERRUPTED, "a page without its last line"))
    return decoded, page, skipped


def _is_of_a_newer_server(raw: bytes) -> bool:
    """A type that we don't know, or a whole row with a value that we don't."""
    try:
        if _kind.decode(raw).type not in _TYPES_KNOWN:
            return _kind.decode(raw).type != "page"
        _frame.decode(raw)
    except msgspec.DecodeError:
        return False
    return True


def apply_body(replica: Replica, body: PageBody, device_id: str, asked: str | None) -> AppliedPage:
    """Decode and apply one page. Blocking: for a worker thread, never the lane's."""
    lines, page, skipped = decode_page(body.lines)
    applied = replica.apply_page(lines, page, asked)
    revoked = any(
        isinstance(line, wire.DeviceLine)
        and line.device_id == device_id
        and line.state == "revoked"
        for line in lines
    )
    # With lines left out the digest can't match, and fetching again would not mend it.
    digest_ok = None if skipped else applied.digest_ok
    return AppliedPage(page, digest_ok, applied.rows, skipped, revoked)
