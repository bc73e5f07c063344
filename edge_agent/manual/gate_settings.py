"""What a supervisor set at this gate, kept over restarts in `DIR/gate.json`."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import structlog

from edge_agent.durable_file import write_whole
from shared.model import Direction

log = structlog.get_logger(__name__)
Mode = Literal["open", "closed", "held"]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
BRIGHTNESS_MIN = 20  # a page that nobody can read can't be set back


class GateSettings(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """`mode`: `closed` until opened again; `held` for a moment, everybody waits. Exits stay open.

    `direction` is for a gate for both ways; None leaves it to the settings file.
    """

    mode: Mode = "open"
    direction: Direction | None = None
    brightness: Percent = 100
    volume: Percent = 60


def load_settings(path: Path) -> GateSettings:
    """What was set last; the defaults where nothing was, or where it can't be read any more."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=GateSettings)
    except FileNotFoundError:
        return GateSettings()
    except (OSError, msgspec.DecodeError) as error:
        log.warning("gate_settings_unreadable", error=str(error))
        return GateSettings()


def save_settings(path: Path, settings: GateSettings) -> None:
    write_whole(path, msgspec.json.encode(settings) + b"\n")
