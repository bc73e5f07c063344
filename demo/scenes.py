"""What the gate's camera would see: tickets on phones and on paper, held as people hold them."""

import math
import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import segno

WIDTH, HEIGHT = 1280, 720
EMPTY_SCENES = 5
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 85]

Image = np.ndarray[Any, np.dtype[np.uint8]]


def backdrop(rng: random.Random) -> Image:
    """A hall out of focus: light from above, a few dim shapes, sensor noise."""
    small = np.zeros((45, 80, 3), np.float32)
    top = np.array([rng.randint(120, 190) for _ in range(3)], np.float32)
    bottom = np.array([rng.randint(40, 90) for _ in range(3)], np.float32)
    ramp = np.linspace(0, 1, 45, dtype=np.float32)[:, None, None]
    small[:] = top * (1 - ramp) + bottom * ramp
    for _ in range(6):
        centre = (rng.randint(0, 79), rng.randint(5, 44))
        shade = [rng.randint(30, 200) for _ in range(3)]
        axes = (rng.randint(3, 9), rng.randint(5, 20))
        cv2.ellipse(small, centre, axes, rng.randint(0, 180), 0, 360, shade, -1)
    soft = cv2.GaussianBlur(small, (0, 0), 2.5)
    return (
        cv2.resize(soft, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        .clip(0, 255)
        .astype(np.uint8)
    )


def ticket(payload: str, rng: random.Random, *, dark: bool = False, paper: bool = False) -> Image:
    """A phone's screen, or a sheet of paper, with the code on it."""
    code = np.array(list(segno.make(payload, error="q").matrix_iter(border=4)), np.uint8)
    code = ((1 - code) * 255).astype(np.uint8)
    code = cv2.resize(code, (320, 320), interpolation=cv2.INTER_NEAREST)
    card: Image = np.full((640, 400, 3), 250, np.uint8)
    card[200:520, 40:360] = code[:, :, None]
    band = [rng.randint(60, 200) for _ in range(3)]
    cv2.rectangle(card, (40, 40), (360, 110), band, -1)
    cv2.rectangle(card, (40, 135), (rng.randint(180, 320), 155), (120, 120, 120), -1)
    cv2.rectangle(card, (40, 560), (rng.randint(200, 340), 580), (150, 150, 150), -1)
    if dark:
        card = 255 - card
    if not paper:
        body: Image = np.full((720, 440, 3), 25, np.uint8)
        body[40:680, 20:420] = card
        card = body
    return card


def photograph(card: Image, rng: random.Random, *, tilt: float = 1.0, blur: float = 0.0) -> Image:
    """The card in front of the camera: turned, in perspective, somewhere about the middle."""
    scene = backdrop(rng)
    rows, columns = card.shape[:2]
    scale = rng.uniform(0.62, 0.95) * 720 / rows
    angle = math.radians(rng.uniform(-25, 25) * tilt)
    centre = np.array([WIDTH / 2 + rng.uniform(-180, 180), HEIGHT / 2 + rng.uniform(-50, 50)])
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    corners = np.array([[-columns, -rows], [columns, -rows], [columns, rows], [-columns, rows]])
    placed = corners / 2 * scale @ turn.T + centre
    placed += np.array([[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(4)]) * 22 * tilt
    source = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
    warp = cv2.getPerspectiveTransform(source, placed.astype(np.float32))
    cv2.warpPerspective(card, warp, (WIDTH, HEIGHT), dst=scene, borderMode=cv2.BORDER_TRANSPARENT)
    return finish(scene, rng, blur=blur)


def finish(scene: Image, rng: random.Random, *, blur: float = 0.0) -> Image:
    """The camera's own part: focus, light and noise."""
    if blur:
        scene = cv2.GaussianBlur(scene, (0, 0), blur)
    noise = np.random.default_rng(rng.getrandbits(32)).integers(-7, 8, (180, 320, 3), np.int16)
    noise = cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    light = rng.uniform(0.7, 1.1)
    return (scene * light + noise).clip(0, 255).astype(np.uint8)


def write_showing(folder: Path, stem: str, payload: str, style: str, seed: str) -> None:
    """Two seconds of one visitor: the ticket comes up, is held still, and is gone again."""
    rng = random.Random(seed)
    card = ticket(payload, rng, dark=style == "dark", paper=style == "paper")
    tilt = 1.8 if style == "rotated" else 1.0
    blur = 2.2 if style == "blurred" else 0.0
    held = photograph(card, rng, tilt=tilt, blur=blur)
    coming = cv2.GaussianBlur(np.roll(held, rng.randint(-90, 90), axis=1), (41, 3), 0)
    cv2.imwrite(str(folder / f"{stem}-1.jpg"), coming, JPEG)
    cv2.imwrite(str(folder / f"{stem}-2.jpg"), held, JPEG)
    empty = folder.parent / f"empty-{rng.randrange(EMPTY_SCENES)}.jpg"
    (folder / f"{stem}-3.jpg").hardlink_to(empty)


def write_empty_scenes(folder: Path) -> None:
    for number in range(EMPTY_SCENES):
        rng = random.Random(f"empty-{number}")
        cv2.imwrite(str(folder / f"empty-{number}.jpg"), finish(backdrop(rng), rng), JPEG)
