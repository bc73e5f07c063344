"""Walks past a gate's receiver, simulated and recorded, and what a filter made of them.

Simulated: path loss with exponent 2.17 from −58.9 dBm at 1 m (fitted to the CC0 set of Daniş et
al., PMC 81, 2022, FINDINGS §2); σ 6.5 dB as Rayleigh fading (5.6 dB, correlated over 0.9 s) and
log-normal shadowing by bodies (3.4 dB, over 2 s): so the set's residuals have their skewness of
−0.6 and their correlation of 0.48 between neighbouring adverts.
"""

from __future__ import annotations

import ast
import math
import random
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from edge_agent.readers.presence_filter import PresenceFilter, PresenceSettings

NEAR_M, FAR_M = 2.0, 4.0
POWER_DBM, EXPONENT, SHADOW_DB = -58.9, 2.17, 3.4
SHADOW_S, FADING_S = 2.0, 0.9
_RAYLEIGH_MEAN_DB = -2.5  # of a power of mean 1
_GAP_S = 1.0
_VISIT_S_MIN = 1.0
_PI_PREFIX = "b827"  # of the twelve receivers four are Raspberry Pis


@dataclass(frozen=True)
class Walk:
    """One receiver's view of one walk: (s, dBm) heard, and (s, m) as it truly was."""

    name: str
    heard: Sequence[tuple[float, float]]
    truth: Sequence[tuple[float, float]]

    def distance(self, at_s: float) -> float:
        place = bisect_left(self.truth, (at_s,))
        return self.truth[min(place, len(self.truth) - 1)][1]

    def visits(self) -> list[tuple[float, float]]:
        """When the badge was nearer than 2 m for a second or more; gaps of a second don't count."""
        found: list[list[float]] = []
        for at_s, distance_m in self.truth:
            if distance_m >= NEAR_M:
                continue
            if found and at_s - found[-1][1] <= _GAP_S:
                found[-1][1] = at_s
            else:
                found.append([at_s, at_s])
        return [(a, b) for a, b in found if b - a >= _VISIT_S_MIN]


@dataclass
class Score:
    visits: int = 0
    found: int = 0
    enters: int = 0
    between: int = 0  # entered at 2–4 m
    beyond: int = 0  # entered from beyond 4 m
    late_s: tuple[float, ...] = ()

    def row(self, name: str) -> str:
        late = sorted(self.late_s)
        share = f"{100 * self.found / self.visits:6.1f}" if self.visits else "     –"
        typical = f"{median(late):6.2f}" if late else "     –"
        p95 = f"{late[math.ceil(0.95 * len(late)) - 1]:6.2f}" if late else "     –"
        return (
            f"{name:34} {self.visits:6} {share} {self.enters:6} {self.between:7} {self.beyond:6}"
            f" {typical} {p95}"
        )


HEAD = f"{'':34} visits  found% enters  2–4 m   >4 m  late s   p95"
Presences = Callable[[Walk], list[tuple[float, float]]]


def presences(
    walk: Walk, settings: PresenceSettings, power_dbm: int = -59
) -> list[tuple[float, float]]:
    """(entered, left) in seconds; one that is still there has left at infinity."""
    presence: PresenceFilter[str] = PresenceFilter(settings)
    found: list[tuple[float, float]] = []
    entered: float | None = None
    for at_s, rssi in walk.heard:
        at_ms = round(at_s * 1_000)
        for change in [*presence.passed(at_ms), *presence.heard("badge", rssi, at_ms, power_dbm)]:
            if change.event == "enter":
                entered = change.at_ms / 1_000
            elif entered is not None:
                found.append((entered, change.at_ms / 1_000))
                entered = None
    return found if entered is None else [*found, (entered, math.inf)]


def score(walks: Iterable[Walk], settings: PresenceSettings) -> Score:
    total = Score()
    for walk in walks:
        spans = presences(walk, settings)
        total.enters += len(spans)
        for entered, _ in spans:
            distance_m = walk.distance(entered)
            total.beyond += distance_m > FAR_M
            total.between += NEAR_M < distance_m <= FAR_M
        for start, end in walk.visits():
            total.visits += 1
            hits = [entered for entered, left in spans if entered <= end and left >= start]
            if hits:
                total.found += 1
                total.late_s += (max(0.0, hits[0] - start),)
    return total


# --- simulated -----------------------------------------------------------------------------------

Path2D = Callable[[float], tuple[float, float]]


def simulate(
    name: str,
    path: Path2D,
    duration_s: float,
    rng: random.Random,
    *,
    gate: tuple[float, float] = (0.0, 0.0),
    adverts_per_s: float = 5.0,
    lost: float = 0.15,
) -> Walk:
    """What a receiver at `gate` hears of a badge that goes along `path`."""
    heard, truth = [], []
    shadow_db, at_s, before_s = rng.gauss(0, SHADOW_DB), rng.random() / adverts_per_s, 0.0
    field = complex(rng.gauss(0, 1), rng.gauss(0, 1))
    while at_s < duration_s:
        x, y = path(at_s)
        distance_m = max(math.hypot(x - gate[0], y - gate[1]), 0.1)
        kept = math.exp(-(at_s - before_s) / SHADOW_S)
        shadow_db = kept * shadow_db + rng.gauss(0, SHADOW_DB * math.sqrt(1 - kept * kept))
        kept = math.exp(-(at_s - before_s) / FADING_S)
        spread = math.sqrt(1 - kept * kept)
        field = kept * field + spread * complex(rng.gauss(0, 1), rng.gauss(0, 1))
        fading_db = 10 * math.log10(max(abs(field) ** 2 / 2, 1e-4)) - _RAYLEIGH_MEAN_DB
        truth.append((at_s, distance_m))
        if rng.random() > lost:
            level = POWER_DBM - 10 * EXPONENT * math.log10(distance_m)
            heard.append((at_s, round(level + shadow_db + fading_db)))
        before_s, at_s = at_s, at_s + 1 / adverts_per_s + rng.random() * 0.01
    return Walk(name, heard, truth)


def visit(side_m: float, stay_s: float, speed: float = 1.2) -> tuple[Path2D, float]:
    """Walk up along a lane at `side_m` from the receiver, stand there, walk on."""
    reach_s = 10 / speed

    def path(at_s: float) -> tuple[float, float]:
        if at_s < reach_s:
            return -10 + at_s * speed, side_m
        return max(0.0, at_s - reach_s - stay_s) * speed, side_m

    return path, 2 * reach_s + stay_s


def passer(distance_m: float, speed: float = 1.2) -> tuple[Path2D, float]:
    return lambda at_s: (-12 + at_s * speed, distance_m), 24 / speed


def lingerer(distance_m: float, duration_s: float, rng: random.Random) -> tuple[Path2D, float]:
    """Walks up, then shifts about within half a metre."""
    phase = rng.random() * 6

    def path(at_s: float) -> tuple[float, float]:
        sway = 0.5 * math.sin(at_s / 7 + phase)
        return -8 + 1.2 * min(at_s, 8 / 1.2) + sway, distance_m + 0.4 * math.sin(at_s / 11)

    return path, duration_s


# --- recorded ------------------------------------------------------------------------------------


def load(folder: Path) -> dict[str, list[Walk]]:
    """The set's walks by name, as its Raspberry Pis heard them; distances in the plane."""
    first = (folder / "cnf" / "tetam.dev").read_text("utf-8").splitlines()[0]
    devices = ast.literal_eval(first.removeprefix("Dongles:").strip())
    places = {name: found[0] for name, found in devices.items() if name.startswith(_PI_PREFIX)}
    walks: dict[str, list[Walk]] = {}
    for file in sorted((folder / "trk").glob("*_all_sensors.mbd")):
        name = file.name.removesuffix("_all_sensors.mbd")
        rows = [line.split(",") for line in file.read_text("utf-8").splitlines() if line]
        start_s = min(float(row[0]) for row in rows)
        where = sorted({(float(row[0]) - start_s, float(row[4]), float(row[5])) for row in rows})
        heard: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for row in rows:
            heard[row[1]].append((float(row[0]) - start_s, float(row[3])))
        walks[name] = [
            Walk(
                f"{name} at {receiver}",
                sorted(heard[receiver]),
                [(at_s, math.hypot(x - place[0], y - place[1])) for at_s, x, y in where],
            )
            for receiver, place in places.items()
        ]
    return walks
