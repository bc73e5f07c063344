"""The live page's WebSocket: frames `{"type","data","at"}` (API §2)."""

import asyncio

from aiohttp import WSCloseCode, WSMsgType, web

from shared.limits import LIVE_SOCKETS_MAX
from sync_server.http.authentication import check_same_origin
from sync_server.http.errors import ApiError, busy
from sync_server.http.routing import Call, Route
from sync_server.identity.rights import Right
from sync_server.stream.live_hub import Watcher

HEARTBEAT_S = 20.0
SEND_S_MAX = 10.0
PROTOCOL = "gatesync.live"


async def live(call: Call) -> web.StreamResponse:
    request, hub = call.request, call.services.live
    if request.headers.get("Upgrade", "").lower() != "websocket":
        headers = {"Upgrade": "websocket"}
        raise ApiError(426, "upgrade_required", "This is a WebSocket address.", headers=headers)
    if "Origin" in request.headers:
        check_same_origin(request)
    if hub.watching >= LIVE_SOCKETS_MAX or call.services.heads.closing:
        raise busy(f"{hub.watching} pages are watching already; try again later.")
    socket = web.WebSocketResponse(
        heartbeat=HEARTBEAT_S, protocols=(PROTOCOL,), max_msg_size=1_024, timeout=1.0
    )
    await socket.prepare(request)
    watcher = await hub.join()
    try:
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(_send(socket, watcher))
            async for message in socket:  # nothing is expected; this hears the closing
                if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    await socket.close(code=WSCloseCode.UNSUPPORTED_DATA)
            sending.cancel()
    finally:
        hub.leave(watcher)
    return socket


async def _send(socket: web.WebSocketResponse, watcher: Watcher) -> None:
    try:
        while not watcher.dropped and (frame := await watcher.frames.get()) is not None:
            async with asyncio.timeout(SEND_S_MAX):
                await socket.send_frame(frame, WSMsgType.TEXT)
        code = WSCloseCode.TRY_AGAIN_LATER if watcher.dropped else WSCloseCode.GOING_AWAY
        await socket.close(code=code)
    except (TimeoutError, ConnectionError):
        # Too slow, or gone: the page connects again and gets the whole picture.
        await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, drain=False)


ROUTES = (
    Route("GET", "/api/v1/live", Right.VIEWER, live,
          "WebSocket of frames {type,data,at}: stats.updated, scan.merged, gate.status", "live",
          status=101, statuses=(426,)),
)  # fmt: skip
