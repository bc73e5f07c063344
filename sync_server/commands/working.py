"""How a command gets at the data: through the running server, or by itself under the lock."""

import io
import sys
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from sync_server.config import Config
from sync_server.control_client import ask_server, server_answers
from sync_server.deployment import check_initialised, opened
from sync_server.folder_lock import FolderBusyError, locked
from sync_server.operations import run_operation
from sync_server.storage.paths import DataFolder


def base_url(config: Config) -> str:
    """How gates reach the server, as far as the settings say."""
    if config.public_url:
        return config.public_url
    host = "127.0.0.1" if config.host in {"0.0.0.0", "::", ""} else config.host
    return f"http://{f'[{host}]' if ':' in host else host}:{config.port}"


def perform(
    folder: DataFolder,
    config: Config,
    operation: str,
    parameters: Mapping[str, Any] | None = None,
    body: BinaryIO | None = None,
    progress: Callable[[int], None] | None = None,
) -> Any:
    """Have an operation done by whoever may write this folder."""
    given = parameters or {}
    if server_answers(folder):
        return ask_server(folder, operation, given, body, progress)
    check_initialised(folder, config)
    try:
        with locked(folder), opened(folder, base_url(config), config) as deployment:
            return run_operation(
                deployment, operation, given, body or io.BytesIO(), progress or _silent
            )
    except FolderBusyError:
        # A server that has just taken the lock and not yet its socket, or another command.
        if server_answers(folder):
            return ask_server(folder, operation, given, body, progress)
        raise


def _silent(_count: int) -> None:
    """Nobody watches."""


class Progress:
    """A line on a terminal that counts; nothing where standard error is none."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown = sys.stderr.isatty()
        self._printed = False

    def __call__(self, count: int) -> None:
        if self._shown:
            self._printed = True
            print(f"\r{count:,} {self._what} …", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._printed:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
