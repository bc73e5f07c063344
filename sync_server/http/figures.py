"""Figures for organisers (API §3.7)."""

from functools import partial

from aiohttp import web

from sync_server.http import answers_insight
from sync_server.http.routing import Call, Route, json_response
from sync_server.identity.rights import Right, allows
from sync_server.insight import outlook, stats, timeline


async def overall(call: Call) -> web.StreamResponse:
    job = partial(stats.overall, now_ms=call.received_ms)
    return json_response(await call.services.database.read(job))


async def gates(call: Call) -> web.StreamResponse:
    job = partial(stats.gates, now_ms=call.received_ms)
    return json_response(await call.services.database.read(job))


async def hourly(call: Call) -> web.StreamResponse:
    return json_response(await call.services.database.read(timeline.hourly))


async def methods(call: Call) -> web.StreamResponse:
    return json_response(await call.services.database.read(stats.methods))


async def groups(call: Call) -> web.StreamResponse:
    return await _people_by(call, "group")


async def permissions(call: Call) -> web.StreamResponse:
    return await _people_by(call, "permission")


async def _people_by(call: Call, kind: str) -> web.StreamResponse:
    """Who may read the list of participants anyway sees small groups as well."""
    small_apart = allows(Right.OPERATOR, call.person.role)
    job = partial(stats.people_by, kind=kind, small_apart=small_apart)
    return json_response(await call.services.database.read(job))


async def arrivals(call: Call) -> web.StreamResponse:
    job = partial(timeline.read, now_ms=call.received_ms)
    return json_response(await call.services.database.read(job))


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
    Route("GET", "/api/v1/stats/methods", Right.VIEWER, methods,
          "Confirmed passages by method", "figures",
          response=list[answers_insight.MethodFigures]),
    Route("GET", "/api/v1/stats/groups", Right.VIEWER, groups,
          "People by group; below an operator those of fewer than 5 stand together", "figures",
          response=list[answers_insight.GroupFigures]),
    Route("GET", "/api/v1/stats/permissions", Right.VIEWER, permissions,
          "People by permission; below an operator those of fewer than 5 stand together", "figures",
          response=list[answers_insight.PermissionFigures]),
    Route("GET", "/api/v1/stats/arrivals", Right.VIEWER, arrivals,
          "Arrivals over the event's time and by gate, in equal slots", "figures",
          response=answers_insight.ArrivalCurve),
    Route("GET", "/api/v1/stats/forecast", Right.VIEWER, forecast,
          "Final attendance, peak hour, gate loads, completion: each with an 80 % interval",
          "figures", response=answers_insight.ForecastAnswer),
)  # fmt: skip
