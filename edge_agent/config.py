"""The agent's settings: one TOML file, then `GATESYNC_…` in the environment, then the command line.

Every field is documented here with its meaning, unit and default; docs name each.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from edge_agent.config_hardware import HardwareConfig
from shared.errors import UsageError
from shared.model import Direction

ENVIRONMENT_PREFIX = "GATESYNC_"
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]


class Config(HardwareConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of `edge-agent run` and `decide`. In the environment: GATESYNC_CAMERA and so on."""

    camera: str = "off"
    """A camera number, a device, `pi` (the Pi's own camera), a stream (`rtsp://`, `http://`,
    `tcp://`), a video file, a folder of images, or `off`."""
    scanner: str = "off"
    """Hand scanners: `auto` (what calls itself a scanner), device paths or parts of names with
    commas between them (`/dev/ttyACM0`, `Honeywell`), or `off`."""
    scanner_layout: Literal["us", "kr"] = "us"
    """The keyboard that a scanner pretends to be."""
    scanner_prefix: str = "none"
    r"""What the scanner sends before each code: `none`, or text such as `\x02`."""
    scanner_suffix: str = "enter"
    r"""What it sends after each code: `enter`, `tab`, `none`, or text."""
    scanner_baud: Annotated[int, msgspec.Meta(ge=300, le=921_600)] = 9_600
    """Speed of a serial scanner, in bits a second."""
    beacons: str = "off"
    """The Bluetooth adapter that looks for beacons (`hci0`), `auto` (the first one), or `off`."""
    direction: Direction | None = None
    """At a gate for both ways: what the camera sees counts as `entry` (default) or `exit`."""
    server: str = ""
    """The sync server's address, for enrolling by a bare code at the kiosk; the enrolment QR says it
    itself."""
    kiosk_host: str = "127.0.0.1"
    """Where the kiosk page listens. Leave it on the loopback: nobody signs in there."""
    kiosk_port: Port = 8081
    """TCP port of the kiosk page; 0 takes a free one."""
    disk_warn_mib: Annotated[int, msgspec.Meta(ge=0)] = 500
    """With less free on the disk, in MiB, the kiosk and the server warn."""
    disk_reserve_mib: Annotated[int, msgspec.Meta(ge=0, le=4_096)] = 32
    """Laid by for the journal, in MiB, and freed when the disk is full; 0 keeps none."""
    disk_slow_ms: Annotated[int, msgspec.Meta(ge=1)] = 100
    """Where writing a scan down takes longer, in ms, the disk is told to be slow."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What goes to standard error."""


def load_config(file: Path | None, environment: Mapping[str, str], **given: object) -> Config:
    """The settings in force; `given` are the command line's, None where it said nothing."""
    values: dict[str, Any] = {} if file is None else _read(file)
    for name in Config.__struct_fields__:
        text = environment.get(ENVIRONMENT_PREFIX + name.upper())
        if text is not None:
            values[name] = text
    values.update({name: value for name, value in given.items() if value is not None})
    try:
        return msgspec.convert(values, Config, strict=False)
    except msgspec.ValidationError as error:
        where = f" in {file}" if file else ""
        known = ", ".join(Config.__struct_fields__)
        raise UsageError(f"settings{where}: {error}; the settings are {known}") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is no TOML: {error}") from error
