"""The live page's WebSocket: frames `{"type","data","at"}` (API §2)."""

import asyncio

from aiohttp import WSCloseCode, WSMsgType, web

from shared.limits import LIVE_SOCKETS_MAX
from sync_server.http.authentication import check_same_origin
from sync_server.http.errors import ApiError, busy
from sync_server.http.routing import Call, Route
from sync_server.identity.rights import Right

HEARTBEAT_S = 20.0
PROTOCOL = "gatesync.live"


class SocketLine:
    """A page's connection as the hub writes to it: the same bytes for all, past aiohttp's framing."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport
        self.ended = asyncio.Event()

    def write(self, packet: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(packet)

    @property
    def backlog_bytes(self) -> int:
        return self._transport.get_write_buffer_size()

    def drop(self) -> None:
        self._transport.abort()

    def end(self) -> None:
        self.ended.set()


async def live(call: Call) -> web.StreamResponse:
    request, hub = call.request, call.services.live
    if request.headers.get("Upgrade", "").lower() != "websocket":
        headers = {"Upgrade": "websocket"}
        raise ApiError(426, "upgrade_required", "This is a WebSocket address.", headers=headers)
    if "Origin" in request.headers:
        check_same_origin(request)
    if hub.watching >= LIVE_SOCKETS_MAX or call.services.heads.closing:
        raise busy(f"{hub.watching} pages are watching already; try again later.")
    # Not compressed: that would be work for each page apart.
    socket = web.WebSocketResponse(
        heartbeat=HEARTBEAT_S, protocols=(PROTOCOL,), max_msg_size=1_024, timeout=1.0,
        compress=False,
    )  # fmt: skip
    await socket.prepare(request)
    transport = request.transport
    if not isinstance(transport, asyncio.WriteTransport):  # gone already
        return socket
    line = SocketLine(transport)
    try:
        await hub.join(line)
        async with asyncio.TaskGroup() as tasks:
            ending = tasks.create_task(_end(socket, line))
            async for message in socket:  # nothing is expected; this hears the closing
                if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    await socket.close(code=WSCloseCode.UNSUPPORTED_DATA)
            ending.cancel()
    finally:
        hub.leave(line)
    return socket


async def _end(socket: web.WebSocketResponse, line: SocketLine) -> None:
    await line.ended.wait()
    await socket.close(code=WSCloseCode.GOING_AWAY)


ROUTES = (
    Route("GET", "/api/v1/live", Right.VIEWER, live,
          "WebSocket of frames {type,data,at}: stats.updated, scan.merged, gate.status", "live",
          status=101, statuses=(426,)),
)  # fmt: skip
