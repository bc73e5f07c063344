"""When does a badge count as standing at the gate? Pure: times are arguments.

Signal strength says little about metres (wrong by 1.6 m at 1.5 m, FINDINGS §2), so everything is
in dB below the badge's measured power at 1 m.

*Estimate.* The mean power (milliwatts, not dB) of the last `window_ms`. Near a gate the signal is
a strong path with deep, short fades, of which dB means and medians make far too much; the local
mean power is what falls with distance (W. C. Y. Lee, "Estimate of local average power of a mobile
radio signal", IEEE Trans. Veh. Technol. 34(1), 1985).

*Rule.* Two thresholds with dwell. Entered: the estimate stayed within `enter_db` for
`enter_dwell_ms`. Left: it stayed more than `leave_db` below for `leave_dwell_ms`, or nothing was
heard for `silence_ms`. In between nothing changes, so who lingers has entered once.

*Constants.* Chosen on five of the nine walks of the CC0 set of Daniş et al. (PMC 81, 2022; −58.9
dBm at 1 m, exponent 2.17, σ 6.5 dB) by leaving one walk out at a time, with the strengths shifted
by ±1.5 dB and samples dropped; `make bench` prints what they do (docs/beacons.md).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable
from typing import Generic, Literal, NamedTuple, TypeVar

import msgspec

from shared.beacon_settings import DEFAULT, BeaconSettings
from shared.limits import BEACON_SAMPLES_MAX, BEACON_TRACKS_MAX

K = TypeVar("K", bound=Hashable)
MEASURED_POWER_DBM = -59
"""What a badge has at 1 m where nobody says otherwise: usual for BLE, and measured (−58.9)."""


class PresenceSettings(msgspec.Struct, frozen=True):
    """What a gate may set (`beacon` of its row). dB are below the measured power at 1 m."""

    enter_db: float = DEFAULT.enter_db
    leave_db: float = DEFAULT.leave_db
    window_ms: int = round(DEFAULT.window_seconds * 1_000)
    enter_dwell_ms: int = round(DEFAULT.enter_dwell_seconds * 1_000)
    leave_dwell_ms: int = round(DEFAULT.leave_dwell_seconds * 1_000)
    silence_ms: int = round(DEFAULT.silence_seconds * 1_000)
    samples_min: int = 2

    @classmethod
    def of(cls, gate: BeaconSettings) -> PresenceSettings:
        return cls(
            enter_db=gate.enter_db,
            leave_db=gate.leave_db,
            window_ms=round(gate.window_seconds * 1_000),
            enter_dwell_ms=round(gate.enter_dwell_seconds * 1_000),
            leave_dwell_ms=round(gate.leave_dwell_seconds * 1_000),
            silence_ms=round(gate.silence_seconds * 1_000),
        )


class Change(NamedTuple, Generic[K]):
    """`rssi` is the estimate in dBm at that moment."""

    key: K
    event: Literal["enter", "leave"]
    at_ms: int
    rssi: float


class _Track:
    __slots__ = ("inside", "power_dbm", "samples", "since_ms")

    def __init__(self) -> None:
        self.samples: deque[tuple[int, float]] = deque(maxlen=BEACON_SAMPLES_MAX)
        self.inside = False
        self.since_ms: int | None = None  # the other side of the threshold holds since then
        self.power_dbm = MEASURED_POWER_DBM

    def estimate(self) -> float:
        total = sum(math.pow(10, rssi / 10) for _, rssi in self.samples)
        return 10 * math.log10(total / len(self.samples))


class PresenceFilter(Generic[K]):
    """One track for each badge that was heard lately; the least heard go when it is full (P12)."""

    def __init__(self, settings: PresenceSettings | None = None) -> None:
        self.settings = settings or PresenceSettings()
        self._tracks: dict[K, _Track] = {}

    def __len__(self) -> int:
        return len(self._tracks)

    def heard(self, key: K, rssi: float, at_ms: int, power_dbm: int | None) -> list[Change[K]]:
        """One advertisement of this badge; `power_dbm` is its measured power at 1 m."""
        track = self._tracks.pop(key, None)
        changes = []
        if track is not None and at_ms - track.samples[-1][0] > self.settings.silence_ms:
            changes = self._silent(key, track)
            track = None
        track = track or _Track()
        self._tracks[key] = track  # at the end: the order is by last hearing
        track.power_dbm = MEASURED_POWER_DBM if power_dbm is None else power_dbm
        track.samples.append((at_ms, rssi))
        while at_ms - track.samples[0][0] >= self.settings.window_ms:
            track.samples.popleft()
        change = self._judge(key, track, at_ms)
        if change is not None:
            changes.append(change)
        if len(self._tracks) > BEACON_TRACKS_MAX:
            changes += self._crowd_out()
        return changes

    def passed(self, at_ms: int) -> list[Change[K]]:
        """Time has passed: who has fallen silent has left, and is forgotten."""
        changes: list[Change[K]] = []
        while self._tracks:
            key = next(iter(self._tracks))
            track = self._tracks[key]
            if at_ms - track.samples[-1][0] <= self.settings.silence_ms:
                break
            del self._tracks[key]
            changes += self._silent(key, track)
        return changes

    def inside(self, key: K) -> bool:
        track = self._tracks.get(key)
        return track is not None and track.inside

    def _judge(self, key: K, track: _Track, at_ms: int) -> Change[K] | None:
        settings, estimate = self.settings, track.estimate()
        below_db = track.power_dbm - estimate
        if track.inside:
            crossed, dwell_ms = below_db > settings.leave_db, settings.leave_dwell_ms
        else:
            enough = len(track.samples) >= settings.samples_min
            crossed = enough and below_db <= settings.enter_db
            dwell_ms = settings.enter_dwell_ms
        if not crossed:
            track.since_ms = None
            return None
        if track.since_ms is None:
            track.since_ms = at_ms
        if at_ms - track.since_ms < dwell_ms:
            return None
        track.inside, track.since_ms = not track.inside, None
        return Change(key, "enter" if track.inside else "leave", at_ms, round(estimate, 1))

    def _silent(self, key: K, track: _Track) -> list[Change[K]]:
        if not track.inside:
            return []
        at_ms = track.samples[-1][0] + self.settings.silence_ms
        return [Change(key, "leave", at_ms, round(track.estimate(), 1))]

    def _crowd_out(self) -> list[Change[K]]:
        key = next(iter(self._tracks))
        track = self._tracks.pop(key)
        if not track.inside:
            return []
        return [Change(key, "leave", track.samples[-1][0], round(track.estimate(), 1))]
