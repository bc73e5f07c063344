"""The participants' page in a real browser: register, find, change, several at once, beacons."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.browser.live_server import PASSWORD, Server, server_in

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with server_in(tmp_path) as running:
        yield running


async def open_page(page: Page, server: Server, address: str = "/participants") -> None:
    await page.goto(server.url + address)
    await page.locator("#name").fill("admin")
    await page.locator("#password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#page")).to_be_visible()


async def no_violations(page: Page) -> None:
    found = await Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag22aa"]})
    faults = [(v["id"], [n["html"] for n in v["nodes"]]) for v in found.response["violations"]]
    assert faults == []


async def register(page: Page, **fields: str) -> None:
    await page.get_by_role("button", name="Register").first.click()
    for name, value in fields.items():
        await page.locator(f"#field-{name}").fill(value)
    await page.locator("#form button.main").click()


async def test_from_registering_to_a_new_ticket(page: Page, server: Server) -> None:
    await open_page(page, server)
    await expect(page.locator("#count")).to_contain_text("10 participants")
    await no_violations(page)
    # Mistakes stand beside their fields, in both languages; what was typed stays.
    await register(page, name="김", email="hong@", phone="123")
    await expect(page.locator("#field-email-problem")).to_contain_text("not an e-mail")
    await expect(page.locator("#field-phone-problem")).to_contain_text("not a phone number")
    await expect(page.locator("#field-name")).to_be_focused()
    await no_violations(page)
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="한국어").click()
    await page.get_by_role("button", name="등록", exact=True).first.click()
    await page.locator("#field-name").fill("홍길동")
    await page.locator("#field-email").fill("hong@")
    await page.locator("#form button.main").click()
    await expect(page.locator("#field-email-problem")).to_contain_text("이메일")
    await page.locator("#field-email").fill("hong@example.org")
    await page.locator("#field-group").fill("VIP")
    await page.locator("#form button.main").click()
    # The ticket is there at once.
    await expect(page.locator("#one-name")).to_contain_text("홍길동")
    await expect(page.locator("#ticket img")).to_be_visible()
    await page.get_by_role("button", name="English").click()
    code = await page.locator("#ticket .code").inner_text()
    await page.locator("#q").fill("ㅎㄱㄷ vip")
    await expect(page.locator("#count")).to_have_text("1 found.")
    await page.locator("#q").fill(code)
    await expect(page.locator("#people-body tr")).to_have_count(1)
    await no_violations(page)
    async with page.expect_download() as saved:
        await page.locator("#ticket").get_by_role("button", name="Save as PDF").click()
    assert Path(await (await saved.value).path()).read_bytes().startswith(b"%PDF")
    # A new ticket says what becomes of the old one, and does it.
    await page.get_by_role("button", name="New ticket").click()
    await expect(page.locator("#sure-words")).to_contain_text("refused at every gate")
    await page.get_by_role("button", name="No, leave it").click()
    await expect(page.locator("#ticket .code")).to_have_text(code)
    await page.get_by_role("button", name="New ticket").click()
    await page.locator("#sure-yes").click()
    await expect(page.locator("#ticket .code")).not_to_have_text(code)
    await expect(page.locator("#one")).to_contain_text("revoked")
    await expect(page.locator("#heard")).to_contain_text("Not yet")


async def test_a_person_is_changed_blocked_and_cancelled(page: Page, server: Server) -> None:
    await open_page(page, server, "/participants#P000003")
    await expect(page.locator("#one-name")).to_contain_text("홍길동")
    await page.locator("#one").get_by_role("button", name="Change").click()
    await page.locator("#field-organization").fill("Globex")
    await page.locator("#field-name").fill("Anna Lee")
    await page.locator("#form button.main").click()
    await expect(page.locator("#one-name")).to_contain_text("Anna Lee")
    for button, status in (("Block", "blocked"), ("Cancel registration", "cancelled")):
        await page.locator("#one").get_by_role("button", name=button, exact=True).click()
        await page.locator("#sure-yes").click()
        await expect(page.locator("#one-name span")).to_have_text(status)
        await expect(page.locator("#history")).to_contain_text(status)
    await expect(page.locator("#ticket")).to_contain_text("does not admit")
    await page.locator("#one").get_by_role("button", name="Reinstate").click()
    await page.locator("#sure-yes").click()
    await expect(page.locator("#one-name span")).to_have_text("registered")
    await server.scan(1, person=3)
    await page.reload()
    await expect(page.locator("#history")).to_contain_text("Entry at Main entrance")


async def test_several_are_moved_and_badges_printed(page: Page, server: Server) -> None:
    await open_page(page, server)
    for number in (1, 2):
        await page.locator(f"#people-body [data-of='box P{number:06}']").check()
    await expect(page.locator("#many-count")).to_have_text("2 chosen")
    await page.locator("#many-group").fill("Press")
    await page.get_by_role("button", name="Move", exact=True).click()
    await expect(page.locator("#sure-words")).to_contain_text("Press")
    await page.locator("#sure-yes").click()
    await expect(page.locator("#count")).to_contain_text("2 changed")
    await page.locator("#group").select_option("=Press")
    await expect(page.locator("#people-body tr")).to_have_count(2)
    await page.locator("#sheet-title").click()
    await page.locator("#layout").select_option("3x8")
    async with page.expect_download() as saved:
        await page.locator("#sheet-form button").click()
    assert Path(await (await saved.value).path()).read_bytes().startswith(b"%PDF")
    await expect(page.locator("#sheet-said")).to_contain_text("Saved")
    await no_violations(page)


async def test_a_beacon_is_given_or_its_mistake_named(page: Page, server: Server) -> None:
    await open_page(page, server, "/participants#P000004")
    await page.get_by_text("Add a beacon").click()
    await page.locator("#beacon-uuid").fill("12")
    await page.locator("#beacon-major").fill("70000")
    await page.locator("#beacon-minor").fill("9")
    give = page.get_by_role("button", name="Give this beacon")
    await give.click()
    await expect(page.locator("#beacon-major-problem")).to_contain_text("65535")
    await page.locator("#beacon-major").fill("7")
    await give.click()
    await expect(page.locator("#beacon-uuid-problem")).to_contain_text("UUID")
    await expect(page.locator("#beacon-uuid")).to_be_focused()
    await page.locator("#beacon-uuid").fill("01020304-0506-0708-090a-0b0c0d0e0f10")
    await give.click()
    await expect(page.locator("#one table")).to_contain_text("ibeacon:")
    await page.get_by_text("Add a beacon").click()
    await page.locator("#pair-gate").select_option("north")
    await page.get_by_role("button", name="Listen", exact=True).click()
    await expect(page.locator("#beacon-form")).to_contain_text("listens")
    await no_violations(page)
    await page.get_by_role("button", name="Stop listening").click()
    await expect(page.get_by_role("button", name="Listen", exact=True)).to_be_visible()
