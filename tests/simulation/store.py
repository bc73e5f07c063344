"""The server's store in virtual time: `sync_server.ports.Store` without threads.

One writing connection, jobs that wait together share a commit, each in a savepoint of its own, as
`storage.database` does it; the power may go before any statement.
"""

import asyncio
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from shutil import copyfile
from tempfile import mkdtemp
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import make_url

from shared.errors import TransientError
from sync_server.storage import database
from sync_server.storage.connections import make_engine
from sync_server.storage.database import Database
from tests.simulation.clockwork import PowerCutError
from tests.simulation.world import World

T = TypeVar("T")
Job = Callable[[Connection], Any]
JOBS_WAITING_MAX = 256


@lru_cache(maxsize=1)
def _empty_database() -> Path:
    """The schema is made once a process, by the real code, and copied."""
    path = Path(mkdtemp(prefix="gatesync-sim-")) / "sync.db"
    Database.open(f"sqlite:///{path}").close()
    return path


@lru_cache(maxsize=4)
def _engine(url: str, *, writes: bool) -> Engine:
    """Kept over runs, and with it the statements that SQLAlchemy has compiled: four fifths of the
    time of a run would go into them. Connections are not kept (NullPool).
    """
    return make_engine(make_url(url), writes=writes)


def make_empty(path: Path) -> None:
    copyfile(_empty_database(), path)


class SimStore:
    def __init__(self, world: World, url: str, died: Callable[[], None]) -> None:
        self._world = world
        self._died = died
        self._engine = _engine(url, writes=True)
        self._writer = self._engine.connect()
        self._reader = _engine(url, writes=False).connect()
        self._waiting: list[tuple[Job, asyncio.Future[Any]]] = []
        self._callbacks: list[Callable[[], None]] = []
        self._closed = False
        self._statements_left: int | None = None
        self.disk_ms = 1.0

    async def write(self, job: Callable[[Connection], T]) -> T:
        if self._closed or len(self._waiting) >= JOBS_WAITING_MAX:
            raise TransientError("The server is busy; try again in a moment.")
        answer: asyncio.Future[T] = self._world.loop.create_future()
        if not self._waiting:
            self._world.after(self._world.rng.uniform(0.1, 2) * self.disk_ms, self._commit)
        self._waiting.append((job, answer))
        return await answer

    async def read(self, job: Callable[[Connection], T]) -> T:
        if self._closed:
            raise TransientError("The server is shutting down; try again in a moment.")
        await asyncio.sleep(self._world.rng.uniform(0.000_1, 0.002))  # other readers come meanwhile
        return self.read_now(job)

    def write_now(self, job: Callable[[Connection], T]) -> T:
        with self._writer.begin():
            database.set_moment(self._writer, self._world.true_ms)
            result = job(self._writer)
        self._announce()
        return result

    def read_now(self, job: Callable[[Connection], T]) -> T:
        with self._reader.begin():
            return job(self._reader)

    def on_commit(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    def close(self) -> None:
        self._closed = True
        self._writer.close()
        self._reader.close()
        if self._statements_left is not None:
            event.remove(self._engine, "before_cursor_execute", self._count)
            self._statements_left = None

    def cut_power_in(self, statements: int) -> None:
        """Before the so-manieth statement from now on; -1 for none."""
        if statements < 0 and self._statements_left is None:
            return
        if self._statements_left is None:
            event.listen(self._engine, "before_cursor_execute", self._count)
        self._statements_left = statements

    def _count(self, *_: Any) -> None:
        assert self._statements_left is not None
        self._statements_left -= 1
        if self._statements_left == 0:
            raise PowerCutError

    def look(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """An onlooker's question, past the product."""
        raw: Any = self._reader.connection.driver_connection
        return list(raw.execute(sql, values).fetchall())

    def _commit(self) -> None:
        """All jobs that wait, in one transaction."""
        jobs, self._waiting = self._waiting, []
        if self._closed:
            return
        results: list[tuple[asyncio.Future[Any], Any, Exception | None]] = []
        try:
            with self._writer.begin():
                for job, answer in jobs:
                    results.append((answer, *self._run(job)))
        except PowerCutError:
            self._died()
            return
        self._announce()
        for answer, result, error in results:
            if answer.done():
                continue
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)

    def _run(self, job: Job) -> tuple[Any, Exception | None]:
        database.set_moment(self._writer, self._world.true_ms)
        savepoint = self._writer.begin_nested()
        try:
            result = job(self._writer)
            savepoint.commit()
        except Exception as error:  # noqa: BLE001 — the caller gets it
            savepoint.rollback()
            changed = self._writer.info.get(database._CHANGED, False)
            self._writer.info.clear()
            self._writer.info[database._CHANGED] = changed
            return None, error
        return result, None

    def _announce(self) -> None:
        if self._writer.info.pop(database._CHANGED, False):
            for callback in self._callbacks:
                callback()
