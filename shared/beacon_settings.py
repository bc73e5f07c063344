"""How a gate takes beacons: the `beacon` member of its row (API §2 gates)."""

from enum import StrEnum
from typing import Annotated, Any

import msgspec

Db = Annotated[float, msgspec.Meta(ge=-20, le=40)]


class BeaconAdmit(StrEnum):
    """Which badges a gate lets in. A fixed id can be copied by anyone (DESIGN §7)."""

    OFF = "off"
    ROTATING = "rotating"
    ANY = "any"


class BeaconSettings(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """dB count down from the badge's measured power at 1 m: 6 is about 2 m, 1 about 1 m.
    `measuredPower` (dBm at 1 m) stands in for what badges say of themselves.
    """

    beacon_admit: BeaconAdmit = BeaconAdmit.ROTATING
    enter_db: Db = 6.0
    leave_db: Db = 14.0
    window_seconds: Annotated[float, msgspec.Meta(ge=0.5, le=15)] = 2.5
    enter_dwell_seconds: Annotated[float, msgspec.Meta(ge=0, le=15)] = 0.5
    leave_dwell_seconds: Annotated[float, msgspec.Meta(ge=0, le=120)] = 8.0
    silence_seconds: Annotated[float, msgspec.Meta(ge=2, le=120)] = 10.0
    measured_power: Annotated[int, msgspec.Meta(ge=-100, le=-20)] | None = None

    def __post_init__(self) -> None:
        if self.leave_db < self.enter_db:
            raise ValueError("leaveDb must not be less than enterDb")

    def as_json(self) -> dict[str, Any]:
        """What was set; the rest is left to the defaults."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


DEFAULT = BeaconSettings()


def beacon_settings_of(stored: dict[str, Any] | None) -> tuple[BeaconSettings, str]:
    """Settings of a gate's row, and what is wrong with them where the defaults stand in."""
    try:
        return (DEFAULT if stored is None else msgspec.convert(stored, BeaconSettings)), ""
    except msgspec.ValidationError as error:
        return DEFAULT, str(error)
