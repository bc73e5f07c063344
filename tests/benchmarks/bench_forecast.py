"""How far forecasts are off on replayed arrival curves, beside two plain baselines.

Curves are drawn from families that the forecast does not use (gamma, log-normal, beta, trains,
two sittings, a steady trickle), seeded. Errors are |forecast − final| / final in per cent at
moments of the admitting time; `within` is how often the final number lay in the interval (aim 80 %).
A second table: how far the hour of completion and the gates' shares are off, and how often they lay
in theirs, beside a straight line to 95 % and the shares of the gates' capacities.
Seeds of the odd half were used for choosing constants; the even half is printed.
"""

import numpy as np
from numpy.typing import NDArray

from sync_server.insight.forecast import Arrivals, Forecast, forecast, gate_shares

SLOTS = 11 * 12  # an hour before, nine hours of event, an hour after
MOMENTS = (0.1, 0.2, 0.35, 0.5, 0.75)
CURVES = 240
PAST_SHARE_SD = 0.08  # how well a past event tells this one's share

Floats = NDArray[np.float64]
FAMILIES = ("gamma", "log-normal", "beta", "trains", "two sittings", "trickle")


def curve(seed: int) -> tuple[str, int, float, list[int]]:
    """(family, registered, the past event's share, arrivals a slot)."""
    rng = np.random.default_rng(seed)
    family = FAMILIES[(seed // 2) % len(FAMILIES)]
    registered = int(rng.integers(200, 5_000))
    share = float(np.clip(rng.normal(0.7, 0.15), 0.3, 0.97))
    final = round(registered * share)
    past = float(np.clip(share + rng.normal(0, PAST_SHARE_SD), 0.2, 1.0))
    slots = np.floor(_times(rng, family, final) * SLOTS).astype(int)
    counts = np.bincount(np.clip(slots, 0, SLOTS - 1), minlength=SLOTS)
    return family, registered, past, [int(n) for n in counts]


def _times(rng: np.random.Generator, family: str, final: int) -> Floats:
    """Arrival times as a share of the admitting time."""
    begin = rng.uniform(0.02, 0.12)
    if family == "gamma":
        return np.asarray(
            begin - 0.02 + rng.gamma(rng.uniform(1.5, 5), rng.uniform(0.02, 0.06), final)
        )
    if family == "log-normal":
        return np.asarray(rng.lognormal(np.log(begin + 0.08), rng.uniform(0.3, 0.8), final))
    if family == "beta":
        return np.asarray(rng.beta(rng.uniform(1.5, 4), rng.uniform(3, 9), final))
    if family == "trains":
        stops = np.arange(begin, 0.5, rng.uniform(0.03, 0.06))
        weights = rng.gamma(2.0, 1.0, len(stops)) * np.exp(-3 * stops)
        chosen = rng.choice(stops, final, p=weights / weights.sum())
        return np.asarray(chosen + rng.exponential(0.008, final))
    if family == "two sittings":
        second = rng.random(final) < rng.uniform(0.2, 0.45)
        first_time = rng.normal(begin + 0.08, 0.03, final)
        second_time = rng.normal(begin + rng.uniform(0.38, 0.52), 0.03, final)
        return np.asarray(np.where(second, second_time, first_time))
    return np.asarray(rng.uniform(0.0, rng.uniform(0.6, 0.95), final))


def measure(seeds: range) -> dict[float, dict[str, list[float]]]:
    errors: dict[float, dict[str, list[float]]] = {
        moment: {
            name: []
            for name in ("ours", "ours, past known", "linear", "past share", "within", "peak h")
        }
        for moment in MOMENTS
    }
    for seed in seeds:
        _, registered, past, counts = curve(seed)
        final = sum(counts)
        hours = [sum(counts[i : i + 12]) for i in range(0, SLOTS, 12)]
        for moment in MOMENTS:
            passed = moment * SLOTS
            seen = [n if i < int(passed) else 0 for i, n in enumerate(counts)]
            row = errors[moment]
            alone = forecast(Arrivals(seen, int(passed), registered))
            known = forecast(Arrivals(seen, int(passed), registered, past))
            row["ours"].append(_off(alone.final.value, final))
            row["ours, past known"].append(_off(known.final.value, final))
            row["linear"].append(_off(min(registered, sum(seen) / moment), final))
            row["past share"].append(_off(past * registered, final))
            row["within"].append(100.0 * (known.final.low <= final <= known.final.high))
            row["peak h"].append(_peak_off(known, hours))
    return errors


def _off(value: float, final: int) -> float:
    return 100 * abs(value - final) / final


def _peak_off(found: Forecast, hours: list[int]) -> float:
    return abs(found.peak_slot.value / 12 - max(range(len(hours)), key=hours.__getitem__))


def measure_the_rest(seeds: range) -> dict[float, dict[str, list[float]]]:
    """Completion in hours; gates' shares of the arrivals to come in percentage points."""
    names = ("done h", "line h", "done within", "gate pp", "capacity pp", "gate within")
    errors: dict[float, dict[str, list[float]]] = {
        moment: {name: [] for name in names} for moment in MOMENTS
    }
    for seed in seeds:
        _, registered, past, counts = curve(seed)
        final = sum(counts)
        done = float(np.argmax(np.cumsum(counts) >= 0.95 * final) + 1)
        rng = np.random.default_rng(seed + 1_000_000)
        capacities = {f"g{n}": int(rng.integers(10, 60)) for n in range(4)}
        whole = sum(capacities.values())
        weights = np.array([8 * capacity / whole for capacity in capacities.values()])
        true = rng.dirichlet(weights)
        for moment in MOMENTS:
            passed = int(moment * SLOTS)
            seen = [n if i < passed else 0 for i, n in enumerate(counts)]
            row = errors[moment]
            found = forecast(Arrivals(seen, passed, registered, past)).complete_slot
            arrived = sum(seen)
            line = min(float(SLOTS), passed * 0.95 * registered * 0.7 / max(arrived, 1))
            row["done h"].append(abs(found.value - done) / 12)
            row["line h"].append(abs(line - done) / 12)
            row["done within"].append(100.0 * (found.low <= done <= found.high))
            by_gate = dict(zip(capacities, rng.multinomial(arrived // 4, true) * 4, strict=True))
            shares = gate_shares({gate: int(n) for gate, n in by_gate.items()}, capacities)
            for gate, share in zip(capacities, true, strict=True):
                told = shares[gate]
                row["gate pp"].append(abs(told.value - 100 * share))
                row["capacity pp"].append(100 * abs(capacities[gate] / whole - share))
                row["gate within"].append(100.0 * (told.low <= 100 * share <= told.high))
    return errors


def main() -> None:
    print(f"mean error in % of the final attendance, {CURVES} curves")
    show(measure(range(0, 2 * CURVES, 2)))
    print("completion in hours, gates' shares in percentage points")
    show(measure_the_rest(range(0, CURVES, 2)))


def show(errors: dict[float, dict[str, list[float]]]) -> None:
    names = list(next(iter(errors.values())))
    print("time passed".ljust(14) + "".join(name.rjust(18) for name in names))
    for moment, row in errors.items():
        means = "".join(f"{np.mean(row[name]):18.1f}" for name in names)
        print(f"{100 * moment:.0f} %".ljust(14) + means)


if __name__ == "__main__":
    main()
