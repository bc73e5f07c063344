"""Synthetic pictures of tickets under known trouble, the same ones for the same seed.

One picture is one ticket on a cluttered wall, seen by a 1280×720 grey camera.
Each condition adds its own trouble to an otherwise easy view, so that a table by condition
says what a decoder is weak at. The severities are drawn evenly between "easy" and "a person
would turn the ticket a little": they are a yardstick for comparing decoders, not a forecast
of what share of real visitors is read at the first frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import segno

Gray = npt.NDArray[np.uint8]
Real = npt.NDArray[np.float32]

WIDTH_PX, HEIGHT_PX = 1280, 720
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's 32, as the tickets use
CONDITIONS = (
    "size",
    "rotation",
    "perspective",
    "blur",
    "noise",
    "glare",
    "low_light",
    "phone_screen",
    "dark_mode",
    "creased",
)


@dataclass(frozen=True)
class Sample:
    """One picture with the payload that it shows and the condition that it was made under."""

    name: str
    condition: str
    payload: bytes
    image: Gray


def ticket_payload(random: np.random.Generator) -> str:
    """Return a payload of a usual ticket's form: prefix, tag and 17 letters (DESIGN §6)."""
    return "GS:TCF24" + "".join(_LETTERS[i] for i in random.integers(0, 32, 17))


def draw_code(payload: str, module_px: int = 8, *, inverted: bool = False) -> Gray:
    """Draw the payload as a QR code, level Q, with its quiet zone of four modules."""
    matrix = np.array([list(row) for row in segno.make_qr(payload, error="q").matrix], np.uint8)
    ink, paper = (230, 25) if inverted else (20, 240)
    cells = np.where(matrix == 1, ink, paper).astype(np.uint8)
    framed = np.pad(cells, 4, constant_values=paper)
    return np.kron(framed, np.ones((module_px, module_px), np.uint8)).astype(np.uint8)


def wall(random: np.random.Generator) -> Gray:
    """Return an empty view: light that varies smoothly, with edges of things in it."""
    coarse = random.uniform(60, 190, (5, 8)).astype(np.float32)
    view = cv2.resize(coarse, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        x, y = int(random.integers(0, WIDTH_PX)), int(random.integers(0, HEIGHT_PX))
        w, h = int(random.integers(20, 300)), int(random.integers(20, 300))
        cv2.rectangle(view, (x, y), (x + w, y + h), float(random.uniform(20, 230)), -1)
    return _as_gray(view)


def place(
    view: Gray,
    code: Gray,
    *,
    width_px: float,
    angle_deg: float = 0.0,
    tilt: float = 0.0,
    centre: tuple[float, float] = (WIDTH_PX / 2, HEIGHT_PX / 2),
) -> Gray:
    """Put the code into the view, `width_px` wide without tilt; tilt 0 is flat, 0.5 is steep."""
    half, angle = width_px / 2, math.radians(angle_deg)
    corners = []
    for cx, cy in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        depth = 1.0 / (1.0 + tilt * cx * 0.6)
        x, y = cx * half * (1 - tilt * 0.6) * depth, cy * half * depth
        corners.append(
            (
                centre[0] + x * math.cos(angle) - y * math.sin(angle),
                centre[1] + x * math.sin(angle) + y * math.cos(angle),
            )
        )
    side = code.shape[0]
    source = np.array([(0, 0), (side, 0), (side, side), (0, side)], np.float32)
    turn = cv2.getPerspectiveTransform(source, np.array(corners, np.float32))
    # Shrinking without averaging would alias modules away as no lens does.
    scale = width_px / side
    soft = cv2.GaussianBlur(code, (0, 0), max(0.3, 0.4 / scale)) if scale < 1 else code
    size = (view.shape[1], view.shape[0])
    warped = cv2.warpPerspective(soft, turn, size, flags=cv2.INTER_LINEAR)
    mask = cv2.warpPerspective(np.full_like(code, 255), turn, size)
    return np.where(mask > 127, warped, view).astype(np.uint8)


def add_noise(image: Gray, random: np.random.Generator, sigma: float) -> Gray:
    """Add sensor noise of `sigma` grey levels."""
    return _as_gray(image + random.normal(0, sigma, image.shape).astype(np.float32))


def motion_blur(image: Gray, length_px: int, angle_deg: float) -> Gray:
    """Smear the picture along a line, as a moving hand does."""
    kernel = np.zeros((length_px, length_px), np.float32)
    kernel[length_px // 2, :] = 1.0
    middle = ((length_px - 1) / 2, (length_px - 1) / 2)
    kernel = cv2.warpAffine(
        kernel, cv2.getRotationMatrix2D(middle, angle_deg, 1.0), (length_px, length_px)
    )
    return _as_gray(cv2.filter2D(image, -1, kernel / max(float(kernel.sum()), 1e-6)))


def add_glare(image: Gray, centre: tuple[float, float], radius_px: float, strength: float) -> Gray:
    """Lay a lamp's reflection over the picture; strength 1 saturates white at its middle."""
    ys, xs = np.mgrid[0 : image.shape[0], 0 : image.shape[1]].astype(np.float32)
    distance2 = ((xs - centre[0]) / radius_px) ** 2 + ((ys - centre[1]) / (radius_px * 0.6)) ** 2
    veil = 255.0 * strength * np.exp(-distance2)
    return _as_gray(image * (1 - 0.35 * strength * np.exp(-distance2)) + veil)


def screen_grid(image: Gray, pitch_px: float, depth: float) -> Gray:
    """Lay the moiré of a screen's pixels over the picture; depth 0–1."""
    ys, xs = np.mgrid[0 : image.shape[0], 0 : image.shape[1]].astype(np.float32)
    waves = np.sin(2 * np.pi * xs / pitch_px) * np.sin(2 * np.pi * (ys + 0.3 * xs) / pitch_px)
    return _as_gray(image * (1 + depth * waves))


def crease(code: Gray, random: np.random.Generator, folds: int) -> Gray:
    """Fold the paper: each fold shades one side and shifts it by a few pixels."""
    out = code.astype(np.float32)
    side = code.shape[0]
    for _ in range(folds):
        at = int(random.integers(side // 5, 4 * side // 5))
        shift, shade = int(random.integers(-4, 5)), float(random.uniform(0.45, 0.8))
        out[at:] = np.roll(out[at:], shift, axis=1) * shade
        out[max(0, at - 2) : at + 2] = 250.0
        out = np.ascontiguousarray(np.rot90(out))
    return _as_gray(out)


def make_samples(seed: int, per_condition: int) -> Iterator[Sample]:
    """Yield `per_condition` pictures of each condition; equal seeds give equal pictures."""
    for row, condition in enumerate(CONDITIONS):
        for number in range(per_condition):
            random = np.random.default_rng([seed, row, number])
            payload = ticket_payload(random)
            image = _shown_under(condition, payload, random)
            yield Sample(f"{condition}-{number:03d}", condition, payload.encode(), image)


def _shown_under(condition: str, payload: str, random: np.random.Generator) -> Gray:
    inverted = condition == "dark_mode"
    code = draw_code(payload, inverted=inverted)
    width, angle, tilt = random.uniform(180, 320), random.uniform(-12, 12), 0.0
    if condition == "size":
        width = random.uniform(45, 140)
    elif condition == "rotation":
        angle = random.uniform(0, 360)
    elif condition == "perspective":
        tilt, angle = random.uniform(0.2, 0.85), random.uniform(0, 360)
    elif condition == "creased":
        code = crease(code, random, int(random.integers(1, 5)))
    centre = (random.uniform(350, 930), random.uniform(250, 470))
    image = place(wall(random), code, width_px=width, angle_deg=angle, tilt=tilt, centre=centre)
    image = _troubled(image, condition, random, centre, width)
    return add_noise(_as_gray(cv2.GaussianBlur(image, (0, 0), 0.7)), random, 3.0)


def _troubled(
    image: Gray,
    condition: str,
    random: np.random.Generator,
    centre: tuple[float, float],
    width_px: float,
) -> Gray:
    if condition == "blur":
        if random.random() < 0.5:
            return motion_blur(image, int(random.integers(5, 22)), random.uniform(0, 180))
        return _as_gray(cv2.GaussianBlur(image, (0, 0), random.uniform(1.5, 6.0)))
    if condition == "noise":
        return add_noise(image, random, random.uniform(20, 90))
    if condition == "low_light":
        dim = _as_gray(image * np.float32(random.uniform(0.04, 0.2)))
        return add_noise(dim, random, random.uniform(2, 9))
    if condition == "glare":
        spot = (centre[0] + random.uniform(-0.45, 0.45) * width_px,
                centre[1] + random.uniform(-0.45, 0.45) * width_px)  # fmt: skip
        hazy = _as_gray(image * np.float32(0.6) + np.float32(random.uniform(10, 90)))
        return add_glare(hazy, spot, random.uniform(0.2, 0.9) * width_px, random.uniform(0.6, 1.1))
    if condition in ("phone_screen", "dark_mode"):
        grid = screen_grid(image, random.uniform(2.2, 7.0), random.uniform(0.1, 0.45))
        spot = (centre[0] + random.uniform(-0.6, 0.6) * width_px, centre[1] - 0.3 * width_px)
        return add_glare(grid, spot, 0.3 * width_px, random.uniform(0.2, 0.7))
    return image


def _as_gray(values: Any) -> Gray:
    return np.asarray(np.clip(values, 0, 255), np.uint8)
