"""One writer thread and a few reader threads over one database (STYLE habit 4, DESIGN §6).

A write is one synchronous function inside one transaction on the one writing connection. Jobs that
wait together share a commit, each in a savepoint of its own: one that raises takes back only
itself, and each caller is answered once the commit is durable. PostgreSQL may ask for a transaction
again (a deadlock, a lost connection): then its jobs run again, so a job changes nothing outside of
its connection.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import InternalError, OperationalError

from shared.errors import PermanentError, TransientError, UsageError
from sync_server import system_clock
from sync_server.storage.connections import SQLITE, make_engine, parse_url, shown
from sync_server.storage.link import Link
from sync_server.storage.migrations import migrate
from sync_server.storage.postgresql import is_lost, is_passing

T = TypeVar("T")

WRITES_WAITING_MAX = 256
READS_WAITING_MAX = 256
JOBS_PER_COMMIT_MAX = 32
READERS = 2

_CHANGED = "gatesync_changed"
_NOW_MS = "gatesync_now_ms"
_open_files: set[str] = set()
_open_files_guard = threading.Lock()


class _Job(NamedTuple):
    run: Callable[[Connection], Any]
    answer: "Future[Any]"


_Queue = queue.Queue["_Job | None"]


def moment_ms(conn: Connection) -> int:
    """The server's time of the job that runs: one for all that it writes."""
    at_ms: int = conn.info[_NOW_MS]
    return at_ms


def set_moment(conn: Connection, now_ms: int) -> None:
    """For a store, before each job."""
    conn.info[_NOW_MS] = now_ms


def announce(conn: Connection) -> None:
    """Say that this transaction changes what others wait for (replicated rows, the outbox)."""
    conn.info[_CHANGED] = True


class Database:
    """Open with `Database.open`; jobs are functions of a SQLAlchemy connection.

    A full queue raises TransientError at once (P12); HTTP answers it with 503.
    """

    def __init__(
        self, writer: Engine, reader: Engine, file: str | None, now_ms: Callable[[], int]
    ) -> None:
        self._file, self._now_ms = file, now_ms
        self._writes: _Queue = queue.Queue(WRITES_WAITING_MAX)
        self._reads: _Queue = queue.Queue(READS_WAITING_MAX)
        self._callbacks: list[Callable[[], None]] = []
        self._closed = False
        self._guard = threading.Lock()
        self._threads = [
            threading.Thread(target=self._write_loop, args=(writer,), name="db-writer", daemon=True)
        ]
        self._threads += [
            threading.Thread(target=self._read_loop, args=(reader,), name=f"db-{n}", daemon=True)
            for n in range(READERS)
        ]
        for thread in self._threads:
            thread.start()

    @classmethod
    def open(cls, url: str, now_ms: Callable[[], int] = system_clock.now_ms) -> "Database":
        """`sqlite:///DIR/sync.db` or `postgresql://…`; makes the schema when it is missing."""
        parsed = parse_url(url)
        file = _claimed(parsed)
        try:
            writer = make_engine(parsed, writes=True)
            migrate(writer, file or shown(parsed))
            return cls(writer, make_engine(parsed, writes=False), file, now_ms)
        except BaseException:
            _release(file)
            raise

    async def write(self, job: Callable[[Connection], T]) -> T:
        """Run the job in a transaction; returns once it is durable."""
        return await asyncio.wrap_future(self._submit(self._writes, job))

    async def read(self, job: Callable[[Connection], T]) -> T:
        """Run the job in a read transaction: it sees one state of the whole."""
        return await asyncio.wrap_future(self._submit(self._reads, job))

    def write_now(self, job: Callable[[Connection], T]) -> T:
        """As `write`, blocking; for commands and tests, never on an event loop."""
        return self._submit(self._writes, job).result()

    def read_now(self, job: Callable[[Connection], T]) -> T:
        return self._submit(self._reads, job).result()

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call back after each commit that changed replicated rows or the outbox.

        It is called on the writer thread and must be quick: `loop.call_soon_threadsafe(…)`.
        """
        self._callbacks.append(callback)

    def close(self) -> None:
        """Finish the jobs taken so far, then end the threads."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
        self._writes.put(None)
        for _ in range(READERS):
            self._reads.put(None)
        for thread in self._threads:
            thread.join()
        _release(self._file)

    def _submit(self, waiting: _Queue, run: Callable[[Connection], T]) -> "Future[T]":
        answer: Future[T] = Future()
        with self._guard:
            if self._closed:
                raise TransientError("The server is shutting down; try again in a moment.")
            try:
                waiting.put_nowait(_Job(run, answer))
            except queue.Full as error:
                raise TransientError("The server is busy; try again in a moment.") from error
        return answer

    def _read_loop(self, engine: Engine) -> None:
        with closing(Link(engine, writes=False)) as link:
            while (job := self._reads.get()) is not None:
                if not job.answer.set_running_or_notify_cancel():
                    continue
                try:
                    result = link.run(job.run)
                except BaseException as error:  # noqa: BLE001 — the caller gets it
                    job.answer.set_exception(_named(error))
                else:
                    job.answer.set_result(result)

    def _write_loop(self, engine: Engine) -> None:
        with closing(Link(engine, writes=True)) as link:
            last: _Job | None = self._writes.get()
            while last is not None:
                jobs = [last]
                while last is not None and len(jobs) < JOBS_PER_COMMIT_MAX:
                    try:
                        last = self._writes.get_nowait()
                    except queue.Empty:
                        break
                    if last is not None:
                        jobs.append(last)
                self._commit(link, jobs)
                last = last and self._writes.get()

    def _commit(self, link: Link, jobs: list[_Job]) -> None:
        jobs = [job for job in jobs if job.answer.set_running_or_notify_cancel()]
        if not jobs:
            return
        try:
            results, changed = link.run(partial(_run_together, jobs, self._now_ms))
        except BaseException as error:  # noqa: BLE001 — nothing was committed: each caller hears it
            for job in jobs:
                job.answer.set_exception(_named(error))
            return
        if changed:
            for callback in self._callbacks:
                callback()
        for job, (result, failure) in zip(jobs, results, strict=True):
            if failure is None:
                job.answer.set_result(result)
            else:
                job.answer.set_exception(failure)


_Result = tuple[Any, BaseException | None]


def _run_together(
    jobs: Sequence[_Job], now_ms: Callable[[], int], conn: Connection
) -> tuple[list[_Result], bool]:
    """Results in the jobs' order, and whether something was announced."""
    conn.info.pop(_CHANGED, None)
    set_moment(conn, now_ms())
    if len(jobs) == 1:  # what it raises takes back the transaction, which is only its own
        results: list[_Result] = [(jobs[0].run(conn), None)]
    else:
        results = [_run_in_savepoint(conn, job, now_ms) for job in jobs]
    return results, conn.info.pop(_CHANGED, False)


def _run_in_savepoint(conn: Connection, job: _Job, now_ms: Callable[[], int]) -> _Result:
    set_moment(conn, now_ms())
    savepoint = conn.begin_nested()
    try:
        result = job.run(conn)
        savepoint.commit()
    except BaseException as error:
        if is_lost(error) or is_passing(error):
            raise  # all of them again
        savepoint.rollback()
        changed = conn.info.get(_CHANGED, False)
        conn.info.clear()  # what it remembers may come from what was just taken back
        conn.info[_CHANGED] = changed  # jobs of the same commit may have changed something
        return None, _named(error)
    return result, None


def _claimed(url: URL) -> str | None:
    """The SQLite file that nobody else in this process has open; None for PostgreSQL."""
    if url.get_backend_name() != SQLITE:
        return None
    if not url.database:
        raise UsageError(f"{url}: name a file, as sqlite:///folder/sync.db")
    path = Path(url.database).absolute()
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} does not exist: run `sync-server init` first")
    with _open_files_guard:
        if str(path) in _open_files:
            raise PermanentError(f"{path} is open already: one writing connection a file")
        _open_files.add(str(path))
    return str(path)


def _release(file: str | None) -> None:
    if file is not None:
        with _open_files_guard:
            _open_files.discard(file)


def _named(error: BaseException) -> BaseException:
    """The library's word for "not now" as ours, the cause kept."""
    if is_lost(error):
        return _because(TransientError("The database can't be reached; try again later."), error)
    if isinstance(error, OperationalError | InternalError):
        return _because(TransientError(f"The database could not do it now: {error.orig}"), error)
    return error


def _because(named: BaseException, cause: BaseException) -> BaseException:
    named.__cause__ = cause
    return named
