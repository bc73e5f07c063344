"""Liveness and readiness, for whoever watches the process."""

import asyncio
from functools import partial

from aiohttp import web

from shared.wire import cursor_text, format_time
from sync_server.http import answers_insight
from sync_server.http.errors import not_ready
from sync_server.http.routing import Call, Route, json_response
from sync_server.identity.rights import Right


async def healthz(call: Call) -> web.StreamResponse:
    return json_response({"status": "ok", "serverTime": format_time(call.received_ms)})


async def readyz(call: Call) -> web.StreamResponse:
    """Also whether the last backup is too old: that is no reason to send nobody here any more."""
    (generation, revision), trouble = await call.services.readiness.look()
    if trouble is not None:
        raise not_ready(trouble.code, trouble.message)
    body = {"status": "ready", "cursor": cursor_text(generation, revision)}
    backup = await asyncio.to_thread(call.services.backups.state, call.services.now_ms())
    return json_response({**body, "backup": backup})


async def prometheus(call: Call) -> web.StreamResponse:
    from sync_server.insight import metrics  # its library is needed by nobody else

    services = call.services
    job = partial(
        metrics.text, now_ms=call.received_ms, backup=services.backups.state(call.received_ms)
    )
    body = await call.services.database.read(job)
    return web.Response(body=body, headers={"Content-Type": metrics.CONTENT_TYPE})


ROUTES = (
    Route("GET", "/healthz", Right.PROBE, healthz, "The process answers", "health",
          response=answers_insight.Healthy),
    Route("GET", "/readyz", Right.PROBE, readyz, "The server can do its work: it reads, writes, and has room", "health",
          response=answers_insight.Ready),
    Route("GET", "/metrics", Right.PROBE, prometheus, "Prometheus metrics", "health",
          response_type="text/plain"),
)  # fmt: skip
