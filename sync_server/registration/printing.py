"""Tickets as pictures and sheets: PNG, SVG, PDF, CSV."""

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from sync_server.registration.ticket_codes import QUIET_ZONE_MODULES, make_qr
from sync_server.registration.ticket_pdf import Layout, sheets
from sync_server.registration.tickets import Ticket

PNG_PIXELS_A_MODULE = 10
_SAFE_NAME = re.compile(r"[\w.@+-]{1,100}", re.ASCII)


def png(ticket: Ticket) -> bytes:
    return _saved(ticket, "png", scale=PNG_PIXELS_A_MODULE)


def svg(ticket: Ticket) -> bytes:
    """With the readable code as the picture's title."""
    return _saved(ticket, "svg", scale=4, title=ticket.code, xmldecl=True)


def _saved(ticket: Ticket, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    make_qr(ticket.payload).save(out, kind=kind, border=QUIET_ZONE_MODULES, **options)
    return out.getvalue()


def file_name(participant_id: str) -> str:
    """The id where it can be a file's name, else its safe letters and a hash of all of it."""
    if _SAFE_NAME.fullmatch(participant_id) and not participant_id.startswith((".", "-")):
        return participant_id
    safe = re.sub(r"[^\w@+-]+", "_", participant_id, flags=re.ASCII).strip("_-")[:60]
    return f"{safe}~{hashlib.sha256(participant_id.encode()).hexdigest()[:8]}".lstrip("~")


def write_tickets(
    folder: Path, tickets: Sequence[Ticket], form: str, progress: Callable[[int], None]
) -> list[Path]:
    """Write the files and return them; each file is replaced whole."""
    folder.mkdir(parents=True, exist_ok=True)
    if form == "csv":
        return [_write(folder / "tickets.csv", csv_sheet(tickets).encode())]
    if form == "pdf":
        return [_write(folder / "tickets.pdf", sheets(tickets, Layout()).pdf)]
    draw = {"png": partial(png), "svg": partial(svg)}[form]
    written: list[Path] = []
    for number, ticket in enumerate(tickets, start=1):
        written.append(_write(folder / f"{file_name(ticket.participant_id)}.{form}", draw(ticket)))
        progress(number)
    return written


def csv_sheet(tickets: Iterable[Ticket]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["participantId", "code", "payload"])
    writer.writerows([ticket.participant_id, ticket.code, ticket.payload] for ticket in tickets)
    return out.getvalue()


def _write(path: Path, data: bytes) -> Path:
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(data)
    new.replace(path)
    return path
