"""Camera path: share decoded and CPU milliseconds a frame, each library alone and our chain.

`GATESYNC_QR_PHOTOS` may name a folder of photographs with a `*.txt` beside each; they are
measured as well, shrunk to at most 1280×960. CPU time of one thread, so that a busy machine
does not distort it.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import zxingcpp
from pyzbar import pyzbar

from edge_agent.readers.decode import STILL_BUDGET_MS, decode
from edge_agent.readers.sources import image_names, load_gray
from tests.benchmarks.hard_qr import HARD_CONDITIONS, make_hard_samples
from tests.benchmarks.synthetic_qr import (
    CONDITIONS,
    Gray,
    Sample,
    draw_code,
    make_samples,
    place,
    ticket_payload,
    wall,
)

SEED = 20261121
PER_CONDITION = 25
PER_HARD_CONDITION = 10
_PHOTO_WIDTH_MAX, _PHOTO_HEIGHT_MAX = 1280, 960

Decoder = Callable[[Gray], Sequence[bytes]]


def _zxing(gray: Gray) -> list[bytes]:
    found = zxingcpp.read_barcodes(gray, formats=zxingcpp.BarcodeFormat.QRCode)
    return [barcode.bytes for barcode in found]


def _zbar(gray: Gray) -> list[bytes]:
    return [code.data for code in pyzbar.decode(gray, symbols=[pyzbar.ZBarSymbol.QRCODE])]


def _cv2(gray: Gray) -> list[bytes]:
    try:
        _, texts, _, _ = cv2.QRCodeDetector().detectAndDecodeMulti(gray)
    except (cv2.error, UnicodeDecodeError):
        return []
    return [text.encode() for text in texts if text]


DECODERS: dict[str, Decoder] = {
    "zxing-cpp": _zxing,
    "pyzbar": _zbar,
    "cv2": _cv2,
    "ours, first try": lambda gray: decode(gray, thorough=False).payloads,
    "ours, 40 ms": lambda gray: decode(gray, budget_ms=40, clock_s=time.thread_time).payloads,
    "ours, 120 ms": lambda gray: decode(gray, clock_s=time.thread_time).payloads,
    "ours, a still": lambda gray: (
        decode(gray, budget_ms=STILL_BUDGET_MS, clock_s=time.thread_time).payloads
    ),
}


def photographs(folder: Path) -> Iterator[Sample]:
    for name in image_names(folder):
        gray, beside = load_gray(folder / name), (folder / name).with_suffix(".txt")
        if gray is None or not beside.exists():
            continue
        factor = min(1, _PHOTO_WIDTH_MAX / gray.shape[1], _PHOTO_HEIGHT_MAX / gray.shape[0])
        if factor < 1:
            size = (round(gray.shape[1] * factor), round(gray.shape[0] * factor))
            gray = np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)
        yield Sample(name, "photo", beside.read_bytes(), gray)


def _read_right(sample: Sample, payloads: Sequence[bytes]) -> bool:
    if sample.condition != "photo":
        return sample.payload in payloads
    # Other people's codes: character sets and line ends differ by library, which is not our
    # question, and none of them has been seen to read a photograph as something else.
    return bool(payloads)


def _table(title: str, samples: Sequence[Sample]) -> None:
    known = dict.fromkeys((*CONDITIONS, *HARD_CONDITIONS, "photo"))
    conditions = [c for c in known if any(s.condition == c for s in samples)]
    total = Counter(sample.condition for sample in samples)
    print(f"\n{title}")
    head = "".join(f"{c[:9]:>10}" for c in conditions) if len(conditions) > 1 else ""
    print(f"{'':16}{'decoded %':>10}{'ratio':>7}{'median ms':>11}{'p95 ms':>8}{head}")
    reference = 0.0
    for name, decoder in DECODERS.items():
        right: Counter[str] = Counter()
        times_ms = []
        for sample in samples:
            start_s = time.thread_time()
            payloads = decoder(sample.image)
            times_ms.append((time.thread_time() - start_s) * 1000)
            right[sample.condition] += _read_right(sample, payloads)
        share = 100 * right.total() / len(samples)
        reference = reference or share
        median, p95 = np.percentile(times_ms, [50, 95])
        each = "".join(f"{100 * right[c] / total[c]:10.0f}" for c in conditions) if head else ""
        print(
            f"{name:16}{share:10.1f}{share / reference:7.2f}{median:11.2f}{p95:8.1f}{each}",
            flush=True,
        )


def _frames_per_second() -> None:
    """A held ticket and an empty view, over and over, by the first try as the worker does it."""
    random = np.random.default_rng(SEED)
    empty = wall(random)
    held = place(empty, draw_code(ticket_payload(random)), width_px=200, angle_deg=10)
    assert decode(held, thorough=False).payloads
    print("\nFrames a second on one core at 1280×720, decoding alone")
    for name, image in (("a ticket in view", held), ("an empty view", empty)):
        rates = []
        for decoder in (_zxing, DECODERS["ours, first try"], _zbar):
            start_s, frames = time.thread_time(), 0
            while time.thread_time() - start_s < 0.5:
                decoder(image)
                frames += 1
            rates.append(frames / (time.thread_time() - start_s))
        print(
            f"{name:18} ours {rates[1]:6.0f}   zxing-cpp {rates[0]:6.0f}"
            f"   pyzbar {rates[2]:6.0f}   ratio ours/zxing-cpp {rates[1] / rates[0]:.2f}"
        )


def main() -> None:
    cv2.setNumThreads(1)
    samples = list(make_samples(SEED, PER_CONDITION))
    _table(
        f"Camera: {len(samples)} synthetic 1280×720 views, seed {SEED}; ratio to zxing-cpp alone",
        samples,
    )
    hard = list(make_hard_samples(SEED, PER_HARD_CONDITION))
    _table(f"Camera: {len(hard)} hard synthetic 1280×960 photographs, seed {SEED}", hard)
    folder = os.environ.get("GATESYNC_QR_PHOTOS")
    if folder:
        photos = list(photographs(Path(folder)))
        _table(f"Camera: {len(photos)} photographs of {folder}", photos)
    _frames_per_second()


if __name__ == "__main__":
    main()
