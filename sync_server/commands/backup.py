"""`sync-server backup` and `restore`."""

import argparse

from sync_server.commands.working import perform
from sync_server.config import Config
from sync_server.control_client import server_answers
from sync_server.folder_lock import FolderBusyError, locked
from sync_server.storage.backup import restore_backup
from sync_server.storage.paths import DataFolder


def run_backup(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    to = arguments.to.absolute()
    perform(folder, config, "backup", {"to": str(to), "withKeys": arguments.with_keys})
    print(f"copied to {to}" + ("" if arguments.with_keys else "; the keys are not in it"))
    return 0


def run_restore(folder: DataFolder, _config: Config, arguments: argparse.Namespace) -> int:
    if server_answers(folder):
        raise FolderBusyError(f"a server runs on {folder.path}: stop it, then restore")
    with locked(folder):
        until = restore_backup(folder, arguments.source)
    print(f"restored as a new generation; changes to lists after {until} are lost, scans come back")
    return 0
