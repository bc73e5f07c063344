"""Reads one sheet of a workbook in a process of its own: `python -m … FILE SHEET`.

A workbook is a hostile thing to read: a few kilobytes may unpack to gigabytes, or claim a cell in
the last row and the last column. The library takes the whole sheet into memory and ends its process
where there is none, so it may do that here, within limits that hold whatever the file says. The
first line out tells of the workbook, each further line is `[number, cells]`; blank rows are left
out. An `{"error": …}` line says why there is nothing.
"""

import json
import resource
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from shared.limits import SHEET_CPU_S_MAX, SHEET_MEMORY_BYTES_MAX


def main() -> None:
    path, wanted = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (SHEET_MEMORY_BYTES_MAX, SHEET_MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (SHEET_CPU_S_MAX, SHEET_CPU_S_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in _lines(path, wanted):
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")


def _lines(path: str, wanted: str) -> Iterator[Any]:
    # After the limits: loading the library counts too.
    from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    try:
        book = CalamineWorkbook.from_path(path)
        sheets = [one for one in book.sheets_metadata if one.typ is SheetTypeEnum.WorkSheet]
        names = [one.name for one in sheets]
        shown = [one.name for one in sheets if one.visible is SheetVisibleEnum.Visible]
        if not names or (wanted and wanted not in names):
            yield {"sheets": names, "missing": True}
            return
        name = wanted or (shown or names)[0]
        sheet = book.get_sheet_by_name(name)
        yield {"sheets": names, "sheet": name, "rows": sheet.total_height}
        for number, cells in enumerate(sheet.iter_rows(), 1):
            texts = [text_of(cell) for cell in cells]
            if any(text.strip() for text in texts):
                yield [number, texts]
    except (CalamineError, OSError, ValueError) as error:
        yield {"error": str(error)}


def text_of(cell: object) -> str:
    """A cell as its list would say it: whole numbers without a point, dates as 2001-02-03."""
    match cell:
        case str():
            return cell
        case bool():
            return "TRUE" if cell else "FALSE"
        case float():
            return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
        case datetime():
            whole_day = (cell.hour, cell.minute, cell.second, cell.microsecond) == (0, 0, 0, 0)
            return cell.date().isoformat() if whole_day else cell.isoformat(" ")
        case date() | time():
            return cell.isoformat()
        case int() | timedelta():
            return str(cell)
    return ""


if __name__ == "__main__":
    main()
