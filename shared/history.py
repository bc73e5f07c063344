"""Dated changes: what the rules read, as it was at any time (DESIGN §2, §4.2).

Before the first dated change the initial value holds since ever.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Generic, TypeVar

from shared.model import Credential, Event, Gate, Participant

T = TypeVar("T")


class Timeline(Generic[T]):
    """One value through time: the initial one, then what each dated change made of it."""

    __slots__ = ("_times_ms", "_values")

    def __init__(self, initial: T, changes: Iterable[tuple[int, T]] = ()) -> None:
        """`changes` are (server time in ms, new value); equal times keep the order given."""
        self._times_ms: list[int] = []
        self._values = [initial]
        for at_ms, value in sorted(changes, key=itemgetter(0)) if changes else ():
            self._times_ms.append(at_ms)
            self._values.append(value)

    def at(self, at_ms: int) -> T:
        """The value in force at `at_ms`; a change counts from its own millisecond on."""
        return self._values[bisect_right(self._times_ms, at_ms)]

    @property
    def now(self) -> T:
        return self._values[-1]

    def changes_between(self, after_ms: int, until_ms: int) -> list[int]:
        """Times of the changes in (after_ms, until_ms]."""
        low = bisect_right(self._times_ms, after_ms)
        return self._times_ms[low : bisect_right(self._times_ms, until_ms)]


@dataclass(frozen=True, slots=True)
class History:
    """All timelines that a fold may ask for. Keys are ids; `credential_of` maps digest → id, of a
    badge that changed hands to the newest; `digest_of` maps each id → digest.
    """

    event: Timeline[Event]
    gates: Mapping[str, Timeline[Gate]]
    participants: Mapping[str, Timeline[Participant]]
    credentials: Mapping[str, Timeline[Credential]] = field(default_factory=dict)
    credential_of: Mapping[str, str] = field(default_factory=dict)
    digest_of: Mapping[str, str] = field(default_factory=dict)
    quarantined_devices: frozenset[str] = frozenset()
