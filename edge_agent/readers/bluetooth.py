"""Hears BLE advertisements day and night: bleak on BlueZ, watched and restarted.

What goes wrong in 24 hours (FINDINGS §2) and what is done: an adapter switched off or gone, and a
bluetoothd that was restarted, are seen by asking BlueZ every few seconds; silence, as with hung
firmware, by a watchdog of 90 s (Home Assistant's figure, habluetooth `const.py`). Then the scanner
is made anew with growing pauses; from the second time on the adapter is switched off and on, from
the third it is reset by bluetooth-auto-recovery where that is installed and may.

The filters are those that let every advert through: without DuplicateData BlueZ holds back all that
change by less than 8 dB.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import structlog

from edge_agent import system_clock
from edge_agent.readers import bluez
from edge_agent.readers.bluez import Adapter, BluezError

if TYPE_CHECKING:
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

log = structlog.get_logger(__name__)

SCAN_ARGUMENTS: Any = {"filters": {"DuplicateData": True, "RSSI": -100}}
_START_S_MAX = 15.0
_SETTLE_S = 1.0  # after switching on


Recover = Callable[[int, str], Awaitable[bool]]
"""Resets the adapter of that number and address; whether it did."""


class Pace(msgspec.Struct, frozen=True):
    """In seconds. Tests go faster."""

    look: float = 5.0
    silence_max: float = 90.0
    again_min: float = 1.0
    again_max: float = 30.0
    steady: float = 60.0  # a scan that lasted so long was fine


class Heard(msgspec.Struct, frozen=True):
    """One advertisement. `sender` serves to join frames of one badge and is never kept."""

    sender: str
    rssi: float
    manufacturer_data: dict[int, bytes]
    service_data: dict[str, bytes]


class Trouble(msgspec.Struct, frozen=True):
    """Why nothing is heard, and what to do."""

    state: Literal["missing", "failed"]
    detail: str
    advice: str


_PLUG_IN = "Plug in a Bluetooth adapter, or set --beacons off."
_BLUETOOTHD = "Install and start BlueZ: apt install bluez, systemctl enable --now bluetooth."


class Bluetooth:
    """Runs the scan. `adapter` is a name as hci0, or auto: the first that is switched on."""

    def __init__(
        self,
        adapter: str,
        *,
        pace: Pace | None = None,
        scanner: Callable[..., Any] | None = None,
        recover: Recover | None = None,
    ) -> None:
        self._wanted = adapter
        self._pace = pace or Pace()
        self._scanner = scanner
        self._recover = recover or _recover_by_library
        self.trouble: Trouble | None = Trouble("missing", "Bluetooth is being started.", "")
        self.adapter = ""
        self.adverts = 0
        self.restarts = 0
        self.resets = 0
        self._last_s = 0.0
        self._failures = 0

    async def run(self, hear: Callable[[Heard], None]) -> None:
        """Until cancelled; `hear` is called for each advertisement."""
        while True:
            started_s = system_clock.monotonic_s()
            trouble = await self._one_scan(hear)
            if system_clock.monotonic_s() - started_s > self._pace.steady:
                self._failures = 0
            if self.trouble is None or self.trouble.detail != trouble.detail:
                log.warning("bluetooth_stopped", detail=trouble.detail)
            self.trouble = trouble
            self._failures += 1
            self.restarts += 1
            growth = 1 << min(self._failures - 1, 10)
            await asyncio.sleep(min(self._pace.again_min * growth, self._pace.again_max))
            await self._help()

    @property
    def silent_s(self) -> float:
        return system_clock.monotonic_s() - self._last_s

    async def _one_scan(self, hear: Callable[[Heard], None]) -> Trouble:
        """Scan for as long as it goes well; returns why it did not."""
        try:
            adapter = self._chosen(await bluez.adapters())
        except BluezError as error:
            return Trouble("missing", f"Bluetooth can't be used: {error}.", _BLUETOOTHD)
        if isinstance(adapter, Trouble):
            return adapter
        self.adapter = adapter.name
        if not adapter.powered and not await self._switched_on(adapter.name):
            words = f"The Bluetooth adapter {adapter.name} is switched off and stays so."
            return Trouble("failed", words, "Check rfkill list; rfkill unblock bluetooth.")
        scanner = self._made(adapter.name, hear)
        try:
            async with asyncio.timeout(_START_S_MAX):
                await scanner.start()
        except TimeoutError:
            await _stopped(scanner)
            return self._unwilling("it does not answer")
        except (_bleak_error(), OSError, EOFError) as error:
            await _stopped(scanner)
            return self._unwilling(_words(error))
        self._last_s = system_clock.monotonic_s()
        self.trouble = None
        log.info("bluetooth_scans", adapter=adapter.name)
        try:
            return await self._watched(adapter.name, scanner)
        finally:
            await _stopped(scanner)

    def _chosen(self, found: list[Adapter]) -> Adapter | Trouble:
        if not found:
            return Trouble("missing", "There is no Bluetooth adapter.", _PLUG_IN)
        if self._wanted == "auto":
            return next((one for one in found if one.powered), found[0])
        for one in found:
            if one.name == self._wanted:
                return one
        names = ", ".join(one.name for one in found)
        words = f"There is no Bluetooth adapter {self._wanted}, but {names}."
        return Trouble("missing", words, "Name one that is there, or auto, with --beacons.")

    def _made(self, adapter: str, hear: Callable[[Heard], None]) -> Any:
        make: Callable[..., Any] = self._scanner or importlib.import_module("bleak").BleakScanner

        def heard(device: BLEDevice, advert: AdvertisementData) -> None:
            if advert.manufacturer_data or advert.service_data:  # an empty one is no sign of life
                self._last_s = system_clock.monotonic_s()
                self.adverts += 1
                data, service = advert.manufacturer_data, advert.service_data
                hear(Heard(device.address, advert.rssi, data, service))

        return make(heard, bluez={**SCAN_ARGUMENTS, "adapter": adapter})

    async def _watched(self, adapter: str, scanner: Any) -> Trouble:
        while True:
            await asyncio.sleep(self._pace.look)
            _forget_strangers(scanner)
            try:
                now = {one.name: one for one in await bluez.adapters()}.get(adapter)
            except BluezError as error:
                return Trouble("missing", f"Bluetooth can't be used: {error}.", _BLUETOOTHD)
            if now is None:
                words = f"The Bluetooth adapter {adapter} is gone."
                return Trouble("missing", words, "Plug it in again; a USB hub may lack power.")
            if not now.powered:
                words = f"The Bluetooth adapter {adapter} was switched off."
                return Trouble("failed", words, "It is switched on again; see rfkill list.")
            if not now.discovering:
                words = "BlueZ stopped scanning, as after a restart; it is started again."
                return Trouble("failed", words, "Wait a moment.")
            if self.silent_s > self._pace.silence_max:
                words = f"Nothing was heard for {self.silent_s:.0f} s; the scan is started again."
                return Trouble(
                    "failed", words, "If this goes on, unplug the adapter or use another."
                )

    async def _switched_on(self, adapter: str) -> bool:
        with suppress(BluezError):
            await bluez.power(adapter, on=True)
            await asyncio.sleep(min(_SETTLE_S, self._pace.look))
            return any(one.name == adapter and one.powered for one in await bluez.adapters())
        return False

    def _unwilling(self, why: str) -> Trouble:
        words = f"The scan on {self.adapter} can't be started: {why}."
        return Trouble("failed", words[:300], "It is tried again; restart bluetooth if it goes on.")

    async def _help(self) -> None:
        """A scan that failed again and again: first switch the adapter off and on, then reset it."""
        if self._failures < 2 or not self.adapter:
            return
        try:
            found = {one.name: one for one in await bluez.adapters()}.get(self.adapter)
            if found is None:
                return
            self.resets += 1
            if self._failures >= 3 and await self._reset(found):
                return
            await bluez.power(self.adapter, on=False)
            await asyncio.sleep(min(_SETTLE_S, self._pace.look))
            await bluez.power(self.adapter, on=True)
        except BluezError as error:
            log.info("bluetooth_not_helped", why=str(error))

    async def _reset(self, adapter: Adapter) -> bool:
        """It needs CAP_NET_ADMIN; without it nothing happens, and switching off and on remains."""
        number = adapter.name.removeprefix("hci")
        if not number.isdecimal():
            return False
        try:
            async with asyncio.timeout(_START_S_MAX * 2):
                return await self._recover(int(number), adapter.address)
        except Exception as error:  # noqa: BLE001 — whatever USB says, the next try comes anyway
            log.info("bluetooth_not_reset", why=_words(error))
            return False


async def _recover_by_library(number: int, address: str) -> bool:
    """By bluetooth-auto-recovery, an extra that may be missing."""
    try:
        library = importlib.import_module("bluetooth_auto_recovery")
    except ImportError:
        return False
    recovered: bool = await library.recover_adapter(number, address)
    return recovered


def _bleak_error() -> type[Exception]:
    error: type[Exception] = importlib.import_module("bleak.exc").BleakError
    return error


async def _stopped(scanner: Any) -> None:
    """Let go. A scanner that outlived its bluetoothd can't be stopped, and needn't be."""
    with suppress(Exception):
        async with asyncio.timeout(_START_S_MAX):
            await scanner.stop()


def _forget_strangers(scanner: Any) -> None:
    """Bleak keeps the last advertisement of everyone it ever heard; we need none (P9, P12)."""
    seen = getattr(getattr(scanner, "_backend", None), "seen_devices", None)
    if seen is not None:
        seen.clear()


def _words(error: Exception) -> str:
    return " ".join(f"{error}".split())[:200] or type(error).__name__


def described_all() -> str:
    """For an installer: which adapters there are. Blocks for a moment."""
    try:
        found = asyncio.run(bluez.adapters())
    except BluezError as error:
        return f"Bluetooth can't be used: {error}."
    if not found:
        return "No Bluetooth adapter was found."
    told = ", ".join(f"{one.name} ({'on' if one.powered else 'switched off'})" for one in found)
    return f"Bluetooth adapters: {told}."
