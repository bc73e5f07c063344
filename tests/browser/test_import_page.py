"""The import page in a real browser against the real server: a list from choosing to undoing."""

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.browser.live_server import PASSWORD, Server, server_in
from tests.sync_server.registration.test_workbooks import workbook

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
LIST = (
    "참가자 명단;;;\n성;이름;연락 메일;휴대폰\n"
    "홍;길동;hong@example.com;010-1234-5678\n;Ann Lee;ann@;\n김;철수;kim@example.com;01099998888\n"
).encode("cp949")


@pytest_asyncio.fixture(loop_scope="session")
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with server_in(tmp_path) as running:
        yield running


async def open_page(page: Page, server: Server) -> None:
    await page.goto(server.url + "/import")
    await page.get_by_label("Name").fill("admin")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#drop")).to_be_visible()


async def choose(page: Page, name: str, content: bytes) -> None:
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    await page.locator("#file").set_input_files(files=[file])


async def clean(page: Page, where: str) -> None:
    found = await Axe().run(page)
    assert found.violations_count == 0, f"{where}: {found.generate_report()}"


async def test_a_list_from_choosing_to_undoing(page: Page, server: Server) -> None:
    await open_page(page, server)
    await expect(page.locator("#earlier-none")).to_be_visible()
    await clean(page, "empty")
    await choose(page, "명단.csv", LIST)
    await expect(page.locator("#missing")).to_contain_text("E-mail")
    await expect(page.locator("#import")).to_be_disabled()
    await clean(page, "a column is missing")

    column = page.get_by_label("What column “연락 메일” is")
    await column.focus()
    await column.select_option(label="E-mail")
    await expect(page.locator("#rows-body tr.created")).to_have_count(2)
    await expect(page.locator("#rows-body tr").first).to_contain_text("홍길동")
    await expect(page.locator("#rows-body tr.refused")).to_contain_text("not an e-mail address")
    await expect(page.locator("#field-2")).to_be_focused()
    await clean(page, "looked at")

    await page.get_by_role("button", name="Try without").click()
    await expect(page.locator("#result-words")).to_have_text(
        "2 new, 0 changed, 0 as they were, 1 refused."
    )
    assert (await page.locator("#result-title").text_content()) == "What importing would do"
    await page.get_by_role("button", name="Import", exact=True).click()
    await expect(page.locator("#result-title")).to_have_text("Imported")
    await expect(page.locator("#refused-body")).to_contain_text("not an e-mail address")
    await clean(page, "imported")
    async with page.expect_download() as waiting:
        await page.locator("#download").click()
    path = await (await waiting.value).path()
    rows = list(csv.reader(io.StringIO(Path(path).read_bytes().decode("utf-8-sig"))))
    assert rows[0][-1] == "Why refused"
    assert rows[1][:4] == ["", "Ann Lee", "ann@", ""]

    await page.get_by_role("button", name="한국어").click()
    await expect(page.locator("#result-title")).to_have_text("가져왔습니다")
    await page.get_by_role("button", name="명단.csv 가져오기 되돌리기").click()
    await expect(page.locator("#undo-words")).to_contain_text("등록 2건이 취소되고")
    await clean(page, "before undoing")
    await page.get_by_role("button", name="가져오기 되돌리기", exact=True).click()
    await expect(page.locator("#result-title")).to_have_text("되돌렸습니다")
    await expect(page.locator("#earlier-body tr").first).to_contain_text("되돌림")
    await clean(page, "undone")


DROP = """([name, bytes]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], name));
    const place = document.getElementById("drop");
    for (const kind of ["dragover", "drop"]) {
        place.dispatchEvent(new DragEvent(kind, { bubbles: true, dataTransfer: data }));
    }
}"""


async def test_a_workbook_is_dropped_and_its_sheet_chosen(page: Page, server: Server) -> None:
    await open_page(page, server)
    book = workbook(
        ("notes", [["nothing"], ["here"]]),
        ("people", [["name", "email"], ["Ann Lee", "ann@example.com"]]),
    )
    await page.evaluate(DROP, ["people.xlsx", list(book)])
    await page.get_by_label("Sheet").select_option("people")
    await expect(page.locator("#rows-body tr.created")).to_have_count(1)
    await page.set_viewport_size({"width": 380, "height": 800})  # a phone
    wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0


async def test_what_is_no_list_is_told(page: Page, server: Server) -> None:
    await open_page(page, server)
    await choose(page, "picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(100))
    await expect(page.locator("#problem")).to_contain_text("PNG image")
    await expect(page.locator("#look")).to_be_hidden()


async def test_a_viewer_is_told_whose_page_it_is(page: Page, server: Server) -> None:
    from sync_server.identity.people import hash_password
    from sync_server.storage import revisions, schema

    def job(conn: object) -> None:
        revisions.upsert(conn, schema.people, {
            "operator_id": "v", "name": "viewer", "role": "viewer", "active": True,
            "password_hash": hash_password(PASSWORD),
        })  # fmt: skip

    await server.database.write(job)
    await page.goto(server.url + "/import")
    await page.get_by_label("Name").fill("viewer")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#not-for-you")).to_contain_text("operator")
    await expect(page.locator("#drop")).to_be_hidden()
