"""The lane's heartbeat as systemd and a hardware watchdog want it: no beat, and they start us anew.

Fed only after the lane has answered: a process that lives and can't decide is no gate.
"""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

BEAT_S_DEFAULT = 5.0
_BEATS_PER_TIMEOUT = 3


class Watchdog:
    """`NOTIFY_SOCKET` and `WATCHDOG_USEC` come from systemd; without them nothing is sent."""

    def __init__(self, environment: Mapping[str, str], device: str = "off") -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        limit_us = environment.get("WATCHDOG_USEC", "")
        self.beat_s = BEAT_S_DEFAULT
        if limit_us.isdecimal() and int(limit_us) > 0:
            self.beat_s = min(BEAT_S_DEFAULT, int(limit_us) / 1e6 / _BEATS_PER_TIMEOUT)
        self._device: int | None = None
        if device != "off":
            try:
                self._device = os.open(Path(device), os.O_WRONLY)
            except OSError as error:
                log.warning("watchdog_not_opened", device=device, error=str(error))

    def ready(self) -> None:
        """The gate can decide from now on."""
        self._notify("READY=1")

    def beat(self) -> None:
        self._notify("WATCHDOG=1")
        if self._device is not None:
            os.write(self._device, b"\n")

    def stopping(self) -> None:
        self._notify("STOPPING=1")
        if self._device is not None:
            os.write(self._device, b"V")  # the magic close: an orderly end is no hang
            os.close(self._device)
            self._device = None

    def _notify(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.connect(address)
                line.sendall(message.encode())
        except OSError as error:
            log.warning("notify_failed", error=str(error))
