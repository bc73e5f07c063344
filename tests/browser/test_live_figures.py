"""The live page for people who would rather look: curves, the map of gates, conflicts, a wall."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect
from sqlalchemy import insert

from shared.wire import format_time
from sync_server import system_clock
from sync_server.http.pages import vendor_folder
from sync_server.identity.people import create_person, hash_password
from sync_server.identity.rights import Role
from sync_server.storage import revisions, schema
from tests.browser.live_server import PASSWORD, Server, fill, server_in, sign_in
from tests.sync_server.builders import device_row, event_row, gate_row, participant_row

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
HOUR_MS = 3_600_000
charted = pytest.mark.skipif(
    not (vendor_folder() / "uPlot.esm.js").is_file(),
    reason="the chart library was not fetched: no package registry at set-up",
)


def event_with(gates: int) -> Callable[[Any], None]:
    """An event that runs now, with so many gates and a device at each."""

    def job(conn: Any) -> None:
        fill(conn)
        conn.execute(schema.devices.delete())
        conn.execute(schema.gates.delete())
        now_ms = system_clock.now_ms()
        times = {"start_ms": now_ms - 2 * HOUR_MS, "end_ms": now_ms + 4 * HOUR_MS}
        revisions.upsert(conn, schema.events, event_row(name="Busy day", **times))
        for n in range(1, gates + 1):
            gate = "north" if n == 1 else f"g{n}"
            device = "dev-north" if n == 1 else f"dev-{n}"
            revisions.upsert(conn, schema.gates, gate_row(gate, name=f"Gate {n}"))
            row = device_row(device, gate, public_key=f"{n:043}")
            revisions.upsert(conn, schema.devices, row)
            conn.execute(
                insert(schema.device_gates).values(device_id=device, gate_id=gate, since_ms=0)
            )
        for role in (Role.VIEWER, Role.SUPERVISOR):
            create_person(conn, role.value, role, hash_password(PASSWORD))

    return job


async def all_well(server: Server, gates: int) -> None:
    for n in range(1, gates + 1):
        device = "dev-north" if n == 1 else f"dev-{n}"
        await server.status(device, power={"batteryPercent": 80}, disk={"freeBytes": 8 * 10**9})


async def scan_ago(server: Server, seq: int, person: int, minutes: float, **more: Any) -> None:
    at = format_time(system_clock.now_ms() - round(minutes * 60_000))
    await server.scan(seq, person, occurredAt=at, **more)


@charted
async def test_curves_are_drawn_and_told_in_words_and_in_a_table(
    page: Page, tmp_path: Path
) -> None:
    async with server_in(tmp_path, filled=event_with(3)) as server:
        for seq, (person, minutes) in enumerate([(1, 90), (2, 89.5), (3, 40), (1, 35), (4, 1)], 1):
            await scan_ago(server, seq, person, minutes, direction="exit" if seq == 4 else "entry")
        await sign_in(page, server)
        await expect(page.locator("#curves")).to_have_attribute("data-charts", "drawn")
        await expect(page.locator("#curve canvas")).to_be_visible()
        await expect(page.locator("#gate-curves canvas")).to_have_count(3)
        label = await page.locator("#curve").get_attribute("aria-label")
        assert label is not None
        assert "4 people so far." in label
        assert "Expected in the end:" in label
        await page.get_by_text("The same as a table").click()
        rows = page.locator("#slots tr")
        cells = await rows.locator("td:nth-child(2)").all_inner_texts()
        assert sum(int(cell or 0) for cell in cells) == 4
        # A new arrival moves both, without a reload.
        await scan_ago(server, 6, 5, 0)
        await expect(page.locator("#curve")).to_have_attribute(
            "aria-label", pattern("5 people so far")
        )
        await page.locator("#curve .u-over").click(position={"x": 60, "y": 40})
        await expect(page.locator("#curve-caption")).to_contain_text("people came first")


def pattern(words: str) -> Any:
    import re

    return re.compile(re.escape(words))


async def test_without_the_chart_library_the_page_says_so_and_the_rest_works(
    page: Page, tmp_path: Path
) -> None:
    async with server_in(tmp_path, filled=event_with(2)) as server:
        await page.route("**/uPlot.esm.js", lambda route: route.fulfill(status=404))
        await scan_ago(server, 1, 1, 10)
        await sign_in(page, server)
        await expect(page.locator("#no-charts")).to_contain_text("Charts are missing")
        await expect(page.locator("#attended")).to_have_text("1")
        await expect(page.locator("#slots")).to_contain_text("1")


# Touches each number that is to be seen, and what the card then says.
TOUCH_EACH = """() => {
  const card = document.getElementById("explain");
  const numbers = [...document.querySelectorAll("main button.number")].filter((one) => one.checkVisibility());
  return numbers.map((one) => {
    one.click();
    const words = card.matches(":popover-open") ? card.innerText : "";
    card.hidePopover();
    return words;
  });
}"""


async def test_every_number_explains_itself_on_touch_and_by_keyboard(
    page: Page, tmp_path: Path
) -> None:
    async with server_in(tmp_path, filled=event_with(2)) as server:
        await all_well(server, 2)
        await scan_ago(server, 1, 1, 3)
        await sign_in(page, server)
        await expect(page.locator("#expected")).not_to_have_text("–")
        await page.get_by_text("The same as a table").click()
        await page.get_by_text("Groups, permissions, methods").click()
        await expect(page.locator("#groups tr")).to_have_count(1)
        card = page.locator("#explain")
        for language in ("en", "ko"):
            told = await page.evaluate(TOUCH_EACH)
            assert len(told) > 25, "tiles, gates and the columns of five tables"
            for words in told:
                assert len(words) > 20, words
                assert "x." not in words, f"a text is missing: {words}"
            number = page.locator("main button.number:visible").nth(3)
            await number.focus()
            await page.keyboard.press("Enter")
            await expect(card).to_be_visible()
            await page.keyboard.press("Escape")
            await expect(card).to_be_hidden()
            await expect(number).to_be_focused()
            await page.locator("#inside").click()
            said = {"en": "counted here", "ko": "퇴장 기록 없이"}[language]
            await expect(card).to_contain_text(said)
            await expect(card).to_contain_text({"en": "As of", "ko": "기준"}[language])
            await page.keyboard.press("Escape")
            await page.locator("#language").click()


async def test_ten_gates_fit_one_screen_and_trouble_comes_first(page: Page, tmp_path: Path) -> None:
    async with server_in(tmp_path, filled=event_with(10)) as server:
        await all_well(server, 10)
        await server.status("dev-9", ago_ms=90_000, waiting=40)
        await server.status("dev-4", quality="wall")
        await server.status("dev-7", power={"batteryPercent": 5}, disk={"freeBytes": 10**9})
        await page.set_viewport_size({"width": 1366, "height": 768})
        await sign_in(page, server)
        tiles = page.locator("#gates li")
        await expect(tiles).to_have_count(10)
        await expect(page.locator("#map-summary")).to_have_text("9 of 10 online · 3 with a problem")
        boxes = [await tile.bounding_box() for tile in await tiles.all()]
        assert all(box and box["y"] + box["height"] <= 768 for box in boxes), boxes
        names = [text.split("\n")[0] for text in await tiles.all_inner_texts()]
        assert names[:4] == ["Gate 7", "Gate 9", "Gate 4", "Gate 1"]
        for name, words in {
            "Gate 9": ("✕ Offline", "last heard", "scans to send: 40"),
            "Gate 7": ("battery 5 %",),
            "Gate 4": ("clock unsure",),
            "Gate 10": ("● Online", "To send 0", "List", "Clock ±12 ms", "Battery 80 %"),
        }.items():
            for word in words:
                await expect(tiles.filter(has_text=name)).to_contain_text(word)


async def test_two_hundred_gates_can_be_searched(page: Page, tmp_path: Path) -> None:
    async with server_in(tmp_path, filled=event_with(200)) as server:
        await all_well(server, 3)
        await sign_in(page, server)
        tiles = page.locator("#gates li")
        await expect(tiles).to_have_count(200)
        await page.get_by_label("Find a gate").fill("gate 17")
        await expect(tiles).to_have_count(11)  # 17 and 170 … 179
        await expect(page.locator("#map-summary")).to_have_text("11 of 200 shown")
        await page.get_by_label("Find a gate").fill("gate 2000")
        await expect(page.locator("#no-gates")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(tiles).to_have_count(200)
        await scan_ago(server, 1, 1, 0)  # of many gates only those that moved are told
        await page.get_by_label("Find a gate").fill("north")
        await expect(tiles.first).to_contain_text("1 · Load")


async def test_a_supervisor_decides_by_keyboard_and_a_viewer_sees_no_buttons(
    page: Page, browser: Browser, tmp_path: Path
) -> None:
    async with server_in(tmp_path, filled=event_with(2)) as server:
        await scan_ago(server, 1, 1, 30)
        await scan_ago(server, 2, 1, 10, timeErrorMs=2_500)
        await scan_ago(server, 3, 2, 20)
        await scan_ago(server, 4, 2, 9)
        context = await browser.new_context(locale="en-GB")
        other = await context.new_page()
        await sign_in(other, server, "viewer")
        await sign_in(page, server, "supervisor")
        items = page.locator("#open-conflicts > li")
        await expect(items).to_have_count(2)
        await expect(other.locator("#open-conflicts > li")).to_have_count(2)
        await expect(other.locator("#open-conflicts form")).to_have_count(0)
        first = items.filter(has_text="±2.5 s")
        await expect(first.locator(".side.this")).to_contain_text("QR · dev-north")
        await expect(first.locator(".side.other")).to_contain_text("Gate 1 · in")
        await expect(first.locator(".why")).to_contain_text("admitted while already inside")

        await first.get_by_label("Why").focus()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")  # without a reason nothing is sent
        await expect(first.get_by_label("Why")).to_be_focused()
        await page.keyboard.type("Two people, one ticket")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")  # the second button: void
        await expect(items).to_have_count(1)
        await expect(other.locator("#open-conflicts > li")).to_have_count(1)
        await page.get_by_text("Decided lately").click()
        decided = page.locator("#decided-conflicts > li")
        await expect(decided).to_contain_text("Voided by")
        await expect(decided).to_contain_text("“Two people, one ticket”. Counts as: voided.")

        await items.get_by_label("Why").fill("She went out by the fire door")
        await items.get_by_role("button", name="Accept").click()
        await expect(items).to_have_count(0)
        await expect(page.locator("#no-conflicts")).to_be_visible()
        await expect(decided.filter(has_text="fire door")).to_contain_text("Counts as: confirmed.")
        # An exit that comes late: there was no second entry while inside.
        await scan_ago(server, 5, 2, 15, direction="exit")
        await expect(decided.filter(has_text="fire door")).to_contain_text("has gone since")
        await context.close()


async def test_an_override_shows_who_and_why_at_once(page: Page, tmp_path: Path) -> None:
    async with server_in(tmp_path, filled=event_with(1)) as server:
        await sign_in(page, server)
        override = {"operatorId": "kim", "text": "Speaker, forgot the badge"}
        await scan_ago(server, 1, 1, 0, method="manual", reason="revoked", override=override)
        first = page.locator("#scans tr").first
        await expect(first).to_contain_text("by kim: “Speaker, forgot the badge”")
        await expect(first).to_contain_text("by hand")


async def test_groups_permissions_and_methods_are_shown(page: Page, tmp_path: Path) -> None:
    def people(conn: Any) -> None:
        event_with(1)(conn)
        rows = [participant_row(n, group="press" if n < 6 else "guests") for n in range(10)]
        revisions.upsert_many(conn, schema.participants, rows)

    async with server_in(tmp_path, filled=people) as server:
        await scan_ago(server, 1, 1, 3)
        await sign_in(page, server)
        await page.get_by_text("Groups, permissions, methods").click()
        await expect(page.locator("#groups tr").first).to_contain_text("press")
        press = await page.locator("#groups tr").first.locator("td").all_inner_texts()
        assert press == ["6", "1", "16.67 %", "1"]
        await expect(page.locator("#permissions")).to_contain_text("attendance")
        await expect(page.locator("#methods tr").first).to_contain_text("QR")


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (3840, 2160)])
async def test_a_wall_shows_it_large_without_anything_to_touch(
    page: Page, tmp_path: Path, width: int, height: int
) -> None:
    async with server_in(tmp_path, filled=event_with(10)) as server:
        await all_well(server, 10)
        await scan_ago(server, 1, 1, 3)
        await page.set_viewport_size({"width": width, "height": height})
        await sign_in(page, server, path="/?wall=1")
        await expect(page.locator("#gates li")).to_have_count(10)
        for hidden in (".tools", "#pages", ".find", "#enrol", ".controls"):
            await expect(page.locator(hidden)).to_be_hidden()
        size = await page.evaluate(
            "parseFloat(getComputedStyle(document.documentElement).fontSize)"
        )
        assert size >= height / 75
        for seen in ("#overall", "#gates", "#curves", "#scans tr"):
            box = await page.locator(seen).first.bounding_box()
            assert box
            assert box["y"] + box["height"] <= height, seen
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(browser: Browser, tmp_path: Path, scheme: Any) -> None:
    async with server_in(tmp_path, filled=event_with(4)) as server:
        await server.status(waiting=30, quality="wall")
        await server.status("dev-2", ago_ms=90_000)
        await scan_ago(server, 1, 1, 30)
        await scan_ago(server, 2, 1, 10)
        await scan_ago(server, 3, 3, 5, admitted=False, reason="revoked")
        context = await browser.new_context(
            viewport={"width": 1280, "height": 900}, locale="en-GB", color_scheme=scheme
        )
        page = await context.new_page()
        await sign_in(page, server)
        await expect(page.locator("#open-conflicts > li")).to_have_count(1)
        await page.get_by_text("The same as a table").click()
        await page.get_by_text("Groups, permissions, methods").click()
        await expect(page.locator("#alerts-list li").first).to_be_visible(timeout=20_000)
        for _language in range(2):
            found = await Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
            await page.locator("#gates button").first.click()
            found = await Axe().run(page, context="#explain")
            assert found.violations_count == 0, found.generate_report()
            await page.keyboard.press("Escape")
            await page.locator("#language").click()
        await context.close()
