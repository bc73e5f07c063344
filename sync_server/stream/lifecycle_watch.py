"""Notices when the event's life goes on, by hand or by itself, and does what then is to be done.

The status as of now follows from what is stored and the time (`Event.status_at`); how far it has been
told stands in the database, so that a server that was down meanwhile catches up. Each step goes into
the outbox as `event.status`; when the event is over the final report is written into the data folder.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy import Connection, insert, select, update

from shared.errors import TransientError
from shared.model import Event, EventStatus
from sync_server.insight.lifecycle import LIFE, OVER
from sync_server.ports import Store
from sync_server.report import gather, render
from sync_server.report.pdf import pdf
from sync_server.storage import outbox
from sync_server.storage.chunks import mappings
from sync_server.storage.history import event_of
from sync_server.storage.message_tables import stream_cursors
from sync_server.storage.schema import events

log = structlog.get_logger("lifecycle")

LOOK_S = 2.0
CHANGED = "event.status"
_CURSOR = "lifecycle"  # in stream_cursors: the place in LIFE that was told last
_LANGUAGES = ("en", "ko")


@dataclass(frozen=True, slots=True)
class Step:
    event: Event
    before: EventStatus | None  # None: nothing was told yet
    now: EventStatus


class LifecycleWatch:
    """`reports`: the folder that the final report is written to."""

    def __init__(self, database: Store, reports: Path, now_ms: Callable[[], int]) -> None:
        self._database, self._reports, self._now_ms = database, reports, now_ms

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look_once()
            except TransientError as error:
                log.warning("the event's status was not looked at", why=str(error))
            except Exception:  # a mistake here must not end the server: gates hang on it
                log.exception("the event's status was not looked at")
            await asyncio.sleep(LOOK_S)

    async def look_once(self) -> None:
        now_ms = self._now_ms()
        step = await self._database.read(partial(find_step, now_ms=now_ms))
        if step is None:
            return
        if step.before is not None and step.now in OVER:
            await self._write_report(step, now_ms)
        await self._database.write(partial(tell, step=step, now_ms=now_ms))

    async def _write_report(self, step: Step, now_ms: int) -> None:
        """Said in the log where it can't be: the report is to be had on the page all the same."""
        report = await self._database.read(partial(gather.gather, now_ms=now_ms))
        moment = datetime.fromtimestamp(now_ms / 1_000, UTC)
        stem = f"final-{step.now.value}-{moment:%Y%m%dT%H%M%SZ}"
        try:
            await asyncio.to_thread(_write_files, self._reports, stem, report)
        except (OSError, RuntimeError) as error:
            log.warning("the final report was not written", why=str(error))


def find_step(conn: Connection, now_ms: int) -> Step | None:
    """None where nothing has changed since it was told."""
    row = next(mappings(conn, select(events)), None)
    if row is None:
        return None
    event = event_of(row)
    told = conn.execute(_TOLD).scalar()
    before = None if told is None else LIFE[told]
    now = event.status_at(now_ms)
    return None if now is before else Step(event, before, now)


def tell(conn: Connection, step: Step, now_ms: int) -> None:
    place = LIFE.index(step.now)
    if step.before is None:
        conn.execute(insert(stream_cursors).values(handler=_CURSOR, through=place))
        return
    conn.execute(
        update(stream_cursors).where(stream_cursors.c.handler == _CURSOR).values(through=place)
    )
    message = {
        "eventId": step.event.event_id,
        "from": step.before.value,
        "to": step.now.value,
        "byItself": step.now is not step.event.status,
    }
    outbox.emit(conn, [(CHANGED, message)], now_ms)


_TOLD = select(stream_cursors.c.through).where(stream_cursors.c.handler == _CURSOR)


def _write_files(folder: Path, stem: str, report: gather.Report) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for language in _LANGUAGES:
        made = {
            "html": render.html(report, language).encode(),
            "pdf": pdf(report, language),
            "csv": render.csv_text(report, language).encode(),
        }
        for kind, content in made.items():
            (folder / f"{stem}.{language}.{kind}").write_bytes(content)
