"""Compressed bodies, in and out: zstd and gzip by negotiation, within the limit of a plain body."""

import asyncio

from aiohttp import web

from shared import compression
from shared.compression import COMPRESSED_BYTES_MIN
from sync_server.http.errors import ApiError, invalid

IN_PLACE_BYTES_MAX = 256 * 1_024  # more takes longer than others should wait: on a thread


def encoding_of(request: web.Request) -> str | None:
    """415 with what is taken, for an encoding that is not."""
    try:
        return compression.named(request.headers.get("Content-Encoding"))
    except LookupError as error:
        raise ApiError(
            415,
            "unsupported_encoding",
            f"Send the body plain, or as {compression.ACCEPTED}.",
            headers={"Accept-Encoding": compression.ACCEPTED},
        ) from error


def plain_body(encoding: str, body: bytes, bytes_max: int) -> bytes:
    try:
        return compression.decompress(encoding, body, bytes_max)
    except compression.CompressedTooLargeError as error:
        message = f"At most {bytes_max} bytes are taken, decompressed."
        raise ApiError(413, "too_large", message) from error
    except ValueError as error:
        raise invalid(None, f"The body is not {encoding}: {error}", "malformed_body") from error


async def answer(request: web.Request, body: bytes, content_type: str) -> web.Response:
    """The body, compressed if the caller takes that and it is worth it."""
    headers = {"Accept-Encoding": compression.ACCEPTED, "Vary": "Accept-Encoding"}
    encoding = compression.best(request.headers.get("Accept-Encoding"))
    if encoding is not None and len(body) >= COMPRESSED_BYTES_MIN:
        headers["Content-Encoding"] = encoding
        if len(body) <= IN_PLACE_BYTES_MAX:
            body = compression.compress(encoding, body)
        else:
            body = await asyncio.to_thread(compression.compress, encoding, body)
    return web.Response(body=body, content_type=content_type, headers=headers)
