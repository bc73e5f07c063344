"""Tickets on paper: one on a page of its own, or many on sheets to be cut into badges."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from shared.model import Event
from sync_server.registration.ticket_codes import QUIET_ZONE_MODULES, make_qr
from sync_server.registration.tickets import Ticket
from sync_server.registration.typeset import KOREAN_FONTS, Block, Box, Typesetter

A6_MM = (105.0, 148.0)
A4_MM = (210.0, 297.0)
COLUMNS_MAX, ROWS_MAX = 4, 8
MARGIN_MM_MAX = 30.0
FIELDS = ("name", "organization", "group", "code")
_QR_MM_MAX = 45.0
_MARK_MM = 4.0
_DAYS = {
    "en": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    "ko": ["월", "화", "수", "목", "금", "토", "일"],
}
_SHOW = {
    "en": "Show this code at the gate, on paper or on a screen.",
    "ko": "입구에서 이 코드를 보여 주세요. 종이와 화면 모두 됩니다.",
}


@dataclass(frozen=True, slots=True)
class Printed:
    """A PDF, and the signs that no installed font has."""

    pdf: bytes
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """An A4 sheet of `columns` × `rows` badges within a margin; `marks` say where to cut."""

    columns: int = 3
    rows: int = 5
    margin_mm: float = 0.0
    marks: bool = False
    fields: Sequence[str] = ("name", "code")


def single(ticket: Ticket, event: Event, fonts: Sequence[str] = KOREAN_FONTS) -> Printed:
    """An A6 page: the event, when and where, whose it is, the code to read and to type."""
    sheet = _new_sheet(A6_MM)
    text = Typesetter(sheet, fonts)
    sheet.set_title(text.printable(event.name))
    sheet.add_page()
    width, left = A6_MM[0] - 16, 8.0
    language = ticket.language or ("ko" if _is_korean(ticket.name) else "en")
    below = 8 + text.put(event.name, Box(left, 8, width, 15), (15, 13, 11, 9, 7.5))
    below += 1 + text.put(when(event, language), Box(left, below + 1, width, 9), (9, 8, 7, 6))
    text.put(event.venue, Box(left, below + 0.5, width, 8), (9, 8, 7, 6))
    sheet.set_draw_color(150)
    sheet.line(left, 42, left + width, 42)
    about = " · ".join(one for one in (ticket.organization, ticket.group) if one)
    words = [
        text.fit(ticket.name, width, 19, (26, 22, 19, 16, 13, 11, 9, 7)),
        text.fit(about, width, 8, (10, 9, 8, 7, 6)),
    ]
    _stack(text, words, Box(left, 44, width, 29))
    draw_qr(sheet, ticket.payload, (A6_MM[0] - 56) / 2, 73, 56)
    text.put(ticket.code, Box(left, 130, width, 6), (12, 10))
    text.put(_SHOW[language], Box(left, 137, width, 7), (7.5, 6.5))
    return Printed(bytes(sheet.output()), tuple(sorted(text.missing)))


def sheets(
    tickets: Iterable[Ticket], layout: Layout, fonts: Sequence[str] = KOREAN_FONTS
) -> Printed:
    """A4 pages of badges, in the tickets' order, row by row."""
    sheet = _new_sheet(A4_MM)
    text = Typesetter(sheet, fonts)
    margin = layout.margin_mm
    width = (A4_MM[0] - 2 * margin) / layout.columns
    height = (A4_MM[1] - 2 * margin) / layout.rows
    for number, ticket in enumerate(tickets):
        place = number % (layout.columns * layout.rows)
        if place == 0:
            sheet.add_page()
            if layout.marks:
                _draw_marks(sheet, layout, width, height)
        row, column = divmod(place, layout.columns)
        cell = Box(margin + column * width, margin + row * height, width, height)
        _draw_badge(sheet, text, ticket, cell, layout.fields)
    if not sheet.page:
        sheet.add_page()
    return Printed(bytes(sheet.output()), tuple(sorted(text.missing)))


def when(event: Event, language: str) -> str:
    """From when until when, in the event's time zone, which is named."""
    zone = ZoneInfo(event.time_zone)
    start, end = (
        datetime.fromtimestamp(ms / 1_000, UTC).astimezone(zone)
        for ms in (event.start_ms, event.end_ms)
    )
    last = f"{end:%H:%M}" if start.date() == end.date() else _moment(end, language)
    return f"{_moment(start, language)} – {last} ({event.time_zone.replace('_', ' ')})"


def _moment(at: datetime, language: str) -> str:
    day = _DAYS[language][at.weekday()]
    if language == "ko":
        return f"{at.year}년 {at.month}월 {at.day}일 ({day}) {at:%H:%M}"
    return f"{day} {at.day} {at:%b %Y, %H:%M}"


def _draw_badge(
    sheet: Any, text: Typesetter, ticket: Ticket, cell: Box, fields: Sequence[str]
) -> None:
    left, top, width, height = cell
    pad = max(2.0, min(width, height) * 0.05)
    code_mm = 5.0 if "code" in fields else 0.0
    if width > 1.35 * height:  # the code beside the words
        qr = min(height - 2 * pad - code_mm, width * 0.45, _QR_MM_MAX)
        draw_qr(sheet, ticket.payload, left + pad, top + (height - code_mm - qr) / 2, qr)
        words = Box(left + pad + qr, top + pad, width - qr - 2 * pad, height - 2 * pad - code_mm)
    else:
        qr = min(width - 2 * pad, height * 0.62, _QR_MM_MAX)
        draw_qr(sheet, ticket.payload, left + (width - qr) / 2, top + pad, qr)
        words = Box(left + pad, top + pad + qr, width - 2 * pad, height - qr - 2 * pad - code_mm)
    _stack(text, _words(text, ticket, words, fields), words)
    if code_mm:
        below = Box(left + pad, top + height - pad - code_mm + 0.5, width - 2 * pad, code_mm)
        text.put(ticket.code, below, (9, 8, 7, 6, 5))


def _words(text: Typesetter, ticket: Ticket, box: Box, fields: Sequence[str]) -> list[Block]:
    small = [
        said
        for field, said in (("organization", ticket.organization), ("group", ticket.group))
        if field in fields and said
    ]
    small_mm = min(6.0, box.height / (len(small) + 2))
    sizes = [size for size in (10, 9, 8, 7, 6, 5) if size * 0.45 <= small_mm] or [4]
    blocks = [text.fit(said, box.width, small_mm, sizes) for said in small]
    if "name" in fields:
        room = box.height - sum(block.height for block in blocks)
        name = text.fit(ticket.name, box.width, room, (20, 16, 13, 11, 9, 7.5, 6, 5))
        blocks.insert(0, name)
    return blocks


def _stack(text: Typesetter, blocks: Sequence[Block], box: Box) -> None:
    """Below each other, in the middle of the box."""
    below = box.top + max(0.0, box.height - sum(block.height for block in blocks)) / 2
    for block in blocks:
        text.draw(block, Box(box.left, below, box.width, block.height))
        below += block.height


def _draw_marks(sheet: Any, layout: Layout, width: float, height: float) -> None:
    """Short lines at the corners of the badges; none reaches into one further than a hair."""
    sheet.set_draw_color(120)
    sheet.set_line_width(0.1)
    reach = min(_MARK_MM, layout.margin_mm) if layout.margin_mm else 0.0
    for column in range(layout.columns + 1):
        x = layout.margin_mm + column * width
        for y, way in ((layout.margin_mm, -1), (A4_MM[1] - layout.margin_mm, 1)):
            sheet.line(x, y, x, y + way * reach)
        for row in range(1, layout.rows):
            y = layout.margin_mm + row * height
            sheet.line(x, y - 1, x, y + 1)
    for row in range(layout.rows + 1):
        y = layout.margin_mm + row * height
        for x, way in ((layout.margin_mm, -1), (A4_MM[0] - layout.margin_mm, 1)):
            sheet.line(x, y, x + way * reach, y)
        for column in range(1, layout.columns):
            x = layout.margin_mm + column * width
            sheet.line(x - 1, y, x + 1, y)


def draw_qr(sheet: Any, payload: str, left: float, top: float, size: float) -> None:
    """As one path of rectangles, a run of dark modules each: small, and no hair lines between."""
    rows = [list(row) for row in make_qr(payload).matrix]
    module = size / (len(rows) + 2 * QUIET_ZONE_MODULES)
    point, page = sheet.k, sheet.h
    path: list[str] = []
    for y, row in enumerate(rows, start=QUIET_ZONE_MODULES):
        x = 0
        while x < len(row):
            end = x
            while end < len(row) and row[end]:
                end += 1
            if end > x:
                at = (left + (x + QUIET_ZONE_MODULES) * module) * point
                up = (page - top - (y + 1) * module) * point
                wide, high = (end - x) * module * point, module * point
                path.append(f"{at:.2f} {up:.2f} {wide:.2f} {high:.2f} re")
            x = end + 1
    sheet.set_fill_color(0)
    sheet._out("\n".join([*path, "f"]))  # noqa: SLF001 - fpdf2 has no public path of this speed


def _new_sheet(size: tuple[float, float]) -> Any:
    from fpdf import FPDF  # heavy, and only sheets need it

    sheet = FPDF(format=size, unit="mm")
    sheet.set_auto_page_break(auto=False)
    sheet.set_margin(0)
    return sheet


def _is_korean(text: str) -> bool:
    return any("가" <= letter <= "힣" or "\u1100" <= letter <= "\u11ff" for letter in text)
