"""Codes that were found but not read: bent paper, folds, half-bleached print.

zxing-cpp reports a code whose checksum fails, with its corners and version. It lays a flat grid
over it; paper is not flat. Here the grid bends: a mesh of control points is moved, step by step,
to where the modules are told apart best, and the modules are read anew, each against its own
neighbourhood. What comes out is drawn as a clean code, and zxing-cpp, with the error correction
in it, has the last word: nothing is believed that it does not verify.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.readers.frames import Gray, cv2

Real = npt.NDArray[np.float32]

_MODULE_PX = 6
"""Pixels a module in the flattened picture."""
_MARGIN = 3
"""Modules around the code that are flattened with it, into which the grid may bend."""
_LEVELS = ((2, (0.5, 0.25)), (3, (0.5, 0.25)), (4, (0.5, 0.25)), (6, (0.5, 0.25)))
"""From coarse to fine: control points along a side, and the steps in modules they are moved by.
A step is never a whole module: the grid would settle one module off."""
_ROUNDS = 3
_KNOWN_COUNTS = 1.5
"""What the finder, timing and alignment patterns weigh against all modules' contrast."""
_THRESHOLDS = ((7, 0.6), (7, 0.0), (11, 1.0), (5, 0.4))
"""Size of the neighbourhood in modules, and how much of its mean is the border of black."""
_SAME_MODULES = 0.35
"""Two finds whose corners are nearer than this are one."""
_VERSION_MAX = 12
"""Larger codes are no tickets, and cost too long."""


def sides(barcode: Any) -> int | None:
    """Modules along a side of a QR code that was found, None for what is none or too large."""
    version = str(barcode.extra.get("Version", "")) if isinstance(barcode.extra, dict) else ""
    if not re.fullmatch(r"[0-9]{1,2}", version) or not 1 <= int(version) <= _VERSION_MAX:
        return None
    return 17 + 4 * int(version)


def corners(barcode: Any) -> Real:
    p = barcode.position
    points = (p.top_left, p.top_right, p.bottom_right, p.bottom_left)
    return np.array([(point.x, point.y) for point in points], np.float32)


class Found(NamedTuple):
    """A code that was found: its corners in the picture, modules along a side."""

    quad: Real
    side: int


def found(barcodes: Iterable[Any], scale: float) -> list[Found]:
    """Those of a decoder's failures that are worth a rescue, in a picture `scale` times smaller."""
    return [
        Found(corners(barcode) * scale, side)
        for barcode in barcodes
        if not barcode.valid and (side := sides(barcode)) is not None
    ]


def distinct(all_found: Iterable[Found], most: int = 5) -> list[Found]:
    """Without those that lie on another of the same size, up to a limit."""
    kept: list[Found] = []
    for one in all_found:
        near = (
            one.side == other.side
            and float(np.abs(one.quad - other.quad).max()) < _SAME_MODULES * _module_px(other)
            for other in kept
        )
        if _module_px(one) >= 1 and not any(near):
            kept.append(one)
    return kept[:most]


def _module_px(one: Found) -> float:
    return float(np.linalg.norm(one.quad[0] - one.quad[2])) / one.side / 1.41


def redrawn(gray: Gray, one: Found, go_on: Callable[[], bool] = lambda: True) -> Iterator[Gray]:
    """Clean pictures of the code, the likeliest first, for a decoder to judge. `go_on` is asked
    now and then, and ends it.
    """
    side = one.side
    flat = _flattened(gray, one.quad, side)
    known, is_known = _function_modules(side)
    mesh = _Mesh(side)
    even = _evened(flat)
    mesh.fit(even, known * np.float32(_KNOWN_COUNTS / is_known.sum()), go_on)
    values = mesh.sample(even)
    for block_modules, share in _THRESHOLDS:
        yield _drawn(_bits(values, block_modules, share), known, is_known)


def _flattened(gray: Gray, quad: Real, side: int) -> Real:
    low, high = _MARGIN * _MODULE_PX, (_MARGIN + side) * _MODULE_PX
    goal = np.array([(low, low), (high, low), (high, high), (low, high)], np.float32)
    size = (side + 2 * _MARGIN) * _MODULE_PX
    way = cv2.getPerspectiveTransform(quad, goal)
    flat = cv2.warpPerspective(
        gray, way, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(flat, np.float32)


def _evened(flat: Real) -> Real:
    """Light evened out: each place between the darkest and brightest of its neighbourhood, −1…1."""
    reach = 5 * _MODULE_PX | 1
    brush = np.ones((reach, reach), np.uint8)
    soft = cv2.GaussianBlur(flat, (0, 0), _MODULE_PX / 4)
    high = cv2.blur(cv2.dilate(soft, brush), (reach, reach))
    low = cv2.blur(cv2.erode(soft, brush), (reach, reach))
    return np.asarray((2 * soft - high - low) / np.maximum(high - low, 10), np.float32)


class _Mesh:
    """Where the modules are: a regular grid, moved at control points and smooth between them."""

    def __init__(self, side: int) -> None:
        centres = (np.arange(side, dtype=np.float32) + 0.5 + _MARGIN) * _MODULE_PX - 0.5
        self._x, self._y = np.meshgrid(centres, centres)
        self._at = np.linspace(0, 1, side, dtype=np.float32)

    def sample(self, even: Real) -> Real:
        return np.asarray(cv2.remap(even, self._x, self._y, cv2.INTER_LINEAR), np.float32)

    def fit(self, even: Real, fits: Real, go_on: Callable[[], bool]) -> None:
        """Move the grid to where it reads best. `fits`: what is known of the code, weighted."""
        for nodes, steps in _LEVELS:
            weights = _spline(self._at, nodes)
            # What a control point moves: the places near it, by how much it counts there.
            pulls = [
                np.outer(weights[:, row], weights[:, column]) * _MODULE_PX
                for row in range(nodes)
                for column in range(nodes)
            ]
            best = _quality(self.sample(even), fits)
            for step in steps:
                for _ in range(_ROUNDS):
                    before = best
                    best = self._one_round(even, fits, pulls, step, best)
                    if not go_on():
                        return
                    if best - before < 0.002:
                        break

    def _one_round(
        self, even: Real, fits: Real, pulls: list[Real], step: float, best: float
    ) -> float:
        for pull in pulls:
            moved = pull * np.float32(step)
            for place in (self._x, self._y):
                np.add(place, moved, out=place)
                now = _quality(self.sample(even), fits)
                if now <= best:
                    np.subtract(place, 2 * moved, out=place)
                    now = _quality(self.sample(even), fits)
                if now > best:
                    best = now
                else:
                    np.add(place, moved, out=place)
        return best


def _quality(values: Real, fits: Real) -> float:
    """A grid that sits on the modules tells black from white; one between them sees grey."""
    return float(np.abs(values).mean() + (values * fits).sum())


def _spline(at: Real, nodes: int) -> Real:
    """Weights of the control points along a side: cubic between them (Catmull-Rom)."""
    weights = np.zeros((len(at), nodes), np.float32)
    for row, place in enumerate(at * (nodes - 1)):
        left = min(int(place), nodes - 2)
        t = float(place) - left
        four = (
            (-t + 2 * t**2 - t**3) / 2,
            (2 - 5 * t**2 + 3 * t**3) / 2,
            (t + 4 * t**2 - 3 * t**3) / 2,
            (-(t**2) + t**3) / 2,
        )
        for offset, weight in zip((-1, 0, 1, 2), four, strict=True):
            weights[row, min(max(left + offset, 0), nodes - 1)] += weight
    return weights


def _bits(values: Real, block_modules: int, share: float) -> npt.NDArray[np.bool_]:
    """True where white: above a share of the mean of the modules around."""
    around = cv2.blur(values, (block_modules, block_modules), borderType=cv2.BORDER_REFLECT)
    return np.asarray(values > around * share)


def _drawn(white: npt.NDArray[np.bool_], known: Real, is_known: npt.NDArray[np.bool_]) -> Gray:
    modules = np.where(is_known, known > 0, white)
    shades = np.pad(modules.astype(np.uint8) * 255, 4, constant_values=255)
    return np.asarray(np.kron(shades, np.ones((4, 4), np.uint8)), np.uint8)


def _function_modules(side: int) -> tuple[Real, npt.NDArray[np.bool_]]:
    """What every code of this size shows at the same places: 1 white, −1 black; and where."""
    known = np.zeros((side, side), np.float32)
    finder = np.ones((8, 8), np.float32)
    finder[:7, :7] = -1
    finder[1:6, 1:6] = 1
    finder[2:5, 2:5] = -1
    known[:8, :8] = finder
    known[:8, -8:] = finder[:, ::-1]
    known[-8:, :8] = finder[::-1]
    timing = np.where(np.arange(8, side - 8) % 2 == 0, -1, 1)
    known[6, 8:-8] = timing
    known[8:-8, 6] = timing
    if side > 21:
        mark = np.ones((5, 5), np.float32) * -1
        mark[1:4, 1:4] = 1
        mark[2, 2] = -1
        known[side - 9 : side - 4, side - 9 : side - 4] = mark
    return known, known != 0
