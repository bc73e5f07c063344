"""Backups of a deployment: one now, one after the other while it serves, and how old the last is."""

import asyncio
from pathlib import Path
from typing import Any

import structlog

from shared.errors import GatesyncError
from shared.wire import format_time
from sync_server import system_clock
from sync_server.config import Config
from sync_server.storage.backup import write_backup
from sync_server.storage.backup_folder import last_backup, note_backup, write_into
from sync_server.storage.paths import DataFolder

log = structlog.get_logger("backup")

OVERDUE_AFTER_INTERVALS = 3


def back_up(
    folder: DataFolder, database_url: str, to: Path, *, keep: int = 0, with_keys: bool = False
) -> Path:
    """Write one backup to the file `to`, or, where `keep` is given, into the folder `to`."""
    now_ms = system_clock.now_ms()
    keys = {path.name: path.read_bytes() for path in folder.key_files} if with_keys else None

    def write(file: Path) -> None:
        write_backup(database_url, file, now_ms, keys)

    if keep:
        file = write_into(to, keep, now_ms, write)
    else:
        write(file := to)
    note_backup(folder, now_ms, file)
    return file


class Backups:
    """The backups of a running server. What may be lost with its disk: `backup_every_s` and the
    time that one backup takes; the gates bring scans back, so it concerns changes to lists.
    """

    def __init__(self, folder: DataFolder, database_url: str, config: Config) -> None:
        self._folder, self._database_url = folder, database_url
        self._to = config.backup_to
        self._every_s, self._keep = config.backup_every_s, config.backup_keep

    async def run(self) -> None:
        """One after the other, if the settings say so; until cancelled."""
        while self._to:
            began_s = system_clock.monotonic_s()
            try:
                await asyncio.to_thread(
                    back_up, self._folder, self._database_url, Path(self._to), keep=self._keep
                )
            except GatesyncError as error:
                log.warning("no backup was made", why=str(error))
            except OSError as error:
                log.warning("no backup was made", why=error.strerror)
            took_s = system_clock.monotonic_s() - began_s
            await asyncio.sleep(max(1.0, self._every_s - took_s))

    def state(self, now_ms: int) -> dict[str, Any] | None:
        """For who watches; None if there is no backup and none is asked for. Reads one small file."""
        last = last_backup(self._folder)
        if last is None:
            return {"at": None, "ageS": None, "overdue": True} if self._to else None
        age_s = max(0, now_ms - last.at_ms) // 1_000
        overdue = bool(self._to) and age_s > OVERDUE_AFTER_INTERVALS * self._every_s
        return {"at": format_time(last.at_ms), "ageS": age_s, "overdue": overdue}
