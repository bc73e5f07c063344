"""The coming ids of rotating badges, as digests, for gates (DESIGN §7): never the keys.

Stateless: a gate says up to which revision it knows the badges and which hours it wants. Hours are
whole ones of the epoch, so that what was computed for one gate serves all.
"""

import threading
from collections import OrderedDict
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, func, select

from shared import beacons, credentials, wire
from shared.limits import BADGE_CACHE_BYTES_MAX
from shared.model import CredentialKind
from shared.wire_beacons import EID_DIGEST_BYTES, BadgeLine
from sync_server.privacy.vault import Vault
from sync_server.registration.beacons import RotatingBadge, rotating_badge_of
from sync_server.storage import revisions, schema

HOUR_MS = 3_600_000


class Span(NamedTuple):
    """From and until, whole hours in epoch milliseconds."""

    from_ms: int
    until_ms: int

    @classmethod
    def around(cls, from_ms: int, until_ms: int) -> "Span":
        return cls(from_ms // HOUR_MS * HOUR_MS, -(-until_ms // HOUR_MS) * HOUR_MS)

    def hours(self) -> range:
        return range(self.from_ms, self.until_ms, HOUR_MS)


class BadgePage(NamedTuple):
    """Badges by the digest of their credential, and how far they were read."""

    badges: list[tuple[str, RotatingBadge]]
    cursor: str
    more: bool


class BadgeTable:
    """Computes and remembers; any thread. Memory is bounded in bytes (P12)."""

    def __init__(self, vault: Vault, digest_key: bytes) -> None:
        self._vault = vault
        self._digest_key = digest_key
        self._cache: OrderedDict[tuple[bytes, int, int, int], bytes] = OrderedDict()
        self._bytes = 0
        self._guard = threading.Lock()

    def page(self, conn: Connection, cursor: str | None, limit: int) -> BadgePage:
        """Badges that changed after the cursor, at most `limit` beacons; in one read transaction."""
        head = revisions.head(conn)
        after = _after(cursor, head)
        held = schema.credentials
        digest = func.coalesce(held.c.shared_digest, held.c.digest).label("digest")
        rows = conn.execute(
            select(held.c.revision, digest, held.c.code)
            .where(held.c.kind == CredentialKind.BEACON.value, held.c.revision > after)
            .order_by(held.c.revision)
            .limit(limit + 1)
        ).all()
        more = len(rows) > limit
        badges = []
        for row in rows[:limit]:
            badge = rotating_badge_of(self._vault.open(row.code) or "")
            if badge is not None:
                badges.append((row.digest, badge))
        revision = rows[limit - 1].revision if more else head.revision
        return BadgePage(badges, wire.cursor_text(head.generation, revision), more)

    def lines(self, page: BadgePage, span: Span) -> list[bytes]:
        """The page's body. It takes a second where nobody asked for these hours before: not for
        the loop's thread, nor one of the database's.
        """
        if span.from_ms >= span.until_ms:
            return []
        return [
            msgspec.json.encode(self.line(digest, badge, span)) for digest, badge in page.badges
        ]

    def line(self, digest: str, badge: RotatingBadge, span: Span) -> BadgeLine:
        first = badge.starts_ms(_first_slot(badge, span.from_ms))
        return BadgeLine(
            digest=digest,
            first_slot_at=wire.format_time(first),
            slot_seconds=badge.slot_ms // 1_000,
            eids=b"".join(self._hour(badge, hour_ms) for hour_ms in span.hours()),
        )

    def _hour(self, badge: RotatingBadge, hour_ms: int) -> bytes:
        """Digests of the slots that start within one hour."""
        key = (badge.identity_key, badge.exponent, badge.zero_ms, hour_ms)
        with self._guard:
            known = self._cache.get(key)
            if known is not None:
                self._cache.move_to_end(key)
                return known
        first, end = _first_slot(badge, hour_ms), _first_slot(badge, hour_ms + HOUR_MS)
        made = b"".join(
            self._digest(eid)
            for eid in beacons.eids(badge.identity_key, badge.exponent, first, end - first)
        )
        with self._guard:
            self._bytes += len(made) - len(self._cache.pop(key, b""))
            self._cache[key] = made
            while self._bytes > BADGE_CACHE_BYTES_MAX:
                self._bytes -= len(self._cache.popitem(last=False)[1])
        return made

    def _digest(self, eid: bytes) -> bytes:
        whole = credentials.beacon_digest(self._digest_key, beacons.eddystone_eid(eid))
        return bytes.fromhex(whole)[:EID_DIGEST_BYTES]


def _first_slot(badge: RotatingBadge, from_ms: int) -> int:
    """The first slot that starts at or after `from_ms`; a badge has none before its clock's 0."""
    return max(0, -(-(from_ms - badge.zero_ms) // badge.slot_ms))


def _after(cursor: str | None, head: revisions.Head) -> int:
    """0, from scratch, where the cursor is of another generation or of a later head."""
    if cursor is None:
        return 0
    generation, revision = wire.parse_cursor(cursor)
    return revision if generation == head.generation and revision <= head.revision else 0
