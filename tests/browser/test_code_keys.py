"""A kiosk that has nothing but its touchscreen: codes are typed by keys on the screen."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from edge_agent.kiosk.catalogue import texts
from tests.browser.test_axe import clean
from tests.browser.test_kiosk_page import Gate, gate, shows
from tools.kiosk_screens import healths

__all__ = ["gate"]  # the fixture
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
SIZES = [(800, 480), (480, 800)]
ADDRESS = "http://10.0.0.2:8080/enrol#code=A_b-9&key=Zz"
_WHOLE = """() => [document.body.scrollWidth <= innerWidth, document.body.scrollHeight <= innerHeight,
    ...[...document.querySelectorAll("#code-keys button")].map((key) => {
        const box = key.getBoundingClientRect();
        const head = document.getElementById("code").getBoundingClientRect();
        return box.left >= 0 && box.right <= innerWidth && box.top >= head.bottom && box.bottom <= innerHeight;
    })]"""


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A touchscreen; a script error or a breach of the CSP fails the test."""
    context = await browser.new_context(
        viewport={"width": 800, "height": 480}, has_touch=True, locale="en-GB"
    )
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        lambda said: faults.append(said.text) if "Content Security" in said.text else None,
    )
    yield page
    await context.close()
    assert faults == []


async def tap(page: Page, text: str) -> None:
    keys = page.locator("#code-keys button")
    for letter in text:
        if letter.isalpha() and not await keys.get_by_text(letter, exact=True).count():
            await keys.get_by_text("⇧").tap()
        await keys.get_by_text("␣" if letter == " " else letter, exact=True).tap()


@pytest.mark.parametrize("size", SIZES)
async def test_a_ticket_code_is_typed_by_touch_alone(
    page: Page, gate: Gate, size: tuple[int, int]
) -> None:
    await page.set_viewport_size({"width": size[0], "height": size[1]})
    keys = page.locator("#code-keys")
    await expect(keys).to_be_hidden()
    await page.locator("#code").tap()
    await expect(keys).to_be_visible()
    assert all(await page.evaluate(_WHOLE))
    await tap(page, "GS:GOX⌫OD")
    await expect(page.locator("#code")).to_have_value("GS:GOOD")
    await tap(page, "⏎")
    await shows(page, "admitted")
    await expect(keys).to_be_hidden()


async def test_a_decision_closes_the_keys_and_so_do_their_own_key_and_escape(
    page: Page, gate: Gate
) -> None:
    keys = page.locator("#code-keys")
    await page.locator("#code").tap()
    await tap(page, "GS✕")
    await expect(keys).to_be_hidden()
    await page.locator("#code").tap()
    await page.keyboard.press("Escape")
    await expect(keys).to_be_hidden()
    await page.locator("#code").tap()
    await expect(keys).to_be_visible()
    await gate.present("GS:GOOD", None)  # somebody else's, at the camera
    await shows(page, "admitted")
    await expect(keys).to_be_hidden()
    await page.keyboard.type("GS:GOOD")  # a hand scanner needs none
    await expect(keys).to_be_hidden()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", ["ko", "en"])
async def test_the_keys_are_named_large_and_whole(
    page: Page, gate: Gate, size: tuple[int, int], language: str
) -> None:
    """Those for a ticket's code, and those for an enrolment's address."""
    await page.set_viewport_size({"width": size[0], "height": size[1]})
    words = texts(language)
    for health in (gate.health, healths()["not_enrolled"]):
        gate.health = health
        gate.kiosk.publish("health", health)
        await shows(page, "not-enrolled" if health.get("enrolment") else "waiting")
        await page.locator("#code").tap()
        if language == "en" and await page.locator("html").get_attribute("lang") == "ko":
            await page.locator("#language").tap()  # the keys are open: they are named anew
        for name in ("s.back", "s.close", "key.hyphen", "key.colon"):
            key = page.locator("#code-keys").get_by_role("button", name=words[name], exact=True)
            await expect(key).to_be_visible()
        assert all(await page.evaluate(_WHOLE))
        await clean(page, f"keys, {language}, {size}")
        if not health.get("enrolment"):
            await tap(page, "✕")
    await tap(page, ADDRESS)
    await expect(page.locator("#code")).to_have_value(ADDRESS)
