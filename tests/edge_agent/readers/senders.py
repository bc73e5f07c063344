"""Cameras on the network, small enough to read: raw MJPEG over tcp, HTTP multipart, RTSP.

Each sends what `picture` says at the moment, 20 times a second, with a noise of its own in each
frame, as a sensor has; `still` sends the same bytes again and again instead.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import suppress

import cv2
import numpy as np

FRAMES_S = 20


class Sender:
    """Listens on a free port of the loopback; `stop` cuts every line, `start` comes back."""

    path = ""
    scheme = "tcp"

    def __init__(self, picture: np.ndarray) -> None:
        self.picture = picture
        self.still = False
        self.port = 0
        self.lines_closed = 0
        self._random = np.random.default_rng(1)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{self.path}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in tuple(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self.talk(reader, writer)
        finally:
            self._writers.discard(writer)
            self.lines_closed += 1
            writer.close()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for jpeg in self.jpegs():
            writer.write(jpeg)
            await writer.drain()

    async def jpegs(self) -> AsyncIterator[bytes]:
        while True:
            yield self._jpeg()
            await asyncio.sleep(1 / FRAMES_S)

    def _jpeg(self) -> bytes:
        image = self.picture
        if not self.still:
            noise = self._random.normal(0, 2.5, image.shape)
            image = np.clip(image + noise, 0, 255).astype(np.uint8)
        # In colour, since RTP knows no grey JPEG; 4:2:0 and standard tables are what OpenCV writes.
        return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))[1].tobytes()


class HttpSender(Sender):
    """Motion JPEG as most network cameras offer it."""

    scheme, path = "http", "/video.mjpg"

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
        )
        async for jpeg in self.jpegs():
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            writer.write(head.encode() + jpeg + b"\r\n")
            await writer.drain()


class PageSender(Sender):
    """Answers, but with a web page: a wrong address on a right host."""

    scheme = "http"

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<h1>Sign in</h1>")
        await writer.drain()


class RtspSender(Sender):
    """RTSP 1.0 with RTP interleaved on the same line, JPEG as RFC 2435 packs it."""

    scheme, path = "rtsp", "/gate"
    _SDP = (
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=gate\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        "m=video 0 RTP/AVP 26\r\na=control:track0\r\n"
    )

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.TaskGroup() as group:
            sending: asyncio.Task[None] | None = None
            while True:
                try:
                    request = (await reader.readuntil(b"\r\n\r\n")).decode()
                except (asyncio.IncompleteReadError, ConnectionError):
                    if sending is not None:
                        sending.cancel()
                    return
                method = request.split(" ", 1)[0].rsplit("$", 1)[-1]
                number = request.split("CSeq:")[1].split("\r\n")[0].strip()
                writer.write(self._answer(method, number).encode())
                await writer.drain()
                if method == "PLAY":
                    sending = group.create_task(self._send(writer))
                if method == "TEARDOWN":
                    if sending is not None:
                        sending.cancel()
                    return

    def _answer(self, method: str, number: str) -> str:
        head = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n"
        if method == "OPTIONS":
            return f"{head}Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n"
        if method == "DESCRIBE":
            more = f"Content-Type: application/sdp\r\nContent-Length: {len(self._SDP)}\r\n"
            return f"{head}Content-Base: {self.url}/\r\n{more}\r\n{self._SDP}"
        if method == "SETUP":
            return f"{head}Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
        return f"{head}Session: 1\r\n\r\n"

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        sequence, stamp = 0, 0
        with suppress(ConnectionError):
            async for jpeg in self.jpegs():
                for packet in _rtp_packets(jpeg, self.picture.shape, sequence, stamp):
                    writer.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
                    sequence = (sequence + 1) & 0xFFFF
                await writer.drain()
                stamp += 90_000 // FRAMES_S


def _rtp_packets(
    jpeg: bytes, shape: tuple[int, ...], sequence: int, stamp: int, size: int = 1400
) -> list[bytes]:
    tables, scan = _parsed(jpeg)
    packets = []
    for offset in range(0, len(scan), size):
        piece = scan[offset : offset + size]
        last = offset + size >= len(scan)
        rtp = struct.pack(">BBHII", 0x80, 26 | (0x80 if last else 0), sequence, stamp, 7)
        place = struct.pack(">I", offset)[1:]
        head = b"\0" + place + bytes((1, 255, shape[1] // 8, shape[0] // 8))
        if offset == 0:
            head += struct.pack(">BBH", 0, 0, len(tables)) + tables
        packets.append(rtp + head + piece)
        sequence = (sequence + 1) & 0xFFFF
    return packets


def _parsed(jpeg: bytes) -> tuple[bytes, bytes]:
    """The quantisation tables and the scan's data."""
    tables, at = b"", 2
    while jpeg[at + 1] != 0xDA:
        length = int.from_bytes(jpeg[at + 2 : at + 4])
        if jpeg[at + 1] == 0xDB:
            segment = jpeg[at + 4 : at + 2 + length]
            tables += b"".join(segment[n + 1 : n + 65] for n in range(0, len(segment), 65))
        at += 2 + length
    return tables, jpeg[at + 2 + int.from_bytes(jpeg[at + 2 : at + 4]) : -2]
