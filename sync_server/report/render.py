"""The report as a web page and a CSV; spreadsheets that can't be tricked into formulas."""

import csv
import io
from collections.abc import Iterable, Sequence
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, select_autoescape

from sync_server.report.curve import Bar
from sync_server.report.gather import Report
from sync_server.report.words import Word, cell

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a spreadsheet recognises one (OWASP)
_BOM = "\ufeff"  # Excel reads UTF-8 only with it
CURVE_WIDTH, CURVE_HEIGHT = 720, 160
_BAR_WIDTH_MAX = 60  # a short event is no wall of blue


def html(report: Report, language: str, *, everything: bool = True) -> str:
    """A page of its own; no script, no outside resource. `everything` links the whole export."""
    environment = Environment(
        autoescape=select_autoescape(default=True), undefined=StrictUndefined, trim_blocks=True
    )
    template = files("sync_server.report") / "final.html"
    return environment.from_string(template.read_text("utf-8")).render(
        report=report, language=language, everything=everything, say=lambda value: cell(value, language), Word=Word,
        bars=bars_of(report.curve), width=CURVE_WIDTH, height=CURVE_HEIGHT,
    )  # fmt: skip


def bars_of(curve: Sequence[Bar]) -> list[dict[str, object]]:
    """Rectangles of the arrival curve, in its picture's units."""
    most = max((bar.people for bar in curve), default=0) or 1
    step = min(_BAR_WIDTH_MAX, CURVE_WIDTH / max(1, len(curve)))
    return [
        {
            "x": round(number * step + step * 0.1, 1), "width": round(step * 0.8, 1),
            "height": round((CURVE_HEIGHT - 36) * bar.people / most, 1), "hour": bar.hour,
            "label": bar.label, "count": bar.people,
            "number": bar.people if bar.people and step > 22 else "",
        }
        for number, bar in enumerate(curve)
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
