"""The pages Mail and Messages in a real browser, with a real mail server behind them."""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from sync_server.identity.people import create_owner, hash_password
from sync_server.storage.message_tables import deliveries
from tests.browser.live_server import PASSWORD, Server, server_in
from tests.smtp import mail_server
from tests.sync_server.builders import NOW_MS, populate

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
PEOPLE = (("홍길동", "ok-hong@example.org"), ("Jane Doe", "gone@example.org"))
ENVELOPE = {"id": "g.1", "type": "alert.raised", "timestamp": "2026-11-21T09:30:00.000Z",
            "data": {"message": {"en": "A conflict", "ko": "충돌"}}, "source": "x", "version": 1}  # fmt: skip


def begin(conn: Any) -> None:
    populate(conn, people=0)
    create_owner(conn, "admin", hash_password(PASSWORD))


async def sign_in(page: Page, server: Server, path: str) -> None:
    await page.goto(server.url + path)
    await page.get_by_label("Name").fill("admin")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#page")).to_be_visible()


async def clean(page: Page, where: str) -> None:
    found = await Axe().run(page)
    assert found.violations_count == 0, f"{where}: {found.generate_report()}"


async def register(page: Page, server: Server) -> None:
    for name, email in PEOPLE:
        answer = await page.request.post(
            f"{server.url}/api/v1/participants",
            data={"name": name, "email": email},
            headers={"Origin": server.url},
        )
        assert answer.status == 201, await answer.text()


async def test_tickets_from_counting_to_sending_again(page: Page, tmp_path: Path) -> None:
    with mail_server(tmp_path / "smtp") as smtp:
        settings = smtp.settings(mail_when="never")
        async with server_in(tmp_path, filled=begin, **settings) as server:
            await sign_in(page, server, "/mail")
            await register(page, server)
            await page.get_by_label("Also to those who had theirs").check()
            await page.get_by_label("Also to those who had theirs").uncheck()
            await expect(page.locator("#would")).to_contain_text("2 of 2 get a mail now")
            await clean(page, "before sending")
            await page.get_by_role("button", name="Send to 2").click()
            await expect(page.locator("#list .sent")).to_have_text("sent")
            await expect(page.locator("#list .failed")).to_have_text("failed")
            await expect(page.locator("#list-body")).to_contain_text(
                "550 5.1.1 No such person here"
            )
            await page.locator("#counts").get_by_role("button", name="failed").click()
            await expect(page.locator("#list-body tr")).to_have_count(1)
            await clean(page, "with a failure")
            await page.get_by_role("button", name="Send again to gone@example.org").click()
            await expect(page.locator("#list-body")).to_contain_text("No such person")
            await expect(page.get_by_role("button", name="Send all 1 again")).to_be_visible()
            await page.get_by_role("button", name="한국어").click()
            await expect(page.locator("#list .failed")).to_have_text("실패")
            assert [mail.to for mail in smtp.arrived()] == ["ok-hong@example.org"]


async def test_words_preview_and_sample(page: Page, tmp_path: Path) -> None:
    with mail_server(tmp_path / "smtp") as smtp:
        async with server_in(tmp_path, filled=begin, **smtp.settings()) as server:
            await sign_in(page, server, "/mail")
            await page.locator("#text-language").select_option("en")
            await expect(page.locator("#subject")).to_have_value("[{{ event }}] Your ticket")
            await page.locator("#subject").fill("{{ evnt }}")
            await page.get_by_role("button", name="Save").click()
            await expect(page.locator("#text-problem")).to_contain_text("{{ evnt }}")
            await expect(page.locator("#subject")).to_have_attribute("aria-invalid", "true")
            await clean(page, "with a mistake")
            await page.locator("#subject").fill("See you at {{ event }}")
            await page.get_by_role("button", name="Preview").click()
            await expect(page.locator("#seen-subject")).to_have_text("See you at Demo")
            inside = page.frame_locator("#seen-html")
            await expect(inside.locator("body")).to_contain_text("Hello Jane Doe")
            picture = inside.locator("img")
            assert await picture.evaluate("(image) => image.naturalWidth") > 100
            await page.get_by_role("button", name="Save").click()
            await expect(page.locator("#text-said")).to_contain_text("Saved")
            await page.get_by_label("Send a sample to").fill("ok@example.org")
            await page.locator("#test-language").select_option("en")
            await page.locator("#test-button").click()
            await expect(page.locator("#test-said")).to_contain_text("250")
            assert smtp.arrived()[0].message["Subject"] == "See you at Demo"
            await clean(page, "with a preview")


async def test_parked_messages_are_seen_and_tried_again(page: Page, tmp_path: Path) -> None:
    settings = {"webhook_url": "http://127.0.0.1:9/hook", "webhook_secret": "s"}
    async with server_in(tmp_path, filled=begin, **settings) as server:
        row = {"handler": "webhook", "envelope": ENVELOPE, "state": "parked", "attempts": 3,
               "next_ms": NOW_MS, "at_ms": NOW_MS, "error": "it answered 500"}  # fmt: skip
        await server.database.write(lambda conn: conn.execute(deliveries.insert().values(row)))
        await sign_in(page, server, "/messages")
        await expect(page.locator("#list-body")).to_contain_text("it answered 500")
        await expect(page.locator("#handlers-body")).to_contain_text("webhook")
        await clean(page, "a parked message")
        await page.get_by_text("The whole message").click()
        await expect(page.locator("pre")).to_contain_text('"source": "x"')
        await page.get_by_text("The whole message").click()
        await page.get_by_role("button", name="Try message g.1 again").click()
        await expect(page.locator("#said")).to_have_text("1 tried again.")
        await page.locator("#state").select_option("waiting")
        await expect(page.locator("#list-body")).to_contain_text("127.0.0.1:9")
        await clean(page, "waiting")
