"""What opens for people: a log, nothing at all, or a relay (gpio.py); one port (ports.Barrier)."""

import os
from pathlib import Path

from edge_agent import system_clock
from edge_agent.config_hardware import HardwareConfig
from edge_agent.ports import Barrier, Indicator
from shared.wire import format_time

OPENINGS_KEPT_MAX = 1_000
LOG_BYTES_MAX = 4_000_000  # about 50,000 openings; as many again in `.1`


class LogBarrier:
    """Writes `time scan_id` to a file for each opening; a full one becomes `NAME.1`."""

    def __init__(self, path: Path, bytes_max: int = LOG_BYTES_MAX) -> None:
        self._path, self._bytes_max = path, bytes_max
        self._handle = self._opened()

    def open(self, scan_id: str) -> None:
        if os.fstat(self._handle).st_size >= self._bytes_max:
            self._path.replace(f"{self._path}.1")
            os.close(self._handle)
            self._handle = self._opened()
        line = f"{format_time(system_clock.wall_ms())} {scan_id}\n".encode()
        os.write(self._handle, line)

    def _opened(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def close(self) -> None:
        os.close(self._handle)


class FakePin:
    """Remembers the openings, for tests and for gates without a barrier."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def open(self, scan_id: str) -> None:
        self.opened.append(scan_id)
        del self.opened[:-OPENINGS_KEPT_MAX]

    def close(self) -> None:
        pass


class NoIndicator:
    """A tablet or a laptop: the page alone shows and sounds."""

    def show(self, kind: str, sound: str, seconds: float) -> None:
        pass

    def out_of_order(self, *, now: bool) -> None:
        pass


def make_hardware(config: HardwareConfig, log: Path) -> tuple[Barrier, Indicator]:
    """UsageError where the pins can't be had: a gate that opens nothing must not seem to."""
    if config.barrier == "log":
        return LogBarrier(log), NoIndicator()
    if config.barrier == "off":
        return FakePin(), NoIndicator()
    from edge_agent.hardware.gpio import GpioGate
    from edge_agent.hardware.lines import GpiodLines, pins_of

    gate = GpioGate(GpiodLines(config.gpio_chip, pins_of(config)), config)
    return gate, gate


def leave_as_set(config: HardwareConfig) -> None:
    """After a crash (systemd's ExecStopPost): the relay as `on_stop` says, lights off."""
    if config.barrier != "gpio":
        return
    from edge_agent.hardware.gpio import GpioGate
    from edge_agent.hardware.lines import GpiodLines, pins_of

    GpioGate(GpiodLines(config.gpio_chip, pins_of(config)), config).close()
