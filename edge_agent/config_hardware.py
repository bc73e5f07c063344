"""Settings of barrier, lights, buzzer and watchdog; a gate without any of them leaves all alone."""

from typing import Annotated, Literal

import msgspec

Line = Annotated[int, msgspec.Meta(ge=-1, le=511)]  # -1: there is none
Millis = Annotated[int, msgspec.Meta(ge=1, le=60_000)]


class HardwareConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Lines are numbers of the GPIO chip (on a Pi: BCM numbers); -1 means that there is none."""

    barrier: Literal["log", "off", "gpio"] = "log"
    """`log`: each opening is a line in DIR/barrier.log. `off`: nothing opens. `gpio`: a relay."""
    gpio_chip: str = "/dev/gpiochip0"
    """The GPIO chip (a Pi 5 before kernel 6.6.45: /dev/gpiochip4)."""
    relay_line: Line = -1
    """The relay of barrier, turnstile or door."""
    relay_active_low: bool = False
    """True for relay boards that switch when the line is low."""
    pulse_ms: Millis = 500
    """How long the relay is held for one person (ms)."""
    pulse_gap_ms: Millis = 300
    """Pause between the pulses of two people (ms): a turnstile counts pulses."""
    held_open: bool = False
    """True where the door must be held while people pass: openings join into one instead of each
    having a pulse of its own."""
    on_stop: Literal["open", "closed"] = "closed"
    """What is left behind when the agent stops: `open` (fail-safe) or `closed` (fail-secure)."""
    feedback_line: Line = -1
    """Input that is active while the barrier or door is open."""
    feedback_active_low: bool = False
    """True where the input is low while it is open."""
    feedback_ms: Millis = 2_000
    """How soon after a pulse it must have moved (ms), else the gate says that it did not."""
    door_open_s_max: Annotated[int, msgspec.Meta(ge=1, le=3_600)] = 30
    """Open for longer than this (s) is noted: held, or stuck."""
    green_line: Line = -1
    """Light for admitted."""
    red_line: Line = -1
    """Light for refused."""
    amber_line: Line = -1
    """Light for `please see staff`, and for out of order."""
    buzzer_line: Line = -1
    """A buzzer, in the patterns of the kiosk's sounds."""
    lights_active_low: bool = False
    """True where lights and buzzer are on when the line is low."""
    backlight: str = "auto"
    """The screen's light, for the brightness that supervisors set: `auto` finds it in
    /sys/class/backlight, `off` leaves it alone, or a folder; without any the page alone dims."""
    watchdog_device: str = "off"
    """A hardware watchdog to feed, as `/dev/watchdog`, or `off` (where systemd feeds it)."""
