"""P6 at the gate: one failing reader never stops another, nor the agent."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from edge_agent.config import Config
from edge_agent.ports import Emit, Reader, ReaderHealth, Sighting
from edge_agent.readers.host import ReaderHost
from edge_agent.readers.plugins import Plugin, Readers, make_readers


class Good:
    name = "good"

    async def run(self, emit: Emit) -> None:
        while True:
            emit(Sighting("qr", "GS:1", None, 1, self.name))
            await asyncio.sleep(0.02)

    def health(self) -> ReaderHealth:
        return ReaderHealth(self.name, "running", "It sees.")


class Raising(Good):
    name = "raising"
    runs = 0

    async def run(self, emit: Emit) -> None:
        self.runs += 1
        raise ValueError("cable\nbitten")


class Ending(Good):
    name = "ending"

    async def run(self, emit: Emit) -> None:
        return


class Hanging(Good):
    """Blocks its thread, as a driver's call may."""

    name = "hanging"

    def __init__(self) -> None:
        self.let_go = threading.Event()

    async def run(self, emit: Emit) -> None:
        self.let_go.wait(60)
        await asyncio.Event().wait()


class Unsure(Good):
    name = "unsure"

    def health(self) -> ReaderHealth:
        raise KeyError("figures")


def until(condition: Callable[[], object], timeout_s: float = 20) -> None:
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.01)


@contextmanager
def all_running(*readers: Reader) -> Iterator[tuple[Readers, list[Sighting]]]:
    seen: list[Sighting] = []
    together = Readers(list(readers), seen.append)
    together.start()
    try:
        yield together, seen
    finally:
        for reader in readers:
            if isinstance(reader, Hanging):
                reader.let_go.set()
        together.stop()


def states(readers: Readers) -> dict[str, tuple[str, str]]:
    return {h.name: (h.state, h.detail) for h in readers.health()}


@pytest.mark.parametrize("bad", [Raising, Ending, Hanging, Unsure])
def test_a_bad_reader_leaves_the_good_one_seeing(bad: type[Good]) -> None:
    with all_running(bad(), Good()) as (readers, seen):
        until(lambda: len([s for s in seen if s.source == "good"]) > 5)
        assert states(readers)["good"][0] == "running"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (Raising, "ValueError: cable bitten"),
        (Ending, "it ended by itself"),
        (Unsure, "can't say how it is: KeyError"),
    ],
)
def test_its_health_says_what_is_wrong(bad: type[Good], said: str) -> None:
    with all_running(bad()) as (readers, _):
        until(lambda: said in states(readers)[bad.name][1])
        assert states(readers)[bad.name][0] == "failed"


def test_it_is_started_again() -> None:
    reader = Raising()
    with all_running(reader):
        until(lambda: reader.runs >= 2)


def test_one_that_hangs_says_so_and_does_not_keep_the_agent_from_ending() -> None:
    reader = Hanging()
    host = ReaderHost(reader, lambda _: None, silence_s_max=0.2)
    host.start()
    try:
        until(lambda: "has hung" in host.health().detail)
        assert host.health().advice
        host.cancel()
        assert host.join(timeout_s=0.1) is False
    finally:
        reader.let_go.set()
        assert host.join()


def test_a_reader_that_cannot_be_made_is_a_state() -> None:
    def broken(_: Config) -> Reader:
        raise ImportError("no module named libwonder")

    made = make_readers(Config(), (Plugin("wonder", broken), Plugin("good", lambda _: Good())))
    assert [reader.health().state for reader in made] == ["failed", "running"]
    assert "libwonder" in made[0].health().detail


def test_stopping_before_the_start_is_no_trouble() -> None:
    host = ReaderHost(Good(), lambda _: None)
    host.cancel()
    assert host.join()
