"""Pins by name behind one port: libgpiod's on a Pi, and a mock for tests and dry runs."""

from typing import Any, NamedTuple, Protocol

from edge_agent.config_hardware import HardwareConfig
from shared.errors import UsageError

OUTPUTS = ("relay", "green", "red", "amber", "buzzer")
FEEDBACK = "feedback"


class Pin(NamedTuple):
    number: int
    active_low: bool
    output: bool


class Lines(Protocol):
    """`on` is meant logically: whether the pin is high or low then is the wiring's affair."""

    def has(self, name: str) -> bool: ...

    def set(self, name: str, *, on: bool) -> None: ...

    def read(self, name: str) -> bool: ...

    def close(self) -> None:
        """Let the pins go; their last values stay as far as the chip keeps them."""


def pins_of(config: HardwareConfig) -> dict[str, Pin]:
    """The pins that are there, by name. UsageError where two share one line."""
    lights = config.lights_active_low
    wanted = {
        "relay": Pin(config.relay_line, config.relay_active_low, output=True),
        "green": Pin(config.green_line, lights, output=True),
        "red": Pin(config.red_line, lights, output=True),
        "amber": Pin(config.amber_line, lights, output=True),
        "buzzer": Pin(config.buzzer_line, lights, output=True),
        FEEDBACK: Pin(config.feedback_line, config.feedback_active_low, output=False),
    }
    pins = {name: pin for name, pin in wanted.items() if pin.number >= 0}
    numbers = [pin.number for pin in pins.values()]
    if len(set(numbers)) != len(numbers):
        raise UsageError("two of the settings relay_line, green_line … name one and the same line")
    return pins


class GpiodLines:
    """libgpiod 2.x. The relay starts switched off whatever it was: nobody has been admitted yet."""

    def __init__(self, chip: str, pins: dict[str, Pin]) -> None:
        import gpiod
        from gpiod.line import Bias, Direction, Value

        self._pins = pins
        self._active, self._inactive = Value.ACTIVE, Value.INACTIVE
        settings: Any = {
            pin.number: gpiod.LineSettings(
                direction=Direction.OUTPUT if pin.output else Direction.INPUT,
                active_low=pin.active_low,
                output_value=Value.INACTIVE,
                bias=Bias.AS_IS if pin.output else _pull(Bias, pin),
            )
            for pin in pins.values()
        }
        try:
            self._request: Any = gpiod.request_lines(chip, consumer="gatesync", config=settings)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{chip} can't be used ({error}): check gpio_chip and the line numbers, and that "
                "nothing else holds them"
            ) from error

    def has(self, name: str) -> bool:
        return name in self._pins

    def set(self, name: str, *, on: bool) -> None:
        self._request.set_value(self._pins[name].number, self._active if on else self._inactive)

    def read(self, name: str) -> bool:
        return bool(self._request.get_value(self._pins[name].number) == self._active)

    def close(self) -> None:
        self._request.release()


def _pull(bias: Any, pin: Pin) -> Any:
    """Against what the switch connects to, so that a broken wire reads as closed."""
    return bias.PULL_UP if pin.active_low else bias.PULL_DOWN


class MockLines:
    """Pins in memory: `levels` holds their logical values, `changes` all that was set."""

    def __init__(self, pins: dict[str, Pin]) -> None:
        self._pins = pins
        self.levels: dict[str, bool] = dict.fromkeys(pins, False)
        self.changes: list[tuple[str, bool]] = []
        self.closed = False

    def has(self, name: str) -> bool:
        return name in self._pins

    def set(self, name: str, *, on: bool) -> None:
        self.levels[name] = on
        self.changes.append((name, on))

    def read(self, name: str) -> bool:
        return self.levels[name]

    def close(self) -> None:
        self.closed = True
