"""Speaking to the running server over `DIR/control.sock`: one POST, answers line by line."""

import http.client
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from shared.errors import GatesyncError, TransientError, UsageError
from sync_server.storage.paths import DataFolder

_PATH_BYTES_MAX = 100  # the kernel takes 107
CONNECT_TIMEOUT_S = 5.0
PARAMETERS_HEADER = "X-Gatesync-Parameters"


@contextmanager
def reachable_path(path: Path) -> Iterator[str]:
    """The socket's path, by way of /proc where it is too long for the kernel."""
    text = str(path.absolute())
    if len(os.fsencode(text)) <= _PATH_BYTES_MAX:
        yield text
        return
    descriptor = os.open(path.absolute().parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(CONNECT_TIMEOUT_S)
        with reachable_path(self._path) as path:
            self.sock.connect(path)
        self.sock.settimeout(None)  # an import may take minutes


def server_answers(folder: DataFolder) -> bool:
    """Whether a server runs on this folder. A socket left by a SIGKILL refuses: no server."""
    connection = _UnixConnection(folder.control_socket)
    try:
        connection.connect()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def ask_server(
    folder: DataFolder,
    operation: str,
    parameters: Mapping[str, Any],
    body: BinaryIO | None = None,
    progress: Callable[[int], None] | None = None,
) -> Any:
    """Have the running server do it; its errors are raised here as if done here."""
    connection = _UnixConnection(folder.control_socket)
    headers = {PARAMETERS_HEADER: json.dumps(parameters)}
    try:
        connection.request("POST", f"/{operation}", body=body or b"", headers=headers)
        response = connection.getresponse()
        for line in response:
            message = json.loads(line)
            if "result" in message:
                return message["result"]
            if "error" in message:
                raise _error(message)
            if progress is not None and "progress" in message:
                progress(message["progress"])
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise TransientError(
            f"the running server broke off: {error or type(error).__name__}"
        ) from error
    finally:
        connection.close()
    raise TransientError("the running server ended before it answered; try again")


def _error(message: Mapping[str, Any]) -> GatesyncError:
    return (UsageError if message.get("usage") else GatesyncError)(message["error"])
