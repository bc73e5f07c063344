"""The running agent's control socket, `DIR/control.sock`, mode 0600: one JSON line each way.

`decide` and `status` speak to it, since only one process ever writes a journal.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import structlog

from shared.errors import GatesyncError, TransientError, UsageError, WireError
from shared.model import Direction

log = structlog.get_logger(__name__)

LINE_BYTES_MAX = 64 * 1024
ANSWER_S = 10.0
ASK_S = 5.0
CALLERS_MAX = 32


class NobodyThereError(TransientError):
    """No agent answers on this folder's control socket."""


class Ask(msgspec.Struct, tag_field="op", rename="camel", forbid_unknown_fields=True):
    """What a command asks the running agent."""


class AskDecide(Ask, tag="decide"):
    code: str
    direction: Direction | None = None
    dry_run: bool = False


class AskStatus(Ask, tag="status"):
    pass


Answerer = Callable[[AskDecide | AskStatus], Awaitable[dict[str, Any]]]


class ControlServer:
    """Answers `{"ok": …}` or `{"error": "one line", "usage": bool}`."""

    def __init__(self, path: Path, answer: Answerer) -> None:
        self._path = path
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._callers = asyncio.Semaphore(CALLERS_MAX)

    async def start(self) -> None:
        """Listen. The caller holds the folder's lock, so a socket that is there is a dead one's."""
        listener = socket.socket(socket.AF_UNIX)
        with suppress(FileNotFoundError):
            self._path.unlink()
        with _short(self._path) as name:
            old = os.umask(0o177)
            try:
                listener.bind(name)
            finally:
                os.umask(old)
        self._server = await asyncio.start_unix_server(
            self._talk, sock=listener, limit=LINE_BYTES_MAX
        )

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        with suppress(FileNotFoundError):
            self._path.unlink()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self._callers, asyncio.timeout(ANSWER_S):
                line = await reader.readline()
                writer.write(msgspec.json.encode(await self._handle(line)) + b"\n")
                await writer.drain()
        except (TimeoutError, ConnectionError, ValueError) as error:
            log.warning("control_call_failed", error=str(error) or type(error).__name__)
        finally:
            writer.close()

    async def _handle(self, line: bytes) -> dict[str, Any]:
        try:
            asked = msgspec.json.decode(line, type=AskDecide | AskStatus)
            return {"ok": await self._answer(asked)}
        except msgspec.DecodeError as error:
            return {"error": f"the control socket does not understand: {error}", "usage": True}
        except GatesyncError as error:
            return {"error": str(error), "usage": isinstance(error, UsageError)}
        except Exception as error:
            log.exception("control_call_failed")
            return {"error": f"the agent could not answer ({error}); its log says why"}


def ask(path: Path, question: AskDecide | AskStatus) -> dict[str, Any]:
    """Ask the running agent; NobodyThereError where none listens."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(ASK_S)
        try:
            with _short(path) as name:
                line.connect(name)
        except OSError as error:
            raise NobodyThereError from error
        try:
            line.sendall(msgspec.json.encode(question) + b"\n")
            with line.makefile("rb") as file:
                text = file.readline(LINE_BYTES_MAX)
        except OSError as error:
            raise TransientError(f"the running agent does not answer: {error}") from error
    if not text:
        raise TransientError("the running agent ended while it was asked")
    answer: dict[str, Any] = msgspec.json.decode(text)
    if "ok" in answer:
        said: dict[str, Any] = answer["ok"]
        return said
    message = str(answer.get("error", "no answer"))
    raise UsageError(message) if answer.get("usage") else WireError(message)


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """A socket's name has at most 107 bytes; a folder's may be longer: go by its descriptor."""
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{path.name}"
    finally:
        os.close(handle)
