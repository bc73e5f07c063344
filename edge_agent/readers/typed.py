"""Codes typed at the kiosk, or by a hand scanner that the kiosk's page hears as a keyboard."""

import asyncio

from edge_agent import system_clock
from edge_agent.ports import Emit, ReaderHealth, Sighting
from edge_agent.readers.payload import clean_text
from shared.credentials import Fault, parse
from shared.keystrokes import as_typed


class TypedReader:
    """Who types waits for the answer, so `take` hands the sighting back to be decided at once;
    `run` has nothing to watch.
    """

    name = "typed"

    def __init__(self) -> None:
        self._codes = 0
        self._mistyped = 0
        self._last_ms: int | None = None

    def take(self, text: str) -> Sighting:
        """A typed code, with what keyboards, input methods and scanners do to it undone."""
        code = clean_text(as_typed(text))
        self._codes += 1
        self._mistyped += parse(code) is Fault.UNREADABLE
        self._last_ms = system_clock.boot_ms()
        return Sighting("typed", code, None, self._last_ms, self.name)

    async def run(self, _emit: Emit) -> None:
        await asyncio.Event().wait()

    def health(self) -> ReaderHealth:
        figures = {"codes": float(self._codes), "mistyped": float(self._mistyped)}
        if self._last_ms is not None:
            figures["last_code_s_ago"] = (system_clock.boot_ms() - self._last_ms) / 1_000
        return ReaderHealth(self.name, "running", "Codes can be typed at the kiosk.", figures)
