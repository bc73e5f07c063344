"""P12: a page that stops reading is cut once its backlog is full; the others go on."""

import asyncio
import base64
import os

from shared.limits import LIVE_BACKLOG_BYTES_MAX
from sync_server.stream.packets import message, packed
from tests.sync_server.http.conftest import Server


async def open_page(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    port = int(server.url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 16)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        f"Authorization: Bearer {server.keys['viewer']}\r\n\r\n".encode()
    )
    assert b" 101 " in (await reader.readuntil(b"\r\n\r\n")).splitlines()[0]
    return reader, writer


async def test_p12_a_page_that_stops_reading_is_cut_and_the_others_hear_all(server: Server) -> None:
    hub = server.services.live
    _, deaf = await open_page(server)
    reader, good = await open_page(server)
    async with asyncio.timeout(20):
        while hub.watching < 2:
            await asyncio.sleep(0)
        load = message("load", "x" * 100_000, 0)
        heard = 0
        while hub.watching == 2:  # the kernel's buffers fill first, then ours
            hub._send([load])
            while heard < len(packed([load])):
                heard += len(await reader.read(1 << 20))
            heard -= len(packed([load]))
        (line,) = hub._lines
        assert line.backlog_bytes <= LIVE_BACKLOG_BYTES_MAX
    deaf.close()
    good.close()
