"""Figures for organisers (API §3.7)."""

from functools import partial

from aiohttp import web

from sync_server.http import answers_insight
from sync_server.http.routing import Call, Route, json_response
from sync_server.identity.rights import Right
from sync_server.insight import outlook, stats


async def overall(call: Call) -> web.StreamResponse:
    job = partial(stats.overall, now_ms=call.received_ms)
    return json_response(await call.services.database.read(job))


async def gates(call: Call) -> web.StreamResponse:
    job = partial(stats.gates, now_ms=call.received_ms)
    return json_response(await call.services.database.read(job))


async def hourly(call: Call) -> web.StreamResponse:
    return json_response(await call.services.database.read(stats.hourly))


async def forecast(call: Call) -> web.StreamResponse:
    job = partial(
        outlook.read, now_ms=call.received_ms, share_before=call.services.past_attendance_share
    )
    return json_response(await call.services.database.read(job))


ROUTES = (
    Route("GET", "/api/v1/stats/overall", Right.VIEWER, overall,
          "Participants, attended, inside, rate, trend, conflicts", "figures",
          response=answers_insight.Overall),
    Route("GET", "/api/v1/stats/gates", Right.VIEWER, gates,
          "Each gate: counts, methods, processing time, load, estimated wait", "figures",
          response=list[answers_insight.GateFigures]),
    Route("GET", "/api/v1/stats/hourly", Right.VIEWER, hourly,
          "Confirmed entries by hour of the event's zone", "figures",
          response=list[answers_insight.HourFigures]),
    Route("GET", "/api/v1/stats/forecast", Right.VIEWER, forecast,
          "Final attendance, peak hour, gate loads, completion: each with an 80 % interval",
          "figures", response=answers_insight.ForecastAnswer),
)  # fmt: skip
