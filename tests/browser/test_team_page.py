"""The team's page in a real browser: accounts, passwords, PINs, keys; nobody locks themselves out."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.live_server import Server, server_in
from tests.browser.test_participants_page import no_violations, open_page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with server_in(tmp_path) as running:
        yield running


async def test_a_team_is_made_and_keys_are_given(page: Page, server: Server) -> None:
    await open_page(page, server, "/people")
    await expect(page.locator("#team-body tr")).to_have_count(1)
    await no_violations(page)
    await page.get_by_role("button", name="Let admin out").click()
    await page.locator("#sure-yes").click()
    await expect(page.locator("#team-problem")).to_contain_text("last owner")
    # A mistake stands beside its field.
    await page.locator("#add button").click()
    await expect(page.locator("#new-name-problem")).to_have_text("This is needed.")
    await page.locator("#new-name").fill("admin")
    await page.locator("#add button").click()
    await expect(page.locator("#new-name-problem")).to_have_text("This name is taken.")
    await page.locator("#new-name").fill("김현장")
    await page.locator("#new-role").select_option("supervisor")
    await page.locator("#add button").click()
    row = page.locator("#team-body tr", has_text="김현장")
    await expect(row).to_contain_text("at gates only")
    await row.get_by_role("button", name="PIN for 김현장").click()
    await page.locator("#secret-text").fill("12")
    await page.locator("#secret-form button.main").click()
    await expect(page.locator("#secret-problem")).to_contain_text("6 to 12 digits")
    await no_violations(page)
    await page.locator("#secret-text").fill("246813")
    await page.locator("#secret-form button.main").click()
    await expect(row).to_contain_text("20")
    badge = await row.get_by_role("link").get_attribute("href")
    assert badge is not None
    assert badge.endswith("/badge.svg")
    await row.get_by_role("button", name="New password for 김현장").click()
    await page.locator("#secret-text").fill("a long one indeed")
    await page.locator("#secret-form button.main").click()
    await expect(row).to_contain_text("yes")
    await page.locator("#key-name").fill("ticket shop")
    await page.locator("#add-key button").click()
    await expect(page.locator("#new-key-text")).to_contain_text("gsk_")
    await page.get_by_role("button", name="Revoke the key ticket shop").click()
    await page.locator("#sure-yes").click()
    await expect(page.locator("#keys-body")).to_contain_text("revoked")
    await page.get_by_role("button", name="한국어").click()
    await expect(page.locator("#team-title")).to_have_text("운영팀")
    await no_violations(page)
