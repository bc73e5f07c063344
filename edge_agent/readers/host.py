"""Runs one reader on a thread and an event loop of its own, so that none holds up another.

A reader that raises is started again after a pause that grows. One that blocks its thread, as a
driver's call may, keeps only itself waiting: the others, the lane and the kiosk go on, and its
health says that it hangs.
"""

import asyncio
import threading
from contextlib import suppress
from typing import Final

import structlog

from edge_agent import system_clock
from edge_agent.ports import Emit, Reader, ReaderHealth

log = structlog.get_logger(__name__)

_RESTART_S_MIN, _RESTART_S_MAX = 0.5, 30.0
_STEADY_S: Final = 5.0
"""A reader that ran so long has got over its last fault."""
_PULSE_S: Final = 1.0
_SILENCE_S_MAX: Final = 10.0
_STOP_S_MAX: Final = 5.0


class ReaderHost:
    """One reader's thread. `emit` is called on that thread."""

    def __init__(
        self, reader: Reader, emit: Emit, *, silence_s_max: float = _SILENCE_S_MAX
    ) -> None:
        self.reader = reader
        self._emit = emit
        self._silence_s_max = silence_s_max
        # A daemon: one that hangs in a driver must not keep the agent from ending.
        self._thread = threading.Thread(target=self._live, name=reader.name, daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = threading.Event()
        self._pulse_s = 0.0
        self._fault = ""

    def start(self) -> None:
        self._pulse_s = system_clock.monotonic_s()
        self._thread.start()

    def cancel(self) -> None:
        """Ask the reader to end; `join` waits for it."""
        self._stopping.set()
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # its loop has closed: it ended by itself
                self._loop.call_soon_threadsafe(self._task.cancel)

    def join(self, timeout_s: float = _STOP_S_MAX) -> bool:
        """Wait for the end; false where the reader hangs and is left behind."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def health(self) -> ReaderHealth:
        """The reader's own word, unless it can't be believed. Any thread may ask."""
        name = self.reader.name
        silent_s = system_clock.monotonic_s() - self._pulse_s
        if self._thread.is_alive() and silent_s > self._silence_s_max:
            words = f"The reader has hung for {silent_s:.0f} s; the other readers go on."
            return ReaderHealth(
                name, "failed", words, {}, "Unplug its device, or restart the agent."
            )
        if self._fault:
            words = f"The reader failed ({self._fault}) and is started again."
            return ReaderHealth(name, "failed", words, {}, "Send us the agent's log.")
        try:
            return self.reader.health()
        except Exception as error:  # a reader's fault, whatever it is, is the reader's own
            log.exception("reader_health_failed", reader=name)
            return ReaderHealth(name, "failed", f"The reader can't say how it is: {_brief(error)}.")

    def _live(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._stopping.is_set():  # cancelled before there was a task to cancel
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pulse())
            group.create_task(self._keep_running())

    async def _pulse(self) -> None:
        while True:
            self._pulse_s = system_clock.monotonic_s()
            await asyncio.sleep(_PULSE_S)

    async def _keep_running(self) -> None:
        pause_s = _RESTART_S_MIN
        while True:
            started_s = system_clock.monotonic_s()
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._forgive())
                    await self.reader.run(self._emit)
                    raise RuntimeError("it ended by itself")
            except Exception as error:
                self._fault = _brief(error)
                log.exception("reader_failed", reader=self.reader.name, again_in_s=pause_s)
            if system_clock.monotonic_s() - started_s > _RESTART_S_MAX:
                pause_s = _RESTART_S_MIN
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _RESTART_S_MAX)

    async def _forgive(self) -> None:
        if self._fault:
            await asyncio.sleep(_STEADY_S)
            self._fault = ""


def _brief(error: BaseException) -> str:
    """One line; of a group its first member."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
