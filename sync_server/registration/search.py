"""The search among participants, kept as the database is.

Personal fields are sealed there, so the database can't search them: an index in memory does. It is
filled piece by piece once the server listens, and follows the revisions of participants and
credentials: what a transaction wrote is found by the next search, whichever process wrote it.
"""

import asyncio
import base64
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection, select

from shared.errors import TransientError
from shared.limits import SEARCH_CHARS_MAX
from sync_server.ports import Store
from sync_server.privacy.vault import Vault
from sync_server.registration import search_text
from sync_server.registration.beacons import rotating_badge_of
from sync_server.registration.event_store import load_event
from sync_server.registration.search_index import Entry, Page, Position, SearchIndex, Wanted
from sync_server.storage import revisions, schema
from sync_server.storage.chunks import mappings, mappings_in
from sync_server.stream.head_watch import HeadWatch

log = structlog.get_logger("search")

PIECE_ROWS = 1_000  # read and filled in at once
_REVISIONS_PER_STEP = 5_000
_REST_S = 0.5  # between two commits that are followed
_AWAY_S = 1.0
_COMMON_PERMISSIONS = frozenset({"attendance"})

Row = Mapping[str, Any]


class ParticipantSearch:
    """`catch_up` and `find` are parts of read jobs; `run` fills the index and follows commits."""

    def __init__(self, database: Store, heads: HeadWatch, vault: Vault) -> None:
        self._database, self._heads, self._vault = database, heads, vault
        self._index = SearchIndex()
        self._revision = 0
        self._guard = threading.Lock()
        self._ready = asyncio.Event()

    async def ready(self, within_s: float) -> bool:
        """Whether everybody is in it, now or within this time."""
        try:
            async with asyncio.timeout(within_s):
                await self._ready.wait()
        except TimeoutError:
            return False
        return True

    @property
    def is_ready(self) -> bool:
        return self._ready.is_set()

    async def run(self) -> None:
        """Until cancelled."""
        await self._fill()
        self._ready.set()
        while not self._heads.closing:
            moved = self._heads.moved()
            await self._patiently(self.catch_up)
            await asyncio.sleep(_REST_S)
            await moved.wait()

    def catch_up(self, conn: Connection) -> None:
        """Take in what was committed since; to be called before `find`, in the same job."""
        with self._guard:
            head = revisions.head(conn).revision
            while self._revision < head:
                through = min(head, self._revision + _REVISIONS_PER_STEP)
                self._put(conn, sorted(_touched(conn, self._revision, through)))
                self._revision = through

    def find(
        self, conn: Connection, text: str, wanted: Wanted, cursor: str | None, limit: int
    ) -> tuple[Page, str | None]:
        """People by how well they fit, and the cursor of the next page. ValueError: a bad cursor."""
        after = None if cursor is None else read_position(cursor)
        event = load_event(conn)
        asked = search_text.asked(text[:SEARCH_CHARS_MAX], event.tag, event.settings.default_region)
        if asked is None:
            return Page([], None, 0), None
        with self._guard:
            page = self._index.find(asked, wanted, after, limit)
        return page, None if page.next is None else write_position(page.next)

    async def _fill(self) -> None:
        self._revision = await self._patiently(lambda conn: revisions.head(conn).revision)
        after: str | None = ""
        while after is not None:
            place = after
            after = await self._patiently(lambda conn, place=place: self._fill_piece(conn, place))
        await self._patiently(self.catch_up)
        log.info("search is ready", participants=len(self._index))

    def _fill_piece(self, conn: Connection, after: str) -> str | None:
        people = schema.participants
        ids = list(
            conn.execute(
                select(people.c.participant_id)
                .where(people.c.participant_id > after)
                .order_by(people.c.participant_id)
                .limit(PIECE_ROWS)
            ).scalars()
        )
        with self._guard:
            self._put(conn, ids)
        return ids[-1] if ids else None

    async def _patiently(self, job: Any) -> Any:
        """Neither a database that is away nor a mistake of ours ends the server: gates hang on it."""
        while True:
            try:
                return await self._database.read(job)
            except TransientError as error:
                log.warning("the search waits for the database", why=str(error))
            except Exception:
                log.exception("the search could not be kept")
            await asyncio.sleep(_AWAY_S)

    def _put(self, conn: Connection, ids: list[str]) -> None:
        people, held = schema.participants, schema.credentials
        for start in range(0, len(ids), PIECE_ROWS):
            piece = ids[start : start + PIECE_ROWS]
            codes: dict[str, list[str]] = {}
            statement = select(held.c.participant_id, held.c.kind, held.c.code)
            for row in mappings_in(conn, statement, held.c.participant_id, piece):
                codes.setdefault(row["participant_id"], []).append(self._code(row))
            for row in mappings_in(conn, select(people), people.c.participant_id, piece):
                one = row["participant_id"]
                try:
                    entry = entry_of(row, codes.get(one, ()), self._vault)
                except Exception:  # one row that can't be read must not hide the others (P6)
                    log.exception("a participant is found by id alone", participant_id=one)
                    text = search_text.text_of([search_text.folded(one)], ())
                    entry = Entry(one, "", text, row["status"], row["group"] or "")
                self._index.put(entry)

    def _code(self, row: Row) -> str:
        code = self._vault.open(row["code"]) or ""
        return "" if rotating_badge_of(code) else code  # a ticket's in capitals, see search_text


def entry_of(row: Row, codes: Iterable[str], vault: Vault) -> Entry:
    """What is searched of a participant."""
    fold = search_text.folded
    name = fold(vault.open(row["name"]) or "")
    organization = fold(row["organization"] or "")
    permissions = (one for one in row["permissions"] if one not in _COMMON_PERMISSIONS)
    born = vault.open(row["birth_date"])
    fields = (
        name,
        name.replace(" ", "") if " " in name else None,
        search_text.initials(name),
        fold(row["participant_id"]),
        fold(vault.open(row["email"]) or ""),
        *search_text.phone_fields(vault.open(row["phone"])),
        organization,
        search_text.initials(organization),
        fold(row["group"] or ""),
        fold(row["region"] or ""),
        *map(fold, permissions),
        *codes,
    )
    marks = [search_text.status_mark(row["status"])]
    if born:
        marks.append(search_text.birth_mark(born))
    return Entry(
        participant_id=row["participant_id"],
        name=f" {name}",
        text=search_text.text_of(fields, marks),
        status=row["status"],
        group=row["group"] or "",
    )


def rows_in_order(conn: Connection, ids: list[str]) -> list[Row]:
    people = schema.participants
    found = mappings_in(conn, select(people), people.c.participant_id, ids)
    by_id = {row["participant_id"]: row for row in found}
    return [by_id[one] for one in ids if one in by_id]


def write_position(position: Position) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def read_position(cursor: str) -> Position:
    """ValueError for what `write_position` did not make."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(raw, type=Position)
    except (ValueError, msgspec.MsgspecError) as error:
        raise ValueError("This cursor is not one of this list's.") from error


def _touched(conn: Connection, after: int, through: int) -> set[str]:
    found: set[str] = set()
    for table in (schema.participants, schema.credentials):
        statement = select(table.c.participant_id).where(
            table.c.revision > after, table.c.revision <= through
        )
        found.update(row["participant_id"] for row in mappings(conn, statement))
    return found
