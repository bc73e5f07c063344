"""A rig for each kind of reader: its world, which a test moves. See `test_reader.py`."""

import asyncio
import os
import termios
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from edge_agent.config import Config
from edge_agent.ports import Emit, Reader
from edge_agent.readers.camera import CameraReader
from edge_agent.readers.hand_scanner import HandScannerReader
from edge_agent.readers.scanner_devices import Found, ScannerDevice
from edge_agent.readers.typed import TypedReader
from edge_agent.readers.view_filter import LEAVE_MS
from shared import credentials
from tests.benchmarks.synthetic_qr import draw_code, place, wall
from tests.edge_agent.readers.piped_keyboard import PipedKeyboard


def ticket(n: int) -> str:
    return credentials.payload("TCF24", credentials.make_letters(n.to_bytes(10)))


class Rig(Protocol):
    """One reader and the world before it."""

    can_lose_device: bool

    async def start(self, folder: Path) -> None: ...

    def make(self) -> Reader:
        """A reader of this world."""
        ...

    async def show(self, n: int, emit: Emit) -> None:
        """Bring credential number n before the reader; it stays until `clear`."""
        ...

    async def clear(self) -> None:
        """Nothing is before the reader any more, for long enough that all have left."""
        ...

    def expected(self, n: int) -> str:
        """The payload of the sighting that `show(n)` makes."""
        ...

    async def lose(self) -> None:
        """The device goes away."""
        ...

    async def restore(self) -> None: ...

    async def stop(self) -> None: ...


class FolderRig:
    """The camera reader on a folder of images."""

    can_lose_device = True

    async def start(self, folder: Path) -> None:
        self.folder = folder / "images"
        self.folder.mkdir()
        self._shown = 0
        self._view = wall(np.random.default_rng(4))

    def make(self) -> Reader:
        return CameraReader(str(self.folder))

    async def show(self, n: int, emit: Emit) -> None:
        self._shown += 1
        await asyncio.to_thread(self._save, place(self._view, draw_code(ticket(n)), width_px=220))

    def _save(self, image: np.ndarray) -> None:
        aside = self.folder / f".{self._shown:03d}.png"
        cv2.imwrite(str(aside), image)
        aside.rename(self.folder / aside.name[1:])

    async def clear(self) -> None:
        self._shown += 1
        await asyncio.to_thread(self._save, self._view)
        # Out of view for longer than `view_filter.LEAVE_MS` of a reader that runs in real time.
        await asyncio.sleep(2.6)

    def expected(self, n: int) -> str:
        return ticket(n)

    async def lose(self) -> None:
        self.folder.rename(self.folder.with_name("away"))

    async def restore(self) -> None:
        self.folder.with_name("away").rename(self.folder)

    async def stop(self) -> None: ...


class TypedRig:
    """The kiosk's field; what is typed is handed back to be decided at once, as bootstrap does."""

    can_lose_device = False

    async def start(self, folder: Path) -> None: ...

    def make(self) -> Reader:
        self._reader = TypedReader()
        return self._reader

    async def show(self, n: int, emit: Emit) -> None:
        emit(self._reader.take(ticket(n)))

    async def clear(self) -> None: ...

    def expected(self, n: int) -> str:
        return ticket(n)

    async def lose(self) -> None: ...

    async def restore(self) -> None: ...

    async def stop(self) -> None: ...


class SerialScannerRig:
    """The hand scanner reader on a pseudo-terminal, by pyserial as on a real line."""

    can_lose_device = True

    async def start(self, folder: Path) -> None:
        self._link = folder / "scanner"
        await self.restore()

    def make(self) -> Reader:
        return HandScannerReader(Config(scanner=str(self._link)), look_s=0.05)

    async def show(self, n: int, emit: Emit) -> None:
        # One that types while nobody listens types into the void, as a real scanner does.
        async with asyncio.timeout(20):
            while self._unread():
                await asyncio.sleep(0.01)
                os.write(self._master, b"")
            await asyncio.sleep(0.3)
        os.write(self._master, f"]Q1{ticket(n)}\r".encode())

    def _unread(self) -> bool:
        # The reader opens the line raw; until it has, the terminal still echoes.
        return bool(termios.tcgetattr(self._slave)[3] & termios.ECHO)

    async def clear(self) -> None:
        await asyncio.sleep(LEAVE_MS / 1000 + 0.2)

    def expected(self, n: int) -> str:
        return ticket(n)

    async def lose(self) -> None:
        self._link.unlink()
        os.close(self._master)
        os.close(self._slave)

    async def restore(self) -> None:
        self._master, self._slave = os.openpty()
        self._link.symlink_to(os.ttyname(self._slave))

    async def stop(self) -> None:
        for fd in (self._master, self._slave):
            with suppress(OSError):
                os.close(fd)


class KeyboardScannerRig:
    """The hand scanner reader on key events, of a device that is a pipe instead of an evdev."""

    can_lose_device = True

    async def start(self, folder: Path) -> None:
        self._there = True
        self._device: PipedKeyboard | None = None

    def make(self) -> Reader:
        found = Found("/dev/input/event9", "Test Barcode Scanner")
        return HandScannerReader(
            Config(scanner="auto", scanner_layout="kr"),
            find=lambda _: [found] if self._there else [],
            open_device=self._open,
            look_s=0.05,
        )

    def _open(self, _found: Found) -> ScannerDevice:
        self._device = PipedKeyboard("kr")
        return self._device

    async def show(self, n: int, emit: Emit) -> None:
        async with asyncio.timeout(20):
            while self._device is None or self._device.closed:
                await asyncio.sleep(0.01)
        self._device.type(ticket(n) + "\n")

    async def clear(self) -> None:
        await asyncio.sleep(LEAVE_MS / 1000 + 0.2)

    def expected(self, n: int) -> str:
        return ticket(n)

    async def lose(self) -> None:
        self._there = False
        if self._device is not None:
            self._device.unplug()

    async def restore(self) -> None:
        self._there = True

    async def stop(self) -> None: ...


RIGS: dict[str, type[Rig]] = {
    "camera (folder)": FolderRig,
    "scanner (serial)": SerialScannerRig,
    "scanner (keyboard)": KeyboardScannerRig,
    "typed": TypedRig,
}
