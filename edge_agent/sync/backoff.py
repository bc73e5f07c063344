"""When to try again: full jitter under a ceiling, and what the server asked for (DESIGN §5)."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

BASE_S = 0.25
REFUSED_CEILING_S = 5.0  # nobody listens: a server that comes back must be met within seconds
CEILING_S = 30.0
FLOOR_S = 0.05  # full jitter may say "now"; a loop must never spin
RETRY_AFTER_S_MAX = 120.0
_DOUBLINGS_MAX = 12

Jitter = Callable[[], float]
"""A number in [0, 1); `random.random` in the agent, a seeded one in tests."""


class FailureKind(Enum):
    REFUSED = "refused"  # no connection was made
    TIMED_OUT = "timed_out"
    INTERRUPTED = "interrupted"  # a connection or a body broke off
    ANSWERED = "answered"  # the server said no, in `status`
    LOCAL = "local"  # an own error: a disk, a message that can't be understood


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an exchange came to nothing. `code` is the server's error code, `detail` for people."""

    kind: FailureKind
    detail: str
    status: int | None = None
    code: str | None = None
    retry_after_s: float | None = None

    @property
    def answered(self) -> bool:
        """Whether there is a server at all: it counts as online even when it says no."""
        return self.kind is FailureKind.ANSWERED


def delay_s(failure: Failure, failures: int, jitter: Jitter) -> float:
    """Seconds to wait after the `failures`-th failure in a row (1, 2, …)."""
    ceiling_s = REFUSED_CEILING_S if failure.kind is FailureKind.REFUSED else CEILING_S
    widest_s = min(ceiling_s, BASE_S * 2.0 ** min(failures, _DOUBLINGS_MAX))
    wait_s = max(FLOOR_S, jitter() * widest_s)
    if failure.retry_after_s is not None:
        asked_s = min(max(failure.retry_after_s, 0.0), RETRY_AFTER_S_MAX)
        return max(wait_s, asked_s)
    return wait_s
