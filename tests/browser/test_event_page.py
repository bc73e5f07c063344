"""The event's page: each step is told before it is taken, times are those of the event's clocks."""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from shared.wire import parse_time
from sync_server.registration.event_store import load_event
from tests.browser.live_server import Server, server_in, sign_in
from tests.browser.test_live_figures import event_with

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def open_page(page: Page, server: Server, name: str = "admin") -> None:
    await sign_in(page, server, name)
    await page.goto(f"{server.url}/event")
    await expect(page.locator("#steps [aria-current]")).to_have_text("live")


async def test_a_step_is_told_confirmed_and_taken(page: Page, tmp_path: Path) -> None:
    async with server_in(tmp_path, filled=event_with(2)) as server:
        await server.status(ago_ms=90_000)
        await open_page(page, server)
        await expect(page.locator("#by-itself")).to_contain_text("ended at")
        items = page.locator("#transitions > li")
        await expect(items.first).to_contain_text("To “ended”")
        await expect(items.first).to_contain_text("the next step")
        await expect(items.first).to_contain_text("Gates refuse every entry from now on")
        await expect(items.first).to_contain_text("2 are offline and go on admitting")
        button = page.get_by_role("button", name="Make it “ended”").first
        await button.focus()
        await page.keyboard.press("Enter")
        dialog = page.locator("#sure")
        await expect(dialog).to_contain_text("Gates refuse every entry from now on")
        await page.keyboard.press("Enter")  # what is focused first leaves it as it is
        await expect(dialog).to_be_hidden()
        await expect(page.locator("#steps [aria-current]")).to_have_text("live")
        await button.click()
        await dialog.get_by_role("button", name="Make it “ended”").click()
        await expect(page.locator("#steps [aria-current]")).to_have_text("ended")
        await expect(items.first).to_contain_text("can’t be taken back")
        await page.get_by_role("button", name="한국어").click()
        await expect(items.first).to_contain_text("되돌릴 수 없")


async def test_settings_say_what_they_do_before_they_are_set(page: Page, tmp_path: Path) -> None:
    async with server_in(tmp_path, filled=event_with(1)) as server:
        await open_page(page, server)
        before = await server.database.read(load_event)
        await page.get_by_label("Ends (event’s clocks)").fill("2031-03-30T18:30")
        await page.get_by_label("Time zone").fill("Asia/Kolkata")
        await page.get_by_label("Several check-ins").check()
        await page.get_by_role("button", name="See what this does").click()
        dialog = page.locator("#sure")
        await expect(dialog).to_contain_text("those of Asia/Kolkata")
        await expect(dialog).to_contain_text("counts again")
        assert await server.database.read(load_event) == before
        await dialog.get_by_role("button", name="Change it").click()
        await expect(page.locator("#settings-said")).to_contain_text("Changed.")
        event = await server.database.read(load_event)
        assert event.end_ms == parse_time("2031-03-30T18:30:00.000+05:30")
        assert (event.time_zone, event.start_ms) == ("Asia/Kolkata", before.start_ms)
        assert event.settings.allow_multiple_checkins
        await page.get_by_label("Time zone").fill("Nowhere/Here")
        await page.get_by_role("button", name="See what this does").click()
        await expect(page.locator("#settings-problem")).not_to_be_empty()


async def test_a_viewer_reads_what_steps_do_and_can_take_none(page: Page, tmp_path: Path) -> None:
    async with server_in(tmp_path, filled=event_with(1)) as server:
        await open_page(page, server, "viewer")
        await expect(page.locator("#transitions > li").first).to_contain_text("Gates refuse")
        await expect(page.locator("#transitions button")).to_have_count(0)
        await expect(page.get_by_label("Venue")).to_be_disabled()


async def test_moments_are_those_of_the_zones_clocks(page: Page, tmp_path: Path) -> None:
    async with server_in(tmp_path, filled=event_with(1)) as server:
        await open_page(page, server)
        found = await page.evaluate(
            """async () => {
              const { localText, zonedMoment } = await import("/static/zoned.js");
              const there = (text, zone) => zonedMoment(text, zone);
              return [
                there("2026-11-21T09:00", "Asia/Kolkata"),
                there("2026-10-25T02:30", "Europe/Berlin"), // comes twice: the first
                there("2026-03-29T03:00", "Europe/Berlin"), // the first after the turning
                there("2026-07-01T12:00", "America/New_York"),
                localText("2026-11-21T03:30:00.000Z", "Asia/Kathmandu"),
              ];
            }"""
        )
        assert found == [
            "2026-11-21T03:30:00.000Z", "2026-10-25T00:30:00.000Z", "2026-03-29T01:00:00.000Z",
            "2026-07-01T16:00:00.000Z", "2026-11-21T09:15",
        ]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(browser: Browser, tmp_path: Path, scheme: Any) -> None:
    async with server_in(tmp_path, filled=event_with(1)) as server:
        context = await browser.new_context(
            viewport={"width": 390, "height": 844}, locale="en-GB", color_scheme=scheme
        )
        page = await context.new_page()
        await open_page(page, server)
        await expect(page.locator("#transitions > li").first).to_be_visible()
        for _language in range(2):
            assert await page.evaluate("document.documentElement.scrollWidth") <= 390
            found = await Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
            await page.locator("#language").click()
        await page.get_by_role("button", name="Make it “ended”").first.click()
        found = await Axe().run(page, context="#sure")
        assert found.violations_count == 0, found.generate_report()
        await context.close()
