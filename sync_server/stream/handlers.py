"""Who is told of what happens: handlers of the outbox, each by itself (DESIGN §6 Stream).

A handler reads the outbox in order. What it can't take is kept and tried again with growing pauses;
after `ATTEMPTS_MAX` it is parked, where a person sees it and may have it tried once more. Nothing
that one handler does hinders another, or the messages behind.

A message counts as taken once `handle` has returned: after a crash in between it comes again, so a
handler must bear the same envelope id twice.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec
import structlog

from shared.errors import GatesyncError, TransientError
from shared.wire import format_time
from sync_server.ports import Store
from sync_server.stream import deliveries
from sync_server.stream.deliveries import Outcome
from sync_server.stream.head_watch import HeadWatch, wait_until

log = structlog.get_logger("stream")

VERSION = 1
HANDLE_S_MAX = 15.0
POLL_S_MAX = 5.0  # a retry that is due waits at most this long beyond its pause
FAILED_PAUSE_S = 1.0  # after a step that failed, whatever moved meanwhile


class Envelope(msgspec.Struct, frozen=True):
    """One message, as handlers and brokers get it (DESIGN §6)."""

    id: str  # generation.number: the same in every attempt
    type: str
    timestamp: str
    data: Any
    source: str
    version: int = VERSION


class HandlerError(GatesyncError):
    """This message could not be taken; its text says why, in one line."""


class Handler(Protocol):
    """`name` is its key in the database; `types` the messages it wants, all where empty."""

    name: str
    types: frozenset[str]

    async def handle(self, envelope: Envelope) -> None:
        """Take one message; HandlerError or an OSError where that failed for now."""


class Stream:
    """Brings every handler its messages, each in a task of its own."""

    def __init__(
        self,
        database: Store,
        heads: HeadWatch,
        handlers: Sequence[Handler],
        source: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._database, self._heads, self._handlers = database, heads, handlers
        self._source, self._now_ms = source, now_ms

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for handler in self._handlers:
                tasks.create_task(self._serve(handler))

    async def begin(self) -> None:
        """To be called before anything can happen."""
        for handler in self._handlers:
            await self._database.write(partial(deliveries.begin, handler.name))

    async def _serve(self, handler: Handler) -> None:
        while True:
            moved = self._heads.moved()
            try:
                taken = await self.step(handler)
            except TransientError as error:
                log.warning("the outbox was not read", handler=handler.name, why=str(error))
                await asyncio.sleep(FAILED_PAUSE_S)
                continue
            except Exception:  # a mistake here must not end the server: gates hang on it
                log.exception("the outbox was not read", handler=handler.name)
                await asyncio.sleep(FAILED_PAUSE_S)
                continue
            if not taken:
                await wait_until(moved, POLL_S_MAX)

    async def step(self, handler: Handler) -> int:
        """What is due again, then what is new; how many messages were looked at."""
        now_ms = self._now_ms()
        due = await self._database.read(partial(deliveries.due, handler.name, now_ms=now_ms))
        for waiting in due:
            outcome = await self._try(handler, waiting.envelope, waiting.attempts)
            await self._database.write(
                partial(deliveries.settle, waiting, outcome, now_ms=self._now_ms())
            )
        batch = await self._database.read(partial(deliveries.unread, handler.name, handler.types))
        outcomes: list[Outcome] = []
        for row in batch.rows:
            envelope = _envelope(row, batch.generation, self._source)
            outcomes.append(await self._try(handler, envelope, 0))
        if batch.through > batch.after:
            await self._database.write(
                partial(
                    deliveries.advance, handler.name, batch.through, outcomes,
                    now_ms=self._now_ms(),
                )
            )  # fmt: skip
        return len(due) + len(batch.rows)

    async def _try(self, handler: Handler, envelope: Mapping[str, Any], attempts: int) -> Outcome:
        error: str | None = None
        try:
            async with asyncio.timeout(HANDLE_S_MAX):
                await handler.handle(msgspec.convert(envelope, Envelope))
        except TimeoutError:
            error = f"it took longer than {HANDLE_S_MAX:.0f} s"
        except (HandlerError, OSError) as failure:
            error = str(failure) or type(failure).__name__
        except Exception as failure:  # a handler's own mistake parks its message, no more
            log.exception("a handler failed", handler=handler.name, message=envelope["id"])
            error = f"{type(failure).__name__}: {failure}"
        return Outcome(dict(envelope), attempts + 1, error)


def _envelope(row: Any, generation: str, source: str) -> dict[str, Any]:
    return {
        "id": f"{generation}.{row.outbox_id}",
        "type": row.type,
        "timestamp": format_time(row.at_ms),
        "data": row.data,
        "source": source,
        "version": VERSION,
    }
