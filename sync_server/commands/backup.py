"""`sync-server backup` and `restore`."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from shared import wire
from shared.errors import GatesyncError, UsageError
from sync_server import system_clock
from sync_server.commands.working import perform
from sync_server.config import Config
from sync_server.control_client import server_answers
from sync_server.deployment import database_url
from sync_server.folder_lock import FolderBusyError, locked
from sync_server.identity.key_files import copy_keys
from sync_server.storage.paths import DataFolder
from sync_server.storage.restore import restore_backup

KEEP = 24


def run_backup(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    to: Path = arguments.to.absolute()
    if arguments.every is None:
        if arguments.keep is not None:
            raise UsageError("--keep needs --every SECONDS: it counts the backups of a folder")
        perform(folder, config, "backup", {"to": str(to), "withKeys": arguments.with_keys})
        print(f"copied to {to}" + ("" if arguments.with_keys else "; the keys are not in it"))
        return 0
    keep = KEEP if arguments.keep is None else arguments.keep
    if arguments.every < 1 or keep < 1:
        raise UsageError("--every and --keep must be at least 1")
    parameters = {"to": str(to), "withKeys": arguments.with_keys, "keep": keep}
    return _again_and_again(folder, config, parameters, arguments.every)


def _again_and_again(
    folder: DataFolder, config: Config, parameters: dict[str, object], every_s: int
) -> int:
    """Until SIGTERM or SIGINT. What fails once is said, and tried again at the next turn."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    made = 0
    while not ended.is_set():
        began_s = system_clock.monotonic_s()
        try:
            print(f"copied to {perform(folder, config, 'backup', parameters)['to']}", flush=True)
            made += 1
        except GatesyncError as error:
            if not made:
                raise  # it never worked: a mistake in what was asked
            print(f"sync-server: {error}", file=sys.stderr, flush=True)
        ended.wait(max(0.0, every_s - (system_clock.monotonic_s() - began_s)))
    return 0


def run_restore(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    if not arguments.source.is_file():
        raise UsageError(f"{arguments.source}: there is no such file")
    url = database_url(folder, config)
    made = not folder.path.exists()
    try:
        folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder.path}: can't make the folder ({error.strerror})") from error
    if server_answers(folder):
        raise FolderBusyError(f"a server runs on {folder.path}: stop it, then restore")
    try:
        with locked(folder):
            if arguments.keys is not None:
                copy_keys(folder, arguments.keys)
            found = restore_backup(folder, url, arguments.source, system_clock.now_ms())
    except GatesyncError:
        if made and arguments.keys is None:  # nothing has changed, the folder neither
            folder.lock.unlink(missing_ok=True)
            folder.path.rmdir()
        raise
    until = wire.format_time(found.at_ms)
    print(f"restored as a new generation; changes to lists after {until} are lost, scans come back")
    if found.replaced is not None:
        print(f"what was there before is kept as {found.replaced}")
    return 0
