"""The light of the gate's own screen, where the kernel lets it be set (/sys/class/backlight)."""

from pathlib import Path

import structlog

SYSTEM = Path("/sys/class/backlight")
LIGHTS_MAX = 8

log = structlog.get_logger(__name__)


class Backlight:
    """`place`: `auto` for the system's, `off` for none, or a folder that holds them."""

    def __init__(self, place: str = "auto") -> None:
        self._folder = None if place == "off" else SYSTEM if place == "auto" else Path(place)

    def set(self, percent: int) -> bool:
        """Whether a screen's light follows; where none does, the page alone dims."""
        done = [self._set_one(light, percent) for light in self._lights()]
        return any(done)

    def _lights(self) -> list[Path]:
        try:
            return sorted(self._folder.iterdir())[:LIGHTS_MAX] if self._folder else []
        except OSError:
            return []  # a laptop's lid, a tablet, a board without one

    def _set_one(self, light: Path, percent: int) -> bool:
        """Never quite dark: a screen that shows nothing can't be set back."""
        try:
            highest = int((light / "max_brightness").read_text("ascii"))
            (light / "brightness").write_text(str(max(1, round(highest * percent / 100))), "ascii")
        except (OSError, ValueError) as error:
            log.info("backlight_not_set", light=light.name, error=str(error))
            return False
        return True
