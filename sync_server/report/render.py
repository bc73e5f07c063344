"""The report as a web page, a PDF and a CSV; spreadsheets that can't be tricked into formulas."""

import csv
import io
import logging
from collections.abc import Iterable, Sequence
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, select_autoescape

from sync_server.registration.printing import text_font
from sync_server.report.gather import Report, Section
from sync_server.report.words import Word, cell

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a spreadsheet recognises one (OWASP)
_BOM = "\ufeff"  # Excel reads UTF-8 only with it
_CURVE_WIDTH, _CURVE_HEIGHT = 720, 160


def html(report: Report, language: str) -> str:
    """A page of its own; no script, no outside resource."""
    environment = Environment(
        autoescape=select_autoescape(default=True), undefined=StrictUndefined, trim_blocks=True
    )
    template = files("sync_server.report") / "final.html"
    return environment.from_string(template.read_text("utf-8")).render(
        report=report, language=language, say=lambda value: cell(value, language), Word=Word,
        bars=_bars(report.curve), width=_CURVE_WIDTH, height=_CURVE_HEIGHT,
    )  # fmt: skip


def _bars(curve: Sequence[tuple[str, int]]) -> list[dict[str, object]]:
    """Rectangles of the arrival curve, in its picture's units."""
    most = max((count for _, count in curve), default=0) or 1
    step = _CURVE_WIDTH / max(1, len(curve))
    return [
        {
            "x": round(number * step + step * 0.1, 1), "width": round(step * 0.8, 1),
            "height": round((_CURVE_HEIGHT - 36) * count / most, 1), "hour": hour, "count": count,
        }
        for number, (hour, count) in enumerate(curve)
    ]  # fmt: skip


def csv_text(report: Report, language: str) -> str:
    """Section after section, each with its title and headings, an empty line between."""
    out = io.StringIO()
    out.write(_BOM)
    writer = csv.writer(out)
    writer.writerow([safe(report.event.name), Word.TITLE.says(language), report.made_at])
    for section in report.sections:
        writer.writerow([])
        writer.writerow([section.title.says(language)])
        writer.writerow([column.says(language) for column in section.columns])
        for row in section.rows:
            writer.writerow([safe(cell(value, language)) for value in row])
    return out.getvalue()


def safe(text: str) -> str:
    """Text that no spreadsheet takes for a formula; numbers stay numbers."""
    if text.startswith(_FORMULA) and not _is_number(text):
        return "'" + text
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def rows_as_csv(rows: Iterable[Sequence[object]]) -> Iterable[bytes]:
    """Rows as CSV, a piece at a time; the first piece begins with the mark that Excel wants."""
    out = io.StringIO()
    writer = csv.writer(out)
    out.write(_BOM)
    for number, row in enumerate(rows):
        writer.writerow([safe("" if value is None else str(value)) for value in row])
        if number % 500 == 499:
            yield out.getvalue().encode()
            out.seek(0)
            out.truncate()
    yield out.getvalue().encode()


def pdf(report: Report, language: str) -> bytes:
    """A4, upright; tables go on over pages with their headings."""
    from fpdf import FPDF  # heavy, and only reports and sheets need it

    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it tells of tables nobody prints
    sheet = FPDF(format="A4", unit="mm")
    sheet.set_auto_page_break(auto=True, margin=15)
    sheet.add_font("Text", fname=text_font())
    sheet.set_title(f"{report.event.name} - {Word.TITLE.says(language)}")
    sheet.add_page()
    sheet.set_font("Text", size=18)
    sheet.multi_cell(0, 9, report.event.name, new_x="LMARGIN", new_y="NEXT")
    sheet.set_font_size(10)
    made = f"{Word.TITLE.says(language)} · {Word.MADE.says(language)} {report.made_at}"
    sheet.multi_cell(0, 6, made, new_x="LMARGIN", new_y="NEXT")
    _draw_curve(sheet, report)
    for section in report.sections:
        _write_section(sheet, section, language)
    return bytes(sheet.output())


def _draw_curve(sheet: "object", report: Report) -> None:
    bars = _bars(report.curve)
    if not bars:
        return
    left, top, scale = sheet.l_margin, sheet.get_y() + 4, sheet.epw / _CURVE_WIDTH  # type: ignore[attr-defined]
    sheet.set_fill_color(11, 79, 160)  # type: ignore[attr-defined]
    for bar in bars:
        height = float(str(bar["height"])) * scale
        sheet.rect(  # type: ignore[attr-defined]
            left + float(str(bar["x"])) * scale,
            top + (_CURVE_HEIGHT - 20) * scale - height,
            float(str(bar["width"])) * scale,
            height,
            style="F",
        )
    sheet.set_y(top + _CURVE_HEIGHT * scale)  # type: ignore[attr-defined]


def _write_section(sheet: "object", section: Section, language: str) -> None:
    from fpdf.fonts import FontFace

    sheet.ln(4)  # type: ignore[attr-defined]
    sheet.set_font_size(13)  # type: ignore[attr-defined]
    title = section.title.says(language)
    sheet.multi_cell(0, 7, title, new_x="LMARGIN", new_y="NEXT")  # type: ignore[attr-defined]
    sheet.set_font_size(9)  # type: ignore[attr-defined]
    heads = FontFace(emphasis="", fill_color=(226, 232, 240))
    with sheet.table(headings_style=heads, text_align="LEFT", line_height=5) as table:  # type: ignore[attr-defined]
        table.row([column.says(language) for column in section.columns])
        for row in section.rows:
            table.row([cell(value, language) for value in row])
    if section.note is not None:
        sheet.multi_cell(0, 5, section.note.says(language), new_x="LMARGIN", new_y="NEXT")  # type: ignore[attr-defined]
