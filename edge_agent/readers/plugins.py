"""The readers that a gate may have, a row each.

A new kind of reader is a class that keeps `ports.Reader`'s contract, a row here, a setting in
`config` and a rig in `tests/contracts/test_reader.py`; nothing else knows it. Rows import late:
a gate without a camera loads no OpenCV, one without Bluetooth no bleak.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import structlog

from edge_agent.config import Config
from edge_agent.ports import Badges, Emit, Reader, ReaderHealth
from edge_agent.readers.host import ReaderHost
from shared.errors import UsageError

if TYPE_CHECKING:
    from edge_agent.readers.pairing import NearestUnknown

log = structlog.get_logger(__name__)


class Plugin(NamedTuple):
    name: str
    make: Callable[[Config], Reader]
    """The reader as the settings want it; one that is switched off says so in its health."""
    found: Callable[[], str] = str
    """What of its kind this machine has, in a sentence for an installer."""


def _camera(config: Config) -> Reader:
    from edge_agent.readers.camera import CameraReader

    return CameraReader(config.camera)


def _cameras_found() -> str:
    from edge_agent.readers.cameras import described_all

    return described_all()


def _scanners_found() -> str:
    from edge_agent.readers.scanner_devices import described_all

    return described_all()


def _scanner(config: Config) -> Reader:
    from edge_agent.readers.hand_scanner import HandScannerReader

    return HandScannerReader(config)


@runtime_checkable
class SeesPictures(Protocol):
    """A reader that can show what it sees."""

    def picture(self) -> tuple[int, bytes] | None: ...


class Beacons(Protocol):
    """What a gate knows of badges."""

    @property
    def book(self) -> Badges: ...

    @property
    def nearest(self) -> NearestUnknown: ...


def _beacons(config: Config, gate: Beacons | None = None) -> Reader:
    from edge_agent.readers.beacons import BeaconReader

    if gate is None:
        return BeaconReader(config.beacons)
    return BeaconReader(config.beacons, gate.book, nearest=gate.nearest)


def _adapters_found() -> str:
    from edge_agent.readers.bluetooth import described_all

    return described_all()


PLUGINS: tuple[Plugin, ...] = (
    Plugin("camera", _camera, _cameras_found),
    Plugin("scanner", _scanner, _scanners_found),
    Plugin("beacons", _beacons, _adapters_found),
)


def plugins_of(gate: Beacons) -> tuple[Plugin, ...]:
    """The same at a gate, whose beacon reader knows the event's badges."""
    made = Plugin("beacons", partial(_beacons, gate=gate), _adapters_found)
    return tuple(made if plugin.name == made.name else plugin for plugin in PLUGINS)


def make_readers(config: Config, plugins: tuple[Plugin, ...] = PLUGINS) -> list[Reader]:
    """One of each; where one can't be made, a stand-in that says why."""
    return [_make(plugin, config) for plugin in plugins]


def _make(plugin: Plugin, config: Config) -> Reader:
    try:
        return plugin.make(config)
    except UsageError:
        raise  # a setting that can't be meant is said at the start, not looked for in health
    except Exception as error:  # a library that is missing or broken costs its own reader only
        log.exception("reader_not_made", reader=plugin.name)
        return _Unavailable(plugin.name, f"{type(error).__name__}: {error}")


class _Unavailable:
    """Stands where a reader can't be made."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self._why = " ".join(why.split())[:200]

    async def run(self, _emit: Emit) -> None:
        await asyncio.Event().wait()

    def health(self) -> ReaderHealth:
        words = f"The reader can't be used here ({self._why})."
        return ReaderHealth(self.name, "failed", words, {}, "Run tools/setup.sh again.")


class Readers:
    """All readers of a gate, running. `emit` is called on the readers' threads."""

    def __init__(self, readers: list[Reader], emit: Emit) -> None:
        self._hosts = [ReaderHost(reader, emit) for reader in readers]

    def start(self) -> None:
        for host in self._hosts:
            host.start()

    def stop(self) -> None:
        """Let go of every device; blocks until all have, a few seconds at most for each."""
        for host in self._hosts:
            host.cancel()
        for host in self._hosts:
            if not host.join():
                log.warning("reader_left_behind", reader=host.reader.name)

    def picture(self) -> tuple[int, bytes] | None:
        """The newest small picture of the camera (CameraReader.picture)."""
        for host in self._hosts:
            if isinstance(host.reader, SeesPictures):
                return host.reader.picture()
        return None

    def health(self) -> list[ReaderHealth]:
        return [host.health() for host in self._hosts]
