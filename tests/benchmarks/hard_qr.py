"""Hard photographs, drawn: what a visitor's crumpled, glossy or badly lit code looks like up close.

Seeded as `synthetic_qr`, but meant to be hard: about half of these no single library reads. Codes
of many sizes and levels, not only tickets, since those that the figures in FINDINGS §1 were
measured on were other people's codes. For choosing and ordering the decoder's tries.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import segno

from tests.benchmarks.synthetic_qr import (
    Gray,
    Sample,
    _as_gray,
    add_noise,
    motion_blur,
    screen_grid,
    ticket_payload,
)

WIDTH_PX, HEIGHT_PX = 1280, 960
HARD_CONDITIONS = (
    "blurred",
    "curved",
    "damaged",
    "glare",
    "monitor",
    "steep",
    "shadows",
    "crumpled",
)
_MODULE_PX = 12


def make_hard_samples(seed: int, per_condition: int) -> Iterator[Sample]:
    """Yield `per_condition` pictures of each condition; equal seeds give equal pictures."""
    for row, condition in enumerate(HARD_CONDITIONS):
        for number in range(per_condition):
            random = np.random.default_rng([seed, 77, row, number])
            payload = _payload(random)
            image = _photograph(condition, payload, random)
            yield Sample(f"{condition}-{number:03d}", condition, payload.encode(), image)


def _payload(random: np.random.Generator) -> str:
    ticket = ticket_payload(random)
    if random.random() < 0.5:
        return ticket
    return f"https://example.org/{ticket[3:].lower()}/" + "x7" * int(random.integers(0, 45))


def _draw(payload: str, random: np.random.Generator) -> np.ndarray:
    """The code on its paper, in shades 0…1."""
    level = "lmqh"[int(random.integers(0, 4))]
    matrix = np.array([list(r) for r in segno.make_qr(payload, error=level).matrix], np.float32)
    cells = np.kron(1 - matrix, np.ones((_MODULE_PX, _MODULE_PX), np.float32))
    quiet = int(random.integers(2, 5)) * _MODULE_PX
    return np.pad(cells, quiet, constant_values=1.0)


def _photograph(condition: str, payload: str, random: np.random.Generator) -> Gray:
    sheet = _draw(payload, random)
    if condition == "damaged":
        sheet = _damage(sheet, random)
    if condition == "crumpled":
        sheet = _crumple(sheet, random)
    if condition == "curved":
        sheet = _curve(sheet, random)
    ink, paper = random.uniform(15, 60), random.uniform(150, 235)
    tilt = {"steep": random.uniform(0.45, 0.72), "curved": random.uniform(0, 0.2)}.get(
        condition, random.uniform(0, 0.3)
    )
    width = random.uniform(260, 620)
    image, corners = _set_down(sheet, ink, paper, width, tilt, random)
    lit = _light(image, random)
    lit = _trouble(lit, condition, corners, random)
    lit = cv2.GaussianBlur(lit, (0, 0), random.uniform(0.5, 1.1))
    noisy = add_noise(_as_gray(lit), random, random.uniform(1.5, 6))
    quality = int(random.integers(55, 92))
    packed = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)


def _set_down(
    sheet: np.ndarray,
    ink: float,
    paper: float,
    width: float,
    tilt: float,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Lay the sheet on a table, seen at an angle."""
    side_y, side_x = sheet.shape
    turn = random.uniform(0, 2 * np.pi)
    focal = 1.6
    centre = (random.uniform(450, 830), random.uniform(380, 580))
    corners = []
    for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        # Turned in its plane, then tilted about a horizontal axis, then seen through a pinhole.
        rx, ry = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
        angle = tilt * np.pi / 2
        depth = focal * 2 + ry * np.sin(angle)
        scale = width / 2 * focal * 2 / depth
        corners.append((centre[0] + rx * scale, centre[1] + ry * np.cos(angle) * scale))
    source = np.array([(0, 0), (side_x, 0), (side_x, side_y), (0, side_y)], np.float32)
    goal = np.array(corners, np.float32)
    way = cv2.getPerspectiveTransform(source, goal)
    table = cv2.resize(
        random.uniform(40, 180, (7, 9)).astype(np.float32),
        (WIDTH_PX, HEIGHT_PX),
        interpolation=cv2.INTER_CUBIC,
    )
    table += random.normal(0, 8, table.shape).astype(np.float32)
    soft = cv2.GaussianBlur(sheet, (0, 0), max(0.4, 0.35 * side_x / width))
    shade = ink + soft * (paper - ink)
    warped = cv2.warpPerspective(shade, way, (WIDTH_PX, HEIGHT_PX))
    mask = cv2.warpPerspective(np.ones_like(sheet), way, (WIDTH_PX, HEIGHT_PX))
    return table * (1 - mask) + warped * mask, goal


def _light(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    coarse = random.uniform(0.7, 1.1, (3, 4)).astype(np.float32)
    return image * cv2.resize(coarse, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)


def _trouble(
    image: np.ndarray, condition: str, corners: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    if condition == "blurred":
        if random.random() < 0.4:
            length = int(random.integers(9, 28))
            return motion_blur(_as_gray(image), length, random.uniform(0, 180)).astype(np.float32)
        return cv2.GaussianBlur(image, (0, 0), random.uniform(2.5, 7.0))
    if condition == "glare":
        return _glare(image, corners, random)
    if condition == "monitor":
        grid = screen_grid(_as_gray(image), random.uniform(2.1, 6.0), random.uniform(0.1, 0.5))
        return grid.astype(np.float32) + random.uniform(0, 40)
    if condition == "shadows":
        return _shadow(image, corners, random)
    return image


def _glare(image: np.ndarray, corners: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Lamps and windows mirrored in glossy paper: a white core, a wide veil, lost contrast."""
    ys, xs = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX].astype(np.float32)
    size = float(np.linalg.norm(corners[0] - corners[1]))
    middle = corners.mean(axis=0)
    out = image.copy()
    for _ in range(int(random.integers(1, 3))):
        at = middle + random.uniform(-0.45, 0.45, 2) * size
        turn = random.uniform(0, np.pi)
        dx, dy = xs - at[0], ys - at[1]
        u = dx * np.cos(turn) + dy * np.sin(turn)
        v = -dx * np.sin(turn) + dy * np.cos(turn)
        core = random.uniform(0.04, 0.15) * size
        near = np.sqrt((u / (core * random.uniform(1, 3))) ** 2 + (v / core) ** 2)
        out += random.uniform(70, 240) / (1 + np.exp((near - 1) * random.uniform(3, 9)))
        out += random.uniform(10, 110) * np.exp(-((near / random.uniform(2, 5)) ** 2))
    return np.clip(out, 0, 255)


def _shadow(image: np.ndarray, corners: np.ndarray, random: np.random.Generator) -> np.ndarray:
    out = image.copy()
    middle, size = corners.mean(axis=0), float(np.linalg.norm(corners[0] - corners[1]))
    for _ in range(int(random.integers(1, 4))):
        mask = np.zeros(image.shape, np.float32)
        at = middle + random.uniform(-0.5, 0.5, 2) * size
        points = at + random.normal(0, 0.6 * size, (int(random.integers(3, 6)), 2))
        cv2.fillPoly(mask, [cv2.convexHull(points.astype(np.int32))], 1.0)
        mask = cv2.GaussianBlur(mask, (0, 0), random.uniform(1, 14))
        out *= 1 - mask * random.uniform(0.4, 0.82)
    return out


def _curve(sheet: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Round a bottle: columns crowd toward the edges, and rows bend."""
    side_y, side_x = sheet.shape
    half = random.uniform(0.5, 1.25)  # radians seen to each side
    xs = np.linspace(-1, 1, side_x, dtype=np.float32)
    source = np.arcsin(np.clip(xs * np.sin(half), -1, 1)) / half
    bend = random.uniform(-0.16, 0.16) * side_y
    ys = np.arange(side_y, dtype=np.float32)[:, None]
    map_x = np.repeat(((source + 1) / 2 * (side_x - 1))[None, :], side_y, axis=0)
    map_y = ys + bend * (np.cos(source * half) - np.cos(half))[None, :]
    bent = cv2.remap(
        sheet,
        map_x.astype(np.float32),
        map_y.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=1.0,
    )
    shade = 0.55 + 0.45 * np.cos(source * half + random.uniform(-0.4, 0.4))
    bent = bent * shade[None, :].astype(np.float32)
    return bent if random.random() < 0.5 else np.ascontiguousarray(bent.T)


def _crumple(sheet: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Paper that was in a pocket: it waves, and each fold has a light and a dark side."""
    side_y, side_x = sheet.shape
    cells = int(random.integers(3, 7))
    strength = random.uniform(0.006, 0.018) * side_x
    size = (side_x, side_y)
    waves = [
        cv2.resize(
            random.normal(0, strength, (cells, cells)).astype(np.float32),
            size,
            interpolation=cv2.INTER_CUBIC,
        )
        for _ in range(2)
    ]
    ys, xs = np.mgrid[0:side_y, 0:side_x].astype(np.float32)
    bent = cv2.remap(sheet, xs + waves[0], ys + waves[1], cv2.INTER_LINEAR, borderValue=1.0)
    slope = cv2.Sobel(waves[0], cv2.CV_32F, 1, 0) + cv2.Sobel(waves[1], cv2.CV_32F, 0, 1)
    return np.clip(bent * (1 + slope / max(0.02, float(np.abs(slope).max())) * 0.4), 0, 1.2)


def _damage(sheet: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Scratches, stains, a torn corner."""
    out = sheet.copy()
    side_y, side_x = out.shape
    for _ in range(int(random.integers(2, 9))):
        colour = float(random.choice([0.05, 0.5, 1.0]))
        at = (int(random.integers(0, side_x)), int(random.integers(0, side_y)))
        if random.random() < 0.5:
            to = (
                at[0] + int(random.normal(0, side_x / 3)),
                at[1] + int(random.normal(0, side_y / 3)),
            )
            cv2.line(out, at, to, colour, int(random.integers(2, _MODULE_PX)))
        else:
            axes = (
                int(random.uniform(0.02, 0.09) * side_x),
                int(random.uniform(0.02, 0.09) * side_y),
            )
            cv2.ellipse(out, at, axes, random.uniform(0, 180), 0, 360, colour, -1)
    if random.random() < 0.25:
        cut = random.uniform(0.05, 0.2) * side_x
        corner = np.array([(side_x, side_y), (side_x - cut, side_y), (side_x, side_y - cut)])
        cv2.fillPoly(out, [corner.astype(np.int32)], 0.4)
    return out
