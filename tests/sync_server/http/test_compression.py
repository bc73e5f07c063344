"""Compressed bodies over real HTTP, both ways; what is too large unpacked is refused (P12)."""

import gzip
import json

import aiohttp
import pytest
import zstandard

from shared import wire
from shared.compression import compress
from shared.limits import BODY_BYTES_MAX
from sync_server import system_clock
from tests.sync_server.builders import scan_entry
from tests.sync_server.http.conftest import Server

EPOCH = "0011223344556677"


async def send(server: Server, body: bytes, encoding: str, **headers: str) -> tuple[int, dict]:
    device = await server.enrol()
    upload = body.replace(b"DEVICE", device.device_id.encode())
    packed = compress(encoding, upload) if encoding in {"gzip", "zstd"} else upload
    return await server.api(
        "POST",
        "/sync/scans",
        key=device.token,
        data=packed,
        headers={"Content-Type": "application/json", "Content-Encoding": encoding} | headers,
    )


def upload_of(count: int) -> bytes:
    now = wire.format_time(system_clock.now_ms())
    entries = [scan_entry(seq, scanId=f"s{seq}", occurredAt=now) for seq in range(1, count + 1)]
    return json.dumps({"deviceId": "DEVICE", "epoch": EPOCH, "entries": entries}).encode()


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "identity"])
async def test_an_upload_may_come_packed_and_its_answer_goes_packed(
    server: Server, encoding: str
) -> None:
    status, answer = await send(server, upload_of(60), encoding, **{"Accept-Encoding": "gzip"})
    assert status == 200, answer
    assert answer["contiguousThrough"] == 60
    assert server.last.headers["Content-Encoding"] == "gzip"
    assert server.last.headers["Accept-Encoding"] == "zstd, gzip"


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_p12_a_bomb_is_refused_with_413(server: Server, encoding: str) -> None:
    body = b'{"deviceId":"' + b"x" * (BODY_BYTES_MAX + 1) + b'"}'
    status, answer = await send(server, body, encoding)
    assert (status, answer["error"]["code"]) == (413, "too_large")


async def test_an_encoding_that_is_not_taken_is_named(server: Server) -> None:
    status, answer = await send(server, upload_of(1), "br")
    assert (status, answer["error"]["code"]) == (415, "unsupported_encoding")
    assert server.last.headers["Accept-Encoding"] == "zstd, gzip"


async def test_a_body_that_is_not_what_it_says_is_malformed(server: Server) -> None:
    device = await server.enrol()
    for encoding in ("gzip", "zstd"):
        status, answer = await server.api(
            "POST",
            "/sync/scans",
            key=device.token,
            data=b"plain",
            headers={"Content-Type": "application/json", "Content-Encoding": encoding},
        )
        assert (status, answer["error"]["code"]) == (400, "malformed_body")


@pytest.mark.parametrize(
    ("asked", "unpack"),
    [
        ("zstd, gzip", lambda b: zstandard.ZstdDecompressor().decompress(b)),
        ("gzip", gzip.decompress),
        ("zstd;q=0.2, gzip", gzip.decompress),
        ("identity", bytes),
        ("gzip;q=0", bytes),
    ],
)
async def test_a_page_comes_in_the_encoding_asked_for(server: Server, asked, unpack) -> None:
    device = await server.enrol()
    headers = {"Authorization": f"Bearer {device.token}", "Accept-Encoding": asked}
    async with aiohttp.ClientSession(auto_decompress=False, headers=headers) as http:
        answer = await http.get(server.url + "/api/v1/sync/changes")
        body = unpack(await answer.read())
    assert json.loads(body.splitlines()[-1])["type"] == "page"
    assert answer.headers["Vary"] == "Accept-Encoding"
