"""Virtual time: an asyncio event loop that never waits and never asks a clock.

The product's coroutines run on it unchanged. When nobody is ready, time jumps to the next timer.
Work for another thread happens in one moment, after as long as the machine's disk takes; what
belongs to a machine without power never happens.
"""

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any, Protocol

MOMENTS_MAX = 20_000  # turns of the loop without time passing: somebody spins (P12)


class SpinsError(Exception):
    """The product turns in a circle without waiting for anything."""


class PowerCutError(BaseException):
    """The machine stops here: no `except Exception` of the product may see it."""


class Machine(Protocol):
    """What a piece of work runs on."""

    alive: bool

    def slowness_s(self) -> float: ...

    def power_lost(self) -> None: ...


machine: contextvars.ContextVar[Machine] = contextvars.ContextVar("machine")


class _Selector:
    """Where a real loop would wait for sockets, this one lets time pass."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        self._loop.pass_time(timeout)
        return []

    def close(self) -> None:
        pass


class VirtualLoop(asyncio.BaseEventLoop):
    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._turns = 0
        self._clock_resolution = 1e-9
        self._selector = _Selector(self)
        self.set_exception_handler(lambda _loop, _context: None)  # runs blame what they find

    def time(self) -> float:
        return self._now_s

    def pass_time(self, timeout: float | None) -> None:
        if timeout is None:
            raise SpinsError("nobody will ever do anything again")
        if timeout > 0:
            self._now_s += timeout
            self._turns = 0
            return
        self._turns += 1
        if self._turns > MOMENTS_MAX:
            raise SpinsError(f"{MOMENTS_MAX} turns of the loop at {self._now_s:.3f} s")

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """One moment, some time later; a waiter who was cancelled does not stop the thread."""
        future = self.create_future()
        here = machine.get()

        def happen() -> None:
            if not here.alive:
                return
            try:
                result = func(*args)
            except PowerCutError:
                here.power_lost()
            except Exception as error:  # noqa: BLE001 — who waits for it gets it
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # somebody who was cancelled never asks
            else:
                if not future.done():
                    future.set_result(result)

        self.call_later(here.slowness_s(), happen)
        return future

    def _process_events(self, event_list: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass
