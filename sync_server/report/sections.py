"""A report's part: a table with a title."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sync_server.report.words import Word


@dataclass(frozen=True, slots=True)
class Section:
    """`columns` and `rows` are of one width; a cell is text or a number."""

    title: Word
    columns: Sequence[Word]
    rows: Sequence[Sequence[Any]]
    note: Word | None = None
