"""The Raspberry Pi's own camera: libcamera's `rpicam-vid`, run and watched by us.

    --camera pi        the first camera of the Pi; `pi:1` the second; `libcamera` means `pi`

OpenCV can't read it: its V4L2 devices send raw sensor data that only libcamera develops. The
program writes MJPEG to a pipe; of what has arrived only the newest picture is decoded.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from edge_agent import system_clock
from edge_agent.readers.frames import (
    FRAMES_S,
    HEIGHT_PX,
    WIDTH_PX,
    Frame,
    Gray,
    Item,
    Notice,
    cv2,
    np,
    to_gray,
)

PROGRAMS = ("rpicam-vid", "libcamera-vid")
"""Its name since Raspberry Pi OS 12, and before."""
_SILENCE_S_MAX = 8.0
"""libcamera takes up to three seconds before the first picture."""
_RETRY_S_MIN, _RETRY_S_MAX = 2.0, 10.0
_JPEG_BYTES_MAX = 8_000_000
_READ_BYTES = 1 << 20
_WORDS_BYTES_MAX = 2_000


def pi_frames(
    source: str,
    reopen: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Item]:
    """Frames of the Pi's camera for ever; the program is started again when it ends."""
    pause_s = _RETRY_S_MIN
    while True:
        command = command_of(source)
        if command is None:
            yield Notice(
                "missing",
                "The program rpicam-vid is not installed, so the Pi's camera can't be read.",
                advice="On Raspberry Pi OS: sudo apt install rpicam-apps-lite.",
            )
        else:
            run = _Run(command)
            try:
                for gray in run.pictures():
                    pause_s = _RETRY_S_MIN
                    yield Frame(gray, system_clock.boot_ms())
                    if reopen():
                        break
            finally:
                run.end()
            yield run.notice()
        sleep(pause_s)
        pause_s = min(pause_s * 1.5, _RETRY_S_MAX)


def command_of(source: str) -> list[str] | None:
    """What is run; None where the program is missing."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        return None
    number = source.partition(":")[2] or "0"
    command = [program, "-t", "0", "--nopreview", "--camera", number, "--codec", "mjpeg"]
    command += ["--width", str(WIDTH_PX), "--height", str(HEIGHT_PX)]
    command += ["--framerate", str(FRAMES_S), "--flush", "-o", "-"]
    # Should we be killed, it must not keep the camera.
    leash = shutil.which("setpriv")
    return [leash, "--pdeathsig", "KILL", *command] if leash else command


class _Run:
    """One life of the program."""

    def __init__(self, command: list[str]) -> None:
        self._pictures = 0
        self._silent = False
        self._words = b""
        self._child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def pictures(self) -> Iterator[Gray]:
        assert self._child.stdout is not None
        assert self._child.stderr is not None
        out, err = self._child.stdout.fileno(), self._child.stderr.fileno()
        os.set_blocking(out, False)
        os.set_blocking(err, False)
        open_fds, buffer = [out, err], b""
        while out in open_fds:
            ready, _, _ = select.select(open_fds, [], [], _SILENCE_S_MAX)
            if not ready:
                self._silent = True
                return
            if err in ready:
                piece = _read(err)
                self._words = (self._words + piece)[-_WORDS_BYTES_MAX:]
                if not piece:
                    open_fds.remove(err)
            if out in ready:
                piece = _read(out)
                if not piece:
                    open_fds.remove(out)
                newest, buffer = newest_jpeg(buffer + piece)
                gray = None if newest is None else _decoded(newest)
                if gray is not None:
                    self._pictures += 1
                    yield gray
                if len(buffer) > _JPEG_BYTES_MAX:
                    return

    def end(self) -> None:
        self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(2)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self._child.stderr is not None:
            with suppress(OSError):
                self._words = (self._words + _read(self._child.stderr.fileno()))[-_WORDS_BYTES_MAX:]
            self._child.stderr.close()
        if self._child.stdout is not None:
            self._child.stdout.close()

    def notice(self) -> Notice:
        words = self._words.decode("utf-8", "replace").strip()
        last = words.splitlines()[-1].strip()[:160] if words else ""
        if "no cameras available" in words:
            said = "libcamera finds no camera on this Pi; trying again."
            return Notice(
                "missing", said, advice="Switch it off and seat the camera's ribbon cable."
            )
        if "in use" in words or "busy" in words.lower():
            said = "The Pi's camera is in use by another program; trying again."
            return Notice("missing", said, advice="Close the other program.")
        if self._silent:
            said = "The Pi's camera sends no picture; it is started again."
        elif self._pictures:
            said = f"The Pi's camera stopped ({last or 'without a word'}); it is started again."
        else:
            said = f"rpicam-vid sent no picture ({last or 'without a word'}); trying again."
        advice = "Try `rpicam-hello` by hand; seat the ribbon cable; check the power supply."
        return Notice("missing" if self._pictures else "failed", said, advice=advice)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, _READ_BYTES)
    except BlockingIOError:
        return b""


def _decoded(jpeg: bytes) -> Gray | None:
    try:
        image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error:
        return None
    return None if image is None else to_gray(image)


def newest_jpeg(buffer: bytes) -> tuple[bytes | None, bytes]:
    """The last whole JPEG in the buffer, and what follows it."""
    newest, at = None, 0
    while (start := buffer.find(b"\xff\xd8\xff", at)) >= 0:
        end = _end_of_jpeg(buffer, start)
        if end is None:
            return newest, buffer[start:]
        newest, at = buffer[start:end], end
    return newest, buffer[at:] if at else buffer[-2:]


def _end_of_jpeg(buffer: bytes, start: int) -> int | None:
    """Past the end marker. The header is walked segment by segment, for a thumbnail in it has an
    end marker of its own; in the picture's data that marker can't occur.
    """
    at = start + 2
    while at + 4 <= len(buffer):
        if buffer[at] != 0xFF:
            return at  # damaged: give it up here, the next start marker is looked for
        length = int.from_bytes(buffer[at + 2 : at + 4])
        if buffer[at + 1] == 0xDA:
            end = buffer.find(b"\xff\xd9", at + 2 + length)
            return None if end < 0 else end + 2
        at += 2 + length
    return None
