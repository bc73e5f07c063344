"""What a seed is about: sizes, weather, and how often each fault comes."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.network import Weather
from tests.simulation.world import World


@dataclass(slots=True)
class Plan:
    agents: int
    people: int
    minutes: float
    sightings: int
    status_s: int
    page_rows: int
    batch_max: int
    seal_rows: int
    settings: dict[str, Any]
    weather: Weather
    refusals: float
    events: dict[str, int] = field(default_factory=dict)  # kind of event → how often

    @classmethod
    def draw(cls, world: World, kinds: Collection[str]) -> "Plan":
        """One seed in ten is calm; the others have some of everything."""
        rng = world.rng
        calm = world.chance(0.1)

        def some(most: float) -> float:
            return rng.random() * most if world.chance(0.4) and not calm else 0.0

        weather = Weather(some(0.2), some(0.2), some(0.3), some(0.3), some(0.1))
        weather.latency_ms = rng.choice((5.0, 30.0, 200.0, 1_000.0))
        chosen = [kind for kind in kinds if world.chance(0.27)]
        return cls(
            agents=rng.randint(6, 12) if world.chance(0.04) else rng.choice((3, 3, 3, 4)),
            people=rng.randint(3, 7),
            minutes=rng.uniform(0.6, 2.2),
            sightings=rng.randint(10, 30),
            status_s=rng.choice((10, 30, 60)),
            page_rows=rng.choice((3, 7, 50, 5_000)),
            batch_max=rng.choice((1, 3, 500, 500)),
            seal_rows=rng.choice((1, 3, 100)),
            settings={
                "duplicateWindowSeconds": rng.choice((2, 20, 300)),
                "allowMultipleCheckins": world.chance(0.15),
                "allowReentryAfterExit": not world.chance(0.15),
            },
            weather=weather,
            refusals=some(0.1),
            events={} if calm else {kind: rng.randint(1, 3) for kind in chosen},
        )
