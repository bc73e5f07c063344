"""`make screenshots`: the live page, its wall display and the event's page, on a busy day.

The real server and pages; what ten gates would send is put in by hand, from one seed. Writes
docs/images for README.
"""

import asyncio
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from shared.wire import format_time  # noqa: E402
from sync_server import system_clock  # noqa: E402
from sync_server.storage import revisions, schema  # noqa: E402
from tests.browser.live_server import PASSWORD, Server, server_in  # noqa: E402
from tests.browser.test_live_figures import event_with  # noqa: E402
from tests.sync_server.builders import add_people, event_row, gate_row  # noqa: E402

IMAGES = ROOT / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
HOUR_MS = 3_600_000
NAMES = ("Main entrance A", "Main entrance B", "South door", "VIP lounge", "Press desk",
         "Staff entry", "Hall 1", "Hall 2", "Garden gate", "Car park")  # fmt: skip
PEOPLE, CAME = 400, 230
# name, width, height, path, language, light or dark
PICTURES = (
    ("live", 1366, 1080, "/", "en-GB", "light"),
    ("live-wall", 1920, 1080, "/?wall=1", "ko-KR", "dark"),
    ("event", 1280, 1000, "/event", "en-GB", "light"),
)


def gate_of(number: int) -> tuple[str, str]:
    """(gate, device) as `event_with` names them."""
    return ("north", "dev-north") if number == 1 else (f"g{number}", f"dev-{number}")


def fill(conn: Any) -> None:
    event_with(len(NAMES))(conn)
    now_ms = system_clock.now_ms()
    times = {"start_ms": now_ms - 3 * HOUR_MS, "end_ms": now_ms + 5 * HOUR_MS}
    revisions.upsert(conn, schema.events, event_row(name="Tech Conference 2026", **times))
    for number, name in enumerate(NAMES, 1):
        revisions.upsert(conn, schema.gates, gate_row(gate_of(number)[0], name=name))
    add_people(conn, range(10, PEOPLE))


async def busy_day(server: Server) -> None:
    chance = random.Random(4)  # noqa: S311 - the same picture each time
    now_ms = system_clock.now_ms()
    people = chance.sample(range(PEOPLE), CAME)
    begun = now_ms - 3 * HOUR_MS
    times = sorted(
        min(now_ms - 1_000, begun + int(HOUR_MS * max(-0.8, chance.gauss(1.4, 0.9))))
        for _ in people
    )
    written = dict.fromkeys(range(1, len(NAMES) + 1), 0)

    async def scan(number: int, person: int, at_ms: int, **more: Any) -> None:
        gate_id, device_id = gate_of(number)
        written[number] += 1
        about = {"scanId": f"{gate_id}-{written[number]}", "occurredAt": format_time(at_ms)}
        await server.scan(
            written[number], person, device_id=device_id, gateId=gate_id, **about, **more
        )

    for at_ms, person in zip(times, people, strict=True):
        method = chance.choice(("qr_scan", "qr_scan", "qr_scan", "ble_auto", "manual"))
        await scan(chance.randint(1, len(NAMES)), person, at_ms, method=method)
    await scan(4, people[3], now_ms - 90_000, timeErrorMs=2_500)
    word = {"operatorId": "kim", "text": "Speaker, forgot the badge"}
    stranger = next(person for person in range(PEOPLE) if person not in people)
    await scan(5, stranger, now_ms - 500, method="manual", reason="not_permitted", override=word)
    for number in written:
        trouble = {3: {"ago_ms": 400_000, "waiting": 37}, 6: {"quality": "wall"}}.get(number, {})
        battery = 6 if number == 8 else chance.randint(30, 100)
        await server.status(
            gate_of(number)[1],
            power={"batteryPercent": battery},
            disk={"freeBytes": 8 * 10**9},
            **trouble,
        )


async def take(browser: Browser, server: Server, picture: tuple[Any, ...]) -> None:
    name, width, height, path, language, scheme = picture
    context = await browser.new_context(
        viewport={"width": width, "height": height}, locale=language, color_scheme=scheme
    )
    page = await context.new_page()
    await page.goto(server.url + path)
    await page.locator("#name").fill("admin")
    await page.locator("#password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.locator("#gates li, #transitions li").first.wait_for()
    await page.wait_for_timeout(3_000)  # until the forecast has come and all is drawn
    await page.screenshot(path=IMAGES / f"{name}.png")
    await context.close()
    print(IMAGES / f"{name}.png")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with server_in(Path(folder), filled=fill) as server, async_playwright() as playwright:
            await busy_day(server)
            browser = await playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
            )
            for picture in PICTURES:
                await take(browser, server, picture)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
