"""A rig for each kind of reader: its world, which a test moves. See `test_reader.py`."""

import asyncio
import os
import termios
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import pytest

from edge_agent.config import Config
from edge_agent.ports import Badge, Emit, Reader
from edge_agent.readers.beacons import BeaconReader
from edge_agent.readers.bluetooth import Bluetooth, Pace
from edge_agent.readers.camera import CameraReader
from edge_agent.readers.hand_scanner import HandScannerReader
from edge_agent.readers.scanner_devices import Found, ScannerDevice
from edge_agent.readers.typed import TypedReader
from edge_agent.readers.view_filter import LEAVE_MS
from shared import beacons, credentials
from shared.beacon_settings import BeaconAdmit, BeaconSettings
from tests.benchmarks.synthetic_qr import draw_code, place, wall
from tests.bluez.mock_bluez import DAEMON, MockBluez, PrivateBus
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


class BeaconRig:
    """The beacon reader on bleak's BlueZ backend, before a bluetoothd that we play."""

    can_lose_device = True

    async def start(self, folder: Path) -> None:
        if DAEMON is None:
            pytest.skip("there is no dbus-daemon here: apt install dbus")
        self._bus = PrivateBus(folder)
        await self._bus.start()
        self._before = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = self._bus.address
        self._bluez = MockBluez(self._bus.address)
        await self._bluez.start()
        self._shown: dict[str, dict[int, bytes]] = {}
        self._air = asyncio.get_running_loop().call_later(0, self._send)

    def _send(self) -> None:
        """Every badge that is shown, twenty times a second."""
        for sender, frame in self._shown.items():
            self._bluez.advertise(sender, -50, frame)
        self._air = asyncio.get_running_loop().call_later(0.05, self._send)

    def make(self) -> Reader:
        pace = Pace(look=0.05, again_min=0.05, again_max=0.2)
        return BeaconReader(
            "auto", _AnyBadge(), bluetooth=Bluetooth("auto", pace=pace, recover=_never_reset)
        )

    async def show(self, n: int, emit: Emit) -> None:
        data = b"\x02\x15" + bytes(16) + n.to_bytes(4) + b"\xc5"
        self._shown[f"C0:00:00:00:00:{n:02X}"] = {0x4C: data}

    async def clear(self) -> None:
        self._shown.clear()
        await asyncio.sleep(_AnyBadge.settings.silence_seconds + 1.5)

    def expected(self, n: int) -> str:
        return beacons.ibeacon(bytes(16), 0, n)

    async def lose(self) -> None:
        self._bluez.unplug()

    async def restore(self) -> None:
        self._bluez.plug()

    async def stop(self) -> None:
        self._air.cancel()
        await self._bluez.stop()
        await self._bus.stop()
        if self._before is None:
            del os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
        else:
            os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = self._before


async def _never_reset(_number: int, _address: str) -> bool:
    return False  # bluetooth-auto-recovery would reset the machine's own adapter


class _AnyBadge:
    """Every fixed id is a badge of this event."""

    settings = BeaconSettings(
        beacon_admit=BeaconAdmit.ANY, enter_dwell_seconds=0, window_seconds=0.5, silence_seconds=2
    )
    replayed = rotating_known = 0
    clock_unsure = False
    settings_fault = ""

    def refresh(self) -> BeaconSettings:
        return self.settings

    def renew(self) -> None: ...

    def fixed(self, canonical: str) -> Badge | None:
        return Badge(credentials.beacon_digest(bytes(32), canonical), rotating=False)

    def rotating(self, canonical: str) -> Badge | None:
        return None


RIGS: dict[str, type[Rig]] = {
    "camera (folder)": FolderRig,
    "scanner (serial)": SerialScannerRig,
    "scanner (keyboard)": KeyboardScannerRig,
    "beacons (mock BlueZ)": BeaconRig,
    "typed": TypedRig,
}
