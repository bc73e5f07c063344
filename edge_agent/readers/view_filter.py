"""When does a code in front of the camera count as seen anew? Pure: times are arguments.

A held ticket is decoded ten times a second and is one sighting. It becomes a new one when it
has been out of view for `leave_ms`. Each code has its own timer, so a second person who steps
in while the first ticket is still there is sighted at once, and two tickets held up together
make one sighting each.

A folder of images is a sequence of views without motion between them. There a code has also
left as soon as an image shows other codes without it (`change_is_leaving`), so that the files
A, B, A are three sightings although each is shown for a second only; A, A is one; and A,
empty, A is one unless A was gone for `leave_ms`. A camera may miss one of two codes in a
single frame, so for a camera only time counts.
"""

from __future__ import annotations

from collections.abc import Iterable

LEAVE_MS = 1500
"""A ticket out of view for this long has left (issue 4; long enough for a blurred turn)."""
_CODES_MAX = 64
"""More codes than this in view at once is a poster: the ones seen longest ago are forgotten."""


class ViewFilter:
    """Remembers which codes are in view."""

    def __init__(self, *, leave_ms: int = LEAVE_MS, change_is_leaving: bool = False) -> None:
        self._leave_ms = leave_ms
        self._change_is_leaving = change_is_leaving
        self._seen_ms: dict[str, int] = {}

    def new_codes(self, codes: Iterable[str], at_ms: int) -> list[str]:
        """Return those codes of one frame, taken at `at_ms`, that were not in view before."""
        present = list(dict.fromkeys(codes))
        if self._change_is_leaving and present:
            self._seen_ms = {c: t for c, t in self._seen_ms.items() if c in present}
        new = [code for code in present if not self._in_view(code, at_ms)]
        for code in present:
            self._seen_ms.pop(code, None)  # re-inserted at the end: the order is by last view
            self._seen_ms[code] = at_ms
        self._forget(at_ms)
        return new

    def _in_view(self, code: str, at_ms: int) -> bool:
        last_ms = self._seen_ms.get(code)
        return last_ms is not None and at_ms - last_ms < self._leave_ms

    def _forget(self, at_ms: int) -> None:
        left = [c for c, t in self._seen_ms.items() if at_ms - t >= self._leave_ms]
        surplus = list(self._seen_ms)[: max(0, len(self._seen_ms) - _CODES_MAX)]
        for code in {*left, *surplus}:
            del self._seen_ms[code]
