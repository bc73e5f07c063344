"""One event from its list to its report, as people live it: pages, mails, gates, a conflict, a word.

A real server, a real mail server, three real agents and a real browser. P2, P10, P11. With
`STORY_IMAGES=FOLDER` it leaves pictures of the pages there (`make screenshots`).
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import zxingcpp
from playwright.async_api import Page, expect

from tests.processes.fleet import PASSWORD, Gate, Server, ending, until
from tests.processes.proxy import Proxy
from tests.smtp import MailServer, mail_server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.process,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="session"),
]
PEOPLE = """이름,이메일,전화번호,그룹
홍길동,hong@example.com,010-1234-5678,발표자
김서연,seoyeon@example.com,010-2345-6789,일반
John Doe,john@example.com,+44 20 7946 0958,일반
이하준,hajun@,010-3456-7890,일반
박지우,jiwoo@example.com,010-4567-8901,일반
최민서,minseo@example.com,,일반
"""


class Event:
    """Everything that runs, and the page that a person looks at."""

    def __init__(self, folder: Path, smtp: MailServer, stack: ExitStack) -> None:
        self.smtp = smtp
        self.server = Server(folder, participants=0)
        self.server.environment |= {
            f"GATESYNC_{name.upper()}": str(value) for name, value in smtp.settings().items()
        }
        stack.enter_context(ending(self.server))
        self.server.start()
        self.server.ask("PATCH", "/event", {"eventName": "서울 테크 콘퍼런스", "venue": "코엑스"})
        self.server.ask("PATCH", "/gates/g1", {"name": "정문"})
        self.server.ask("PATCH", "/gates/g2", {"name": "동문"})
        self.server.ask("POST", "/gates", {"id": "g3", "name": "후문"})
        self.line = stack.enter_context(Proxy(self.server.port))
        self.gates = [
            Gate(folder, self.server, "g1"),
            Gate(folder, self.server, "g2", through=self.line.url),
            Gate(folder, self.server, "g3"),
        ]
        for gate in self.gates:
            stack.enter_context(ending(gate))
            gate.start()

    def tickets(self) -> dict[str, str]:
        """E-mail → what its picture's QR holds, as a phone shows it."""
        return {mail.to: _qr_of(mail.message) for mail in self.smtp.arrived()}

    def everywhere(self, count: int) -> bool:
        return all(gate.status()["participants"] == count for gate in self.gates)


@contextmanager
def running(folder: Path) -> Iterator[Event]:
    with ExitStack() as stack:
        smtp = stack.enter_context(mail_server(folder / "smtp"))
        yield Event(folder, smtp, stack)


def _qr_of(message: Any) -> str:
    for part in message.walk():
        if part.get_content_type() == "image/png":
            pixels = np.frombuffer(part.get_payload(decode=True), np.uint8)
            (code,) = zxingcpp.read_barcodes(cv2.imdecode(pixels, cv2.IMREAD_GRAYSCALE))
            return str(code.text)
    raise AssertionError("the mail shows no ticket")


async def picture(page: Page, name: str) -> None:
    folder = os.environ.get("STORY_IMAGES")
    if folder:
        await page.screenshot(path=Path(folder) / f"story-{name}.png")


async def test_p2_p10_an_event_from_its_list_to_its_report(page: Page, tmp_path: Path) -> None:
    await page.set_viewport_size({"width": 1280, "height": 800})
    with running(tmp_path) as event:
        await sign_in(page, event)
        await import_the_list(page, event)
        tickets = await mail_the_tickets(page, event)
        await let_them_in(page, event, tickets)
        await settle_the_conflict(page, event)
        await read_the_report(page, event)
        event.server.verify()


async def sign_in(page: Page, event: Event) -> None:
    await page.goto(event.server.url + "/import")
    await page.get_by_label("Name").fill("owner")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#drop")).to_be_visible()
    await page.get_by_role("button", name="한국어").click()


async def import_the_list(page: Page, event: Event) -> None:
    """Six lines, one of them with half an address: five are kept, one says why not."""
    content = PEOPLE.encode("cp949")  # as Excel in Korea writes it
    file = {"name": "참가자.csv", "mimeType": "text/csv", "buffer": content}
    await page.locator("#file").set_input_files(files=[file])
    await expect(page.locator("#rows-body tr.created")).to_have_count(5)
    await expect(page.locator("#rows-body tr.refused")).to_have_count(1)
    await picture(page, "import")
    await page.locator("#import").click()
    await expect(page.locator("#result-title")).to_have_text("가져왔습니다")
    assert len(event.server.get("/participants")["items"]) == 5


async def mail_the_tickets(page: Page, event: Event) -> dict[str, str]:
    await page.goto(event.server.url + "/mail")
    await expect(page.locator("#would")).to_contain_text("5")
    await page.get_by_role("button", name="5명에게 보내기").click()
    await expect(page.locator("#list .sent")).to_have_count(5, timeout=30_000)
    await picture(page, "mail")
    assert len(event.smtp.arrived()) == 5
    tickets = event.tickets()
    assert len(set(tickets.values())) == 5
    assert all(code.startswith("GS:TST") for code in tickets.values())
    await asyncio.to_thread(until, lambda: event.everywhere(5), "every gate has the list")
    return tickets


async def let_them_in(page: Page, event: Event, tickets: dict[str, str]) -> None:
    """Three gates; the second is cut off, and admits somebody who is inside already."""
    front, east, back = event.gates
    await page.goto(event.server.url + "/")
    await expect(page.locator("#live")).to_be_visible()
    assert front.present(tickets["hong@example.com"])["admitted"]
    assert east.present(tickets["seoyeon@example.com"])["admitted"]
    assert back.present(tickets["john@example.com"])["admitted"]
    await expect(page.locator("#scans tr")).to_have_count(3)
    await asyncio.to_thread(until, east.uploaded, "the east gate has told")

    event.line.cut_off()
    assert front.present(tickets["jiwoo@example.com"])["admitted"]
    assert east.present(tickets["jiwoo@example.com"])["admitted"], "it can't know (P5)"
    assert not back.present("GS:TST" + "A" * 17)["admitted"]
    await expect(page.locator("#scans tr")).to_have_count(5)
    event.line.mend()
    await expect(page.locator("#open-conflicts li")).to_have_count(1, timeout=30_000)


async def settle_the_conflict(page: Page, event: Event) -> None:
    (conflict,) = event.server.get("/conflicts?open=true")["items"]
    assert {conflict["gateId"], conflict["against"]["gateId"]} == {"g1", "g2"}
    item = page.locator("#open-conflicts li")
    await expect(item).to_contain_text("박*우")
    await item.scroll_into_view_if_needed()
    await item.get_by_role("textbox").fill("같은 분이 두 번 찍었습니다")
    await picture(page, "conflict")
    await item.locator("button[value=void]").click()
    await expect(page.locator("#no-conflicts")).to_be_visible()
    await page.evaluate("scrollTo(0, 0)")
    await picture(page, "live")


async def read_the_report(page: Page, event: Event) -> None:
    figures = event.server.get("/stats/overall")
    assert (figures["attendedParticipants"], figures["conflicts"]) == (4, 0)
    await page.goto(event.server.url + "/api/v1/reports/final.html?language=ko")
    await expect(page.locator("h1")).to_have_text("서울 테크 콘퍼런스")
    row = page.locator("tr", has_text="참석률").first
    await expect(row).to_contain_text("80.0 %")
    conflicts = page.locator("section", has=page.get_by_role("heading", name="충돌", exact=True))
    await expect(conflicts).to_contain_text("취소 처리")
    await expect(conflicts).to_contain_text("같은 분이 두 번 찍었습니다 (owner)")
    await picture(page, "report")
    async with page.expect_download() as waiting:
        await page.get_by_role("link", name="전체 내보내기 (ZIP)").click()
    assert (await (await waiting.value).path()).stat().st_size > 5_000
