"""Lists as people really send them."""

import io
import zipfile

import pytest

from shared.errors import UsageError
from sync_server.registration.csv_reader import RECORD_LINES_MAX
from sync_server.registration.list_reader import open_list

KOREAN = "이름;이메일;전화번호\r\n홍길동;hong@example.com;010-1234-5678\r\n"
NAMES = [{"name": "홍길동", "email": "hong@example.com", "phone": "010-1234-5678"}]


def read(data: bytes, **options):
    with open_list(io.BytesIO(data), "list.csv", **options) as reader:
        reader.check()
        return list(reader)


def cells(data: bytes):
    return [dict(record.cells) for record in read(data)]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16", "utf-16-le", "utf-16-be"]
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_every_usual_encoding_and_delimiter(encoding: str, delimiter: str) -> None:
    assert cells(KOREAN.replace(";", delimiter).encode(encoding)) == NAMES


def test_what_excel_writes() -> None:
    data = ("sep=;\r\n" + KOREAN).encode("utf-8-sig")
    assert [(record.line, dict(record.cells)) for record in read(data)] == [(3, NAMES[0])]


def test_any_column_order_case_and_spaces() -> None:
    data = b" E-Mail , Shoe size,FULL NAME,Birth_Date\na@b.kr,44,Ann Lee,2001-01-01\n"
    reader = open_list(io.BytesIO(data))
    assert [dict(record.cells) for record in reader] == [
        {"name": "Ann Lee", "email": "a@b.kr", "birthDate": "2001-01-01"}
    ]
    assert reader.ignored == ["Shoe size"]


def test_a_mapping_names_strange_columns() -> None:
    records = read(b"who,where\nAnn Lee,a@b.kr\n", mapping={"Who": "name", "where": "email"})
    assert dict(records[0].cells) == {"name": "Ann Lee", "email": "a@b.kr"}


def test_lines_are_counted_as_an_editor_does() -> None:
    data = b'name,email\n"Ann\nLee",a@b.kr\n\n,\nBob Li,b@b.kr\n'
    assert [record.line for record in read(data)] == [2, 6]


def test_p6_a_bad_line_never_stops_the_rest() -> None:
    """P6: undecodable, NUL, too short, too long, never closed: each is answered by itself."""
    bad = [b"\xff\xfe,x@b.kr", b"A\x00b,c@b.kr", b"alone", b"a,b,c,d", b'"open,d@b.kr']
    data = b"name,email\n" + b"\n".join(bad) + "\n박지성,p@b.kr\n".encode()
    records = read(data)
    assert [record.line for record in records] == [2, 3, 4, 5, 6, 7]
    assert all(record.problem for record in records[:5])
    assert records[5].cells["name"] == "박지성"


def test_p12_a_quote_that_is_never_closed_takes_no_more_than_its_line() -> None:
    """P12: nothing is read ahead without a limit."""
    rows = b"".join(b"Ann Lee,a%d@b.kr\n" % number for number in range(RECORD_LINES_MAX * 3))
    records = read(b'name,email\n"open,x@b.kr\n' + rows)
    assert [bool(record.problem) for record in records] == [True] + [False] * RECORD_LINES_MAX * 3


def test_one_damaged_line_leaves_utf8_what_it_is() -> None:
    records = read(
        "이름,이메일\n".encode() + b"\xb0\xa1\xb0\xa1,a@b.kr\n" + "홍길동,b@b.kr\n".encode()
    )
    assert records[0].problem
    assert records[1].cells["name"] == "홍길동"


def test_a_very_long_line_is_one_bad_row() -> None:
    records = read(b"name,email\n" + b"x" * 200_000 + b",a@b.kr\nAnn Lee,b@b.kr\n")
    assert records[0].problem
    assert (records[1].line, records[1].problem) == (3, None)


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"\r\n \n", "empty"),
        (zipped(), "ZIP"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "PNG"),
        (bytes(range(256)) * 20, "column"),
        (bytes(5_000), "not text"),
        (b"who,where\nAnn,here\n", "name"),
        (b"name\nAnn Lee\n", "email"),
        (b"name,name,email\n", "two columns"),
    ],
)
def test_what_is_no_list_gets_one_helpful_line(data: bytes, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        read(data)
    assert "list.csv" in str(caught.value)
    assert "\n" not in str(caught.value)
