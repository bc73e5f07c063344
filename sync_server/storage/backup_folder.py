"""A folder of backups, the newest kept; and what is known of the last one (DESIGN §6 Lifecycle)."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from shared import wire
from shared.errors import UsageError
from sync_server.storage.paths import DataFolder

_NAME = re.compile(r"gatesync-\d{8}T\d{6}Z\.backup")


def write_into(folder: Path, keep: int, now_ms: int, write: Callable[[Path], None]) -> Path:
    """One more backup, named by its time; the oldest beyond `keep` go once it is durable."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: can't make the folder ({error.strerror})") from error
    text = re.sub(r"\.\d+", "", wire.format_time(now_ms)).replace("-", "").replace(":", "")
    file = folder / f"gatesync-{text}.backup"
    write(file)
    for old in sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))[:-keep]:
        old.unlink(missing_ok=True)
    return file


class LastBackup(NamedTuple):
    at_ms: int
    to: str


def note_backup(folder: DataFolder, at_ms: int, to: Path) -> None:
    """Remember that a backup was made; a restart does not forget it."""
    new = folder.last_backup.with_name(".last-backup.new")
    new.write_text(json.dumps({"at": wire.format_time(at_ms), "to": str(to)}), "utf-8")
    new.replace(folder.last_backup)


def last_backup(folder: DataFolder) -> LastBackup | None:
    try:
        said = json.loads(folder.last_backup.read_text("utf-8"))
        return LastBackup(wire.parse_time(said["at"]), str(said["to"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # none yet, or nothing that we wrote
