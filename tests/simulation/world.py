"""Chance and the story of one run, both from its seed."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.simulation.clockwork import VirtualLoop

EPOCH_MS = 1_763_715_600_000  # virtual time 0: the event's first morning
STORY_LINES_MAX = 20_000


@dataclass(slots=True)
class World:
    """`blame` collects broken promises; the run goes on, so that the story has an end."""

    seed: int
    loop: VirtualLoop
    story: list[tuple[int, str, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    @property
    def now_ms(self) -> float:
        return self.loop.time() * 1_000

    @property
    def true_ms(self) -> int:
        """The true time since 1970, which is the server's clock."""
        return EPOCH_MS + int(self.now_ms)

    def tell(self, who: str, what: str) -> None:
        if len(self.story) < STORY_LINES_MAX:
            self.story.append((int(self.now_ms), who, what))

    def blame(self, what: str) -> None:
        if what not in self.broken:
            self.tell("BROKEN", what)
            self.broken.append(what)

    def after(self, delay_ms: float, do: Callable[[], None]) -> None:
        self.loop.call_later(max(delay_ms, 0.0) / 1_000, do)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def token(self, size: int = 8) -> str:
        return self.rng.randbytes(size).hex()
