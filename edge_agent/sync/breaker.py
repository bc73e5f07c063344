"""The circuit breaker of one channel (DESIGN §5): a server that struggles is spared.

    closed ──5 signs of struggle in a row──► open ──a probe succeeds, or 60 s──► half open
       ▲                                      ▲                                    │
       └──────── 3 trial calls succeed ───────┼──────── one more sign ─────────────┘

Open, the channel sends nothing but a light probe each 5 s: its own exchange at its smallest, so that
what is probed is what struggles. No I/O, no clock: all `now_s` are monotonic seconds.
"""

from dataclasses import dataclass
from enum import Enum

from edge_agent.sync.backoff import Failure, FailureKind

STRUGGLES_MAX = 5  # 5xx and time-outs, in a row
OPEN_S_MAX = 60.0
PROBE_INTERVAL_S = 5.0
TRIAL_CALLS = 3


class State(Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


def is_struggle(failure: Failure) -> bool:
    """A refused connection is none: nobody is there who could be spared."""
    if failure.kind is FailureKind.TIMED_OUT:
        return True
    return failure.status is not None and failure.status >= 500


@dataclass(slots=True)
class Breaker:
    """Ask `wait_s` before a call and `probing` for its size; tell what came of it."""

    state: State = State.CLOSED
    struggles: int = 0
    _opened_s: float = 0.0
    _probe_due_s: float = 0.0
    _trials_left: int = 0

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next call or probe may go; 0 for now."""
        if self.state is State.OPEN and now_s >= self._opened_s + OPEN_S_MAX:
            self._half_open()
        if self.state is not State.OPEN:
            return 0.0
        return max(min(self._probe_due_s, self._opened_s + OPEN_S_MAX) - now_s, 0.0)

    @property
    def probing(self) -> bool:
        """Whether the next call is a probe: the smallest that tells."""
        return self.state is State.OPEN

    def succeeded(self) -> None:
        """An answer, even one that says no: the server does not struggle."""
        if self.state is State.OPEN:
            self._half_open()
        elif self.state is State.HALF_OPEN:
            self._trials_left -= 1
            if self._trials_left <= 0:
                self.state, self.struggles = State.CLOSED, 0
        else:
            self.struggles = 0

    def failed(self, failure: Failure, now_s: float) -> None:
        if failure.answered and not is_struggle(failure):
            self.succeeded()
        elif self.state is State.OPEN:
            self._probe_due_s = now_s + PROBE_INTERVAL_S
        elif is_struggle(failure):
            self.struggles += 1
            if self.state is State.HALF_OPEN or self.struggles >= STRUGGLES_MAX:
                self._open(now_s)

    def _open(self, now_s: float) -> None:
        self.state, self._opened_s = State.OPEN, now_s
        self._probe_due_s = now_s + PROBE_INTERVAL_S

    def _half_open(self) -> None:
        self.state, self._trials_left = State.HALF_OPEN, TRIAL_CALLS
