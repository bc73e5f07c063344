"""Take the README's pictures from a running demo: python tools/screenshots.py [LIVE] [KIOSK]."""

import json
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-sync"]


def main() -> None:
    live = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/"
    kiosk = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8081/"
    sign_in = json.loads((ROOT / "var" / "demo" / "sign-in.json").read_text("utf-8"))
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(live)
        page.locator("input:not([type=password])").first.fill(sign_in["name"])
        page.locator("input[type=password]").first.fill(sign_in["password"])
        page.keyboard.press("Enter")
        page.locator("input[type=password]").first.wait_for(state="hidden")
        page.wait_for_timeout(6000)
        page.screenshot(path=IMAGES / "live.png")
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(kiosk)
        page.locator("#stage[data-kind=admitted]").wait_for(timeout=60_000)
        page.wait_for_timeout(300)
        page.screenshot(path=IMAGES / "kiosk.png")
        browser.close()


if __name__ == "__main__":
    main()
