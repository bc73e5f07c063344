"""Lists as workbooks: the same rules and answers as a CSV, whatever is in the file."""

import io
import subprocess
import sys
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from shared.errors import UsageError
from sync_server.registration import sheet_child
from sync_server.registration.importer import Importer, Options
from sync_server.registration.list_reader import open_list
from tests.sync_server.registration.deployments import codes, counts, deployment, people


def workbook(*sheets: tuple[str, list[list[Any]]], hidden: tuple[str, ...] = ()) -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"default_date_format": "yyyy-mm-dd"})
    for name, rows in sheets:
        sheet = book.add_worksheet(name)
        if name in hidden:
            sheet.hide()
        else:
            sheet.activate()
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                sheet.write(number, column, cell)
    book.close()
    return out.getvalue()


def read(data: bytes, **options):
    with open_list(io.BytesIO(data), "list.xlsx", **options) as reader:
        reader.check()
        return [(record.line, dict(record.cells)) for record in reader]


def test_cells_say_what_a_csv_would() -> None:
    """Numbers that are phones, dates, truth; a title above, blank rows, notes beside the table."""
    data = workbook((
        "명단",
        [
            ["2026 참가자 명단"],
            [],
            ["이름", "이메일", "휴대폰", "생년월일", "그룹"],
            ["홍길동", "hong@example.com", 1012345678, date(1990, 1, 2), 7],
            [],
            ["김철수", "kim@example.com", 821012345678.0, datetime(1991, 2, 3), True, "a note"],
        ],
    ))  # fmt: skip
    assert read(data) == [
        (4, {"name": "홍길동", "email": "hong@example.com", "phone": "1012345678",
             "birthDate": "1990-01-02", "group": "7"}),
        (6, {"name": "김철수", "email": "kim@example.com", "phone": "821012345678",
             "birthDate": "1991-02-03", "group": "TRUE"}),
    ]  # fmt: skip


def test_the_same_rules_and_answers(tmp_path: Path) -> None:
    rows = [
        ["name", "email", "phone", "birth date"],
        ["홍길동", "hong@example.com", 1012345678, date(1990, 1, 2)],
        ["김", "kim@", 12, date(2020, 1, 2)],
    ]
    with deployment(tmp_path / "data") as made:
        result = _imported(made, workbook(("a", rows)))
        assert counts(result) == (1, 0, 0, 1)
        assert codes(result) == {
            3: ["name_too_short", "invalid_email", "invalid_phone", "too_young"]
        }
        (person,) = people(made).values()
        assert (person["phone"], person["birth_date"]) == ("+821012345678", "1990-01-02")
        assert counts(_imported(made, workbook(("a", rows)))) == (0, 0, 1, 1)


def _imported(made, data: bytes):
    importer = Importer(made.database, made.vault, made.keys, Options(), lambda: 1)
    with open_list(io.BytesIO(data), "list.xlsx") as reader:
        return importer.run(reader, "list.xlsx")


def test_a_sheet_may_be_named_and_a_hidden_one_is_not_the_first() -> None:
    data = workbook(
        ("secret", [["name", "email"], ["Hid Den", "h@example.com"]]),
        ("first", [["name", "email"], ["Ann Lee", "ann@example.com"]]),
        ("second", [["name", "email"], ["Bob Li", "bob@example.com"]]),
        hidden=("secret",),
    )
    assert read(data)[0][1]["name"] == "Ann Lee"
    assert read(data, sheet="second")[0][1]["name"] == "Bob Li"
    assert read(data, sheet="secret")[0][1]["name"] == "Hid Den"
    with pytest.raises(UsageError, match="“third”; it has “secret”, “first”, “second”"):
        read(data, sheet="third")
    with pytest.raises(UsageError, match="no workbook"):
        read(b"name,email\n", sheet="first")


def bomb(size: int) -> bytes:
    """A workbook whose sheet unpacks to `size` bytes of one text."""
    plain = workbook(("a", [["name", "email"]]))
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(plain)) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            if name != "xl/sharedStrings.xml":
                target.writestr(name, source.read(name))
        with target.open("xl/sharedStrings.xml", "w", force_zip64=True) as part:
            part.write(b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">')
            part.write(b"<si><t>")
            for _ in range(size >> 20):
                part.write(b"a" * (1 << 20))
            part.write(b"</t></si></sst>")
    return out.getvalue()


def far_cell() -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    sheet = book.add_worksheet()
    sheet.write(0, 0, "name")
    sheet.write(1_048_575, 16_383, "x")
    book.close()
    return out.getvalue()


ENTITIES = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>"""


def with_part(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook(("a", [["name", "email"]])))) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for one in source.namelist():
            target.writestr(one, content if one == name else source.read(one))
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (far_cell(), "too large"),
        (b"PK\x03\x04" + bytes(100), "can't be read"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "can't be read"),
        (workbook(("a", [])), "empty"),
        (workbook(("a", [["who", "where"], ["Ann", "here"]])), "name"),
        (with_part("xl/workbook.xml", b"<nothing/>"), "list"),
        (with_part("xl/worksheets/sheet1.xml", ENTITIES), "list"),
        (with_part("xl/worksheets/sheet1.xml", b"\x00\xff not xml"), "list"),
    ],
)
def test_p12_what_is_no_list_gets_one_helpful_line(data: bytes, says: str) -> None:
    """P12: nor does it take this process with it, which keeps to its memory."""
    with pytest.raises(UsageError, match=says) as caught:
        read(data)
    assert "list.xlsx" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_p12_a_bomb_ends_its_own_process(tmp_path: Path) -> None:
    """P12: with a lower limit, so that the test is quick."""
    code = (
        "import shared.limits as limits, runpy; limits.SHEET_MEMORY_BYTES_MAX = 300 * 1024 * 1024;"
        f"runpy.run_module({sheet_child.__name__!r}, run_name='__main__')"
    )
    file = tmp_path / "bomb.xlsx"
    file.write_bytes(bomb(400 << 20))
    assert file.stat().st_size < 1 << 20
    done = subprocess.run(
        [sys.executable, "-c", code, str(file), ""], capture_output=True, check=False
    )
    assert done.returncode != 0
    assert done.stdout == b""


def test_nothing_is_left_of_a_workbooks_copy(tmp_path: Path) -> None:
    data = workbook(("a", [["name", "email"], ["Ann Lee", "ann@example.com"]]))
    with open_list(io.BytesIO(data), "list.xlsx", folder=tmp_path) as reader:
        assert list(tmp_path.iterdir()) == []
        assert len(list(reader)) == 1
