"""The live page in a real browser against the real server and a real database."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from shared.merge import Kind, Verdict
from shared.model import EventStatus, Method
from shared.reasons import Reason
from sync_server import system_clock
from sync_server.attendance.review import NewResolution, resolve
from sync_server.dashboard import STATIC
from sync_server.http.pages import PAGES
from sync_server.identity.devices import change_device
from sync_server.storage import schema
from tests.browser.live_server import server_in, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def tile(page: Page, text: str) -> Any:
    return page.locator("#gates li", has_text=text)


async def test_signing_in_and_out(page: Page, tmp_path: Path) -> None:
    async with server_in(tmp_path) as server:
        await page.goto(server.url)
        await page.get_by_label("Name").fill("admin")
        await page.get_by_label("Password").fill("wrong")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
        await expect(page.get_by_label("Password")).to_be_focused()
        await page.get_by_role("button", name="한국어").click()
        await expect(page.get_by_role("alert")).to_contain_text("올바르지 않습니다")
        await page.get_by_role("button", name="English").click()
        await sign_in(page, server)
        await page.reload()  # the session outlives a reload
        await expect(page.locator("#connection")).to_have_text("● Live")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Password")).to_be_visible()
        await expect(page.locator("#live")).to_be_hidden()


async def test_an_alert_is_shown_seen_and_gone(page: Page, tmp_path: Path) -> None:
    async with server_in(tmp_path) as server:
        await sign_in(page, server)
        await expect(page.locator("#alerts")).to_be_hidden()
        await server.scan(1, person=1)
        await server.scan(2, person=1, minute=40)
        alert = page.locator("#alerts-list li", has_text="A conflict waits")
        await page.get_by_role("button", name="Seen: A conflict").click(timeout=20_000)
        await expect(alert).to_contain_text("seen by admin")
        await page.get_by_role("button", name="한국어").click()
        await expect(page.locator("#alerts-list")).to_contain_text("충돌 1건")
        await page.get_by_role("button", name="English").click()
        await expect(page.locator("#expected-of")).to_contain_text("–")

        now_ms = system_clock.now_ms()
        word = NewResolution("r1", "scan-2", "void", "admin", "a mistake", now_ms)
        await server.database.write(lambda conn: resolve(conn, word))
        await expect(alert).to_be_hidden(timeout=20_000)


async def test_figures_scans_and_gates_move_without_a_reload(page: Page, tmp_path: Path) -> None:
    async with server_in(tmp_path) as server:
        await sign_in(page, server)
        await expect(page.locator("#event")).to_have_text("Tech Conference 2024")
        await expect(page.locator("#event-status")).to_have_text("ended")  # of long ago
        await expect(page.locator("#attended-of")).to_have_text("/ 10")
        await expect(page.locator("#attended")).to_have_text("0")
        await expect(page.locator("#no-scans")).to_be_visible()
        await expect(tile(page, "VIP lounge")).to_contain_text("No device")

        await server.scan(1, person=1)
        await expect(page.locator("#attended")).to_have_text("1")
        await expect(page.locator("#inside")).to_have_text("1")
        await expect(page.locator("#rate")).to_have_text("10 %")
        first = page.locator("#scans tr").first
        await expect(first).to_contain_text("17:54:20")  # in the event's zone, Asia/Seoul
        await expect(first).to_contain_text("홍*동")
        await expect(first).to_contain_text("✓ confirmed")
        await tile(page, "Main entrance").get_by_role("button").click()
        await expect(page.locator("#explain")).to_contain_text("How: QR 1")
        await page.keyboard.press("Escape")
        await expect(page.locator("#no-scans")).to_be_hidden()

        await server.scan(2, person=1)
        await expect(page.locator("#conflicts")).to_have_text("⚠ 1")
        await expect(page.locator("#scans tr").first).to_contain_text("entered while inside")
        await server.scan(3, person=2, admitted=False, reason="revoked")
        await expect(page.locator("#scans tr").first).to_contain_text(
            "ticket replaced or withdrawn"
        )
        await expect(page.locator("#scans tr")).to_have_count(3)

        await server.status(waiting=7, quality="wall")
        gate = tile(page, "Main entrance")
        await expect(gate).to_contain_text("● Online")
        await expect(gate).to_contain_text("7")
        await expect(gate).to_contain_text("⚠ clock unsure")
        await server.status(ago_ms=60_000)
        await expect(gate).to_contain_text("✕ Offline")
        await expect(gate).to_contain_text(" s ago")


async def test_it_says_when_its_figures_are_old_and_comes_back(page: Page, tmp_path: Path) -> None:
    async with server_in(tmp_path) as server:
        await sign_in(page, server)
        await server.scan(1, person=1)
        await expect(page.locator("#attended")).to_have_text("1")
        port = int(server.url.rsplit(":", 1)[1])
    await expect(page.locator("#connection")).to_have_text("✕ Not connected")
    await expect(page.locator("#old")).to_contain_text("These figures are from")
    await expect(page.locator("#attended")).to_have_text("1")
    async with server_in(tmp_path, port) as server:
        await server.scan(2, person=2)
        await expect(page.locator("#connection")).to_have_text("● Live")
        await expect(page.locator("#old")).to_be_hidden()
        await expect(page.locator("#attended")).to_have_text("2")
        await expect(page.locator("#scans tr")).to_have_count(2)


async def test_an_ended_session_leads_back_to_signing_in(page: Page, tmp_path: Path) -> None:
    async with server_in(tmp_path) as server:
        await sign_in(page, server)
        port = int(server.url.rsplit(":", 1)[1])
        await server.database.write(lambda conn: conn.execute(schema.sessions.delete()))
    async with server_in(tmp_path, port):
        await expect(page.get_by_role("alert")).to_contain_text("Please sign in again")
        await expect(page.locator("#live")).to_be_hidden()


@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
async def test_nothing_spills_over_the_edge(page: Page, tmp_path: Path, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    async with server_in(tmp_path) as server:
        await server.scan(1, person=1)
        await server.scan(2, person=1)
        await server.status(waiting=1_234_567)
        await sign_in(page, server)
        await expect(page.locator("#scans tr")).to_have_count(2)
        for _language in range(2):
            wide = await page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width
            await page.locator("#language").click()


async def test_the_catalogues_are_whole(browser: Browser, tmp_path: Path) -> None:
    """P11: all pages' words are there in both languages; each reason, verdict, kind has some."""
    context = await browser.new_context()
    page = await context.new_page()
    async with server_in(tmp_path) as server:
        await page.goto(server.url)
        files = [path.name for path in sorted(STATIC.glob("words.*js"))]
        catalogues = await page.evaluate(
            """async (files) => {
                const all = {};
                for (const file of files) {
                    const { CATALOGUES, default: own } = await import(`/static/${file}`);
                    all[file] = own ?? CATALOGUES;
                }
                return JSON.stringify(all);
            }""",
            files,
        )
    await context.close()
    found: dict[str, dict[str, dict[str, str]]] = json.loads(catalogues)
    for file, texts in found.items():
        assert set(texts["en"]) == set(texts["ko"]), file
        holes = [key for language in texts.values() for key, text in language.items() if not text]
        assert set(holes) <= {"reason.ok"}, file
    needed = {f"reason.{reason.label}" for reason in Reason}
    for kind, names in [
        ("verdict", Verdict),
        ("kind", Kind),
        ("method", Method),
        ("status", EventStatus),
    ]:
        needed |= {f"{kind}.{name.value}" for name in names}  # type: ignore[attr-defined]
    assert needed <= set(found["words.live.js"]["en"]) | set(found["words.js"]["en"])


async def test_a_page_leads_to_the_others_and_says_whom_it_is_for(
    page: Page, tmp_path: Path
) -> None:
    async with server_in(tmp_path) as server:
        await sign_in(page, server)
        links = page.locator("#pages a")
        assert await links.count() == len(PAGES)
        await expect(page.locator("#pages a[aria-current]")).to_have_text("Live")
        for link in PAGES:
            await page.goto(f"{server.url}{link.address}")
            await expect(page.locator("#pages a[aria-current]")).to_have_text(link.en)


async def test_the_page_asks_nobody_else() -> None:
    for path in STATIC.iterdir():
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text.replace("}://${location.host}", ""), path.name


async def test_p2_an_operator_accepts_what_waits_and_confirms_a_forgotten_device(
    page: Page, tmp_path: Path
) -> None:
    async with server_in(tmp_path) as server:
        await server.scan(1, 1)
        revoked = {"state": "revoked", "quarantined": True}
        now_ms = system_clock.now_ms()
        await server.database.write(lambda conn: change_device(conn, "dev-north", revoked, now_ms))
        await server.scan(2, 2)
        await sign_in(page, server)
        section = page.locator("#attention")
        await expect(section).to_contain_text("dev-north (gate north) was revoked; 1 of its scans")
        await section.get_by_label("Why").fill("found in the van")
        await page.keyboard.press("Enter")
        await expect(section).to_be_hidden()
        await expect(page.locator("#scans")).not_to_contain_text("device was revoked")
        await server.database.write(
            lambda conn: change_device(conn, "dev-north", {"state": "adopted"}, now_ms)
        )
        await expect(section).to_contain_text("was enrolled after the backup")
        await section.get_by_role("button", name="Confirm").click()
        await expect(section).to_be_hidden()
        devices = await server.database.read(
            lambda conn: conn.execute(schema.devices.select()).mappings().all()
        )
        assert [row["state"] for row in devices if row["device_id"] == "dev-north"] == ["active"]
