"""Reading the journal off the lane's thread: a file that proves damaged is mended and read again."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from edge_agent.storage import sqlite_file
from edge_agent.storage.journal import Journal

T = TypeVar("T")
OnLane = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Runs a short job on the thread that owns the journal."""


class JournalReads:
    def __init__(self, journal: Journal, on_lane: OnLane) -> None:
        self._journal = journal
        self._on_lane = on_lane

    async def __call__(self, job: Callable[[], T]) -> T:
        """`job` in a worker thread; once more after a salvage, which only the lane may do."""
        life = self._journal.life
        try:
            return await asyncio.to_thread(job)
        except sqlite3.DatabaseError as error:
            if not sqlite_file.is_damage(error):
                raise
        await self._on_lane(lambda: self._journal.mend(life))
        return await asyncio.to_thread(job)
