"""Text on a PDF page: in the fonts that are installed, as large as fits, wrapped, never over the edge."""

import logging
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shared.errors import UsageError

POINT_MM = 25.4 / 72
LEADING = 1.25
_MISSING = "□"
_ELLIPSIS = "…"
_UNSEEN = frozenset({"Cf", "Cc", "Mn"})  # joiners and selectors of what can't be printed anyway
# Where Debian's fonts-nanum, fonts-noto-cjk and fonts-unfonts-core put a font that has Hangul.
KOREAN_FONTS = (
    "/usr/share/fonts/truetype/nanum/NanumGothic.ttf",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/unfonts-core/UnDotum.ttf",
    "/usr/share/fonts/truetype/noto/NotoSansKR-Regular.ttf",
)
# For letters that the first has not, where they are installed.
OTHER_FONTS = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",
)


_INSTALL = "install fonts-nanum (apt install fonts-nanum)"


def text_font(fonts: Sequence[str] = KOREAN_FONTS) -> str:
    """A font with Hangul; UsageError where none is installed."""
    found = next((font for font in fonts if Path(font).exists()), None)
    if found is None:
        raise UsageError(f"a PDF needs a Korean font: {_INSTALL}")
    return found


class Box(NamedTuple):
    """A place on the page, in mm from its upper left corner."""

    left: float
    top: float
    width: float
    height: float


class Block(NamedTuple):
    """Lines of one size, in pt."""

    size: float
    lines: tuple[str, ...]

    @property
    def line_mm(self) -> float:
        return self.size * POINT_MM * LEADING

    @property
    def height(self) -> float:
        return self.line_mm * len(self.lines)


class Typesetter:
    """Sets text on `sheet`, an FPDF. `missing` are the signs that no font has: a box stands there."""

    def __init__(self, sheet: Any, fonts: Sequence[str] = KOREAN_FONTS) -> None:
        logging.getLogger("fontTools").setLevel(logging.ERROR)  # tells of tables nobody prints
        self._sheet = sheet
        self.missing: set[str] = set()
        found = [font for font in fonts if Path(font).exists()][:1]
        found += [font for font in OTHER_FONTS if Path(font).exists()]
        if not found:
            raise UsageError(f"a PDF needs a font: {_INSTALL}")
        names = [f"Text{number}" for number in range(len(found))]
        for name, font in zip(names, found, strict=True):
            sheet.add_font(name, fname=font)
        sheet.set_fallback_fonts(names[1:])
        sheet.set_font(names[0])
        self._letters = frozenset().union(*(font.cmap for font in sheet.fonts.values()))

    def printable(self, text: str) -> str:
        """The text with what no font has as a box; Hangul put together, in one line."""
        kept: list[str] = []
        for letter in " ".join(unicodedata.normalize("NFC", text).split()):
            if ord(letter) in self._letters:
                kept.append(letter)
            elif "가" <= letter <= "힣":
                raise UsageError(
                    f"a PDF of these names needs a Korean font: {_INSTALL}, or use png, svg or csv"
                )
            elif unicodedata.category(letter) not in _UNSEEN:
                self.missing.add(letter)
                kept.append(_MISSING)
        return "".join(kept)

    def put(self, text: str, box: Box, sizes: Sequence[float]) -> float:
        """`fit` and `draw` at the box's top, centred; returns the height that it took."""
        block = self.fit(text, box.width, box.height, sizes)
        self.draw(block, box)
        return block.height

    def fit(self, text: str, width: float, height: float, sizes: Sequence[float]) -> Block:
        """The text in the largest of the sizes (pt, falling) in which it fits, wrapped at spaces;
        words are broken rather than set in less than half of the largest. At the smallest size the
        end gives way to an ellipsis.
        """
        plain = self.printable(text)
        if not plain:
            return Block(sizes[-1], ())
        for size in sizes:
            lines = self._lines(plain, width, size)
            fits = len(lines) <= _room(height, size) and not _torn(plain, lines)
            if fits and 2 * size >= sizes[0]:
                return Block(size, tuple(lines))
        for size in sizes:
            lines = self._lines(plain, width, size)
            if len(lines) <= _room(height, size):
                return Block(size, tuple(lines))
        return Block(sizes[-1], tuple(self._cut(lines, _room(height, sizes[-1]), width)))

    def draw(self, block: Block, box: Box) -> None:
        self._sheet.set_font_size(block.size)
        for number, line in enumerate(block.lines):
            self._sheet.set_xy(box.left, box.top + number * block.line_mm)
            self._sheet.cell(box.width, block.line_mm, line, align="C")

    def _lines(self, text: str, width: float, size: float) -> list[str]:
        self._sheet.set_font_size(size)
        return list(self._wrapped(text, width))

    def _cut(self, lines: list[str], room: int, width: float) -> list[str]:
        kept = lines[:room]
        last = kept[-1]
        while last and self._width(last + _ELLIPSIS) > width:
            last = last[:-1].rstrip()
        return [*kept[:-1], last + _ELLIPSIS]

    def _wrapped(self, text: str, width: float) -> Iterator[str]:
        line = ""
        for word in text.split():
            longer = f"{line} {word}" if line else word
            if self._width(longer) <= width:
                line = longer
                continue
            if line:
                yield line
            line = word
            while self._width(line) > width and len(line) > 1:
                end = len(line) - 1
                while end > 1 and self._width(line[:end]) > width:
                    end -= 1
                yield line[:end]
                line = line[end:]
        if line:
            yield line

    def _width(self, text: str) -> float:
        return float(self._sheet.get_string_width(text)) + 2 * float(self._sheet.c_margin)


def _room(height: float, size: float) -> int:
    return max(1, int(height / (size * POINT_MM * LEADING) + 0.01))


def _torn(text: str, lines: list[str]) -> bool:
    """Whether a word had to be broken."""
    return " ".join(lines) != text
