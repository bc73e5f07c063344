"""Tickets to look at and to print: one, or sheets of badges (API §2)."""

import asyncio
from collections.abc import Callable
from functools import partial

from aiohttp import web
from sqlalchemy import Connection

from shared.errors import UsageError
from shared.limits import SHEET_TICKETS_MAX
from shared.model import Event, ParticipantStatus
from sync_server.http.errors import ApiError, invalid, not_found
from sync_server.http.routing import Call, Query, Route
from sync_server.identity.rights import Right
from sync_server.registration import printing, ticket_pdf
from sync_server.registration.event_store import load_event
from sync_server.registration.participants import find_participant
from sync_server.registration.ticket_pdf import Layout, Printed
from sync_server.registration.tickets import Chosen, Ticket, tickets_of

MISSING_SIGNS = "X-Gatesync-Missing-Signs"  # as U+1F600, separated by spaces
_MISSING_TOLD_MAX = 50


class SheetQuery(Query):
    """`group` may be empty: people without one. `fields` of name, organization, group, code,
    separated by commas; `marks` draws where to cut.
    """

    group: str | None = None
    status: ParticipantStatus = ParticipantStatus.REGISTERED
    columns: int = 2
    rows: int = 4
    margin: float = 10.0
    marks: bool = True
    fields: str = ",".join(ticket_pdf.FIELDS)


async def ticket_png(call: Call) -> web.StreamResponse:
    ticket, _ = await _ticket(call)
    return web.Response(body=printing.png(ticket), content_type="image/png")


async def ticket_svg(call: Call) -> web.StreamResponse:
    ticket, _ = await _ticket(call)
    return web.Response(body=printing.svg(ticket), content_type="image/svg+xml")


async def single_pdf(call: Call) -> web.StreamResponse:
    ticket, event = await _ticket(call)
    return await _printed(partial(ticket_pdf.single, ticket, event))


async def sheet_pdf(call: Call) -> web.StreamResponse:
    """At most 10,000 at a time: choose a group where there are more. Signs that no installed font
    has are a box on paper, and told in the header X-Gatesync-Missing-Signs.
    """
    query: SheetQuery = call.query
    layout = _layout(query)
    chosen = Chosen(None, query.status.value, query.group, SHEET_TICKETS_MAX + 1)
    vault = call.services.vault
    tickets = await call.services.database.read(lambda conn: tickets_of(conn, vault, chosen))
    if not tickets:
        raise not_found("no_tickets", "Nobody fits this choice, or nobody of them has a ticket.")
    if len(tickets) > SHEET_TICKETS_MAX:
        raise ApiError(
            422,
            "too_many_tickets",
            f"A sheet holds at most {SHEET_TICKETS_MAX:,} tickets: choose a group.",
            field="group",
        )
    return await _printed(partial(ticket_pdf.sheets, tickets, layout))


def _layout(query: SheetQuery) -> Layout:
    for name, number, most in (
        ("columns", query.columns, ticket_pdf.COLUMNS_MAX),
        ("rows", query.rows, ticket_pdf.ROWS_MAX),
    ):
        if not 1 <= number <= most:
            raise invalid(name, f"{name} must be 1 to {most}.")
    if not 0 <= query.margin <= ticket_pdf.MARGIN_MM_MAX:
        raise invalid("margin", f"margin must be 0 to {ticket_pdf.MARGIN_MM_MAX:.0f} mm.")
    fields = tuple(dict.fromkeys(one.strip() for one in query.fields.split(",") if one.strip()))
    unknown = set(fields) - set(ticket_pdf.FIELDS)
    if unknown:
        raise invalid("fields", f"fields may be {', '.join(ticket_pdf.FIELDS)}.")
    return Layout(query.columns, query.rows, query.margin, query.marks, fields)


async def _printed(draw: Callable[[], Printed]) -> web.Response:
    """Drawn off the loop: thousands take seconds."""
    try:
        made = await asyncio.to_thread(draw)
    except UsageError as error:
        raise ApiError(
            503, "no_font", f"This server can't print: {error}.", headers={"Retry-After": "3600"}
        ) from error
    answer = web.Response(body=made.pdf, content_type="application/pdf")
    if made.missing:
        told = made.missing[:_MISSING_TOLD_MAX]
        answer.headers[MISSING_SIGNS] = " ".join(f"U+{ord(sign):04X}" for sign in told)
    return answer


async def _ticket(call: Call) -> tuple[Ticket, Event]:
    participant_id, vault = call.part("id"), call.services.vault

    def job(conn: Connection) -> tuple[list[Ticket], Event]:
        if find_participant(conn, participant_id) is None:
            raise not_found("participant_not_found", f"There is no participant {participant_id!r}.")
        return tickets_of(conn, vault, Chosen(participant_id)), load_event(conn)

    held, event = await call.services.database.read(job)
    if not held:
        raise not_found("no_active_ticket", "This participant has no ticket that admits.")
    return held[0], event


ROUTES = (
    *(
        Route("GET", f"/api/v1/participants/{{id}}/ticket.{kind}", Right.OPERATOR, handler,
              f"The participant's active ticket as {kind.upper()}", "tickets",
              response=bytes, response_type=content_type, statuses=(404,))
        for kind, handler, content_type in (
            ("png", ticket_png, "image/png"),
            ("svg", ticket_svg, "image/svg+xml"),
            ("pdf", single_pdf, "application/pdf"),
        )
    ),
    Route("GET", "/api/v1/tickets/sheet.pdf", Right.OPERATOR, sheet_pdf,
          "Sheets of badges on A4, in columns and rows, with marks to cut by", "tickets",
          query=SheetQuery, response=bytes, response_type="application/pdf",
          statuses=(400, 404, 422)),
)  # fmt: skip
