"""`GET /api/preview.mjpeg`: what the camera sees, for as long as a page looks (API §3.8)."""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import web

from edge_agent.kiosk.guard import HEADERS, error_answer

VIEWERS_MAX: Final = 4
LOOK_S: Final = 0.1
SEND_S: Final = 5.0
_BOUNDARY: Final = "gatesync-frame"

Picture = Callable[[], tuple[int, bytes] | None]
"""The newest picture and its number; asking says that somebody looks. None: there is no camera."""


class PreviewWeb:
    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._viewers = 0

    async def get(self, request: web.Request) -> web.StreamResponse:
        if self._picture() is None:
            return error_answer(503, "no_camera", "No camera is running at this gate.")
        if self._viewers >= VIEWERS_MAX:
            return error_answer(503, "too_many_viewers", f"{VIEWERS_MAX} pages look already.")
        stream = web.StreamResponse(
            headers={
                **HEADERS,
                "Content-Type": f"multipart/x-mixed-replace; boundary={_BOUNDARY}",
                "Cache-Control": "no-store",
            }
        )
        await stream.prepare(request)
        self._viewers += 1
        try:
            await self._send_all(stream)
        except (ConnectionError, TimeoutError):
            pass  # the page has gone, or does not keep up: it asks again
        finally:
            self._viewers -= 1
        return stream

    async def _send_all(self, stream: web.StreamResponse) -> None:
        sent = 0
        while (newest := self._picture()) is not None:
            number, jpeg = newest
            if number != sent and jpeg:
                sent = number
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
                async with asyncio.timeout(SEND_S):
                    await stream.write(head.encode() + b"\r\n\r\n" + jpeg + b"\r\n")
            await asyncio.sleep(LOOK_S)
