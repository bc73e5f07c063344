"""Forecast of arrivals from those so far: how many in the end, when, where (pure).

Arrivals are counted in slots of five minutes from the first moment that admits to the event's end.
Each of a few hundred **shapes** (how arrivals spread over the time) is held against the counts;
how many come in all is, given a shape, Gamma-Poisson: with a prior Gamma(a, b) of the final number
and `seen` arrivals in the share `F` of a shape that has passed, the posterior is
Gamma(a + seen, b + F) and a shape's weight is its marginal likelihood (Gelman et al., Bayesian Data
Analysis, 3rd ed., section 2.6). The forecast is the mixture of all shapes by weight; its interval is
where 80 % of 2,000 draws lie.

People come in groups and by train, and no shape is quite true: `_dispersion` counts them as fewer
independent arrivals than heads. Its constants were chosen on half of the seeded curves of
`tests/benchmarks/bench_forecast.py`, which shows the errors on the other half.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SHARE_PRIOR = 0.7  # of those registered, where no past event tells
SHARE_PRIOR_SD = 0.15
PAST_SHARE_SD = 0.05  # how far two events of one kind differ, beside what the arrivals tell
INTERVAL = (10.0, 90.0)  # per cent of the draws
COMPLETE_SHARE = 0.95  # arrivals are complete when that share has come
_DRAWS = 2_000
_SEED = 20_240_120  # the same counts give the same forecast
_STEADY, _TWO_WAVES = 0.1, 0.2
_TRICKLES = ((0.03, 0.5), (0.15, 0.35), (0.45, 0.15))
_BEFORE_SD = 0.1
_GROUP = 20.0
_GROUPS_MIN = 10.0  # of an event: twenty heads are no group where fifty are expected
_HEADS_PER_CHOICE = 4.0  # people who come together take one gate
_TRUST_ARRIVALS = 60.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and where it lies with 80 % probability."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What is known. `counts[i]` came in slot i; the slots before `passed` (a float) are over."""

    counts: Sequence[int]
    passed: float
    registered: int
    share_before: float | None = None  # of a past event's registered who came


@dataclass(frozen=True, slots=True)
class Forecast:
    """`final` in people; `peak_slot` (start of the busiest hour) and `complete_slot` in slots.

    `rates`: people expected in each slot, those that are over included: what came is held against it.
    """

    final: Estimate
    peak_slot: Estimate
    complete_slot: Estimate
    rates: Sequence[Estimate] = ()


def forecast(known: Arrivals, slots_per_hour: int = 12, hour_offset: int = 0) -> Forecast:
    """`hour_offset`: the slots from the first slot to the first full hour of the event's zone."""
    slots = len(known.counts)
    shapes, prior = _shapes(slots)
    over = np.clip(known.passed - np.arange(slots), 0.0, 1.0)
    counts = np.asarray(known.counts, dtype=float) * (over > 0)
    seen = float(counts.sum())
    told = known.share_before is not None
    share = SHARE_PRIOR if known.share_before is None else known.share_before
    spread = PAST_SHARE_SD if told else SHARE_PRIOR_SD
    weights, shape_a, shape_b = _weigh(
        shapes, prior, counts, over, known.registered, (share, spread)
    )
    rng = np.random.default_rng(_SEED)
    drawn = rng.choice(len(shapes), size=_DRAWS, p=weights)
    unit = _dispersion(seen, known.registered)
    sizes = rng.gamma(shape_a, 1.0 / shape_b[drawn]) * unit
    left = shapes[drawn] * (1.0 - over)
    mean_left = sizes * left.sum(axis=1)
    still = unit * rng.poisson(np.minimum(mean_left / unit, 1e9))
    room = max(0.0, known.registered - seen)
    if known.share_before is not None:
        before = rng.normal(share, _BEFORE_SD, _DRAWS) * known.registered
        trust = 1.0 - left.sum(axis=1).mean()
        still = trust * still + (1.0 - trust) * np.maximum(0.0, before - seen)
    # Nobody who came is forecast away, though a gate's clock put them a moment ahead of ours.
    final = np.maximum(seen + np.minimum(still, room), float(sum(known.counts)))
    scale = np.divide(
        np.minimum(still, room),
        np.maximum(left.sum(axis=1), 1e-12),
        where=left.sum(axis=1) > 0,
        out=np.zeros(_DRAWS),
    )
    curves = counts * over + left * scale[:, None]
    return Forecast(
        final=_estimate(final, float(np.median(final))),
        peak_slot=_peak(curves, slots_per_hour, hour_offset),
        complete_slot=_completion(curves, final),
        rates=_rates(shapes[drawn] * final[:, None]),
    )


def gate_shares(
    arrivals_by_gate: Mapping[str, int], capacities: Mapping[str, int]
) -> dict[str, Estimate]:
    """Each gate's share of the arrivals still to come, in per cent.

    A Dirichlet posterior: what was seen, on a prior worth ten arrivals spread by capacity. The
    interval is the normal approximation of its marginal Beta.
    """
    total_capacity = sum(capacities.values()) or 1
    prior = {gate: 10.0 * capacity / total_capacity for gate, capacity in capacities.items()}
    alpha = {
        gate: prior[gate] + arrivals_by_gate.get(gate, 0) / _HEADS_PER_CHOICE for gate in capacities
    }
    whole = sum(alpha.values()) or 1.0
    shares = {}
    for gate, own in alpha.items():
        mean = own / whole
        reach = 1.2816 * math.sqrt(mean * (1 - mean) / (whole + 1))
        shares[gate] = Estimate(
            100 * mean, 100 * max(0.0, mean - reach), 100 * min(1.0, mean + reach)
        )
    return shares


def _weigh(
    shapes: Floats,
    prior: Floats,
    counts: Floats,
    over: Floats,
    registered: int,
    share: tuple[float, float],
) -> tuple[Floats, float, Floats]:
    """Each shape's weight, and the posterior Gamma of the final number in units of dispersion."""
    unit = _dispersion(float(counts.sum()), registered)
    mean, spread = share
    a = (mean / spread) ** 2
    b = a / max(mean * registered / unit, 1e-9)
    units = counts / unit
    seen = float(units.sum())
    passed = np.maximum((shapes * over).sum(axis=1), 1e-12)
    likelihood = prior + np.log(np.maximum(shapes, 1e-12)) @ units - (a + seen) * np.log(b + passed)
    weights = np.exp(likelihood - likelihood.max())
    return weights / weights.sum(), a + seen, b + passed


def _dispersion(seen: float, registered: int) -> float:
    """How many heads count as one independent arrival; in a small event a group is smaller."""
    return min(_GROUP, max(1.0, registered / _GROUPS_MIN)) + seen / _TRUST_ARRIVALS


def _estimate(draws: Floats, value: float) -> Estimate:
    low, high = np.percentile(draws, INTERVAL)
    return Estimate(value, float(low), float(high))


def _rates(curves: Floats) -> list[Estimate]:
    low, high = np.percentile(curves, INTERVAL, axis=0)
    # The mean, and not each slot's median: so that the rates add up to those who come.
    middle = np.clip(curves.mean(axis=0), low, high)
    return [Estimate(*map(float, found)) for found in zip(middle, low, high, strict=True)]


def _peak(curves: Floats, slots_per_hour: int, hour_offset: int) -> Estimate:
    slots = curves.shape[1]
    starts = np.arange(hour_offset - slots_per_hour, slots, slots_per_hour)
    summed = np.concatenate([np.zeros((len(curves), 1)), np.cumsum(curves, axis=1)], axis=1)
    first, last = np.clip(starts, 0, slots), np.clip(starts + slots_per_hour, 0, slots)
    best = starts[np.argmax(summed[:, last] - summed[:, first], axis=1)].astype(float)
    values, times = np.unique(best, return_counts=True)
    return _estimate(best, float(values[np.argmax(times)]))


def _completion(curves: Floats, final: Floats) -> Estimate:
    reached = np.cumsum(curves, axis=1) >= COMPLETE_SHARE * np.maximum(final, 1e-9)[:, None] - 1e-9
    slots = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, curves.shape[1]).astype(float)
    return _estimate(slots, float(np.median(slots)))


@lru_cache(maxsize=4)
def _shapes(slots: int) -> tuple[Floats, Floats]:
    """(shapes × slots, each summing to one; each shape's prior weight, as a logarithm).

    One or two waves, each with its own rise and fall, over a fading trickle. Most events are entered
    around their start, a few are entered all day; the prior says so.
    """
    at = (np.arange(slots) + 0.5) / slots
    steady = [(at < until) / np.count_nonzero(at < until) for until in (0.65, 0.8, 0.95)]
    fading = (1 - at) / (1 - at).sum()
    shapes: list[Floats] = [*steady]
    weights = [_STEADY / len(steady)] * len(steady)

    def take(wave: Floats, weight: float) -> None:
        for trickle, share in _TRICKLES:
            shapes.append((1 - trickle) * wave + trickle * fading)
            weights.append(weight * share)

    middles, widths = np.linspace(0.03, 0.8, 14), (0.02, 0.05, 0.11, 0.22)
    early = np.exp(-0.5 * ((middles - 0.12) / 0.22) ** 2)
    for middle, weight in zip(middles, early / early.sum(), strict=True):
        for rise in widths:
            for fall in widths:
                take(_wave(at, middle, rise, fall), (1 - _STEADY - _TWO_WAVES) * weight / 16)
    two = [
        (1 - second) * _wave(at, middle, width, width * 1.6) + second * _wave(at, later, 0.04, 0.06)
        for middle in np.linspace(0.05, 0.35, 6)
        for width in (0.03, 0.07, 0.12)
        for later in (middle + 0.25, middle + 0.4, middle + 0.55)
        for second in (0.2, 0.4)
    ]
    for wave in two:
        take(wave, _TWO_WAVES / len(two))
    found: Floats = np.array(shapes)
    return found / found.sum(axis=1, keepdims=True), np.log(np.array(weights))


def _wave(at: Floats, middle: float, rise: float, fall: float) -> Floats:
    """A normal curve of two halves."""
    width = np.where(at < middle, rise, fall)
    curve: Floats = np.exp(-0.5 * ((at - middle) / width) ** 2)
    return curve / max(float(curve.sum()), 1e-12)
