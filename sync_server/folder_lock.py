"""The data folder's lock: one process writes a database (DESIGN §6)."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import TransientError
from sync_server.storage.paths import DataFolder


class FolderBusyError(TransientError):
    """Another process works on this data folder."""


@contextmanager
def locked(folder: DataFolder) -> Iterator[None]:
    """Hold the lock for the block; FolderBusyError if another process has it.

    The kernel frees it with the process, so nothing is left behind by a SIGKILL.
    """
    descriptor = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderBusyError(
                f"another process, a server or a command, works on {folder.path}; "
                "wait until it has ended"
            ) from error
        yield
    finally:
        os.close(descriptor)
