"""Reports (API §2): the final one as page, PDF and CSV, and the list of who came."""

import asyncio
import os
from functools import partial
from typing import Literal

from aiohttp import web
from sqlalchemy import Connection

from sync_server.http.routing import Call, Query, Route
from sync_server.identity.rights import Right, allows
from sync_server.report import attendance, gather, render
from sync_server.report.export import PIECE_BYTES
from sync_server.report.gather import Report
from sync_server.report.pdf import pdf as made_as_pdf


class ReportQuery(Query):
    language: Literal["en", "ko"] = "en"


class ExportQuery(Query):
    """`personal=false` masks names and leaves out e-mails, phones and birth dates."""

    personal: bool = True


async def _report(call: Call) -> Report:
    return await call.services.database.read(partial(gather.gather, now_ms=call.received_ms))


async def html(call: Call) -> web.StreamResponse:
    asked: ReportQuery = call.query
    everything = allows(Right.OPERATOR, call.person.role)
    text = render.html(await _report(call), asked.language, everything=everything)
    return web.Response(text=text, content_type="text/html")


async def pdf(call: Call) -> web.StreamResponse:
    asked: ReportQuery = call.query
    report = await _report(call)

    def job(_conn: Connection) -> bytes:  # on a reader's thread: setting takes a second
        return made_as_pdf(report, asked.language)

    return _file(await call.services.database.read(job), "application/pdf", "final.pdf")


async def csv(call: Call) -> web.StreamResponse:
    asked: ReportQuery = call.query
    text = render.csv_text(await _report(call), asked.language)
    return _file(text.encode(), "text/csv", "final.csv")


async def attendance_csv(call: Call) -> web.StreamResponse:
    """At most one line a participant: 100,000 are 12 MB.

    Whoever may not see the list of participants gets masked names and no groups.
    """
    personal = allows(Right.OPERATOR, call.person.role)

    def job(conn: Connection) -> bytes:
        found = attendance.rows(conn, call.services.vault, personal=personal)
        return b"".join(render.rows_as_csv(found))

    return _file(await call.services.database.read(job), "text/csv", "attendance.csv")


async def export(call: Call) -> web.StreamResponse:
    """Made into a file first, then sent as the caller takes it."""
    asked: ExportQuery = call.query
    file = await call.services.exports.make(call.received_ms, personal=asked.personal)
    with file:
        size = await asyncio.to_thread(file.seek, 0, os.SEEK_END)
        await asyncio.to_thread(file.seek, 0)
        name = f"{call.services.event_id}-export.zip"
        answer = web.StreamResponse(
            headers={
                "Content-Type": "application/zip",
                "Content-Length": str(size),
                "Content-Disposition": f'attachment; filename="{name}"',
            }
        )
        await answer.prepare(call.request)
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            await answer.write(piece)
        await answer.write_eof()
    return answer


def _file(body: bytes, content_type: str, name: str) -> web.Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    charset = "utf-8" if content_type == "text/csv" else None
    return web.Response(body=body, content_type=content_type, charset=charset, headers=headers)


ROUTES = (
    Route("GET", "/api/v1/reports/final.html", Right.VIEWER, html,
          "The final report as a page", "reports", query=ReportQuery, response_type="text/html",
          statuses=(400,)),
    Route("GET", "/api/v1/reports/final.pdf", Right.VIEWER, pdf,
          "The final report as a PDF", "reports", query=ReportQuery,
          response_type="application/pdf", statuses=(400,)),
    Route("GET", "/api/v1/reports/final.csv", Right.VIEWER, csv,
          "The final report as a CSV", "reports", query=ReportQuery, response_type="text/csv",
          statuses=(400,)),
    Route("GET", "/api/v1/reports/attendance.csv", Right.VIEWER, attendance_csv,
          "Who came: one line a participant; full names for operators", "reports", response_type="text/csv"),
    Route("GET", "/api/v1/reports/export.zip", Right.OPERATOR, export,
          "Everything of the event as NDJSON and CSV, of one moment", "reports",
          query=ExportQuery, response_type="application/zip"),
)  # fmt: skip
