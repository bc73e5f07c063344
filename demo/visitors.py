"""Who comes to the gate, in which order, with what in hand; and how far the queue has got."""

import json
import random
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from scenes import write_empty_scenes, write_showing

SHOWINGS_MAX = 240  # at three seconds each: twelve minutes
FRAMES_PER_SHOWING = 3
STYLES = ["phone", "phone", "paper", "dark", "rotated", "blurred"]


@dataclass(frozen=True)
class Showing:
    payload: str
    style: str
    what: str


def queue_up(good: list[str], special: list[Showing], seed: int) -> list[Showing]:
    """Good tickets at a human pace; a special one early, then now and then; some shown twice."""
    rng = random.Random(f"gatesync-queue-{seed}")
    showings: list[Showing] = []
    specials = list(special)
    for number, payload in enumerate(good):
        style = rng.choice(STYLES)
        showings.append(Showing(payload, style, "good"))
        if number % 9 == 3:
            showings.append(Showing(payload, "phone", "again at once"))
        if number % 17 == 11:
            showings.append(Showing(good[number - 6], "paper", "a ticket shown twice"))
        if number % 5 == 2 and specials:
            showings.append(specials.pop(0))
    return showings


class Queue:
    """What is still to be shown, on disk, so that the demo goes on where it ended."""

    def __init__(self, file: Path, folder: Path) -> None:
        self._file = file
        self.folder = folder
        self.waiting: list[Showing] = []
        self.batch = 0
        if file.exists():
            kept = json.loads(file.read_text("utf-8"))
            self.batch = kept["batch"]
            self.waiting = [Showing(**showing) for showing in kept["waiting"]]

    def extend(self, showings: list[Showing]) -> None:
        self.waiting += showings
        self.batch += 1
        self.save()

    def save(self) -> None:
        kept = {"batch": self.batch, "waiting": [asdict(showing) for showing in self.waiting]}
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(kept), "utf-8")
        part.replace(self._file)

    def drop(self, shown: int) -> None:
        """The first `shown` have been at the gate."""
        del self.waiting[:shown]
        self.save()

    def render(self, showings_max: int = SHOWINGS_MAX) -> int:
        """Make the camera's folder anew; say how many showings are in it."""
        shutil.rmtree(self.folder.parent, ignore_errors=True)
        self.folder.mkdir(parents=True)
        write_empty_scenes(self.folder.parent)
        (self.folder / "0000-0.jpg").hardlink_to(self.folder.parent / "empty-0.jpg")
        showings = self.waiting[:showings_max]
        for number, showing in enumerate(showings, start=1):
            seed = f"{self.batch}-{len(self.waiting)}-{number}"
            write_showing(self.folder, f"{number:04}", showing.payload, showing.style, seed)
        return len(showings)
