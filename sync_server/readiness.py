"""Can this server do its work now? What `/readyz` tells, and why not."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from shared.errors import GatesyncError
from shared.limits import READY_ANSWER_S_MAX, READY_DISK_FREE_BYTES_MIN
from sync_server.ports import Store
from sync_server.storage import revisions
from sync_server.stream.head_watch import HeadWatch


class Trouble(NamedTuple):
    """`code` tells a program, `message` a person."""

    code: str
    message: str


def disk_free(folder: Path) -> Callable[[], int]:
    """Bytes that are left where the data lie."""
    return lambda: shutil.disk_usage(folder).free


class Readiness:
    """Reads, and takes a turn of the writer's, since a writer that hangs reads as well as ever."""

    def __init__(self, database: Store, heads: HeadWatch, free_bytes: Callable[[], int]) -> None:
        self._database, self._heads, self._free_bytes = database, heads, free_bytes

    async def look(self) -> tuple[tuple[str, int], Trouble | None]:
        """The head that was read, and the first trouble; without a head there is always one."""
        head = ("", 0)
        if self._heads.closing:
            return head, Trouble("closing", "The server is shutting down.")
        try:
            async with asyncio.timeout(READY_ANSWER_S_MAX):
                head = await self._database.read(revisions.head)
        except TimeoutError:
            return head, Trouble("database_slow", "The database does not answer.")
        except (GatesyncError, LookupError) as error:
            return head, Trouble("database_gone", f"The database can't be read: {error}")
        try:
            async with asyncio.timeout(READY_ANSWER_S_MAX):
                await self._database.write(lambda _conn: None)
        except TimeoutError:
            said = f"No write was taken for {READY_ANSWER_S_MAX} s."
            return head, Trouble("writer_stuck", said)
        except GatesyncError as error:
            return head, Trouble("writer_stuck", f"No write is taken: {error}")
        free = await asyncio.to_thread(self._free_bytes)
        if free < READY_DISK_FREE_BYTES_MIN:
            said = f"Only {free / 1e6:.0f} MB are left on the server's disk."
            return head, Trouble("disk_full", said)
        return head, None
