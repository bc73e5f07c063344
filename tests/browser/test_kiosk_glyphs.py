"""What the Korean kiosk rules ask of glyphs (FINDINGS §3), measured on every public screen.

On screens up to 28 cm 7.25 mm for what a visitor has to read, and 4.8 mm for whatever else stands
there. A 7-inch screen is 177.8 mm from corner to corner.
"""

import math
from typing import Any

import pytest
from playwright.async_api import Page, expect

from edge_agent.kiosk.screens import STATES
from edge_agent.troubles import TROUBLES, say
from tests.browser.test_kiosk_page import Gate, gate
from tools.kiosk_screens import HEALTH, OFFLINE, decisions, healths

__all__ = ["gate"]  # the fixture
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SIZES = ((1024, 600), (800, 480), (600, 1024), (480, 800))
DIAGONAL_MM = 177.8
READ_MM, NOTE_MM = 7.25, 4.8
INSTALLERS = ("not_enrolled", "enrolling", "device_revoked", "no_list")
LONG = "가*" + "*" * 60

# Heights of ink in CSS pixels as this browser paints them: of the tallest glyph of the text, and for
# what is to be read of the lower of what it has: a Hangul syllable, a Latin capital.
_MEASURE = """() => {
    const pen = document.createElement("canvas").getContext("2d");
    const ink = (glyph) => {
        const box = pen.measureText(glyph);
        return box.actualBoundingBoxAscent + box.actualBoundingBoxDescent;
    };
    const seen = [];
    const add = (element, text) => {
        const style = getComputedStyle(element);
        const box = element.getBoundingClientRect();
        if (!box.width || style.visibility === "hidden" || !text.trim()) return;
        pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
        const glyphs = [...text].map(ink);
        const hangul = [...text].filter((glyph) => /[가-힣]/.test(glyph)).map(ink);
        const least = [...(hangul.length ? [Math.max(...hangul)] : []), ...(/[A-Za-z]/.test(text) && !hangul.length ? [ink("H")] : [])];
        seen.push({ id: element.id || element.parentElement.id, text, tallest: Math.max(...glyphs),
            least: least.length ? Math.min(...least) : Math.max(...glyphs),
            box: [box.left, box.top, box.right, box.bottom] });
    };
    for (const element of document.querySelectorAll("h1 span, header button, #say p, #strip p")) {
        if (!element.querySelector("svg")) add(element, element.innerText);
    }
    const field = document.getElementById("code");
    add(field, field.placeholder);
    const stage = document.getElementById("stage").getBoundingClientRect();
    const head = document.querySelector("header").getBoundingClientRect();
    return { seen, stage: [stage.left, stage.top, stage.right, stage.bottom], head: head.bottom,
        wide: document.body.scrollWidth, high: document.body.scrollHeight };
}"""

_PAINTED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


async def resize(page: Page, size: tuple[int, int]) -> None:
    await page.set_viewport_size({"width": size[0], "height": size[1]})
    await page.evaluate(_PAINTED)


async def check(page: Page, name: str, size: tuple[int, int]) -> None:
    mm = DIAGONAL_MM / math.hypot(*size)
    found: Any = await page.evaluate(_MEASURE)
    where = (name, size)
    assert (found["wide"], found["high"]) == size, (where, "nothing is pushed out of sight")
    assert {"title", "words"} <= {one["id"] for one in found["seen"]}, where
    for one in found["seen"]:
        read = one["id"] in ("title", "name", "words")
        if one["id"] == "words" and name in INSTALLERS:
            read = False
        height_mm = (one["least"] if read else one["tallest"]) * mm
        least_mm = READ_MM if read else NOTE_MM
        assert height_mm >= least_mm, (where, one["text"], f"{height_mm:.2f} mm")
        if one["id"] in ("title", "name", "words", "detail", "other"):
            left, top, right, bottom = one["box"]
            room = found["stage"]
            inside = left >= room[0] and right <= room[2] + 1
            inside = inside and top >= room[1] - 1 and bottom <= room[3] + 1
            assert inside, (where, one, room)


async def show_health(page: Page, gate: Gate, health: dict[str, Any]) -> None:
    gate.health = health | {"waiting": gate.health["waiting"] + 1}  # tells which is shown
    gate.kiosk.publish("health", gate.health)
    await expect(page.locator("#waiting")).to_contain_text(str(gate.health["waiting"]))


def faces() -> dict[str, dict[str, Any]]:
    """Each face that decisions have, once."""
    by_words = {str(frame["screen"]): name for name, frame in reversed(decisions().items())}
    return {name: decisions()[name] for name in by_words.values()}


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("display", ["", "large"])
async def test_every_public_screen_is_large_enough_and_whole(
    page: Page, gate: Gate, language: str, display: str
) -> None:
    if language == "en":
        await page.locator("#language").click()
    if display:
        await page.locator("#display").click()
    frames = faces()
    for size in SIZES:
        await resize(page, size)
        for name, health in healths().items():
            if health.get("enrolment"):
                gate.health = health  # the strip is not shown
                gate.kiosk.publish("health", health)
                await expect(page.locator("#title")).to_have_text(title(health, language))
            else:
                await show_health(page, gate, health)
            await check(page, name, size)
        await show_health(page, gate, HEALTH | OFFLINE)
        for name, frame in frames.items():
            gate.kiosk.publish("decision", frame)
            await expect(page.locator("#words")).to_have_text(frame["screen"]["words"][language])
            await check(page, name, size)
        gate.kiosk.publish(
            "decision", frames["ok"] | {"screen": {**frames["ok"]["screen"], "seconds": 0}}
        )
        await expect(page.locator("#stage")).to_have_attribute("data-kind", "waiting")


def title(health: dict[str, Any], language: str) -> str:
    shown: str = STATES[health["enrolment"]["state"]].title.as_json()[language]
    return shown


@pytest.mark.parametrize("language", ["ko", "en"])
async def test_the_longest_that_can_stand_there_still_does(
    page: Page, gate: Gate, language: str
) -> None:
    """A long name, long gate and event names, every trouble at once."""
    if language == "en":
        await page.locator("#language").click()
    everything = HEALTH | {
        "gate": {"id": "g", "name": "North-western registration hall entrance " * 3},
        "event": {"name": "A conference of a very long name " * 4, "timeZone": "Asia/Seoul"},
        "device": {"id": "d", "name": "gate-pi-north-western-hall-0012"},
        "troubles": [say(code, lost=12, saved=3456) for code in TROUBLES],
        "readers": [{"name": "camera", "state": "missing", "detail": "/dev/v4l/by-id/usb-046d"}],
    }
    frame = decisions()["ok"]
    long = frame | {"maskedName": LONG}
    over = frame | {"screen": {**frame["screen"], "seconds": 0}}
    for size in SIZES:
        await resize(page, size)
        await show_health(page, gate, everything)
        await check(page, "every trouble", size)
        gate.kiosk.publish("decision", long)
        await expect(page.locator("#name")).to_have_text(LONG)
        await check(page, "a long name", size)
        gate.kiosk.publish("decision", over)
        for code in ("disk_full", "disk_read_only"):
            short = code.upper().replace("_", "-")
            cause = {"outOfOrder": short, "outOfOrderWords": say(code)}
            await show_health(page, gate, everything | cause)
            await expect(page.locator("#detail")).to_contain_text(short)
            await check(page, code, size)
