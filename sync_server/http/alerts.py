"""Alerts as organisers see and acknowledge them (API §2)."""

from typing import Annotated, Any

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from shared.limits import LIST_ITEMS_DEFAULT, LIST_ITEMS_MAX
from sync_server.http import answers, answers_insight
from sync_server.http.errors import not_found
from sync_server.http.routing import Call, Query, Route, json_response
from sync_server.identity.rights import Right
from sync_server.insight import alerts


class AlertsQuery(Query):
    """`standing=true` leaves out those that are over."""

    standing: bool = False
    cursor: Annotated[int, msgspec.Meta(ge=0, le=2**62)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=LIST_ITEMS_MAX)] = LIST_ITEMS_DEFAULT


async def list_all(call: Call) -> web.StreamResponse:
    asked: AlertsQuery = call.query

    def job(conn: Connection) -> dict[str, Any]:
        return alerts.page(
            conn, standing_only=asked.standing, before=asked.cursor, limit=asked.limit
        )

    return json_response(await call.services.database.read(job))


async def acknowledge(call: Call) -> web.StreamResponse:
    text = call.part("id")
    who = call.person.name

    def job(conn: Connection) -> dict[str, Any]:
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else -1
        item = alerts.acknowledge(conn, number, who, call.received_ms)
        if item is None:
            raise not_found("alert_not_found", f"There is no alert {text!r}.")
        return item

    return json_response(await call.services.database.write(job))


ROUTES = (
    Route("GET", "/api/v1/alerts", Right.VIEWER, list_all,
          "Alerts, newest first", "figures", query=AlertsQuery,
          response=answers.Page[answers_insight.AlertItem], statuses=(400,)),
    Route("POST", "/api/v1/alerts/{id}/acknowledge", Right.VIEWER, acknowledge,
          "Say that somebody has seen an alert", "figures",
          response=answers_insight.AlertItem, statuses=(404,)),
)  # fmt: skip
