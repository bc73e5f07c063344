"""Which hand scanners are plugged in, and how each is read: as a keyboard or as a serial line.

The libraries are imported late: libevdev.so.2 may be missing where only serial scanners are used.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from edge_agent.readers.framing import CANCEL
from edge_agent.readers.keymap import KEYS_OF_A_KEYBOARD, Keymap, Layout

_SCANNER_NAME = re.compile(
    r"scan|bar ?code|honeywell|zebra|symbol|datalogic|newland|opticon|metrologic|wasp|unitech"
    r"|netum|eyoyo|inateck|tera\b|bluebird|point mobile",
    re.IGNORECASE,
)
_SERIAL_PATH = re.compile(r"/dev/(?:tty|serial/|pts/)")
_READ_BYTES = 4096
_PERMISSION_HINT = "Add the agent's user to the group"


class DeviceError(Exception):
    """Why a scanner can't be read, in a sentence, and what to do."""

    def __init__(self, words: str, advice: str) -> None:
        super().__init__(words)
        self.advice = advice


class ScannerDevice(Protocol):
    """An open scanner. `fileno` can be waited for; `read` never blocks (nothing there: ""), and
    its OSError means that the device is gone.
    """

    name: str

    def fileno(self) -> int: ...

    def read(self) -> str: ...

    def close(self) -> None: ...


class Found(NamedTuple):
    path: str
    name: str


def wanted(setting: str, folder: Path = Path("/dev/input")) -> list[Found]:
    """The devices that a setting names and that are plugged in: `auto`, or paths and names."""
    found = keyboards(folder) + serial_ports()
    if setting == "auto":
        return [one for one in found if _SCANNER_NAME.search(one.name)]
    chosen: dict[str, Found] = {}
    for part in filter(None, (piece.strip() for piece in setting.split(","))):
        if part.startswith("/"):
            if Path(part).exists():
                real = os.path.realpath(part)
                name = next((one.name for one in found if one.path == real), part)
                chosen[real] = Found(real, name)
        else:
            chosen |= {one.path: one for one in found if part.lower() in one.name.lower()}
    return list(chosen.values())


def keyboards(folder: Path = Path("/dev/input")) -> list[Found]:
    """Devices that can type, by the kernel's own list, which needs no permission to read."""
    found = []
    for device in sorted(folder.glob("event*"), key=lambda p: int(p.name[5:] or 0)):
        about = Path("/sys/class/input") / device.name / "device"
        try:
            keys = _key_bits((about / "capabilities/key").read_text())
            name = (about / "name").read_text().strip()
        except (OSError, ValueError):
            continue
        if keys >= KEYS_OF_A_KEYBOARD:
            found.append(Found(str(device), name))
    return found


def _key_bits(text: str) -> set[int]:
    """Sysfs writes the bitmap as hexadecimal words, the highest first."""
    words = [int(word, 16) for word in text.split()][::-1]
    bits = 64 if max((len(word) for word in text.split()), default=0) > 8 else 32
    wide = 64 if os.uname().machine in {"x86_64", "aarch64"} else bits
    return {n * wide + b for n, word in enumerate(words) for b in range(wide) if word >> b & 1}


def serial_ports() -> list[Found]:
    from serial.tools import list_ports

    return [
        Found(port.device, f"{port.manufacturer or ''} {port.description or ''}".strip())
        for port in list_ports.comports()
        if port.vid is not None  # what is plugged in by USB; on-board lines are named by path
    ]


def described_all() -> str:
    """What an installer may name as a scanner."""
    there = keyboards() + serial_ports()
    if not there:
        return "No keyboard and no USB serial line is plugged in."
    listed = ", ".join(f"{one.name} ({one.path})" for one in there[:6])
    return f"What types here: {listed}. Set `scanner` to `auto`, or to one of these."


def open_device(found: Found, layout: Layout, baud: int) -> ScannerDevice:
    """Open and, a keyboard, take it for us alone. DeviceError says why not."""
    try:
        if _SERIAL_PATH.match(found.path):
            return SerialScanner(found, baud)
        return KeyboardScanner(found, layout)
    except ImportError as error:
        words = f"Keyboard scanners need the library libevdev2 ({error})."
        raise DeviceError(words, "Run tools/setup.sh, or: sudo apt install libevdev2.") from error
    except PermissionError as error:
        group = "dialout" if _SERIAL_PATH.match(found.path) else "input"
        words = f"The scanner {found.name} ({found.path}) may not be opened by this user."
        raise DeviceError(words, f"{_PERMISSION_HINT} `{group}`.") from error
    except OSError as error:
        words = f"The scanner {found.name} ({found.path}) can't be opened: {error.strerror}."
        advice = "Close other programs that hold it, or unplug it and plug it in again."
        raise DeviceError(words, advice) from error


class KeyboardScanner:
    """A scanner that acts as a keyboard, grabbed: its keys reach nobody else, also no kiosk page."""

    def __init__(self, found: Found, layout: Layout) -> None:
        import libevdev
        from libevdev.device import DeviceGrabError

        self.name = found.name
        self._lib: Any = libevdev
        self._keys = Keymap(layout)
        self._file: BinaryIO = open(found.path, "rb", buffering=0)  # noqa: PTH123, SIM115 - a device, closed by `close`
        try:
            os.set_blocking(self._file.fileno(), False)
            self._device = libevdev.Device(self._file)
            self._device.grab()
        except DeviceGrabError as error:  # no OSError
            self._file.close()
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY)) from error
        except BaseException:
            self._file.close()
            raise

    def fileno(self) -> int:
        return self._file.fileno()

    def read(self) -> str:
        text = ""
        try:
            for event in self._device.events():
                text += self._text(event)
        except self._lib.EventsDroppedException:
            # The kernel's buffer of 64 events overran: what has come of this code is worth nothing.
            for event in self._device.sync():
                self._text(event)  # which keys are held now
            text += CANCEL
        return text

    def _text(self, event: Any) -> str:
        is_key = event.matches(self._lib.EV_KEY)
        return self._keys.text(event.code.value, event.value) if is_key else ""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._device.ungrab()
        self._file.close()


class SerialScanner:
    """A scanner on a serial line, USB or real."""

    def __init__(self, found: Found, baud: int) -> None:
        import serial

        self.name = found.name
        try:
            self._port = serial.Serial(found.path, baud, timeout=0, exclusive=True)
        except serial.SerialException as error:
            # pyserial wraps the reason away; who may not open it has to know that.
            if error.errno == 13:
                raise PermissionError(13, "Permission denied") from error
            raise OSError(error.errno or 5, str(error)) from error

    def fileno(self) -> int:
        return int(self._port.fileno())

    def read(self) -> str:
        import serial

        try:
            data: bytes = self._port.read(_READ_BYTES)
        except serial.SerialException as error:
            raise OSError(5, str(error)) from error
        return data.decode("utf-8", "replace")

    def close(self) -> None:
        self._port.close()
