"""The kiosk's web server, on the gate's loopback only (API §3.8).

No caller signs in here, so the browser's own marks are checked: a page of another site, or a name
that someone else's DNS points at 127.0.0.1, gets 403.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
import structlog
from aiohttp import WSMsgType, web

from edge_agent.kiosk.guard import error_answer, errors_as_json, guard
from edge_agent.kiosk.pages import Pages
from edge_agent.kiosk.screens import states_json
from shared.errors import UsageError
from shared.limits import CODE_CHARS_MAX
from shared.model import Direction
from shared.wire import Request

BODY_BYTES_MAX: Final = 16 * 1024
SOCKETS_MAX: Final = 16
FRAMES_WAITING_MAX: Final = 32
HEALTH_INTERVAL_S: Final = 1.0
SEND_TIMEOUT_S: Final = 5.0

KioskRoute = tuple[str, str, Callable[[web.Request], Awaitable[web.StreamResponse]]]
Present = Callable[[str, Direction | None], Awaitable[dict[str, Any]]]

log = structlog.get_logger(__name__)


class PresentRequest(Request):
    code: str
    direction: Direction | None = None


class _Socket:
    """One page's connection: a bounded queue of frames, and a way to drop it."""

    def __init__(self, request: web.Request, stream: web.WebSocketResponse) -> None:
        self.stream = stream
        self.frames: asyncio.Queue[str] = asyncio.Queue(FRAMES_WAITING_MAX)
        self._transport = request.transport

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class KioskWeb:
    """Serves the kiosk page, its state and its live frames.

    `present(code, direction)` decides on a typed code as on any other and answers as
    `decide --json`. `state()` is asked about once a second for each open page; it must be quick and
    returns::

        {"gate": {"id", "name", "direction"}, "event": {"name", "timeZone"?},
         "online": bool, "offlineSince": RFC 3339 | None, "waiting": scans not yet uploaded,
         "replicaAgeS": seconds | None, "inside": n | None,
         "clock": {"quality", "offsetMs", "errorMs"},
         "readers": [{"name", "state", "detail"}],
         "foreignCode": a code that is no ticket was before the camera just now,
         "notEnrolled": bool?, "outOfOrder": "short code"?}

    Frames: `publish("decision", screens.decision_frame(outcome))`, `publish("count", {"inside": n})`
    and, when something changed at once, `publish("health", state())`.
    All methods belong to the event loop's thread; from another use `loop.call_soon_threadsafe`.
    """

    def __init__(
        self,
        port: int,
        present: Present,
        state: Callable[[], dict[str, Any]],
        host: str = "127.0.0.1",
        routes: Sequence[KioskRoute] = (),
    ) -> None:
        """`routes` are further ones: the supervisors'."""
        self._host = host
        self._port = port
        self._present = present
        self._state = state
        self._routes = tuple(routes)
        self._sockets: set[_Socket] = set()
        self._pages = Pages.read()
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listens and returns the page's address; a port in use is a UsageError."""
        app = web.Application(
            client_max_size=BODY_BYTES_MAX,
            middlewares=[errors_as_json, guard(lambda: self._port)],
        )
        app.router.add_get("/", self._pages.answer_index)
        app.router.add_get("/static/{name}", self._pages.answer_file)
        app.router.add_get("/api/state", self._get_state)
        app.router.add_get("/api/screens", self._get_screens)
        app.router.add_get("/api/live", self._live)
        app.router.add_post("/api/present", self._post_present)
        for method, path, handler in self._routes:
            app.router.add_route(method, path, handler)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as problem:
            await runner.cleanup()
            raise UsageError(
                f"The kiosk page can't listen on {self._host} port {self._port}: "
                f"{problem.strerror or problem}. Choose another with --kiosk-port."
            ) from problem
        self._runner = runner
        self._port = int(runner.addresses[0][1])
        name = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{name}:{self._port}/"

    async def stop(self) -> None:
        """Closes every page's connection and the port."""
        for socket in tuple(self._sockets):
            socket.drop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def publish(self, kind: str, data: dict[str, Any]) -> None:
        """Sends a frame to every open page; a page that does not keep up is dropped."""
        if kind == "health":
            data = {**data, "assets": self._pages.version}
        frame = _frame(kind, data)
        for socket in tuple(self._sockets):
            try:
                socket.frames.put_nowait(frame)
            except asyncio.QueueFull:
                log.warning("kiosk_page_too_slow", waiting=FRAMES_WAITING_MAX)
                self._sockets.discard(socket)
                socket.drop()

    def _health(self) -> dict[str, Any]:
        return {**self._state(), "assets": self._pages.version}

    async def _get_screens(self, _request: web.Request) -> web.Response:
        return _json(states_json())

    async def _get_state(self, _request: web.Request) -> web.Response:
        return _json(self._health())

    async def _post_present(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return error_answer(415, "unsupported_media_type", "Send application/json.")
        try:
            asked = msgspec.json.decode(await request.read(), type=PresentRequest)
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:  # also what does not validate
            return error_answer(400, "invalid_request", str(problem))
        code = asked.code.strip()
        if not code or len(code) > CODE_CHARS_MAX:
            return error_answer(
                400, "invalid_request", f"A code has 1 to {CODE_CHARS_MAX} characters.", "code"
            )
        return _json(await self._present(code, asked.direction))

    async def _live(self, request: web.Request) -> web.StreamResponse:
        if len(self._sockets) >= SOCKETS_MAX:
            return error_answer(503, "too_many_pages", f"{SOCKETS_MAX} pages are open already.")
        stream = web.WebSocketResponse(heartbeat=10.0, max_msg_size=1024)
        if not stream.can_prepare(request):
            return error_answer(400, "websocket_expected", "This address speaks WebSocket.")
        try:
            await stream.prepare(request)
        except ConnectionError:  # a page that was reloaded just now
            return stream
        socket = _Socket(request, stream)
        self._sockets.add(socket)
        try:
            async with asyncio.TaskGroup() as tasks:
                sender = tasks.create_task(self._send(socket))
                await _until_closed(stream)
                sender.cancel()
        finally:
            self._sockets.discard(socket)
        return stream

    async def _send(self, socket: _Socket) -> None:
        """Health at once and each second of silence, so that the page knows the line lives."""
        frame = _frame("health", self._health())
        while True:
            try:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await socket.stream.send_str(frame)
            except (TimeoutError, ConnectionError):
                socket.drop()
                return
            try:
                async with asyncio.timeout(HEALTH_INTERVAL_S):
                    frame = await socket.frames.get()
            except TimeoutError:
                frame = _frame("health", self._health())


async def _until_closed(stream: web.WebSocketResponse) -> None:
    """The page has nothing to say; whatever it sends is read and forgotten."""
    async for message in stream:
        if message.type is WSMsgType.ERROR:
            return


def _frame(kind: str, data: dict[str, Any]) -> str:
    return msgspec.json.encode({"type": kind, "data": data}).decode()


def _json(data: dict[str, Any]) -> web.Response:
    return web.Response(body=msgspec.json.encode(data), content_type="application/json")
