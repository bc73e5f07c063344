"""Barriers: a log for now, and a fake pin. A real pin comes behind the same port."""

import os
from pathlib import Path

from edge_agent import system_clock
from shared.wire import format_time


class LogBarrier:
    """Writes `time scan_id` to a file for each opening."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def open(self, scan_id: str) -> None:
        line = f"{format_time(system_clock.wall_ms())} {scan_id}\n".encode()
        os.write(self._handle, line)

    def close(self) -> None:
        os.close(self._handle)


class FakePin:
    """Remembers the openings, for tests and for gates without a barrier."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def open(self, scan_id: str) -> None:
        self.opened.append(scan_id)
