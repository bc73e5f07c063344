"""Codes that zxing-cpp finds and can't read, because their paper is not flat."""

import numpy as np
import pytest
import zxingcpp

from edge_agent.readers import rescue
from edge_agent.readers.decode import decode
from tests.benchmarks.hard_qr import make_hard_samples
from tests.benchmarks.synthetic_qr import Sample, draw_code, place, ticket_payload, wall

QR = zxingcpp.BarcodeFormat.QRCodeModel2


@pytest.fixture(scope="module")
def hard() -> list[Sample]:
    return list(make_hard_samples(7, 3))


def test_more_is_read_than_by_the_library_alone_and_never_wrongly(hard: list[Sample]) -> None:
    alone = [zxingcpp.read_barcodes(s.image, formats=QR) for s in hard]
    ours = [decode(s.image, budget_ms=5000) for s in hard]
    assert sum(bool(d.payloads) for d in ours) >= sum(map(bool, alone)) + 2
    assert any(d.found_by.startswith("rescue") for d in ours)
    for sample, decoded in zip(hard, ours, strict=True):
        assert decoded.payloads in {(sample.payload,), ()}


def test_a_flat_code_is_redrawn_as_it_is() -> None:
    random = np.random.default_rng(3)
    payload = ticket_payload(random)
    image = place(wall(random), draw_code(payload), width_px=220, angle_deg=15, tilt=0.2)
    (barcode,) = zxingcpp.read_barcodes(image, formats=QR)
    one = rescue.Found(rescue.corners(barcode), rescue.sides(barcode) or 0)
    clean = next(rescue.redrawn(image, one))
    assert zxingcpp.read_barcode(clean, formats=QR).bytes == payload.encode()


def test_finds_on_one_another_are_one_and_dots_are_none() -> None:
    square = np.array([(0, 0), (100, 0), (100, 100), (0, 100)], np.float32)
    finds = [rescue.Found(square, 25), rescue.Found(square + 1, 25), rescue.Found(square, 29)]
    assert len(rescue.distinct(finds)) == 2
    assert rescue.distinct([rescue.Found(square / 10, 25)]) == []
    assert len(rescue.distinct([rescue.Found(square + 50 * n, 25) for n in range(9)])) == 5


def test_p12_it_ends_when_told_to() -> None:
    random = np.random.default_rng(3)
    square = np.array([(400, 200), (700, 200), (700, 500), (400, 500)], np.float32)
    asked: list[bool] = []
    clean = list(
        rescue.redrawn(wall(random), rescue.Found(square, 25), lambda: bool(asked.append(True)))
    )
    assert len(asked) == 1
    assert len(clean) == 4


def test_clutter_is_no_code() -> None:
    """Noise is not a ticket: nothing comes of walls, noise and halves of codes."""
    for seed in range(5):
        random = np.random.default_rng(seed)
        clutter = wall(random)
        noise = random.integers(0, 255, (360, 640), dtype=np.uint8)
        half = place(clutter, draw_code(ticket_payload(random))[:, :130], width_px=200)
        for image in (clutter, noise, half):
            assert decode(image, budget_ms=200).payloads == ()
