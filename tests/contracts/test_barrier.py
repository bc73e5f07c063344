"""The contract of `edge_agent.ports.Barrier`, run on each implementation."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config_hardware import HardwareConfig
from edge_agent.hardware.barrier import FakePin, LogBarrier
from edge_agent.hardware.gpio import GpioGate
from edge_agent.hardware.lines import MockLines, Pin, pins_of
from edge_agent.hardware.pulses import Event
from edge_agent.ports import Barrier

WAIT_S = 20
SETTINGS = HardwareConfig(
    barrier="gpio", relay_line=17, green_line=22, buzzer_line=24, pulse_ms=40, pulse_gap_ms=20
)


class GpiozeroLines:
    """gpiozero's mock pins behind our port: what the wires see, not what we believe to have set."""

    def __init__(self, pins: dict[str, Pin]) -> None:
        from gpiozero import DigitalInputDevice, DigitalOutputDevice
        from gpiozero.pins.mock import MockFactory

        self.factory = MockFactory()
        self.devices: dict[str, Any] = {
            name: DigitalOutputDevice(
                pin.number, active_high=not pin.active_low, pin_factory=self.factory
            )
            if pin.output
            else DigitalInputDevice(pin.number, pull_up=pin.active_low, pin_factory=self.factory)
            for name, pin in pins.items()
        }
        self.pulses = 0

    def has(self, name: str) -> bool:
        return name in self.devices

    def set(self, name: str, *, on: bool) -> None:
        self.pulses += name == "relay" and on
        self.devices[name].value = on

    def read(self, name: str) -> bool:
        return bool(self.devices[name].value)

    def level(self, number: int) -> bool:
        """High or low, on the wire."""
        return bool(self.factory.pin(number).state)

    def close(self) -> None:
        """The chip keeps the last values, as a Pi's does."""


def wait_for(holds: Callable[[], bool]) -> None:
    for _ in range(WAIT_S * 100):
        if holds():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came")


class Made:
    """A barrier, and how many openings the world has seen."""

    def __init__(self, barrier: Barrier, openings: Callable[[], int]) -> None:
        self.barrier = barrier
        self.openings = openings


def _logged(folder: Path) -> Made:
    path = folder / "barrier.log"
    return Made(LogBarrier(path), lambda: len(path.read_text().splitlines()))


def _fake(_folder: Path) -> Made:
    pin = FakePin()
    return Made(pin, lambda: len(pin.opened))


def _mock(_folder: Path) -> Made:
    lines = MockLines(pins_of(SETTINGS))
    return Made(GpioGate(lines, SETTINGS), lambda: lines.changes.count(("relay", True)))


def _gpiozero(_folder: Path) -> Made:
    pytest.importorskip("gpiozero")
    lines = GpiozeroLines(pins_of(SETTINGS))
    return Made(GpioGate(lines, SETTINGS), lambda: lines.pulses)


@pytest.fixture(params=[_logged, _fake, _mock, _gpiozero])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    made = request.param(tmp_path)
    yield made
    made.barrier.close()


def test_p1_each_opening_is_for_one_scan(made: Made) -> None:
    """P1: nothing opens by itself, and each admission opens once, however fast they come."""
    assert made.openings() == 0
    made.barrier.open("scan-1")
    assert made.openings() == 1, "at once: nobody waits for a thread"
    made.barrier.open("scan-2")
    wait_for(lambda: made.openings() == 2)


@pytest.mark.parametrize("active_low", [False, True])
@pytest.mark.parametrize(("on_stop", "left_open"), [("open", True), ("closed", False)])
def test_polarity_pulse_and_what_is_left_behind(
    active_low: bool, on_stop: str, left_open: bool
) -> None:
    pytest.importorskip("gpiozero")
    settings = HardwareConfig(
        relay_line=17,
        relay_active_low=active_low,
        pulse_ms=40,
        on_stop=on_stop,  # type: ignore[arg-type]
    )
    lines = GpiozeroLines(pins_of(settings))
    gate = GpioGate(lines, settings)
    assert lines.level(17) is active_low, "off before anybody came"
    gate.open("s1")
    assert lines.level(17) is not active_low
    wait_for(lambda: lines.level(17) is active_low)
    gate.close()
    assert lines.level(17) is (left_open is not active_low)


def test_a_barrier_that_did_not_move_is_known_and_one_that_did_is_not_blamed() -> None:
    settings = HardwareConfig(relay_line=17, feedback_line=27, pulse_ms=20, feedback_ms=60)
    lines = MockLines(pins_of(settings))
    events: list[Event] = []
    gate = GpioGate(lines, settings)
    gate.on_event = events.append
    gate.open("stuck")
    wait_for(lambda: Event("not_moved", "stuck") in events)
    gate.open("fine")
    lines.levels["feedback"] = True
    wait_for(lambda: Event("moved") in events)
    lines.levels["feedback"] = False
    gate.close()
    assert [event.scan_id for event in events if event.kind == "not_moved"] == ["stuck"]
    assert lines.closed


def test_lights_and_buzzer_follow_the_screen() -> None:
    lines = MockLines(pins_of(SETTINGS))
    gate = GpioGate(lines, SETTINGS)
    gate.show("admitted", "rise", 60)
    assert lines.levels["green"]
    assert lines.levels["buzzer"]
    gate.show("refused", "low", 60)
    assert not lines.levels["green"], "the next one takes its place at once"
    gate.close()
    assert not any(lines.levels.values())


def test_p12_the_log_of_openings_has_an_end(tmp_path: Path) -> None:
    path = tmp_path / "openings.log"
    barrier = LogBarrier(path, bytes_max=100)
    for n in range(20):
        barrier.open(f"scan-{n:02}")
    barrier.close()
    kept = [line for name in (f"{path}.1", path) for line in Path(name).read_text().splitlines()]
    assert kept[-1].endswith("scan-19")
    assert len(kept) <= 8
    assert sorted(tmp_path.iterdir()) == [path, Path(f"{path}.1")]
