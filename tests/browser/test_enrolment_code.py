"""The enrolment code on the live page is one that a gate's camera reads."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.async_api import Page, expect

from edge_agent.readers.decode import decode
from shared.credentials import looks_like_enrolment
from tests.browser.live_server import server_in, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_an_operator_makes_a_code_that_the_camera_reads(page: Page, tmp_path: Path) -> None:
    async with server_in(tmp_path) as server:
        await sign_in(page, server)
        await page.get_by_role("button", name="Make a one-use code").click()
        drawing = page.locator("#enrol-code svg")
        await expect(drawing).to_be_visible()
        picture = cv2.imdecode(
            np.frombuffer(await drawing.screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE
        )
        assert picture is not None
        (read,) = decode(np.asarray(picture, np.uint8)).payloads
        assert looks_like_enrolment(read.decode())
        assert read.decode().startswith(f"{server.url}/enrol#code=")
