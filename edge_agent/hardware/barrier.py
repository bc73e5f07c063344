"""Barriers: a log for now, and a fake pin. A real pin comes behind the same port."""

import os
from pathlib import Path

from edge_agent import system_clock
from shared.wire import format_time


class LogBarrier:
    """Writes `time scan_id` to a file for each opening."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def open(self, scan_id: str) -> None:
        line = f"{format_time(system_clock.wall_ms())} {scan_id}\n".encode()
        os.write(self._file.fileno(), line)

    def close(self) -> None:
        self._file.close()


class FakePin:
    """Remembers the openings, for tests and for gates without a barrier."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def open(self, scan_id: str) -> None:
        self.opened.append(scan_id)
