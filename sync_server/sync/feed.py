"""Pages of changes for many gates at once: those that ask for the same share one reading.

After a commit every waiting gate asks for what comes after the same cursor. The first to ask reads;
the others wait for what it reads. A reading begun before the head moved is not shared with those
whom the move woke, so that none is older than the commit that woke its gate. Pages with lines made for one device are read for it alone.
"""

import asyncio
from typing import NamedTuple

from sqlalchemy import Connection, select

from sync_server.ports import Store
from sync_server.storage.schema import devices
from sync_server.stream.head_watch import HeadWatch
from sync_server.sync.changes import ChangesPage, changes_page

SHARED_PAGES_MAX = 8  # of different cursors; gates that are up to date all ask with one

_STATES = select(devices.c.device_id, devices.c.state)


class Reading(NamedTuple):
    """A page and every device's state, of one moment."""

    page: ChangesPage
    states: dict[str, str]


class ChangesFeed:
    """`page` is for the event loop's thread; the reading is done on the store's."""

    def __init__(self, store: Store, heads: HeadWatch) -> None:
        self._store, self._heads = store, heads
        self._moment: asyncio.Event | None = None
        self._shared: dict[tuple[str | None, int], asyncio.Future[Reading]] = {}

    async def page(self, device_id: str, cursor: str | None, limit: int) -> Reading:
        """Rows after the cursor as of now; WireError for a cursor that is none."""
        reading = await self._read(cursor, limit)
        if not reading.page.personal:
            return reading
        return await self._store.read(lambda conn: _reading(conn, device_id, cursor, limit))

    async def _read(self, cursor: str | None, limit: int) -> Reading:
        moment = self._heads.moved()
        if moment is not self._moment:
            self._moment, self._shared = moment, {}
        while (under_way := self._shared.get((cursor, limit))) is not None:
            await asyncio.wait([under_way])
            if not under_way.cancelled():
                return under_way.result()
        if len(self._shared) >= SHARED_PAGES_MAX:
            return await self._store.read(lambda conn: _reading(conn, None, cursor, limit))
        shared, mine = self._shared, asyncio.get_running_loop().create_future()
        shared[cursor, limit] = mine
        try:
            reading = await self._store.read(lambda conn: _reading(conn, None, cursor, limit))
            mine.set_result(reading)
        finally:  # its own trouble, or its caller has gone: another reads
            del shared[cursor, limit]
            mine.cancel()
        return reading


def _reading(conn: Connection, device_id: str | None, cursor: str | None, limit: int) -> Reading:
    states = {row.device_id: row.state for row in conn.execute(_STATES)}
    return Reading(changes_page(conn, device_id, cursor, limit), states)
