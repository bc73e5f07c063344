"""Barrier, lights and buzzer on GPIO lines: one thread drives them, so that no decision waits.

`open` switches the relay at once, on the lane's thread and after the commit (P1); the thread ends
the pulse, starts those that wait, watches the feedback input and plays lights and sounds.
"""

import threading
from collections.abc import Callable
from typing import Final

import structlog

from edge_agent import system_clock
from edge_agent.config_hardware import HardwareConfig
from edge_agent.hardware.lines import FEEDBACK, Lines
from edge_agent.hardware.pulses import Event, PulseRules, Pulses

log = structlog.get_logger(__name__)

TICK_S: Final = 0.02
# Lights by kind of screen, and the buzzer's pattern by sound: on, off, on … in ms.
LIGHTS: Final = {
    "admitted": "green",
    "refused": "red",
    "staff": "amber",
}
SOUNDS: Final = {
    "rise": (60, 40, 120),
    "low": (500,),
    "triple": (120, 80, 120, 80, 120),
}

OnEvent = Callable[[Event], None]


class GpioGate:
    """`ports.Barrier` and `ports.Indicator` in one, since they share a chip and a thread.

    `on_event` is called on this thread: a barrier that did not move, a door held or forced.
    """

    def __init__(self, lines: Lines, config: HardwareConfig) -> None:
        self.on_event: OnEvent = lambda _event: None
        self._lines = lines
        self._config = config
        self._pulses = Pulses(
            PulseRules(
                config.pulse_ms,
                config.pulse_gap_ms,
                config.held_open,
                config.feedback_ms if lines.has(FEEDBACK) else None,
                config.door_open_s_max * 1_000,
            )
        )
        self._lock = threading.Lock()
        self._on: dict[str, bool] = {}
        self._light_until_ms: dict[str, int] = {}
        self._buzz: list[tuple[int, bool]] = []
        self._out_of_order = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gpio", daemon=True)
        self._thread.start()

    def open(self, scan_id: str) -> None:
        with self._lock:
            self._pulses.open(scan_id, system_clock.boot_ms())
            self._drive(system_clock.boot_ms())

    def show(self, kind: str, sound: str, seconds: float) -> None:
        """The light and the sound of a screen; the next one takes its place at once."""
        with self._lock:
            now_ms = system_clock.boot_ms()
            light = LIGHTS.get(kind)
            self._light_until_ms = {} if light is None else {light: now_ms + int(seconds * 1_000)}
            at_ms, self._buzz = now_ms, []
            for number, length_ms in enumerate(SOUNDS.get(sound, ())):
                self._buzz.append((at_ms, number % 2 == 0))
                at_ms += length_ms
            self._buzz.append((at_ms, False))
            self._drive(now_ms)

    def out_of_order(self, *, now: bool) -> None:
        """Amber while nobody can be let in."""
        with self._lock:
            self._out_of_order = now

    def close(self) -> None:
        """Leave the barrier as the settings say: open (fail-safe) or closed (fail-secure)."""
        self._ended.set()
        self._thread.join(timeout=2)
        with self._lock:
            for name in ("green", "red", "amber", "buzzer"):
                self._set(name, on=False)
            self._set("relay", on=self._config.on_stop == "open")
            self._lines.close()

    def _run(self) -> None:
        while not self._ended.wait(TICK_S):
            try:
                with self._lock:
                    now_ms = system_clock.boot_ms()
                    self._drive(now_ms)
                    events = self._watch(now_ms)
            except Exception as error:  # a chip pulled off: the gate goes on deciding and says so
                log.exception("gpio_failed")
                events = [Event("failed", str(error))]
                self._ended.wait(1.0)
            for event in events:
                self.on_event(event)

    def _drive(self, now_ms: int) -> None:
        self._set("relay", on=self._pulses.relay(now_ms))
        for light in ("green", "red", "amber"):
            lit = now_ms < self._light_until_ms.get(light, 0)
            idle = light == "amber" and self._out_of_order and not self._light_until_ms
            self._set(light, on=lit or idle)
        self._light_until_ms = {k: v for k, v in self._light_until_ms.items() if v > now_ms}
        while self._buzz and self._buzz[0][0] <= now_ms:
            self._set("buzzer", on=self._buzz.pop(0)[1])

    def _watch(self, now_ms: int) -> list[Event]:
        if not self._lines.has(FEEDBACK):
            return []
        return self._pulses.watch(now_ms, is_open=self._lines.read(FEEDBACK))

    def _set(self, name: str, *, on: bool) -> None:
        if self._lines.has(name) and self._on.get(name) is not on:
            self._lines.set(name, on=on)
            self._on[name] = on
