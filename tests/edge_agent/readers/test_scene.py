"""The slower tries run only when they are worth it."""

import numpy as np
import pytest

from edge_agent.readers.scene import BLACK, FROZEN, PLAIN, WHITE, Scene, Trouble
from tests.benchmarks.synthetic_qr import add_noise, draw_code, place, wall

RANDOM = np.random.default_rng(1)
EMPTY = wall(RANDOM)
WITH_TICKET = place(EMPTY, draw_code("GS:X"), width_px=160)


def slow_tries(scene: Scene, image: np.ndarray, from_ms: int, frames: int) -> int:
    pictures = [add_noise(image, RANDOM, 3) for _ in range(3)]
    return sum(scene.look(pictures[n % 3], from_ms + n * 100) for n in range(frames))


def test_an_empty_gate_costs_nothing_and_a_new_thing_is_looked_at_twice_a_second() -> None:
    scene = Scene()
    assert slow_tries(scene, EMPTY, 0, 100) <= 1
    assert slow_tries(scene, WITH_TICKET, 10_000, 50) in range(8, 11)


def test_a_thing_that_stays_becomes_background() -> None:
    scene = Scene()
    slow_tries(scene, EMPTY, 0, 10)
    slow_tries(scene, WITH_TICKET, 1000, 500)
    assert slow_tries(scene, WITH_TICKET, 51_000, 50) == 0


def show(scene: Scene, image: np.ndarray, frames: int) -> None:
    for n in range(frames):
        scene.look(image, n * 66)


def noisy(level: float) -> np.ndarray:
    return add_noise(np.full((720, 1280), level, np.uint8), RANDOM, 2)


@pytest.mark.parametrize(
    ("level", "trouble"), [(2, BLACK), (16, BLACK), (254, WHITE), (128, PLAIN)]
)
def test_bad_pictures_are_named_after_a_second_and_forgotten_at_once(
    level: int, trouble: Trouble
) -> None:
    scene = Scene()
    for n in range(14):
        scene.look(noisy(level), n * 66)
    assert scene.trouble() is None
    scene.look(noisy(level), 1000)
    assert scene.trouble() is trouble
    scene.look(add_noise(EMPTY, RANDOM, 3), 1100)
    assert scene.trouble() is None


def test_a_dim_or_bright_room_is_no_trouble() -> None:
    scene = Scene()
    for factor in (0.25, 1.3):
        show(scene, np.asarray(np.clip(EMPTY * factor, 0, 255), np.uint8), 20)
        assert scene.trouble() is None


def test_a_frozen_picture_is_named_even_while_a_ticket_is_in_it() -> None:
    scene = Scene()
    show(scene, EMPTY, 60)
    assert scene.trouble() is FROZEN
    scene.hit(WITH_TICKET)
    assert scene.trouble() is None
    for _ in range(60):
        scene.hit(WITH_TICKET)
    assert scene.trouble() is FROZEN
