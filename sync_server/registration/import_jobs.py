"""Long imports and undoings, one after the other beside the event loop.

A job's file has no name, so nothing is left of it if the server ends; the import then says that it
failed, keeps what it did until then, and the same file may be imported again.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO, cast

import structlog

from shared.errors import GatesyncError, TransientError
from shared.limits import IMPORT_JOBS_WAITING_MAX
from sync_server.registration import import_store
from sync_server.registration.import_desk import ImportDesk, Request
from sync_server.registration.list_reader import ListReader
from sync_server.registration.rows import ListError
from sync_server.registration.sheet_reader import SheetRows

log = structlog.get_logger("imports")
_UNEXPECTED = {
    "en": "Something went wrong here; the server's log has more.",
    "ko": "문제가 생겼습니다. 서버 기록에 자세한 내용이 있습니다.",
}


@dataclass(slots=True)
class Job:
    """`progress` is read by others while the job runs."""

    import_id: str
    work: Callable[["Job"], Any]
    file: IO[bytes] | None = None
    ends_as: str = "failed"  # where it breaks off
    progress: dict[str, int | None] = field(default_factory=dict)


class ImportJobs:
    """Call `begin` before serving; `run` does the jobs until it is cancelled."""

    def __init__(self, desk: ImportDesk) -> None:
        self._desk = desk
        self._waiting: asyncio.Queue[Job] = asyncio.Queue(IMPORT_JOBS_WAITING_MAX)
        self._jobs: dict[str, Job] = {}
        self._stopping = False

    async def begin(self) -> None:
        self._desk.clear()
        now_ms = self._desk.now_ms()
        await self._desk.database.write(lambda conn: import_store.fail_unfinished(conn, now_ms))

    def progress_of(self, import_id: str) -> dict[str, int | None] | None:
        """Of a job that waits or runs: rowsDone, and what it can be compared with."""
        job = self._jobs.get(import_id)
        return None if job is None else dict(job.progress)

    async def start_import(self, file: IO[bytes], size: int, request: Request) -> str:
        """Take the file over and answer its import's id; TransientError where too many wait."""
        self._check_room()
        import_id = str(uuid.uuid4())
        now_ms = self._desk.now_ms()
        await self._desk.database.write(
            lambda conn: import_store.begin(
                conn, import_id, request.source, now_ms,
                state="waiting", caller=request.caller, options=request.as_json(),
            )
        )  # fmt: skip
        progress: dict[str, int | None] = {
            "rowsDone": 0, "rowsTotal": None, "bytesDone": 0, "bytes": size,
        }  # fmt: skip
        work = self._import_work(request)
        self._put(Job(import_id, work, file, progress=progress))
        return import_id

    async def start_undo(self, import_id: str, rows: int) -> None:
        self._check_room()
        if import_id in self._jobs:
            raise TransientError("This import is being worked on; try again in a moment.")
        await self._desk.database.write(
            lambda conn: import_store.set_state(conn, import_id, "undoing")
        )
        progress: dict[str, int | None] = {"rowsDone": 0, "rowsTotal": rows}
        self._put(Job(import_id, self._undo_work, ends_as="done", progress=progress))

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            job = await self._waiting.get()
            working = loop.run_in_executor(None, self._done, job)
            try:
                await asyncio.shield(working)
            except asyncio.CancelledError:
                self._stopping = True
                await working  # it ends between two pieces
                raise

    def _check_room(self) -> None:
        if self._waiting.full():
            raise TransientError("Too many imports wait already; try again in a moment.")

    def _put(self, job: Job) -> None:
        self._jobs[job.import_id] = job
        self._waiting.put_nowait(job)

    def _done(self, job: Job) -> None:
        """One job on its thread; whatever comes of it is written down."""
        try:
            with contextlib.closing(job.file) if job.file else contextlib.nullcontext():
                job.work(job)
        except GatesyncError as error:
            korean = error.korean if isinstance(error, ListError) else str(error)
            self._fail(job, {"en": str(error), "ko": korean})
        except Exception:
            log.exception("import failed", import_id=job.import_id)
            self._fail(job, _UNEXPECTED)
        finally:
            self._jobs.pop(job.import_id, None)

    def _fail(self, job: Job, error: dict[str, str]) -> None:
        if self._stopping:
            undoing = job.ends_as == "done"
            error = import_store.UNDO_ENDED_EARLY if undoing else import_store.ENDED_EARLY
        now_ms = self._desk.now_ms()
        with contextlib.suppress(TransientError):  # the next start says it then
            self._desk.database.write_now(
                lambda conn: import_store.set_state(
                    conn, job.import_id, job.ends_as, finished_ms=now_ms, error=error
                )
            )

    def _import_work(self, request: Request) -> Callable[[Job], None]:
        def work(job: Job) -> None:
            file = cast(BinaryIO, job.file)

            def opened(reader: ListReader) -> None:
                if isinstance(reader.rows, SheetRows):
                    job.progress["rowsTotal"] = reader.rows.rows_total
                    job.progress["bytesDone"] = job.progress["bytes"]

            def progress(rows: int) -> None:
                self._tell(job, rows)
                job.progress["bytesDone"] = max(job.progress["bytesDone"] or 0, file.tell())

            self._desk.database.write_now(
                lambda conn: import_store.set_state(conn, job.import_id, "running")
            )
            result = self._desk.run(file, request, progress, job.import_id, opened)
            kept = {name: value for name, value in result.items() if name != "rows"}
            now_ms = self._desk.now_ms()
            self._desk.database.write_now(
                lambda conn: import_store.set_state(
                    conn, job.import_id, "done", result=kept, finished_ms=now_ms
                )
            )

        return work

    def _undo_work(self, job: Job) -> None:
        self._desk.undo(job.import_id, lambda rows: self._tell(job, rows))

    def _tell(self, job: Job, rows: int) -> None:
        job.progress["rowsDone"] = rows
        if self._stopping:  # raised between two pieces: what is saved stays
            raise TransientError("the server was stopped")
