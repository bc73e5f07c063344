"""The slower tries run only when they are worth it."""

import numpy as np

from edge_agent.readers.scene import Scene
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


def test_bad_pictures_are_named() -> None:
    dark, bright, frozen = Scene(), Scene(), Scene()
    dark.look(np.full((720, 1280), 2, np.uint8), 0)
    bright.look(np.full((720, 1280), 254, np.uint8), 0)
    for n in range(60):
        frozen.look(EMPTY, n * 66)
    assert "black" in dark.trouble()
    assert "white" in bright.trouble()
    assert "frozen" in frozen.trouble()
    frozen.hit()
    assert frozen.trouble() == ""
