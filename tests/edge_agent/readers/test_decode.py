"""Decoding of pictures made by segno and OpenCV."""

import cv2
import numpy as np
import pytest

from edge_agent.readers.decode import decode
from edge_agent.readers.payload import clean
from tests.benchmarks.synthetic_qr import (
    add_noise,
    draw_code,
    make_samples,
    motion_blur,
    place,
    wall,
)

TICKET = "GS:TCF240123456789ABCDEFG"
OTHER = "GS:TCF24ZYXWVTSRQPNMKJHGF"


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(2)


@pytest.fixture
def view(random: np.random.Generator) -> np.ndarray:
    return wall(random)


def read(image: np.ndarray) -> set[bytes]:
    return set(decode(image).payloads)


@pytest.mark.parametrize("angle_deg", [0, 45, 90, 137, 180, 270])
def test_rotated(view: np.ndarray, angle_deg: float) -> None:
    image = place(view, draw_code(TICKET), width_px=220, angle_deg=angle_deg)
    assert read(image) == {TICKET.encode()}


def test_tilted_blurred_and_noisy(view: np.ndarray, random: np.random.Generator) -> None:
    image = place(view, draw_code(TICKET), width_px=260, angle_deg=20, tilt=0.4)
    assert read(add_noise(motion_blur(image, 5, 30), random, 8)) == {TICKET.encode()}


def test_dark_mode_and_mirrored(view: np.ndarray) -> None:
    dark = place(view, draw_code(TICKET, inverted=True), width_px=220)
    assert read(dark) == {TICKET.encode()}
    assert read(np.ascontiguousarray(dark[:, ::-1])) == {TICKET.encode()}


def test_two_tickets_in_one_picture(view: np.ndarray) -> None:
    image = place(view, draw_code(TICKET), width_px=220, centre=(350, 360))
    image = place(image, draw_code(OTHER), width_px=200, centre=(900, 380), angle_deg=30)
    assert read(image) == {TICKET.encode(), OTHER.encode()}


def test_a_large_photograph_is_read(view: np.ndarray) -> None:
    image = cv2.resize(place(view, draw_code(TICKET), width_px=200), None, fx=3.2, fy=3.2)
    assert read(np.asarray(image, np.uint8)) == {TICKET.encode()}


def test_the_slower_tries_read_more_and_never_wrongly() -> None:
    samples = list(make_samples(5, 3))
    quick = [decode(s.image, thorough=False) for s in samples]
    slow = [decode(s.image, budget_ms=2000) for s in samples]
    assert sum(bool(d.payloads) for d in slow) > sum(bool(d.payloads) for d in quick)
    for sample, decoded in zip(samples, slow, strict=True):
        assert decoded.payloads in {(sample.payload,), ()}


def test_an_empty_view_and_an_empty_array_hold_nothing(view: np.ndarray) -> None:
    assert read(view) == set()
    assert read(np.zeros((0, 0), np.uint8)) == set()


def test_p12_the_budget_ends_the_tries(view: np.ndarray) -> None:
    ticks = iter(range(1000))
    asked: list[int] = []

    def clock_s() -> float:
        asked.append(next(ticks))
        return float(asked[-1])

    assert decode(view, budget_ms=2500, clock_s=clock_s).payloads == ()
    assert len(asked) == 4  # the start, and one look after each of three tries


def test_zbar_is_quiet(view: np.ndarray, capfd: pytest.CaptureFixture[str]) -> None:
    decode(view, budget_ms=5000)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (TICKET.encode(), TICKET.encode()),
        (rb"\000026" + TICKET.encode(), TICKET.encode()),
        (b"\\000026\\000003" + TICKET.encode() + b"\r\n\x00", TICKET.encode()),
        (b"\xef\xbb\xbf]Q1" + TICKET.encode() + b"\x1d", TICKET.encode()),
        (TICKET[:8].encode() + b"\x1d\x00" + TICKET[8:].encode(), TICKET.encode()),
        ("한국어\n두 줄".encode(), "한국어\n두 줄".encode()),
        (b"01095\x1d10123", b"01095\x1d10123"),
        (b"\x00\x01 ", b""),
    ],
)
def test_what_decoders_add_is_cleaned(raw: bytes, expected: bytes) -> None:
    assert clean(raw) == expected
