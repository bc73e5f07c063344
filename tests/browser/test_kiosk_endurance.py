"""The page left open all day: 10,000 decisions without growth, and how soon a decision is seen."""

import statistics
from typing import Any

import pytest
from playwright.async_api import Page, expect

from shared.reasons import Reason
from tests.browser.test_kiosk_page import Gate, gate

__all__ = ["gate"]  # the fixture
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
DECISIONS = 10_000
WARM_UP = 1_000
GROWTH_BYTES_MAX = 1 << 20
LATENCIES = 30

# Counts frames as they arrive, and tells when the picture with a decision has been painted.
_WATCH = """() => {
    window.painted = [];
    new MutationObserver(() => requestAnimationFrame(() => requestAnimationFrame(
        () => window.painted.push(Date.now())))).observe(document.getElementById("stage"),
        { attributes: true, attributeFilter: ["data-kind"] });
}"""


async def _heap(cdp: Any) -> tuple[int, int]:
    await cdp.send("HeapProfiler.collectGarbage")
    heap = await cdp.send("Runtime.getHeapUsage")
    counters = await cdp.send("Memory.getDOMCounters")
    return int(heap["usedSize"]), int(counters["nodes"] + counters["jsEventListeners"])


async def _show(page: Page, gate: Gate, count: int) -> None:
    """By bursts that the page's queue takes; the last name says that all have come."""
    reasons = [Reason.OK, Reason.UNKNOWN, Reason.JUST_SCANNED, Reason.OK]
    for start in range(0, count, 20):
        for number in range(start, start + 20):
            gate.decide(reasons[number % 4], name=f"홍{number}")
        gate.decide(Reason.OK, name=f"끝{start}")
        await expect(page.locator("#name")).to_have_text(f"끝{start}")


@pytest.mark.timeout(300)
async def test_p12_ten_thousand_decisions_leave_nothing_behind(page: Page, gate: Gate) -> None:
    cdp = await page.context.new_cdp_session(page)
    await _show(page, gate, WARM_UP)
    bytes_before, things_before = await _heap(cdp)
    await _show(page, gate, DECISIONS)
    bytes_after, things_after = await _heap(cdp)
    print(f"heap {bytes_before:,} → {bytes_after:,} bytes, nodes {things_before} → {things_after}")
    assert bytes_after - bytes_before < GROWTH_BYTES_MAX
    assert things_after <= things_before + 50


async def test_decision_to_pixels_is_measured(page: Page, gate: Gate) -> None:
    """Printed, not asserted: a loaded machine is no fault of the page (`pytest -s` shows it)."""
    from edge_agent import system_clock

    await page.evaluate(_WATCH)
    took: list[int] = []
    for number in range(LATENCIES):
        before_ms = system_clock.wall_ms()
        gate.decide(Reason.OK if number % 2 else Reason.UNREADABLE)
        await page.wait_for_timeout(60)
        await expect(page.locator("#stage")).to_have_attribute(
            "data-kind", "admitted" if number % 2 else "refused"
        )
        painted: list[int] = await page.evaluate("() => window.painted.splice(0)")
        took += [at_ms - before_ms for at_ms in painted[-1:]]
    assert took, "each decision was painted"
    ordered = sorted(took)
    print(
        f"decision to pixels: median {statistics.median(ordered):.0f} ms, "
        f"worst {ordered[-1]} ms of {len(ordered)}"
    )
