"""`DIR/control.sock` (mode 0600): commands that write, done by the process that owns the database.

One POST a command: parameters as JSON in a header, a file as the body; the answer is NDJSON, lines
of progress and then `result` or `error`.
"""

import asyncio
import json
import os
import tempfile
from dataclasses import replace
from typing import Any, BinaryIO

import structlog
from aiohttp import web

from shared.errors import GatesyncError, TransientError, UsageError
from sync_server.control_client import PARAMETERS_HEADER, reachable_path
from sync_server.deployment import Deployment
from sync_server.operations import OPERATIONS, run_operation

log = structlog.get_logger("control")

_SPOOL_MEMORY_BYTES = 1 << 20
_PROGRESS_WAITING_MAX = 1_000


class ControlServer:
    """Serve operations on the folder's socket between `start` and `stop`."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._stopping = False
        app = web.Application(client_max_size=0)
        app.router.add_post("/{operation}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=5.0)

    def listening_at(self, url: str) -> None:
        """How gates reach the server, known once it listens."""
        self._deployment = replace(self._deployment, base_url=url)

    async def start(self) -> None:
        """The folder's lock must be held: what lies at the path is then nobody's."""
        path = self._deployment.folder.control_socket
        path.unlink(missing_ok=True)
        await self._runner.setup()
        before = os.umask(0o177)
        try:
            with reachable_path(path) as name:
                await web.UnixSite(self._runner, name).start()
        finally:
            os.umask(before)

    async def stop(self) -> None:
        self._stopping = True
        await self._runner.cleanup()
        self._deployment.folder.control_socket.unlink(missing_ok=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        operation = request.match_info["operation"]
        if operation not in OPERATIONS:
            message = f"the running server does not know {operation!r}; restart it after an update"
            return web.Response(text=json.dumps({"error": message, "usage": True}) + "\n")
        parameters = json.loads(request.headers.get(PARAMETERS_HEADER, "{}"))
        with tempfile.SpooledTemporaryFile(max_size=_SPOOL_MEMORY_BYTES) as body:
            async for part in request.content.iter_any():
                body.write(part)
            body.seek(0)
            response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
            await response.prepare(request)
            await self._run(response, operation, parameters, body)  # type: ignore[arg-type]
        await response.write_eof()
        return response

    async def _run(
        self,
        response: web.StreamResponse,
        operation: str,
        parameters: dict[str, Any],
        body: BinaryIO,
    ) -> None:
        loop = asyncio.get_running_loop()
        lines: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        def tell(count: int) -> None:
            if self._stopping:  # raised between two chunks of an import: what is saved stays
                raise TransientError("the server was stopped; do it again, nothing is done twice")
            if lines.qsize() < _PROGRESS_WAITING_MAX:
                loop.call_soon_threadsafe(lines.put_nowait, {"progress": count})

        async def work() -> None:
            await lines.put(await self._outcome(operation, parameters, body, tell))

        async with asyncio.TaskGroup() as group:
            group.create_task(work())
            gone = False
            while True:
                line = await lines.get()
                try:
                    if not gone:
                        await response.write(json.dumps(line).encode() + b"\n")
                except ConnectionError:
                    gone = True  # who asked has left; what was begun is finished all the same
                if "progress" not in line:
                    return

    async def _outcome(
        self, operation: str, parameters: dict[str, Any], body: BinaryIO, tell: Any
    ) -> dict[str, Any]:
        try:
            result = await asyncio.to_thread(
                run_operation, self._deployment, operation, parameters, body, tell
            )
        except GatesyncError as error:
            return {"error": str(error), "usage": isinstance(error, UsageError)}
        except Exception as error:
            log.exception("command failed", operation=operation)
            return {"error": f"the server could not do it: {error}; its log says more"}
        return {"result": result}
