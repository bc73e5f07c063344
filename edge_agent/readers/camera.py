"""The camera as a reader: keeps a child process that captures and decodes, and filters its codes.

Decoders in C crash and hang (FINDINGS §1), so they live in `worker`, a process that may die.
This side imports neither OpenCV nor numpy; it starts the child, listens, kills it when it falls
silent, starts the next one, and turns codes in view into sightings.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

import msgspec

from edge_agent import system_clock
from edge_agent.ports import ReaderHealth, Sighting
from edge_agent.readers.protocol import (
    LINE_BYTES_MAX,
    PREVIEW_OFF,
    PREVIEW_ON,
    Beat,
    Picture,
    Seen,
    from_line,
)
from edge_agent.readers.source_kind import source_kind
from edge_agent.readers.view_filter import ViewFilter
from shared.credentials import looks_like_enrolment, looks_like_ours

_SILENCE_S_MAX = 5.0
"""A child beats twice a second; a decoder that hangs longer than this is killed."""
_START_S_MAX = 30.0
"""Loading OpenCV from a slow card on a busy Pi takes several seconds before the first beat."""
_RESTART_S_MIN, _RESTART_S_MAX = 0.2, 10.0
_STEADY_S = 30.0
"""A child that lived so long was fine: the next one starts without delay."""

_LOOKING_S = 2.0
"""Nobody asked for a picture for so long: the child need not make any."""
_ADVICE = "If this goes on, unplug the camera and plug it in again, or run tools/setup.sh."


def _is_for_us(code: str) -> bool:
    """Tickets, and the enrolment code that a revoked device may be shown."""
    return looks_like_ours(code) or looks_like_enrolment(code)


class CameraReader:
    """Emits a sighting for each of our codes that comes into view. Implements `ports.Reader`."""

    def __init__(
        self,
        source: str,
        *,
        name: str = "camera",
        silence_s_max: float = _SILENCE_S_MAX,
        command: tuple[str, ...] = (sys.executable, "-m", "edge_agent.readers.worker"),
        accept: Callable[[str], bool] = _is_for_us,
    ) -> None:
        self.name = name
        self.child_pid: int | None = None
        self._source = source
        self._silence_s_max = silence_s_max
        self._command = command
        self._accept = accept
        self._kind = source_kind(source)
        self._view = ViewFilter(change_is_leaving=self._kind in ("folder", "image"))
        self._beat = Beat("waiting", "The camera is being opened.", {})
        self._position = ""
        self._foreign_codes = 0
        self._foreign_ms: int | None = None
        self._restarts = 0
        self._last_words = ""
        self._picture = (0, b"")
        self._looked_s = -_LOOKING_S
        self._child_shows = False

    def picture(self) -> tuple[int, bytes] | None:
        """The newest small picture and its number; asking says that somebody looks. Any thread.
        None where no camera runs.
        """
        self._looked_s = system_clock.monotonic_s()
        if self._kind == "off" or self._beat.state not in ("running", "waiting"):
            return None
        return self._picture

    async def run(self, emit: Callable[[Sighting], None]) -> None:
        """Run until cancelled; whatever happens to the child shows in `health`."""
        if self._kind == "off":
            await asyncio.Event().wait()
        pause_s = _RESTART_S_MIN
        while True:
            started_s = system_clock.monotonic_s()
            fate = await self._one_child(emit)
            lived_s = system_clock.monotonic_s() - started_s
            pause_s = _RESTART_S_MIN if lived_s > _STEADY_S else pause_s
            self._restarts += 1
            self._beat = Beat("failed", f"{fate} It is started again.", {}, advice=_ADVICE)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _RESTART_S_MAX)

    def health(self) -> ReaderHealth:
        if self._kind == "off":
            return ReaderHealth(self.name, "off", "The camera is switched off.", {})
        figures = {
            **self._beat.figures,
            "foreign_codes": float(self._foreign_codes),
            "restarts": float(self._restarts),
        }
        if self._foreign_ms is not None:
            figures["foreign_code_s_ago"] = (system_clock.boot_ms() - self._foreign_ms) / 1_000
        beat = self._beat
        detail = beat.detail or _words(figures)
        return ReaderHealth(self.name, beat.state, detail, figures, beat.advice)

    async def _one_child(self, emit: Callable[[Sighting], None]) -> str:
        """Start a child and listen until it ends or falls silent; say in a sentence why."""
        self._last_words = ""
        try:
            child = await asyncio.create_subprocess_exec(
                *self._command,
                self._source,
                self._position,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=LINE_BYTES_MAX,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        except OSError as error:
            return f"The camera process can't be started: {error.strerror}."
        self.child_pid = child.pid
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            async with asyncio.TaskGroup() as group:
                errors = group.create_task(self._keep_last_words(child.stderr))
                self._child_shows = False
                fate = await self._listen(child.stdout, child.stdin, emit)
                _kill(child)
                await errors
        finally:
            # Also when cancelled: no child outlives its reader.
            _kill(child)
            self.child_pid = None
            await child.wait()
        return fate or f"The camera process ended ({self._how_it_ended(child.returncode)})."

    async def _listen(
        self,
        stdout: asyncio.StreamReader,
        stdin: asyncio.StreamWriter | None,
        emit: Callable[[Sighting], None],
    ) -> str:
        """Handle messages until the child ends (empty answer) or deserves to be ended (why)."""
        patience_s = _START_S_MAX
        while True:
            try:
                # Not `wait_for`: in Python 3.11 it loses a cancellation that meets a line.
                async with asyncio.timeout(patience_s):
                    line = await stdout.readline()
                if not line:
                    return self._beat.detail if self._beat.state == "failed" else ""
                message = from_line(line)
            except TimeoutError:
                return f"The decoder gave no sign of life for {patience_s:.0f} s and was ended."
            except (ValueError, msgspec.MsgspecError):
                return "The camera process sent what is no message and was ended."
            patience_s = self._silence_s_max
            self._tell_whether_somebody_looks(stdin)
            if isinstance(message, Picture):
                self._picture = (self._picture[0] + 1, message.jpeg)
            elif isinstance(message, Beat):
                self._beat = message
                self._position = message.position or self._position
            else:
                self._sight(message, emit)

    def _tell_whether_somebody_looks(self, stdin: asyncio.StreamWriter | None) -> None:
        looks = system_clock.monotonic_s() - self._looked_s < _LOOKING_S
        if stdin is not None and looks is not self._child_shows:
            stdin.write(PREVIEW_ON if looks else PREVIEW_OFF)
            self._child_shows = looks

    def _sight(self, seen: Seen, emit: Callable[[Sighting], None]) -> None:
        if seen.codes and not any(map(looks_like_ours, seen.codes)):
            self._foreign_ms = seen.boot_ms
        for code in self._view.new_codes(seen.codes, seen.boot_ms):
            if self._accept(code):
                emit(Sighting("qr", code, None, seen.boot_ms, self.name))
            else:
                self._foreign_codes += 1  # a poster or a bank's code: no ticket, no scan

    async def _keep_last_words(self, stderr: asyncio.StreamReader) -> None:
        """Read standard error so that it never blocks the child; the last piece is kept."""
        while piece := await stderr.read(4096):
            self._last_words = (self._last_words + piece.decode("utf-8", "replace"))[-400:]

    def _how_it_ended(self, code: int | None) -> str:
        lines = self._last_words.strip().splitlines()
        how = f"signal {-code}" if code is not None and code < 0 else f"exit {code}"
        return f"{how}: {lines[-1]}" if lines else how


def _words(figures: dict[str, float]) -> str:
    size = f"{figures.get('width_px', 0):.0f}×{figures.get('height_px', 0):.0f}"
    rate, ms = figures.get("frames_per_s", 0.0), figures.get("decode_ms", 0.0)
    last = figures.get("last_code_s_ago")
    seen = "no code read yet" if last is None else f"last code {last:.0f} s ago"
    return f"Sees {rate:.1f} pictures a second of {size}, {ms:.1f} ms each; {seen}."


def _kill(child: asyncio.subprocess.Process) -> None:
    # Not `child.kill()`: it polls first, and may so take the exit code away from asyncio.
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
