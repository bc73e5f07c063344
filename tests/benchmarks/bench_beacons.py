"""The presence filter's errors: missed, false, late, wrong gate. Simulated walks, and recorded ones
where GATESYNC_BLE_WALKS names a folder (docs/beacons.md tells its form).
"""

from __future__ import annotations

import itertools
import os
import random
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from edge_agent.readers.presence_filter import PresenceSettings
from tests.benchmarks.ble_walks import (
    HEAD,
    Score,
    Walk,
    lingerer,
    load,
    passer,
    presences,
    score,
    simulate,
    visit,
)

SEED, EACH = 20261121, 150
RATES_HZ = (2.2, 5.0, 10.0)
DEFAULT = PresenceSettings()
NARROW = PresenceSettings(enter_db=1.0)
GRID = [
    PresenceSettings(enter_db=enter, leave_db=enter + 8, window_ms=window, enter_dwell_ms=dwell)
    for enter, window, dwell in itertools.product(
        (4.0, 5.0, 5.5, 6.0, 6.5, 7.0, 8.0), (2_000, 2_500, 3_000, 4_000), (500, 1_000)
    )
]


def main() -> int:
    simulated(random.Random(SEED))
    side_by_side(random.Random(SEED))
    folder = os.environ.get("GATESYNC_BLE_WALKS")
    if not folder:
        print("\nrecorded walks: GATESYNC_BLE_WALKS names no folder, so none")
        return 0
    try:
        walks = load(Path(folder))
    except (OSError, ValueError, IndexError, SyntaxError) as error:
        print(f"\nGATESYNC_BLE_WALKS={folder} holds no walks as docs/beacons.md says: {error}")
        return 1
    recorded(walks)
    return 0


def simulated(rng: random.Random) -> None:
    print(f"simulated, {EACH} walks at each of {RATES_HZ} adverts/s\n{HEAD}")
    visits = [
        simulate("visit", *visit(rng.uniform(0.4, 1.2), rng.uniform(2, 5)), rng, adverts_per_s=rate)
        for rate in RATES_HZ
        for _ in range(EACH)
    ]
    print(score(visits, DEFAULT).row("walks up and stands 2–5 s"))
    for distance_m in (4.5, 6.0, 8.0):
        walks = [
            simulate("passer", *passer(distance_m), rng, adverts_per_s=rate)
            for rate in RATES_HZ
            for _ in range(EACH)
        ]
        print(score(walks, DEFAULT).row(f"walks past at {distance_m} m"))
    for distance_m in (1.0, 2.0, 3.0):
        walks = [simulate("linger", *lingerer(distance_m, 600, rng), rng) for _ in range(30)]
        counts = [len(presences(walk, DEFAULT)) for walk in walks]
        told = f"{sum(counts) / len(counts):.2f} sightings each, at most {max(counts)}"
        print(f"lingers 10 min about {distance_m} m: {told}")


def side_by_side(rng: random.Random) -> None:
    print("\ntwo gates side by side; the badge passes one of them at 0.5 m")
    print(
        f"{'apart':>8} {'setting':>22} {'found%':>8} {'the other too%':>15} {'the other first%':>17}"
    )
    for apart_m, (name, settings) in itertools.product(
        (2.0, 3.0, 4.0), (("default", DEFAULT), ("narrow: enterDb 1", NARROW))
    ):
        found = also = first = 0
        for _ in range(2 * EACH):
            path, duration_s = visit(0.5, rng.uniform(2, 5))
            own = simulate("own", path, duration_s, rng)
            other = simulate("other", path, duration_s, rng, gate=(0.0, -apart_m))
            mine, theirs = presences(own, settings), presences(other, settings)
            found += bool(mine)
            also += bool(theirs)
            first += bool(theirs) and (not mine or theirs[0][0] < mine[0][0])
        shares = [100 * count / (2 * EACH) for count in (found, also, first)]
        print(f"{apart_m:6.0f} m {name:>22} {shares[0]:8.1f} {shares[1]:15.1f} {shares[2]:17.1f}")


def recorded(walks: dict[str, list[Walk]]) -> None:
    print(f"\nrecorded\n{HEAD}")
    for name, mine in walks.items():
        print(score(mine, DEFAULT).row(name))
    print(score(itertools.chain(*walks.values()), DEFAULT).row("all, as shipped"))
    if len(walks) < 2:
        return
    print("\nleave one walk out: settings chosen on the others, judged on the one left out")
    total = Score()
    for name, mine in walks.items():
        others = [walk for other, some in walks.items() if other != name for walk in some]
        chosen = min(GRID, key=lambda settings: _cost(others, settings))
        part = score(mine, chosen)
        total = _sum(total, part)
        told = f"enter {chosen.enter_db}, window {chosen.window_ms}, dwell {chosen.enter_dwell_ms}"
        print(f"{part.row(name)}   {told}")
    print(total.row("all"))


def _cost(walks: Iterable[Walk], settings: PresenceSettings) -> float:
    """Missed and false alike, with every strength as it was, and 1.5 dB up and down."""
    cost = 0.0
    walks = list(walks)
    for shift_db in (-1.5, 0.0, 1.5):
        moved = [
            Walk(walk.name, [(t, rssi + shift_db) for t, rssi in walk.heard], walk.truth)
            for walk in walks
        ]
        found = score(moved, settings)
        late = sum(late_s > 1.7 for late_s in found.late_s)
        cost += found.visits - found.found + 2 * found.beyond + 0.2 * late + 0.02 * found.between
    return cost


def _sum(one: Score, two: Score) -> Score:
    members = {name: getattr(one, name) + getattr(two, name) for name in Score.__annotations__}
    return msgspec.convert(members, Score)


if __name__ == "__main__":
    sys.exit(main())
