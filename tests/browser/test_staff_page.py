"""The supervisors' side in a real browser, at a real gate without any network."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import argon2
import httpx
import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from edge_agent.bootstrap import Running
from edge_agent.config import Config
from edge_agent.folder import GateFolder
from edge_agent.identity import b64_encode, load_identity, save_identity
from edge_agent.parts import GateParts
from edge_agent.storage.replica import Replica
from shared import wire
from shared.findable import marks_of
from tests.edge_agent.gate import KEY, code, enrolled_folder
from tests.edge_agent.storage import lines
from tests.processes.fleet import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
PIN = "246813"
HASH = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PIN)


def _with_staff(folder: Path) -> Path:
    enrolled_folder(folder)
    sealing = msgspec.structs.replace(
        load_identity(folder), server_key=b64_encode(b"\t" + bytes(31))
    )
    save_identity(folder, sealing)
    operator = wire.OperatorLine(
        revision=11, hash="0" * 32, operator_id="op-1", name="김감독", active=True, pin_hash=HASH
    )
    person = lines.participant(1, 12)
    person.find = marks_of(KEY, "홍길동", "hong@example.com", "010-1234-5678")
    replica = Replica.open(folder / "replica.db")
    other = msgspec.structs.replace(operator, operator_id="op-2", name="Ann Lee", pin_hash=HASH)
    replica.apply_page([operator, other, person], lines.page(12))
    replica.close()
    return folder


@pytest_asyncio.fixture(loop_scope="session")
async def gate(page: Page, tmp_path: Path) -> AsyncIterator[GateParts]:
    """A gate whose server is nowhere."""
    folder = _with_staff(tmp_path / "gate")
    light = tmp_path / "lights" / "10-0045"
    light.mkdir(parents=True)
    (light / "max_brightness").write_text("200")
    (light / "brightness").write_text("200")
    config = Config(kiosk_port=0, backlight=str(light.parent))
    with GateParts.open(GateFolder(folder), config) as parts:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        running = Running(parts, config, "", lambda _code: None)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(running.run(ready.set_result))
            await page.goto(await ready)
            await expect(page.locator("#stage")).to_have_attribute("data-kind", "waiting")
            yield parts
            task.cancel()


def _recorded(gate: GateParts, reason: str) -> None:
    until(lambda: gate.journal.newest(1)[0].body.get("reason") == reason, "it is written down")


def _present(url: str, shown: str) -> None:
    httpx.post(f"{url}api/present", json={"code": shown}, timeout=10).raise_for_status()


async def sign_in(page: Page) -> None:
    await page.locator("#staff").focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="김*독").click()
    for digit in PIN:
        await page.get_by_role("button", name=digit, exact=True).click()
    await page.locator(".pin .main").click()
    await expect(page.locator("#query")).to_be_visible()


async def test_a_full_session_offline_is_settled_by_touch(page: Page, gate: GateParts) -> None:
    """P5, P11: find, see why, admit with a reason, take back; nothing asks the network."""
    sighting_code = code(1)
    await page.keyboard.type(sighting_code)
    await page.keyboard.press("Enter")
    await expect(page.locator("#stage")).to_have_attribute("data-kind", "admitted")
    await sign_in(page)
    for jamo in "ㅎㅗㅇㄱㅣㄹㄷㅗㅇ":  # on the kiosk's own keys
        await page.get_by_role("button", name=jamo, exact=True).click()
    await expect(page.locator("#query")).to_have_value("홍길동")
    await page.get_by_role("button", name="찾기", exact=True).click()
    card = page.locator(".cards li")
    await expect(card).to_have_count(1)
    await expect(card).to_contain_text("홍*동")
    await expect(card).to_contain_text("이미 입장한 참가자입니다.")
    await card.get_by_role("button", name="허용").click()
    await page.get_by_role("button", name="신분 확인됨").click()
    await expect(page.locator("#desk-said")).to_contain_text("홍*동")
    newest = page.locator(".cards li").first
    await expect(newest).to_contain_text("신분 확인됨")
    await newest.get_by_role("button", name="되돌리기").click()
    await page.get_by_role("button", name="기기 오류").click()
    await expect(page.locator("#desk-said")).to_contain_text("되돌림")
    types = [row.body["type"] for row in gate.journal.newest(5)]
    assert types == ["resolution", "scan", "note", "scan"]


async def test_a_wrong_pin_is_told_and_a_badge_opens_the_desk(page: Page, gate: GateParts) -> None:
    await sign_in(page)
    await page.locator("#desk-close").click()
    await expect(page.locator("#desk")).to_be_hidden()
    await page.keyboard.type("GS:STAFF:OP-1")  # the badge, by a hand scanner
    await page.keyboard.press("Enter")
    await page.locator("#pin").fill("000000")
    await page.keyboard.press("Enter")
    await expect(page.locator("#desk-said")).to_have_text("이름이나 PIN이 맞지 않습니다")
    assert gate.journal.newest(1)[0].body["note"] == "pin_wrong"


async def test_a_walk_in_tapped_twice_is_one_and_has_a_name(page: Page, gate: GateParts) -> None:
    await sign_in(page)
    await page.get_by_role("button", name="현장 등록").click()
    await page.locator("#walk-name").fill("이도령")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="신분 확인됨").dblclick()
    await expect(page.locator(".cards li").first).to_contain_text("이*령 허용됨")
    await expect(page.locator("#desk-said")).to_contain_text("이*령")
    bodies = [row.body for row in gate.journal.newest(5)]
    assert [body.get("kind") for body in bodies if body["type"] == "scan"] == ["walk_in"]


async def test_a_desk_left_alone_gives_the_screen_back(page: Page, gate: GateParts) -> None:
    await page.clock.install()
    await page.reload()
    await expect(page.locator("#stage")).to_have_attribute("data-kind", "waiting")
    await sign_in(page)
    await page.clock.run_for(301_000)  # the session is over
    await expect(page.get_by_role("button", name="김*독")).to_be_visible()
    await page.clock.run_for(61_000)
    await expect(page.locator("#desk")).to_be_hidden()
    assert not gate.lane.health.fault


async def test_a_badge_held_up_covers_no_visitors_answer(page: Page, gate: GateParts) -> None:
    await page.keyboard.type("GS:STAFF:NOBODY")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="김*독")).to_be_visible()
    await asyncio.to_thread(_present, page.url, code(1))
    await expect(page.locator("#desk")).to_be_hidden()
    await expect(page.locator("#stage")).to_have_attribute("data-kind", "admitted")
    assert not gate.lane.health.fault


async def test_closed_and_held_show_at_once(page: Page, gate: GateParts) -> None:
    await sign_in(page)
    await page.get_by_role("button", name="게이트").click()
    await expect(page.locator("#pane")).to_contain_text("모두 대기")
    await page.get_by_role("button", name="모두 대기").click()
    await expect(page.locator("#stage")).to_have_attribute("data-kind", "held")
    await page.locator("#desk-close").click()
    await page.keyboard.type(code(1))
    await page.keyboard.press("Enter")
    await expect(page.locator("#code")).to_have_value("")
    await asyncio.to_thread(_recorded, gate, "gate_closed")
    await expect(page.locator("#title")).to_have_text("잠시 기다려 주세요")
    await sign_in(page)
    await page.get_by_role("button", name="게이트").click()
    await page.get_by_role("button", name="닫음").click()
    await expect(page.locator("#stage")).to_have_attribute("data-kind", "closed")
    assert gate.lane.facts.closed


async def test_brightness_dims_the_screen_itself_and_the_page_stays_bright(
    page: Page, gate: GateParts, tmp_path: Path
) -> None:
    await sign_in(page)
    await page.get_by_role("button", name="게이트").click()
    await expect(page.locator("#pane")).to_contain_text("이 페이지만 어두워집니다")
    await page.get_by_role("slider", name="밝기").focus()
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator("#pane")).to_contain_text("화면의 조명이 함께 조절됩니다.")
    assert (tmp_path / "lights" / "10-0045" / "brightness").read_text() == "180"
    assert await page.evaluate("document.body.style.getPropertyValue('--dim')") == "1"
    assert gate.journal.newest(1)[0].body["data"]["brightness"] == 90
