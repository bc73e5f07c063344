"""Messages that could not be delivered: seen and tried again (DESIGN §6 Stream)."""

from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from shared import wire
from shared.limits import LIST_ITEMS_DEFAULT, LIST_ITEMS_MAX
from sync_server.http import answers, answers_insight
from sync_server.http.errors import not_found
from sync_server.http.routing import Call, Query, Route, json_response
from sync_server.identity.rights import Right
from sync_server.stream import deliveries


class DeliveriesQuery(Query):
    state: Literal["waiting", "done", "parked"] | None = None
    handler: str | None = None
    cursor: Annotated[int, msgspec.Meta(ge=0, le=2**62)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=LIST_ITEMS_MAX)] = LIST_ITEMS_DEFAULT


class RetryParked(wire.Request, kw_only=True):
    """Of one handler, or of all."""

    handler: Annotated[str, msgspec.Meta(max_length=64)] | None = None


async def list_all(call: Call) -> web.StreamResponse:
    asked: DeliveriesQuery = call.query

    def job(conn: Connection) -> dict[str, Any]:
        return deliveries.page(
            conn,
            state=asked.state,
            handler=asked.handler,
            before=asked.cursor,
            limit=asked.limit,
        )

    return json_response(await call.services.database.read(job))


async def retry(call: Call) -> web.StreamResponse:
    text = call.part("id")

    def job(conn: Connection) -> dict[str, Any]:
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else -1
        item = deliveries.try_again(conn, number, call.received_ms)
        if item is None:
            raise not_found("delivery_not_found", f"There is no parked message {text!r}.")
        return item

    answer = await call.services.database.write(job)
    call.services.heads.notify()
    return json_response(answer)


async def retry_all(call: Call) -> web.StreamResponse:
    asked: RetryParked = await call.body()
    number = await call.services.database.write(
        lambda conn: deliveries.try_all_again(conn, asked.handler, call.received_ms)
    )
    call.services.heads.notify()
    return json_response({"waiting": number})


async def handlers(call: Call) -> web.StreamResponse:
    names = call.services.handlers
    items = await call.services.database.read(lambda conn: deliveries.overview(conn, names))
    return json_response({"items": items})


ROUTES = (
    Route("GET", "/api/v1/stream/handlers", Right.OPERATOR, handlers,
          "Who is told of what happens, and how far each has read", "stream",
          response=answers_insight.HandlersAnswer),
    Route("GET", "/api/v1/stream/deliveries", Right.OPERATOR, list_all,
          "What handlers took last, have yet to take, or gave up on", "stream",
          query=DeliveriesQuery, response=answers.Page[answers_insight.DeliveryItem], statuses=(400,)),
    Route("POST", "/api/v1/stream/deliveries/retry", Right.OPERATOR, retry_all,
          "Try all parked messages again", "stream", request=RetryParked, example={},
          response=answers_insight.RetriedAnswer, statuses=(413, 415)),
    Route("POST", "/api/v1/stream/deliveries/{id}/retry", Right.OPERATOR, retry,
          "Try a parked message again", "stream",
          response=answers_insight.DeliveryItem, statuses=(404,)),
)  # fmt: skip
