"""Handlers of the outbox: each by itself, three attempts, then parked (DESIGN §6 Stream)."""

import asyncio
import hashlib
import hmac
from typing import Any

import pytest
from aiohttp import web

from sync_server.http.webhooks import SIGNATURE, Webhook
from sync_server.storage import outbox
from sync_server.storage.database import Database
from sync_server.stream import deliveries
from sync_server.stream.deliveries import ATTEMPTS_MAX, DONE_KEPT, PARKED_KEPT
from sync_server.stream.handlers import Envelope, HandlerError, Stream
from sync_server.stream.head_watch import HeadWatch

NOW_MS = 1_705_741_200_000


class Clock:
    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


class Listener:
    """Takes messages; refuses those whose data says so, as often as it says."""

    types: frozenset[str] = frozenset()

    def __init__(self, name: str, types: frozenset[str] = frozenset()) -> None:
        self.name, self.types = name, types
        self.got: list[Any] = []
        self.tries: dict[str, int] = {}

    async def handle(self, envelope: Envelope) -> None:
        self.tries[envelope.id] = self.tries.get(envelope.id, 0) + 1
        if self.tries[envelope.id] <= envelope.data.get(f"fail {self.name}", 0):
            raise HandlerError("not today")
        if envelope.data.get("break") == self.name:
            raise ZeroDivisionError("a mistake")
        self.got.append(envelope.data["n"])


def emit(database: Database, *data: dict[str, Any], kind: str = "scan.merged") -> None:
    database.write_now(lambda conn: outbox.emit(conn, [(kind, one) for one in data], NOW_MS))


def page(database: Database, state: str) -> list[dict[str, Any]]:
    found = database.read_now(
        lambda conn: deliveries.page(conn, state=state, handler=None, before=None, limit=1_000)
    )
    items: list[dict[str, Any]] = found["items"]
    return items


async def settle(stream: Stream, *listeners: Listener) -> None:
    for listener in listeners:
        while await stream.step(listener):
            pass


async def made(database: Database, clock: Clock, *listeners: Listener) -> Stream:
    heads = HeadWatch(asyncio.get_running_loop())
    stream = Stream(database, heads, listeners, "test", clock)
    await stream.begin()
    return stream


async def test_messages_come_in_order_and_failures_come_again_later(database: Database) -> None:
    clock, a, b = Clock(), Listener("a"), Listener("b")
    stream = await made(database, clock, a, b)
    emit(database, {"n": 1}, {"n": 2, "fail a": 2}, {"n": 3, "break": "b"}, {"n": 4})
    await settle(stream, a, b)
    assert a.got == [1, 3, 4], "what one message suffers holds up no other"
    assert b.got == [1, 2, 4], "what one handler suffers hinders no other"
    for _ in range(ATTEMPTS_MAX):
        clock.now_ms += 60_000
        await settle(stream, a, b)
    assert a.got == [1, 3, 4, 2]
    (parked,) = page(database, "parked")
    assert parked["handler"] == "b"
    assert parked["attempts"] == ATTEMPTS_MAX
    assert "a mistake" in parked["error"]
    assert [count for count in b.tries.values() if count > 1] == [ATTEMPTS_MAX]


async def test_the_pauses_grow(database: Database) -> None:
    clock, a = Clock(), Listener("a")
    stream = await made(database, clock, a)
    emit(database, {"n": 1, "fail a": 9})
    await settle(stream, a)
    (waiting,) = page(database, "waiting")
    assert waiting["nextAttemptAt"] == "2024-01-20T09:00:02.000Z"
    clock.now_ms += 1_999
    await settle(stream, a)
    assert max(a.tries.values()) == 1
    clock.now_ms += 1
    await settle(stream, a)
    assert page(database, "waiting")[0]["nextAttemptAt"] == "2024-01-20T09:00:12.000Z"


async def test_a_parked_message_is_tried_again_when_a_person_says_so(database: Database) -> None:
    clock, a = Clock(), Listener("a")
    stream = await made(database, clock, a)
    emit(database, {"n": 1, "fail a": ATTEMPTS_MAX})
    for _ in range(ATTEMPTS_MAX):
        await settle(stream, a)
        clock.now_ms += 60_000
    (parked,) = page(database, "parked")
    number = int(parked["id"])
    database.write_now(lambda conn: deliveries.try_again(conn, number, clock.now_ms))
    assert database.write_now(lambda conn: deliveries.try_again(conn, number, 0)) is None
    await settle(stream, a)
    assert a.got == [1]
    assert page(database, "parked") == []


async def test_p12_only_the_last_are_kept(database: Database) -> None:
    clock, a = Clock(), Listener("a")
    stream = await made(database, clock, a)
    emit(database, *({"n": n} for n in range(250)))
    emit(database, *({"n": n, "fail a": 99} for n in range(70)))
    for _ in range(ATTEMPTS_MAX + 1):
        await settle(stream, a)
        clock.now_ms += 60_000
    assert len(a.got) == 250
    assert len(page(database, "done")) == DONE_KEPT
    assert len(page(database, "parked")) == PARKED_KEPT


async def test_a_new_handler_starts_with_now_and_goes_on_where_it_was(database: Database) -> None:
    clock = Clock()
    emit(database, {"n": 1})
    first = Listener("a", frozenset({"alert.raised"}))
    stream = await made(database, clock, first)
    emit(database, {"n": 2}, kind="alert.raised")
    emit(database, {"n": 3})
    await settle(stream, first)
    emit(database, {"n": 4}, kind="alert.raised")
    again = Listener("a", frozenset({"alert.raised"}))
    await settle(await made(database, clock, again), again)
    assert (first.got, again.got) == ([2], [4])


class Receiver:
    """Another system's address, for real."""

    def __init__(self) -> None:
        self.status = 204
        self.bodies: list[bytes] = []
        self.signatures: list[str] = []

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.signatures.append(request.headers[SIGNATURE])
        return web.Response(status=self.status)


@pytest.fixture
async def receiver(aiohttp_server: Any) -> tuple[Receiver, str]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    server = await aiohttp_server(app)
    return receiver, str(server.make_url("/hook"))


async def test_a_webhook_is_signed_and_the_same_id_comes_again(
    database: Database, receiver: tuple[Receiver, str]
) -> None:
    taker, url = receiver
    hook = Webhook(url, "shared secret")
    clock = Clock()
    heads = HeadWatch(asyncio.get_running_loop())
    stream = Stream(database, heads, [hook], "test", clock)
    await stream.begin()
    emit(database, {"id": "1", "type": "conflict"}, kind="alert.raised")
    emit(database, {"n": 5})
    taker.status = 500
    while await stream.step(hook):
        pass
    assert "answered 500" in page(database, "waiting")[0]["error"]
    taker.status = 200
    clock.now_ms += 60_000
    while await stream.step(hook):
        pass
    assert len(taker.bodies) == 2
    assert taker.bodies[0] == taker.bodies[1]
    at, _, signature = taker.signatures[0].partition(",v1=")
    signed = at.removeprefix("t=").encode() + b"." + taker.bodies[0]
    assert signature == hmac.new(b"shared secret", signed, hashlib.sha256).hexdigest()


async def test_a_receiver_that_is_gone_is_named(database: Database) -> None:
    hook = Webhook("http://127.0.0.1:1/hook", "s")
    stream = Stream(database, HeadWatch(asyncio.get_running_loop()), [hook], "test", Clock())
    await stream.begin()
    emit(database, {}, kind="alert.raised")
    while await stream.step(hook):
        pass
    assert "127.0.0.1:1" in page(database, "waiting")[0]["error"]
