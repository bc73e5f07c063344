"""Tickets as pictures and sheets: PNG, SVG, PDF, CSV."""

import csv
import hashlib
import io
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import segno

from shared.errors import UsageError
from sync_server.registration.tickets import Ticket

QUIET_ZONE_MODULES = 4
PNG_PIXELS_A_MODULE = 10
PDF_COLUMNS, PDF_ROWS = 3, 5
_QR_MM = 36.0
_SAFE_NAME = re.compile(r"[\w.@+-]{1,100}", re.ASCII)
# Where Debian's fonts-nanum, fonts-noto-cjk and fonts-unfonts-core put a font that has Hangul.
_FONTS = (
    "/usr/share/fonts/truetype/nanum/NanumGothic.ttf",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/unfonts-core/UnDotum.ttf",
    "/usr/share/fonts/truetype/noto/NotoSansKR-Regular.ttf",
)


def make_qr(payload: str) -> segno.QRCode:
    """Level Q, never a micro code; an unsigned ticket fits version 2 (25 × 25 modules)."""
    return segno.make(payload, error="q", micro=False, boost_error=False)


def png(ticket: Ticket) -> bytes:
    return _saved(ticket, "png", scale=PNG_PIXELS_A_MODULE)


def svg(ticket: Ticket) -> bytes:
    """With the readable code as the picture's title."""
    return _saved(ticket, "svg", scale=4, title=ticket.code, xmldecl=True)


def _saved(ticket: Ticket, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    make_qr(ticket.payload).save(out, kind=kind, border=QUIET_ZONE_MODULES, **options)
    return out.getvalue()


def pdf(tickets: Iterable[Ticket], font: str | None = None) -> bytes:
    """A4 sheets of 3 × 5 tickets: QR, name and readable code."""
    from fpdf import FPDF  # heavy, and only sheets need it

    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it tells of tables nobody prints
    sheet = FPDF(format="A4", unit="mm")
    sheet.set_auto_page_break(auto=False)
    if font is None:
        sheet.set_font("Helvetica")
    else:
        sheet.add_font("Text", fname=font)
        sheet.set_font("Text")
    width, height = sheet.w / PDF_COLUMNS, sheet.h / PDF_ROWS
    for number, ticket in enumerate(tickets):
        place = number % (PDF_COLUMNS * PDF_ROWS)
        if place == 0:
            sheet.add_page()
        left, top = place % PDF_COLUMNS * width, place // PDF_COLUMNS * height
        _draw_qr(sheet, ticket.payload, left + (width - _QR_MM) / 2, top + 3)
        for text, size, below in ((ticket.name, 9, 41), (ticket.code, 7, 46)):
            sheet.set_font_size(size)
            sheet.set_xy(left + 2, top + below)
            sheet.cell(width - 4, 4, _fitting(sheet, text, width - 4), align="C")
    return bytes(sheet.output())


def _draw_qr(sheet: "object", payload: str, left: float, top: float) -> None:
    rows = list(make_qr(payload).matrix)
    size = _QR_MM / (len(rows) + 2 * QUIET_ZONE_MODULES)
    for y, row in enumerate(rows, start=QUIET_ZONE_MODULES):
        x = 0
        while x < len(row):  # one rectangle a run: smaller, and no hair lines between modules
            end = x
            while end < len(row) and row[end]:
                end += 1
            if end > x:
                place = left + (x + QUIET_ZONE_MODULES) * size
                sheet.rect(place, top + y * size, (end - x) * size, size, style="F")  # type: ignore[attr-defined]
            x = end + 1


def _fitting(sheet: "object", text: str, width_mm: float) -> str:
    """The text, or its beginning and two dots: the built-in font has no ellipsis."""
    kept = text
    while len(kept) > 1 and sheet.get_string_width(text) > width_mm:  # type: ignore[attr-defined]
        kept = kept[:-1].rstrip()
        text = kept + ".."
    return text


def font_for(tickets: Sequence[Ticket], fonts: Sequence[str] = _FONTS) -> str | None:
    """A font that has these names' letters; UsageError where none is installed."""
    try:
        for ticket in tickets:
            ticket.name.encode("latin-1")
    except UnicodeEncodeError as error:
        found = next((font for font in fonts if Path(font).exists()), None)
        if found is None:
            raise UsageError(
                "a PDF of these names needs a Korean font: install fonts-nanum "
                "(apt install fonts-nanum), or use --format png, svg or csv"
            ) from error
        return found
    return None


def text_font(fonts: Sequence[str] = _FONTS) -> str:
    """A font with Hangul; UsageError where none is installed."""
    found = next((font for font in fonts if Path(font).exists()), None)
    if found is None:
        raise UsageError("a PDF needs a Korean font: install fonts-nanum (apt install fonts-nanum)")
    return found


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
        return [_write(folder / "tickets.pdf", pdf(tickets, font_for(tickets)))]
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
