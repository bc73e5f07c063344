"""The transport's edges: what a broken, hostile or odd server can do, and what comes of it."""

import msgspec
import pytest
from aiohttp import web

from edge_agent.sync import transport as transport_module
from edge_agent.sync.backoff import FailureKind
from edge_agent.sync.pages import decode_page
from edge_agent.sync.transport import (
    AnsweredError,
    HttpTransport,
    PermanentAnswerError,
    TransientAnswerError,
    UnreachableError,
)
from shared import wire
from tests.edge_agent.storage import lines

END = b'{"type":"page","cursor":"g.1","more":false,"serverReceivedAt":"2026-11-21T12:00:00.000Z","serverTime":"2026-11-21T12:00:00.000Z"}'
REQUEST = wire.StatusRequest(epoch="e", head=0, waiting=0, clock=wire.ClockStatus(quality="wall"))


@pytest.fixture
async def answering(aiohttp_server):
    """A function: a handler → a transport whose every request it answers."""
    opened = []

    async def make(handler):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        server = await aiohttp_server(app)
        opened.append(HttpTransport(str(server.make_url("/")), lambda: 0))
        return opened[-1]

    yield make
    for transport in opened:
        await transport.aclose()


def responds(body=b"", status=200, **headers):
    async def handler(request):
        return web.Response(
            body=body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    return handler


async def failure_of(transport, call="changes"):
    with pytest.raises((UnreachableError, AnsweredError)) as raised:
        if call == "changes":
            await transport.changes("t", None, 0)
        else:
            await transport.status("t", REQUEST)
    return raised.value


@pytest.mark.parametrize("body", [b"", END, END[:40], b"<html>page</html>\n", b"\n\n"])
async def test_p7_a_body_without_its_whole_last_line_is_interrupted(answering, body):
    error = await failure_of(await answering(responds(body)))
    assert error.failure.kind is FailureKind.INTERRUPTED


async def test_a_whole_page_is_a_page(answering):
    transport = await answering(responds(END + b"\n"))
    assert (await transport.changes("t", None, 0)).lines == [END]


async def test_p12_an_endless_page_is_given_up(answering, monkeypatch):
    monkeypatch.setattr(transport_module, "PAGE_BYTES_MAX", 10_000)
    error = await failure_of(await answering(responds(b"x" * 100_000)))
    assert error.failure.kind is FailureKind.LOCAL


async def test_p12_a_server_that_drips_is_given_up(answering, monkeypatch):
    monkeypatch.setattr(transport_module, "EXCHANGE_SPARE_S", -9.8)

    async def drip(request):
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for _ in range(100):
                await response.write(b"x")
                await transport_module.asyncio.sleep(0.05)
        except ConnectionError:
            pass
        return response

    error = await failure_of(await answering(drip))
    assert error.failure.kind is FailureKind.TIMED_OUT
    assert error.__cause__ is not None


async def test_the_servers_words_and_wishes_are_kept(answering):
    body = b'{"error":{"code":"busy","message":"Too much.","requestId":"r"}}'
    error = await failure_of(await answering(responds(body, 503, Retry_After="7")), "status")
    assert isinstance(error, TransientAnswerError)
    assert (error.failure.code, error.failure.detail) == ("busy", "Too much.")
    assert error.failure.retry_after_s == 7
    assert error.date_ms is not None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error":null}', b'{"error":[1]}'])
async def test_a_proxys_error_page_is_an_error_without_a_code(answering, body):
    error = await failure_of(await answering(responds(body, 404)), "status")
    assert isinstance(error, PermanentAnswerError)
    assert error.failure.code is None


async def test_a_redirect_is_not_followed(answering):
    error = await failure_of(await answering(responds(b"", 302, Location="http://x/")), "status")
    assert error.failure.status == 302


async def test_p6_an_answer_that_is_not_understood_is_a_failure_with_a_name(answering):
    error = await failure_of(await answering(responds(b'{"contiguousThrough":"x"}')), "status")
    assert error.failure.kind is FailureKind.LOCAL
    assert isinstance(error.__cause__, msgspec.DecodeError)


def encoded(line):
    return msgspec.json.encode(line)


def test_members_and_types_of_a_newer_server_are_passed_over():
    newer = encoded(lines.participant(1, 3))[:-1] + b',"shoeSize":42}'
    decoded, page, skipped = decode_page([newer, b'{"type":"lounge","revision":4}', END])
    assert decoded == [lines.participant(1, 3)]
    assert (page.cursor, skipped) == ("g.1", 1)


def test_p6_a_value_of_a_newer_server_stops_no_other_row():
    hovering = encoded(lines.gate("north", 2)).replace(b'"both"', b'"hovering"')
    assert b"hovering" in hovering
    decoded, _, skipped = decode_page([hovering, encoded(lines.participant(1, 3)), END])
    assert (decoded, skipped) == ([lines.participant(1, 3)], 1)


@pytest.mark.parametrize(
    "bad", [b"", b"{", b'{"type":"participant"}', b"[]", END, b'{"type":"gate","revision":"x"}']
)
def test_p7_one_broken_line_and_nothing_of_the_page_is_applied(bad):
    with pytest.raises(UnreachableError):
        decode_page([encoded(lines.participant(1, 3)), bad, END])


@pytest.mark.parametrize(
    "lie", [{"outcomes": []}, {"visibleAt": "x"}, {"outcomes": [{"seq": 9, "outcome": "stored"}]}]
)
async def test_p2_an_answer_that_does_not_name_each_entry_acknowledges_nothing(answering, lie):
    said = {
        "outcomes": [{"seq": 1, "outcome": "stored"}],
        "contiguousThrough": 999_999,
        "holes": [],
        "visibleAt": "g.1",
        "serverReceivedAt": wire.format_time(0),
        "serverTime": wire.format_time(0),
    }

    async def handler(_request):
        return web.json_response(said | lie)

    transport = await answering(handler)
    request = wire.UploadRequest(device_id="d", epoch="e", entries=[{"seq": 1}])
    with pytest.raises(UnreachableError, match="believed"):
        await transport.scans("token", request)
