"""The contract of `edge_agent.ports.Reader`, run on each reader in a world of its own."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

import pytest

from edge_agent import system_clock
from edge_agent.ports import Reader, ReaderHealth, ReaderState, Sighting
from tests.contracts.reader_rigs import RIGS, Rig

pytestmark = pytest.mark.process


@pytest.fixture(params=list(RIGS))
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    rig = RIGS[request.param]()
    await rig.start(tmp_path)
    yield rig
    await rig.stop()


@asynccontextmanager
async def running(reader: Reader) -> AsyncIterator[list[Sighting]]:
    seen: list[Sighting] = []
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reader.run(seen.append))
        try:
            yield seen
        finally:
            task.cancel()


async def until(condition: Callable[[], object], timeout_s: float = 30) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)


def check(health: ReaderHealth, reader: Reader) -> None:
    assert health.name == reader.name
    assert health.state in get_args(ReaderState)
    for words in (health.detail, health.advice):
        assert "\n" not in words
        assert "Traceback" not in words
        assert len(words) <= 400
    assert health.detail.endswith(".") or not health.detail
    assert health.detail or health.state == "running"
    assert all(isinstance(figure, float | int) for figure in health.figures.values())


async def test_each_sighting_says_what_when_and_by_whom(rig: Rig) -> None:
    reader = rig.make()
    async with running(reader) as seen:
        before_ms = system_clock.boot_ms()
        await rig.show(1, seen.append)
        await until(lambda: seen)
        (sighting,) = seen
        assert sighting.payload == rig.expected(1)
        assert sighting.kind in {"qr", "beacon", "typed"}
        assert sighting.source == reader.name
        assert before_ms <= sighting.boot_ms <= system_clock.boot_ms()
        check(reader.health(), reader)


async def test_what_is_still_there_is_one_sighting_and_one_that_came_back_another(
    rig: Rig,
) -> None:
    reader = rig.make()
    async with running(reader) as seen:
        await rig.show(1, seen.append)
        await until(lambda: seen)
        await rig.clear()
        assert [s.payload for s in seen] == [rig.expected(1)]
        await rig.show(1, seen.append)
        await until(lambda: len(seen) == 2)
        await rig.show(2, seen.append)
        await until(lambda: len(seen) == 3)
        assert [s.payload for s in seen] == [rig.expected(n) for n in (1, 1, 2)]


async def test_health_answers_before_during_and_after_from_any_thread(rig: Rig) -> None:
    reader = rig.make()
    check(reader.health(), reader)
    async with running(reader):
        await asyncio.sleep(0)
        check(await asyncio.to_thread(reader.health), reader)
    check(reader.health(), reader)


async def test_a_cancelled_reader_lets_go_and_can_be_run_again(rig: Rig) -> None:
    reader = rig.make()
    async with running(reader) as seen:
        await rig.show(1, seen.append)
        await until(lambda: seen)
    threads = threading.active_count()
    async with asyncio.timeout(10), running(reader) as seen:
        await rig.clear()
        await rig.show(2, seen.append)
        await until(lambda: rig.expected(2) in [s.payload for s in seen])
    assert threading.active_count() <= threads + 1  # asyncio's own waiter for a child


async def test_a_lost_device_is_a_state_with_advice_and_comes_back_by_itself(rig: Rig) -> None:
    if not rig.can_lose_device:
        pytest.skip("nothing to unplug")
    reader = rig.make()
    async with running(reader) as seen:
        await rig.show(1, seen.append)
        await until(lambda: seen)
        await rig.lose()
        await until(lambda: reader.health().state in {"missing", "failed"})
        check(reader.health(), reader)
        assert reader.health().advice
        await rig.restore()
        await rig.clear()
        await rig.show(2, seen.append)
        await until(lambda: rig.expected(2) in [s.payload for s in seen])
        await until(lambda: reader.health().state in {"running", "waiting"})


async def test_a_device_that_was_never_there_is_waited_for(rig: Rig) -> None:
    if not rig.can_lose_device:
        pytest.skip("nothing to unplug")
    await rig.lose()
    reader = rig.make()
    async with running(reader) as seen:
        await until(lambda: reader.health().state in {"missing", "failed"})
        await rig.restore()
        await rig.show(3, seen.append)
        await until(lambda: [s.payload for s in seen] == [rig.expected(3)])
