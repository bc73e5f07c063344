"""Hand scanners, as many as are plugged in: keyboards (evdev, grabbed) and serial lines.

Devices are looked for each second, so they come and go as they like, and each is read by a task
of its own: one that breaks costs nothing but itself.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from edge_agent import system_clock
from edge_agent.config import Config
from edge_agent.ports import Emit, ReaderHealth, Sighting
from edge_agent.readers import scanner_devices
from edge_agent.readers.framing import Framing, affix
from edge_agent.readers.payload import clean_text
from edge_agent.readers.scanner_devices import DeviceError, Found, ScannerDevice
from edge_agent.readers.view_filter import ViewFilter

log = structlog.get_logger(__name__)

_LOOK_S: Final = 1.0
_REOPEN_S_MAX: Final = 10.0
_PAUSE_LOOK_S: Final = 0.1
_DEVICES_MAX: Final = 8

Find = Callable[[str], list[Found]]
Open = Callable[[Found], ScannerDevice]


class HandScannerReader:
    """Implements `ports.Reader` over all scanners that the setting names."""

    name = "scanner"

    def __init__(
        self,
        config: Config,
        *,
        find: Find = scanner_devices.wanted,
        open_device: Open | None = None,
        look_s: float = _LOOK_S,
    ) -> None:
        self._setting = config.scanner
        self._prefix, self._suffix = affix(config.scanner_prefix), affix(config.scanner_suffix)
        self._find = find
        self._open = open_device or (
            lambda found: scanner_devices.open_device(
                found, config.scanner_layout, config.scanner_baud
            )
        )
        self._look_s = look_s
        self._reading: dict[str, str] = {}  # path → name, of those that are open
        self._troubles: dict[str, DeviceError] = {}
        self._codes = 0
        self._without_prefix = 0
        self._last_ms: int | None = None

    async def run(self, emit: Emit) -> None:
        if self._setting == "off":
            await asyncio.Event().wait()
        tasks: dict[str, asyncio.Task[None]] = {}
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    there = await asyncio.to_thread(self._find, self._setting)
                    self._forget_unplugged({found.path for found in there})
                    tasks = {path: task for path, task in tasks.items() if not task.done()}
                    for found in there:
                        if found.path not in tasks and len(tasks) < _DEVICES_MAX:
                            tasks[found.path] = group.create_task(self._keep(found, emit))
                    await asyncio.sleep(self._look_s)
        finally:
            self._reading.clear()

    def health(self) -> ReaderHealth:
        if self._setting == "off":
            return ReaderHealth(self.name, "off", "Hand scanners are switched off.")
        figures = {
            "scanners": float(len(self._reading)),
            "codes": float(self._codes),
            "without_prefix": float(self._without_prefix),
        }
        if self._last_ms is not None:
            figures["last_code_s_ago"] = (system_clock.boot_ms() - self._last_ms) / 1_000
        reading = ", ".join(sorted(self._reading.values()))
        trouble = next(iter(self._troubles.values()), None)
        if trouble is not None:
            also = f" Reading: {reading}." if reading else ""
            return ReaderHealth(
                self.name, "failed", f"{trouble}{also}"[:400], figures, trouble.advice
            )
        if not reading:
            said = "No hand scanner is plugged in; it is looked for each second."
            return ReaderHealth(self.name, "missing", said, figures, self._what_there_is())
        advice = ""
        if self._without_prefix:
            advice = "Codes come without the prefix: set it in the scanner, or empty the setting."
        return ReaderHealth(self.name, "running", f"Reading: {reading}."[:400], figures, advice)

    def _what_there_is(self) -> str:
        if self._setting == "auto":
            return "Plug it in; if it is not recognised, name its device in the setting `scanner`."
        return f"Plug in {self._setting}, or name another device in the setting `scanner`."[:400]

    def _forget_unplugged(self, there: set[str]) -> None:
        self._troubles = {p: trouble for p, trouble in self._troubles.items() if p in there}

    async def _keep(self, found: Found, emit: Emit) -> None:
        """Until the device is gone. One that can't be opened is tried again a little later."""
        try:
            device = await asyncio.to_thread(self._open, found)
        except DeviceError as trouble:
            self._troubles[found.path] = trouble
            await asyncio.sleep(min(self._look_s * 3, _REOPEN_S_MAX))
            return
        self._troubles.pop(found.path, None)
        self._reading[found.path] = found.name
        log.info("scanner_opened", device=found.path, name=found.name)
        try:
            await self._read(device, emit)
        except OSError as error:
            log.info("scanner_gone", device=found.path, error=str(error))
        except Exception as error:  # one scanner's fault is not the others'
            log.exception("scanner_failed", device=found.path)
            words = f"The scanner {found.name} failed ({type(error).__name__}); it is opened again."
            self._troubles[found.path] = DeviceError(words, "Unplug it and plug it in again.")
            await asyncio.sleep(self._look_s)
        finally:
            self._reading.pop(found.path, None)
            device.close()

    async def _read(self, device: ScannerDevice, emit: Emit) -> None:
        loop = asyncio.get_running_loop()
        framing, view = Framing(self._prefix, self._suffix), ViewFilter()
        ready = asyncio.Event()
        loop.add_reader(device.fileno(), ready.set)
        try:
            while True:
                codes = []
                try:
                    async with asyncio.timeout(_PAUSE_LOOK_S if framing.open else None):
                        await ready.wait()
                except TimeoutError:
                    codes = framing.rest(system_clock.boot_ms())
                else:
                    ready.clear()
                    codes = framing.take(device.read(), system_clock.boot_ms())
                self._without_prefix += framing.take_without_prefix()
                self._sight(codes, view, emit)
        finally:
            loop.remove_reader(device.fileno())

    def _sight(self, codes: list[str], view: ViewFilter, emit: Emit) -> None:
        at_ms = system_clock.boot_ms()
        cleaned = [code for code in map(clean_text, codes) if code]
        self._codes += len(cleaned)
        # Pulled twice, or in presentation mode, a scanner repeats what is still before it.
        for code in cleaned:
            for new in view.new_codes([code], at_ms):
                self._last_ms = at_ms
                emit(Sighting("qr", new, None, at_ms, self.name))
