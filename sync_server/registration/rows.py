"""What a list of people is before anybody knows what its columns mean: headings and rows."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from shared.errors import UsageError
from sync_server.registration.quality import Fault

HEADING_ROWS_MAX = 20  # a title may stand above the headings
_KNOWN_MIN = 2  # a row with fewer known words is not taken for the headings

Knows = Callable[[str], bool]  # whether a word is a heading that somebody knows


class ListError(UsageError):
    """The file is no list that can be read; says so in Korean as well."""

    def __init__(self, message: str, korean: str) -> None:
        super().__init__(message)
        self.korean = korean


class Row(NamedTuple):
    """`line` is the first line of the row in its file, or its number in the sheet, from 1.

    `problem` says why the cells are not those of the headings.
    """

    line: int
    cells: list[str]
    problem: Fault | None = None


class Rows(Protocol):
    """A file that has been opened: iterate once for the rows below the headings."""

    headings: list[str]

    def __iter__(self) -> Iterator[Row]: ...

    def close(self) -> None:
        """Let go of what reading needs."""


def heading_place(rows: Sequence[Sequence[str]], knows: Knows) -> int:
    """Which of the first rows has the headings: the one with the most known words.

    The first, where no row has two of them: then what is missing is told about that one.
    """
    scores = [sum(knows(cell) for cell in cells) for cells in rows]
    best = max(scores, default=0)
    if best >= _KNOWN_MIN:
        return scores.index(best)
    return next((n for n, cells in enumerate(rows) if any(cell.strip() for cell in cells)), 0)


def malformed(message: str, korean: str) -> Fault:
    return Fault("", "malformed_row", message, korean)
