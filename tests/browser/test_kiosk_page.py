"""The kiosk page in a real browser against the real KioskWeb; only the lane is a stand-in."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from edge_agent.kiosk.screens import decision_frame
from edge_agent.kiosk.web import KioskWeb
from edge_agent.ports import Outcome
from shared.model import Decision, Direction, Moment
from shared.reasons import Reason

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


class Gate:
    """A lane of one ticket: `GS:GOOD` is admitted once, all else is not on the list."""

    def __init__(self) -> None:
        self.used = False
        self.seconds = 60  # a decision stays while the test looks, however slow the machine
        self.health: dict[str, Any] = {
            "gate": {"id": "main", "name": "Main entrance", "direction": "entry"},
            "event": {"name": "Tech Conference 2024", "timeZone": "Asia/Seoul"},
            "online": True,
            "offlineSince": None,
            "waiting": 0,
            "replicaAgeS": 2.4,
            "inside": 128,
            "clock": {"quality": "synced", "offsetMs": 3, "errorMs": 12},
            "readers": [{"name": "camera", "state": "running", "detail": ""}],
        }
        self.kiosk = KioskWeb(0, self.present, lambda: self.health)
        self.url = ""

    async def present(self, code: str, _direction: Direction | None) -> dict[str, Any]:
        reason = Reason.ALREADY_INSIDE if self.used else Reason.OK
        if code != "GS:GOOD":
            reason = Reason.UNREADABLE
        self.used = self.used or reason is Reason.OK
        return self.decide(reason)

    def decide(
        self, reason: Reason, name: str = "홍*동", language: str | None = None
    ) -> dict[str, Any]:
        frame = decision_frame(
            Outcome(
                decision=Decision(reason is Reason.OK, reason),
                direction="entry",
                moment=Moment(1_763_700_000_000),
                participant_id="P001",
                masked_name=name,
                scan_id="s1",
                epoch="e",
                seq=1,
                processing_ms=1.0,
                language=language,
            )
        )
        frame["screen"]["seconds"] = self.seconds
        self.kiosk.publish("decision", frame)
        return frame

    async def restart(self) -> None:
        port = int(self.url.rstrip("/").rsplit(":", 1)[1])
        self.kiosk = KioskWeb(port, self.present, lambda: self.health)
        await self.kiosk.start()


@pytest_asyncio.fixture(loop_scope="session")
async def gate(page: Page) -> AsyncIterator[Gate]:
    gate = Gate()
    gate.url = await gate.kiosk.start()
    await page.goto(gate.url)
    await shows(page, "waiting")
    yield gate
    await gate.kiosk.stop()


async def shows(page: Page, kind: str) -> None:
    await expect(page.locator("#stage")).to_have_attribute("data-kind", kind)


async def type_code(page: Page, code: str) -> None:
    """As a hand scanner does: no click first, Enter last."""
    await page.keyboard.type(code)
    await page.keyboard.press("Enter")


async def test_admitted_then_used_then_waiting_again(page: Page, gate: Gate) -> None:
    await type_code(page, "GS:GOOD")
    await shows(page, "admitted")
    await expect(page.locator("#title")).to_have_text("환영합니다")
    await expect(page.locator("#other")).to_contain_text("Welcome")
    await expect(page.locator("#name")).to_have_text("홍*동")
    await expect(page.locator("#stage")).to_have_css("background-color", "rgb(11, 107, 46)")
    await expect(page.locator("#code")).to_have_value("")
    await type_code(page, "GS:GOOD")  # the next decision interrupts at once
    await shows(page, "staff")
    await expect(page.locator("#stage")).to_have_css("background-color", "rgb(255, 179, 0)")
    await expect(page.locator("#name")).to_be_hidden()
    gate.seconds = 1
    gate.decide(Reason.OK)
    await shows(page, "waiting")


async def test_a_decision_speaks_the_persons_language_and_the_kiosk_its_own_again(
    page: Page, gate: Gate
) -> None:
    gate.decide(Reason.OK, "J*** D**", language="en")
    await expect(page.locator("#title")).to_have_text("Welcome")
    await expect(page.locator("#say")).to_have_attribute("lang", "en")
    await expect(page.locator("#other")).to_contain_text("환영합니다")
    await expect(page.locator("#other")).to_have_attribute("lang", "ko")
    await expect(page.locator("#online")).to_have_text("온라인")  # the strip is the gate's
    gate.seconds = 1
    gate.decide(Reason.OK, language="en")
    await shows(page, "waiting")
    await expect(page.locator("#say")).to_have_attribute("lang", "ko")
    await expect(page.locator("#title")).to_contain_text("보여 주세요")
    gate.seconds = 60
    gate.decide(Reason.UNKNOWN, language="en")
    await expect(page.locator("#title")).to_have_text("Please see staff")
    gate.decide(Reason.OK)  # the next person wished for nothing
    await expect(page.locator("#title")).to_have_text("환영합니다")
    gate.decide(Reason.OK, language="ko")
    await page.locator("#language").click()  # a touch is the later wish
    await expect(page.locator("#title")).to_have_text("Welcome")


async def test_refused_says_why(page: Page, gate: Gate) -> None:
    await type_code(page, "hello")
    await shows(page, "refused")
    await expect(page.locator("#words")).to_have_text("코드를 확인하고 다시 시도해 주세요.")
    await expect(page.locator("#stage")).to_have_css("background-color", "rgb(176, 0, 32)")


@pytest.mark.parametrize("reason", [Reason.REVOKED, Reason.CANCELLED, Reason.BLOCKED])
async def test_a_stranger_reads_only_please_see_staff(
    page: Page, gate: Gate, reason: Reason
) -> None:
    gate.decide(reason)
    await shows(page, "staff")
    await expect(page.locator("#title")).to_have_text("직원에게 문의해 주세요")
    await expect(page.locator("body")).not_to_contain_text("홍*동")


async def test_the_strip_tells_offline_waiting_age_and_readers(page: Page, gate: Gate) -> None:
    await expect(page.locator("#online")).to_have_text("온라인")
    gate.health |= {
        "online": False,
        "offlineSince": "2025-11-20T05:02:00.000Z",
        "waiting": 17,
        "replicaAgeS": 754.0,
        "readers": [{"name": "camera", "state": "missing", "detail": "/dev/video0"}],
    }
    await page.locator("#language").click()
    await expect(page.locator("#online")).to_have_text("Offline since 11-20 14:02")
    await expect(page.locator("#online")).to_have_class("trouble")
    await expect(page.locator("#waiting")).to_have_text("17 scans to send")
    await expect(page.locator("#age")).to_have_text("List 13 min old")
    await expect(page.locator("#readers")).to_have_text("Reader trouble: camera (/dev/video0)")
    gate.kiosk.publish("count", {"inside": 129})
    await expect(page.locator("#inside")).to_have_text("129 inside")
    await shows(page, "waiting")  # being offline does not stop the gate


async def test_p10_a_double_entry_stands_in_the_strip_until_it_is_decided(
    page: Page, gate: Gate
) -> None:
    notice = page.locator("#double")
    await expect(notice).to_be_hidden()
    gate.health["doubleEntries"] = {
        "count": 2,
        "gate": "North gate",
        "at": "2026-11-21T00:31:00.000Z",
    }
    gate.kiosk.publish("health", gate.health)
    await expect(notice).to_have_text("중복 입장 2건 (다른 게이트: North gate 09:31) — 직원 확인")
    await page.locator("#language").click()
    await expect(notice).to_have_text("Double entry: 2 (other gate: North gate 09:31) – see staff")
    gate.health["doubleEntries"] = None
    gate.kiosk.publish("health", gate.health)
    await expect(notice).to_be_hidden()


async def test_a_code_that_is_no_ticket_is_hinted_at(page: Page, gate: Gate) -> None:
    gate.health["foreignCode"] = True
    await expect(page.locator("#words")).to_contain_text("티켓이 아닙니다")
    await expect(page.locator("#other")).to_contain_text("no ticket")
    gate.health["foreignCode"] = False
    await expect(page.locator("#words")).not_to_contain_text("티켓이 아닙니다")


async def test_it_outlives_a_restart_of_the_agent(page: Page, gate: Gate) -> None:
    gate.decide(Reason.OK)
    await shows(page, "admitted")
    await gate.kiosk.stop()
    await shows(page, "out-of-order")
    await expect(page.locator("#title")).to_have_text("잠시 이용할 수 없습니다")
    await expect(page.locator("#waiting")).to_be_hidden()
    await gate.restart()
    await shows(page, "waiting")
    await expect(page.locator("#inside")).to_have_text("안에 128명")


async def test_not_enrolled_and_out_of_order_come_from_the_agent(page: Page, gate: Gate) -> None:
    gate.health |= {"outOfOrder": "DISK", "device": {"id": "d1", "name": "Left door"}}
    await shows(page, "out-of-order")
    await expect(page.locator("#words")).to_have_text("직원에게 문의해 주세요.")
    await expect(page.locator("#detail")).to_have_text("DISK · Left door")
    del gate.health["outOfOrder"]
    gate.health["notEnrolled"] = True
    await shows(page, "not-enrolled")


async def test_the_language_is_switched_by_keyboard_and_kept(page: Page, gate: Gate) -> None:
    await page.locator("#language").focus()
    await page.keyboard.press("Space")
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(page.locator("#title")).to_contain_text("QR code")
    await page.reload()
    await expect(page.locator("#title")).to_contain_text("QR code")
    await expect(page.get_by_role("textbox", name="Type a ticket code")).to_be_visible()
    await expect(page.get_by_role("button", name="한국어")).to_be_visible()


async def test_both_catalogues_have_each_text(page: Page, gate: Gate) -> None:
    keys = await page.evaluate(
        """async () => {
            const { CATALOGUES } = await import("/static/words.js");
            return Object.values(CATALOGUES).map((texts) => Object.entries(texts).map(
                ([key, text]) => key + " " + (text.match(/{\\w+}/g) ?? []).sort().join()));
        }"""
    )
    assert sorted(keys[0]) == sorted(keys[1])


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("size", [(1024, 600), (800, 480), (600, 1024), (480, 800), (1920, 1080)])
async def test_everything_fits_on_the_screen(
    page: Page, gate: Gate, size: tuple[int, int], large: bool
) -> None:
    """Each screen's texts lie inside the stage, at each size, in both languages, large text too."""
    width, height = size
    await page.set_viewport_size({"width": width, "height": height})
    if large:
        await page.locator("#display").click()
    for language in range(2):
        if language:
            await page.locator("#language").click()
        for reason in Reason:
            words = gate.decide(reason, name="A******* B*********")["screen"]["words"]
            await expect(page.locator("#words")).to_have_text(
                re.compile("|".join(map(re.escape, words.values())))
            )
            fits = await page.evaluate(
                """() => {
                    const box = (id) => document.getElementById(id).getBoundingClientRect();
                    const say = box("say"), stage = box("stage");
                    const foot = document.querySelector("footer").getBoundingClientRect();
                    return [say.top >= stage.top, say.bottom <= stage.bottom,
                            say.right <= innerWidth, foot.bottom <= innerHeight + 1,
                            document.body.scrollWidth <= innerWidth];
                }"""
            )
            assert all(fits), (reason, language, fits)
