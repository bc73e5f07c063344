"""WCAG 2.2 AA by axe-core, and targets of 64 px, on every screen of the kiosk and its staff side."""

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from edge_agent.kiosk.catalogue import texts
from edge_agent.parts import GateParts
from tests.browser import test_kiosk_page, test_staff_page
from tests.browser.test_kiosk_glyphs import faces, show_health, title
from tests.browser.test_kiosk_page import Gate
from tests.edge_agent.gate import code
from tools.kiosk_screens import HEALTH, OFFLINE, healths

public = test_kiosk_page.gate
staffed = test_staff_page.gate
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
RULES = {"rules": {"target-size": {"enabled": True}}}
DISPLAYS = {"plain": 0, "large and high contrast": 3}
_SMALL = """() => [...document.querySelectorAll(
    (document.querySelector("dialog[open]") ? "dialog[open] " : "") + ":is(button, input, label.pick)")]
    .filter((one) => one.type !== "checkbox" && one.getClientRects().length && !one.closest("[hidden]"))
    .map((one) => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
    .filter(([, box]) => box.width < 63.5 || box.height < 63.5)
    .map(([html, box]) => `${html}: ${box.width} × ${box.height}`)"""


async def clean(page: Page, where: str) -> None:
    found: Any = await Axe().run(page, options=RULES)
    assert not found.response["violations"], (where, found.generate_report())
    assert await page.evaluate(_SMALL) == [], where


async def set_face(page: Page, language: str, display: str) -> None:
    if language == "en":
        await page.locator("#language").click()
    for _ in range(DISPLAYS[display]):
        await page.locator("#display").click()


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("display", DISPLAYS)
async def test_every_public_screen(page: Page, public: Gate, language: str, display: str) -> None:
    gate = public
    await set_face(page, language, display)
    for name, health in healths().items():
        if health.get("enrolment"):
            gate.health = health
            gate.kiosk.publish("health", health)
            await expect(page.locator("#title")).to_have_text(title(health, language))
        else:
            await show_health(page, gate, health)
        await clean(page, f"{name}, {language}, {display}")
    await show_health(page, gate, HEALTH | OFFLINE)
    for name, frame in faces().items():
        gate.kiosk.publish("decision", frame)
        await expect(page.locator("#words")).to_have_text(frame["screen"]["words"][language])
        await clean(page, f"{name}, {language}, {display}")
    await gate.kiosk.stop()
    await expect(page.locator("#stage")).to_have_attribute("data-kind", "out-of-order")
    await clean(page, f"unlinked, {language}, {display}")
    await gate.restart()


@pytest.mark.parametrize(
    ("language", "display", "size"),
    [
        ("ko", "plain", (800, 480)),
        ("en", "plain", (480, 800)),
        ("en", "large and high contrast", (1024, 600)),
    ],
)
async def test_every_screen_of_the_staff_side(
    page: Page, staffed: GateParts, language: str, display: str, size: tuple[int, int]
) -> None:
    await page.set_viewport_size({"width": size[0], "height": size[1]})
    await set_face(page, language, display)
    words = texts(language)

    async def is_clean(name: str) -> None:
        await clean(page, f"{name}, {language}, {display}, {size}")

    async def press(key: str, **values: object) -> None:
        name = words[key].format(**values)
        await page.get_by_role("button", name=name, exact=True).first.click()

    await page.keyboard.type(code(1))
    await page.keyboard.press("Enter")
    await expect(page.locator("#stage")).to_have_attribute("data-kind", "admitted")
    await page.locator("#staff").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#desk h3")).to_have_text(words["s.who"])
    await is_clean("who are you")
    await page.locator("#desk .choices button").first.click()
    await expect(page.locator("#pin")).to_be_focused()
    await is_clean("PIN")
    await page.locator("#pin").fill("000000")
    await page.keyboard.press("Enter")
    await expect(page.locator("#desk-said")).to_have_text(words["s.wrong"])
    await is_clean("a wrong PIN")
    await page.locator("#pin").fill(test_staff_page.PIN)
    await page.keyboard.press("Enter")
    await expect(page.locator("#query")).to_be_focused()
    await is_clean("search")
    await page.locator("#query").fill("홍길동")
    await page.keyboard.press("Enter")
    await expect(page.locator(".cards li")).to_have_count(1)
    await is_clean("found")
    await page.locator(".cards button.refuse").click()
    await expect(page.locator("#why")).to_be_visible()
    await is_clean("why")
    await press("s.why6")
    await expect(page.locator(".cards li").first).to_contain_text(words["s.why6"])
    await is_clean("recent")
    await page.locator(".cards button.refuse").last.click()  # take the admission back
    await expect(page.locator("#why")).to_be_visible()
    await is_clean("taking back")
    await press("s.walkIn")
    await expect(page.locator("#walk-name")).to_be_focused()
    await is_clean("walk-in")
    await press("s.gate")
    await press("s.checks")
    await expect(page.locator("#pane pre")).to_be_visible()
    await is_clean("settings")


async def test_where_nobody_has_a_pin(page: Page, public: Gate) -> None:
    """A gate without supervisors: its staff side says what to do."""
    await page.route("**/api/manual/operators", lambda route: route.fulfill(json={"items": []}))
    await page.locator("#staff").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#desk-body p")).to_have_text(texts("ko")["s.nobody"])
    await clean(page, "nobody has a PIN")
