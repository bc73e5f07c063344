"""`make screenshots`: every state of the kiosk, in both languages and both orientations.

The real page against the real KioskWeb with states of the table put in by hand, so that none is
missed. Writes var/screenshots/STATE-LANGUAGE-WIDTHxHEIGHT.png, and a sheet of each set for README
into docs/images.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from playwright.async_api import Browser, Page, async_playwright, expect

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from edge_agent.kiosk.screens import STATES, decision_frame  # noqa: E402
from edge_agent.kiosk.web import KioskWeb  # noqa: E402
from edge_agent.ports import Outcome  # noqa: E402
from shared.model import Decision, Direction, Moment  # noqa: E402
from shared.reasons import Reason  # noqa: E402

OUT = ROOT / "var" / "screenshots"
SHEETS = ROOT / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
SIZES = ((1024, 600), (600, 1024))
SHEET_WIDTH_PX = 320
HEALTH: dict[str, Any] = {
    "gate": {"id": "main", "name": "Main entrance", "direction": "entry"},
    "event": {"name": "Tech Conference 2024", "timeZone": "Asia/Seoul"},
    "device": {"id": "d-1", "name": "gate-pi-1"},
    "online": True,
    "waiting": 0,
    "replicaAgeS": 2.4,
    "inside": 128,
    "clock": {"quality": "synced", "offsetMs": 3, "errorMs": 12},
    "power": {"batteryPercent": 87, "charging": True, "temperatureC": 48.2},
    "readers": [],
}
ENROLMENT = {
    "address": "gate-pi-1 · 192.0.2.7",
    "rows": 1200,
    "gate": "Main entrance",
    "problem": None,
}
OFFLINE = {"online": False, "offlineSince": "2026-11-21T05:02:00.000Z", "waiting": 17,
           "replicaAgeS": 754.0}  # fmt: skip


def healths() -> dict[str, dict[str, Any]]:
    """By state of the table, what the agent says then; `starting` and `unlinked` have no agent."""
    found: dict[str, dict[str, Any]] = {"waiting": HEALTH, "offline": HEALTH | OFFLINE}
    for name in ("not_enrolled", "enrolling", "enrolled", "revoked"):
        shown = "device_revoked" if name == "revoked" else name  # a ticket may be revoked too
        found[shown] = HEALTH | {"enrolment": ENROLMENT | {"state": name}}
    found["out_of_order"] = HEALTH | {"outOfOrder": "DISK-FULL"}
    found["foreign_code"] = HEALTH | {"foreignCode": True}
    found["no_list"] = HEALTH | {"notEnrolled": True, "replicaAgeS": None}
    for name in ("closed", "held"):
        found[name] = HEALTH | {"mode": name}
    return found


def decisions() -> dict[str, dict[str, Any]]:
    found = {}
    for reason in Reason:
        found[reason.label] = _frame(reason, Direction.ENTRY)
    found["goodbye"] = _frame(Reason.OK, Direction.EXIT)
    found["mistyped"] = _frame(Reason.UNREADABLE, Direction.ENTRY, typed=True)
    return found


def _frame(reason: Reason, direction: Direction, *, typed: bool = False) -> dict[str, Any]:
    admitted = reason is Reason.OK
    frame = decision_frame(
        Outcome(Decision(admitted, reason), direction, Moment(1_763_700_000_000), "P1", "홍*동",
                "s", "e", 1, 1.0, typed=typed)
    )  # fmt: skip
    frame["screen"]["seconds"] = 600
    return frame


class Studio:
    def __init__(self) -> None:
        self.health = HEALTH
        self.kiosk = KioskWeb(0, self._present, lambda: self.health)
        self.taken: dict[str, list[Path]] = {}

    async def _present(self, _code: str, _direction: Direction | None) -> dict[str, Any]:
        return {}

    async def take(self, page: Page, name: str, language: str, size: tuple[int, int]) -> None:
        path = OUT / f"{name}-{language}-{size[0]}x{size[1]}.png"
        await page.screenshot(path=path, animations="disabled")
        self.taken.setdefault(f"{language}-{size[0]}x{size[1]}", []).append(path)

    async def page(self, browser: Browser, language: str, size: tuple[int, int]) -> Page:
        context = await browser.new_context(viewport={"width": size[0], "height": size[1]})
        await context.add_init_script(f"localStorage.setItem('language', '{language}')")
        return await context.new_page()

    async def shoot(self, browser: Browser, language: str, size: tuple[int, int]) -> None:
        url = await self.kiosk.start()
        page = await self.page(browser, language, size)
        await page.route_web_socket("**/api/live", lambda _silent: None)
        await page.goto(url)
        await self.take(page, "starting", language, size)
        await page.context.close()
        page = await self.page(browser, language, size)
        await page.goto(url)
        for name, health in healths().items():
            self.health = health
            self.kiosk.publish("health", health)
            await page.wait_for_timeout(150)
            await self.take(page, name, language, size)
        self.health = HEALTH
        self.kiosk.publish("health", HEALTH)
        self.kiosk.publish("reading", {})
        await page.wait_for_timeout(150)
        await self.take(page, "reading", language, size)
        for name, frame in decisions().items():
            self.kiosk.publish("decision", frame)
            await expect(page.locator("#title")).to_have_text(frame["screen"]["title"][language])
            await self.take(page, name, language, size)
        await self.kiosk.stop()
        await expect(page.locator("#stage")).to_have_attribute("data-kind", "out-of-order")
        await self.take(page, "unlinked", language, size)
        await page.context.close()

    def sheets(self) -> None:
        for name, paths in self.taken.items():
            pictures = [_small(path) for path in paths]
            columns = 6
            blank = np.full_like(pictures[0], 255)
            pictures += [blank] * (-len(pictures) % columns)
            rows = [np.hstack(pictures[i : i + columns]) for i in range(0, len(pictures), columns)]
            sheet = SHEETS / f"kiosk-{name}.jpg"
            assert cv2.imwrite(str(sheet), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 80]), sheet


def _small(path: Path) -> Any:
    picture = cv2.imread(str(path))
    assert picture is not None
    height, width = picture.shape[:2]
    scale = SHEET_WIDTH_PX / max(width, height)
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.copyMakeBorder(small, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(255, 255, 255))


async def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    assert set(STATES) <= {"starting", "unlinked", "reading", "revoked", *healths()}, (
        "a state has no picture"
    )
    studio = Studio()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        for size in SIZES:
            for language in ("ko", "en"):
                await studio.shoot(browser, language, size)
        await browser.close()
    studio.sheets()
    print(
        f"{sum(map(len, studio.taken.values()))} pictures in {OUT}, {len(studio.taken)} sheets in {SHEETS}"
    )


if __name__ == "__main__":
    asyncio.run(main())
