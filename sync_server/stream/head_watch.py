"""Wakes whoever waits for the head to move: long polls and the live page."""

import asyncio

from shared.limits import LONG_POLLS_MAX


class HeadWatch:
    """Take `moved()` before reading, then wait on it: no commit in between is missed.

    `notify` may be called from any thread. `close` wakes everybody for good.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._moved = asyncio.Event()
        self._pending = False
        self.closing = False
        self.waiting = 0

    @property
    def may_wait(self) -> bool:
        """Whether there is room for one more to wait (P12)."""
        return self.waiting < LONG_POLLS_MAX

    async def wait(self, moved: asyncio.Event, timeout_s: float) -> bool:
        """As `wait_until`, and counted."""
        self.waiting += 1
        try:
            return await wait_until(moved, timeout_s)
        finally:
            self.waiting -= 1

    def moved(self) -> asyncio.Event:
        return self._moved

    def notify(self) -> None:
        if not self._pending and not self._loop.is_closed():
            self._pending = True  # commits between now and the wake-up share it
            self._loop.call_soon_threadsafe(self._wake)

    def close(self) -> None:
        self.closing = True
        self._wake()

    def _wake(self) -> None:
        self._pending = False
        waiting, self._moved = self._moved, asyncio.Event()
        waiting.set()
        if self.closing:
            self._moved.set()


async def wait_until(event: asyncio.Event, timeout_s: float) -> bool:
    """Whether `event` came within the time. Others run meanwhile, also where it had come already:
    a loop that waits here can be ended.
    """
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
