"""When to try again: full jitter under a ceiling, and what the server asked for (DESIGN §5).

The widths are tenacity's wait strategy, asked for a number and never let sleep (ADR 6); the jitter
is an argument, so that a conversation replays from a seed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

from tenacity import RetryCallState, wait_exponential

FIRST_S = 0.5
REFUSED_CEILING_S = 5.0  # nobody listens: a server that comes back must be met within seconds
CEILING_S = 30.0
FLOOR_S = 0.05  # full jitter may say "now"; a loop must never spin
RETRY_AFTER_S_MAX = 120.0
_ATTEMPTS_MAX = 64  # beyond it every width is its ceiling

Jitter = Callable[[], float]
"""A number in [0, 1); `random.random` in the agent, a seeded one in tests."""


_WIDEST = wait_exponential(multiplier=FIRST_S, max=CEILING_S)
_WIDEST_REFUSED = wait_exponential(multiplier=FIRST_S, max=REFUSED_CEILING_S)


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
    strategy = _WIDEST_REFUSED if failure.kind is FailureKind.REFUSED else _WIDEST
    attempt = RetryCallState(cast("Any", None), None, (), {})  # a wait asks for its number only
    attempt.attempt_number = min(failures, _ATTEMPTS_MAX)
    widest_s = strategy(attempt)
    wait_s = max(FLOOR_S, jitter() * widest_s)
    return max(wait_s, retry_after_s(failure))


def retry_after_s(failure: Failure) -> float:
    """What the server asked for, bounded; 0 where it did not."""
    return min(max(failure.retry_after_s or 0.0, 0.0), RETRY_AFTER_S_MAX)
