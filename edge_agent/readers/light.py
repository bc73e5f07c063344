"""Ways to look at a picture again: evened light, another size, sharper edges. Pure."""

from __future__ import annotations

from typing import Any

from edge_agent.readers.frames import Gray, cv2, np


def scaled(gray: Gray, factor: float) -> Gray:
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return _u8(cv2.resize(gray, None, fx=factor, fy=factor, interpolation=way))


def narrowed(gray: Gray) -> Gray:
    """Squeezed from the sides: tall modules of a code seen at a steep angle, and less noise."""
    return _u8(cv2.resize(gray, None, fx=0.6, fy=1, interpolation=cv2.INTER_AREA))


def adaptive(gray: Gray, block_px: int, below: int) -> Gray:
    """Black where darker than the neighbourhood: glare and shadow fall away."""
    kind = cv2.ADAPTIVE_THRESH_MEAN_C
    return _u8(cv2.adaptiveThreshold(gray, 255, kind, cv2.THRESH_BINARY, block_px, below))


def stretched(gray: Gray, reach_px: int, blur_px: int) -> Gray:
    """Between the darkest and the brightest of the neighbourhood: veils of light, weak print."""
    brush = np.ones((reach_px, reach_px), np.uint8)
    high = cv2.blur(cv2.dilate(gray, brush), (blur_px, blur_px)).astype(np.float32)
    low = cv2.blur(cv2.erode(gray, brush), (blur_px, blur_px)).astype(np.float32)
    return _u8(np.clip(255 * (gray - low) / np.maximum(high - low, 12), 0, 255))


def normalised(gray: Gray, block_px: int) -> Gray:
    """The neighbourhood's mean and spread taken out."""
    real, block = gray.astype(np.float32), (block_px, block_px)
    mean = cv2.blur(real, block)
    spread = np.sqrt(np.maximum(cv2.blur(real * real, block) - mean * mean, 0))
    return _u8(np.clip(128 + 64 * (real - mean) / (spread + 6), 0, 255))


def equalised(gray: Gray) -> Gray:
    """Contrast stretched region by region (CLAHE): dim pictures."""
    return _u8(cv2.createCLAHE(40.0, (8, 8)).apply(gray))


def gamma(gray: Gray, power: float) -> Gray:
    """Dark parts pulled apart (power below 1): what lies in a shadow."""
    table = np.array([255 * (n / 255) ** power for n in range(256)], np.uint8)
    return _u8(cv2.LUT(gray, table))


def paper_divided(gray: Gray, blur_px: int) -> Gray:
    """Divide by the brightness of the paper around: glare, creases."""
    brush = cv2.getStructuringElement(cv2.MORPH_RECT, (15, 15))
    paper = cv2.blur(cv2.morphologyEx(gray, cv2.MORPH_CLOSE, brush), (blur_px, blur_px))
    return _u8(cv2.divide(gray, paper, scale=255))


def local_contrast(gray: Gray) -> Gray:
    """Twice the difference to the neighbourhood's mean."""
    mean = cv2.blur(gray, (41, 41))
    return _u8(cv2.addWeighted(gray, 2.0, mean, -2.0, 128))


def sharpened(gray: Gray, sigma_px: float, amount: float) -> Gray:
    """Unsharp mask: defocus, and codes of two pixels a module."""
    soft = cv2.GaussianBlur(gray, (0, 0), sigma_px)
    return _u8(cv2.addWeighted(gray, 1 + amount, soft, -amount, 0))


def opened(gray: Gray) -> Gray:
    """White specks and scratches taken out of the black."""
    return _u8(cv2.morphologyEx(gray, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)))


def _u8(image: Any) -> Gray:
    return np.asarray(image, np.uint8)
