"""Failures counted per name and per address, so that guessing is slow."""

from collections import OrderedDict

WINDOW_S = 60.0
KEYS_MAX = 10_000


class Throttle:
    """At most `failures_max` failures of one key in a minute; memory is bounded by `KEYS_MAX`."""

    def __init__(self, failures_max: int) -> None:
        self._failures_max = failures_max
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def wait_s(self, key: str, now_s: float) -> int:
        """Whole seconds until this key may try again; 0 if it may now."""
        recent = self._recent(key, now_s)
        if len(recent) < self._failures_max:
            return 0
        return max(1, int(recent[0] + WINDOW_S - now_s) + 1)

    def failed(self, key: str, now_s: float) -> None:
        recent = self._recent(key, now_s)
        recent.append(now_s)
        self._failures[key] = recent[-self._failures_max :]
        self._failures.move_to_end(key)
        while len(self._failures) > KEYS_MAX:
            self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        self._failures.pop(key, None)

    def _recent(self, key: str, now_s: float) -> list[float]:
        return [at_s for at_s in self._failures.get(key, []) if now_s - at_s < WINDOW_S]
