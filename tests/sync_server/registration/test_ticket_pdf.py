"""Tickets on paper: every code is read off the page by the gates' own reader, no name runs over."""

import re
import shutil
import subprocess
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from shared import credentials
from shared.errors import UsageError
from shared.model import Event
from sync_server.registration import typeset
from sync_server.registration.ticket_pdf import (
    A4_MM,
    FIELDS,
    Layout,
    sheets,
    single,
    when,
)
from sync_server.registration.tickets import Ticket

needs_poppler = pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="needs poppler-utils")
EVENT = Event(
    "e", "TCF24", "기술 컨퍼런스 2024", 1_705_712_400_000, 1_705_744_800_000, "Asia/Seoul", "서울"
)
LONG = (
    "José Müller-García de la Vega y Santos-Oliveira",
    "가" * 200,
    "Wolfeschlegelsteinhausenbergerdorff" * 5,
    "가나다라마바사아자차카타파하 " * 14,
)


def ticket(number: int = 0, name: str = "홍길동", **more: str) -> Ticket:
    letters = credentials.make_letters(number.to_bytes(10, "big"))
    code, payload = credentials.readable("TCF24", letters), credentials.payload("TCF24", letters)
    return Ticket(f"P{number}", name, code, payload, **more)


def drawn(pdf: bytes, folder: Path, dpi: int = 130):
    """The first page, as a camera would see it."""
    cv2 = pytest.importorskip("cv2")
    (folder / "t.pdf").write_bytes(pdf)
    made = folder / "page"
    command = ["pdftoppm", "-r", str(dpi), "-gray", "-png", "-f", "1", "-l", "1", "-singlefile"]
    subprocess.run([*command, folder / "t.pdf", made], check=True, capture_output=True)
    return cv2.imread(str(made.with_suffix(".png")), cv2.IMREAD_GRAYSCALE)


def words(pdf: bytes, folder: Path, *options: str) -> str:
    (folder / "w.pdf").write_bytes(pdf)
    command = ["pdftotext", *options, folder / "w.pdf", "-"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return unicodedata.normalize("NFC", said)


def read(picture) -> set[str]:
    from edge_agent.readers.decode import decode

    return {payload.decode() for payload in decode(picture, budget_ms=5_000).payloads}


@needs_poppler
def test_a_single_ticket_says_all_and_is_read_by_the_gates_reader(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "김철수")
    one = ticket(7, name, organization="㈜한빛", group="VIP")
    made = single(one, EVENT)
    assert made.missing == ()
    said = words(made.pdf, tmp_path)
    for text in ("기술 컨퍼런스 2024", "김철수", "한빛", "VIP", one.code, "서울", "Asia/Seoul"):
        assert text in said, text
    assert "2024년 1월 20일 (토) 10:00 – 19:00" in said
    assert read(drawn(made.pdf, tmp_path)) == {one.payload}
    assert "Show this code" in words(single(replace(one, language="en"), EVENT).pdf, tmp_path)


@needs_poppler
@pytest.mark.parametrize("layout", [Layout(2, 4, 10, marks=True, fields=FIELDS), Layout(3, 8)])
def test_each_badge_of_a_sheet_is_read_in_its_place(layout: Layout, tmp_path: Path) -> None:
    a_page = layout.columns * layout.rows
    held = [ticket(n, organization="Globex", group="VIP") for n in range(a_page + 1)]
    pdf = sheets(held, layout).pdf
    page = drawn(pdf, tmp_path)
    dots = page.shape[1] / A4_MM[0]
    wide = (A4_MM[0] - 2 * layout.margin_mm) / layout.columns
    high = (A4_MM[1] - 2 * layout.margin_mm) / layout.rows
    for number in (0, a_page // 2, a_page - 1):
        row, column = divmod(number, layout.columns)
        left, top = layout.margin_mm + column * wide, layout.margin_mm + row * high
        cell = page[
            int(top * dots) : int((top + high) * dots), int(left * dots) : int((left + wide) * dots)
        ]
        assert read(cell) == {held[number].payload}
    assert all(one.code in words(pdf, tmp_path) for one in held)


@needs_poppler
@pytest.mark.parametrize("name", LONG)
def test_no_name_leaves_its_badge(name: str, tmp_path: Path) -> None:
    for layout in (Layout(3, 8, 5, fields=FIELDS), Layout(4, 5, fields=FIELDS)):
        pdf = sheets([ticket(0, name, organization=name, group=name)], layout).pdf
        right = (layout.margin_mm + (A4_MM[0] - 2 * layout.margin_mm) / layout.columns) * 72 / 25.4
        low = (layout.margin_mm + (A4_MM[1] - 2 * layout.margin_mm) / layout.rows) * 72 / 25.4
        boxes = re.findall(r'xMax="([\d.]+)" yMax="([\d.]+)"', words(pdf, tmp_path, "-bbox"))
        assert boxes
        for x, y in boxes:
            assert float(x) <= right + 0.5
            assert float(y) <= low + 0.5


@needs_poppler
def test_a_long_name_is_whole_on_a_ticket_of_its_own(tmp_path: Path) -> None:
    said = words(single(ticket(0, LONG[0]), EVENT).pdf, tmp_path)
    assert " ".join(LONG[0].split()) in " ".join(said.split())


def test_signs_that_no_font_has_are_told_and_break_nothing() -> None:
    made = single(ticket(0, "Ann \U0001f9d1\u200d\U0001f680 \U00012000"), EVENT)
    assert made.pdf.startswith(b"%PDF")
    assert "\U00012000" in made.missing
    assert sheets([], Layout()).pdf.startswith(b"%PDF")


def test_without_a_korean_font_the_way_to_mend_it_is_told(monkeypatch) -> None:
    with pytest.raises(UsageError, match="fonts-nanum"):
        typeset.text_font(())
    monkeypatch.setattr(typeset, "OTHER_FONTS", ())
    with pytest.raises(UsageError, match="fonts-nanum"):
        single(ticket(), EVENT, fonts=())


def test_an_event_of_several_days_names_both() -> None:
    later = replace(EVENT, end_ms=EVENT.end_ms + 86_400_000)
    assert when(later, "en") == ("Sat 20 Jan 2024, 10:00 – Sun 21 Jan 2024, 19:00 (Asia/Seoul)")
