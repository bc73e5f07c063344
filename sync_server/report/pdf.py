"""The report as a PDF: A4, upright; tables go on over pages with their headings."""

import logging
from typing import Any

from sync_server.registration.typeset import text_font
from sync_server.report.gather import Report
from sync_server.report.render import CURVE_HEIGHT, CURVE_WIDTH, bars_of
from sync_server.report.sections import Section
from sync_server.report.words import Word, cell

_BLUE, _INK, _PALE, _WHITE = (11, 79, 160), (20, 26, 34), (226, 232, 240), (255, 255, 255)
_LINE = (198, 206, 216)
_WEIGHT_MIN, _WEIGHT_MAX = 8, 48  # of a column, in characters
_ROOM_MM = 32.0  # a title needs this much below it: its headings and two rows


def pdf(report: Report, language: str) -> bytes:
    from fpdf import FPDF  # heavy, and only reports and sheets need it

    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it tells of tables nobody prints

    class Sheet(FPDF):
        def footer(self) -> None:
            self.set_y(-11)
            self.set_font_size(8)
            self.cell(0, 5, f"{report.event.name} · {self.page_no()} / {{nb}}", align="R")

    sheet = Sheet(format="A4", unit="mm")
    sheet.set_auto_page_break(auto=True, margin=15)
    sheet.add_font("Text", fname=text_font())
    sheet.set_title(f"{report.event.name} - {Word.TITLE.says(language)}")
    sheet.set_font("Text", size=18)
    sheet.set_text_color(*_INK)
    sheet.add_page()
    sheet.set_font("Text", size=18)
    sheet.multi_cell(0, 9, report.event.name, new_x="LMARGIN", new_y="NEXT")
    sheet.set_font_size(10)
    made = f"{Word.TITLE.says(language)} · {report.event.venue} · {Word.MADE.says(language)} "
    made += f"{report.made_at} ({report.event.time_zone})"
    sheet.multi_cell(0, 6, made, new_x="LMARGIN", new_y="NEXT")
    _draw_curve(sheet, report)
    for section in report.sections:
        _write_section(sheet, section, language)
    return bytes(sheet.output())


def _draw_curve(sheet: Any, report: Report) -> None:
    bars = bars_of(report.curve)
    if not bars:
        return
    left, top, scale = sheet.l_margin, sheet.get_y() + 4, sheet.epw / CURVE_WIDTH
    floor = top + (CURVE_HEIGHT - 20) * scale
    sheet.set_fill_color(*_BLUE)
    sheet.set_font_size(7)
    for bar in bars:
        x, width, height = (float(str(bar[name])) * scale for name in ("x", "width", "height"))
        sheet.rect(left + x, floor - height, width, height, style="F")
        middle = left + x + width / 2
        for text, y in ((str(bar["number"]), floor - height - 1), (str(bar["label"]), floor + 4)):
            if text:
                sheet.text(middle - sheet.get_string_width(text) / 2, y, text)
    sheet.set_fill_color(*_WHITE)
    sheet.set_y(top + CURVE_HEIGHT * scale)


def _write_section(sheet: Any, section: Section, language: str) -> None:
    from fpdf.enums import TableBordersLayout
    from fpdf.fonts import FontFace

    if sheet.will_page_break(_ROOM_MM):
        sheet.add_page()
    sheet.ln(4)
    sheet.set_font_size(13)
    title = section.title.says(language)
    sheet.multi_cell(0, 7, title, new_x="LMARGIN", new_y="NEXT")
    sheet.set_font_size(9)
    sheet.set_draw_color(*_LINE)
    texts = [[column.says(language) for column in section.columns]]
    texts += [[cell(value, language) for value in row] for row in section.rows]
    if not section.rows:
        texts.append(["–", *("" for _ in section.columns[1:])])
    with sheet.table(
        headings_style=FontFace(emphasis="", fill_color=_PALE),
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        col_widths=_weights(texts),
        text_align="LEFT",
        v_align="TOP",
        line_height=5,
        padding=(0.4, 1),
    ) as table:
        for row in texts:
            table.row(row)
    if section.note is not None:
        sheet.multi_cell(0, 5, section.note.says(language), new_x="LMARGIN", new_y="NEXT")


def _weights(texts: list[list[str]]) -> tuple[int, ...]:
    """How wide columns are against each other: as their longest text asks, within bounds."""
    longest = (max(map(len, column)) for column in zip(*texts, strict=True))
    return tuple(min(max(length, _WEIGHT_MIN), _WEIGHT_MAX) for length in longest)
