"""The gate's data folder: what lies where, and the lock that lets one process write its journal."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from shared.errors import TransientError, UsageError


class FolderBusyError(TransientError):
    """Another process of Gatesync uses this data folder."""


@dataclass(frozen=True, slots=True)
class GateFolder:
    path: Path

    @property
    def journal(self) -> Path:
        return self.path / "journal.db"

    @property
    def replica(self) -> Path:
        return self.path / "replica.db"

    @property
    def badges(self) -> Path:
        return self.path / "badges.db"

    @property
    def clock(self) -> Path:
        return self.path / "clock.json"

    @property
    def gate_settings(self) -> Path:
        return self.path / "gate.json"

    @property
    def control_socket(self) -> Path:
        return self.path / "control.sock"

    @property
    def lock(self) -> Path:
        return self.path / "agent.lock"

    @property
    def barrier_log(self) -> Path:
        return self.path / "barrier.log"


class FolderLock:
    """Held as long as the process lives; the kernel frees it after a SIGKILL or a power cut."""

    def __init__(self, folder: GateFolder) -> None:
        self._folder = folder
        self._handle: int | None = None

    def __enter__(self) -> Self:
        try:
            # Not inheritable (PEP 446), so that a camera child that outlives us holds nothing.
            self._handle = os.open(self._folder.lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise UsageError(f"{self._folder.path} can't be used: {error.strerror}") from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._handle)
            self._handle = None
            raise FolderBusyError(
                f"another edge-agent uses {self._folder.path}: stop it first"
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
