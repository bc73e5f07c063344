"""The gate's disk: how full, how slow, why a write failed; and a reserve for the journal (P1, P12).

On a full disk not even a DELETE goes through, but freeing a file does (FINDINGS §5): a reserve lies
ready, and when the journal meets a full disk it is freed, and the write is tried once more.
"""

import errno
import os
import statistics
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger(__name__)

MIB = 1 << 20
_COMMITS_KEPT = 9  # a median over these: one slow sync is no slow disk
_RESERVE_BYTES_MIN = 256 * 1_024
_PROBE_BYTES = 4_096


class DiskFault(StrEnum):
    """Why nothing can be written; the kiosk shows it as it stands here."""

    FULL = "disk_full"
    READ_ONLY = "disk_read_only"
    ERROR = "disk_error"


@dataclass(frozen=True, slots=True)
class DiskLimits:
    """`warn_bytes`: told when less is free. `slow_ms`: told when a commit takes longer."""

    warn_bytes: int = 500 * MIB
    reserve_bytes: int = 32 * MIB
    slow_ms: int = 100


class Disk:
    """Any thread may call; what it remembers is written by one thread at a time."""

    def __init__(self, folder: Path, limits: DiskLimits) -> None:
        self.limits = limits
        self._folder = folder
        self._reserve = folder / "reserve"
        self._commits_ms: deque[float] = deque(maxlen=_COMMITS_KEPT)

    # --- the reserve ------------------------------------------------------------------------

    @property
    def reserve_bytes(self) -> int:
        try:
            return self._reserve.stat().st_size
        except OSError:
            return 0

    def keep_reserve(self) -> None:
        """Lay it by, a quarter of what is free at most, so that on a small disk it is smaller."""
        wanted = min(self.limits.reserve_bytes, self.free_bytes() // 4)
        if self.reserve_bytes or wanted < _RESERVE_BYTES_MIN:
            return
        try:
            handle = os.open(self._reserve, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(handle, 0, wanted)
            finally:
                os.close(handle)
        except OSError as error:
            log.warning("no_disk_reserve", error=str(error))
            self._reserve.unlink(missing_ok=True)

    def free_reserve(self) -> bool:
        """Give the reserve to the journal; whether there was one."""
        if not self.reserve_bytes:
            return False
        try:
            self._reserve.unlink()
        except OSError as error:
            log.error("disk_reserve_stuck", error=str(error))  # noqa: TRY400 — one line
            return False
        log.error("disk_reserve_freed")
        return True

    # --- how it stands ----------------------------------------------------------------------

    def free_bytes(self) -> int:
        stat = os.statvfs(self._folder)
        return stat.f_bavail * stat.f_frsize

    def committed(self, took_ms: float) -> None:
        """How long a durable write took."""
        self._commits_ms.append(took_ms)

    @property
    def commit_ms(self) -> float | None:
        """The median of the last few durable writes."""
        kept = tuple(self._commits_ms)
        return round(statistics.median(kept), 1) if kept else None

    def why(self) -> DiskFault:
        """Why a write failed just now: asked of the disk itself, in a small file."""
        probe = self._folder / "probe"
        try:
            handle = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.write(handle, bytes(_PROBE_BYTES))
                os.fsync(handle)
            finally:
                os.close(handle)
                probe.unlink()
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                return DiskFault.FULL
            if error.errno == errno.EROFS:
                return DiskFault.READ_ONLY
        return DiskFault.FULL if self.free_bytes() < _PROBE_BYTES * 4 else DiskFault.ERROR

    def troubles(self) -> list[str]:
        """What a person should see to before the disk stops the gate."""
        found: list[str] = []
        free = self.free_bytes()
        if free < self.limits.warn_bytes:
            found.append("disk_low")
        if self.limits.reserve_bytes and not self.reserve_bytes:
            found.append("disk_no_reserve")
        commit_ms = self.commit_ms
        if commit_ms is not None and commit_ms > self.limits.slow_ms:
            found.append("disk_slow")
        return found

    def status(self) -> dict[str, Any]:
        return {
            "freeBytes": self.free_bytes(),
            "reserveBytes": self.reserve_bytes,
            "commitMs": self.commit_ms,
        }
