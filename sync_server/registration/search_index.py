"""Everybody in memory, to be found by parts of anything: names, addresses, phones, codes, status.

A text for each person, and a signature: one bit of 1,024 for each pair of letters that follow each
other in it. A word can only be in a text whose signature has all of its pairs; numpy compares
100,000 signatures in less than a millisecond, and the few texts that are left are looked through.
So any part of a word is found, as Korean needs it, and a change is one text and one signature, with
no structure around them that it could leave wrong. Pure; one thread at a time.
"""

from collections.abc import Callable, Iterable
from heapq import nsmallest
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sync_server.registration.search_text import BEGIN, END, Asked, Words, is_mark

_BITS = 1_024
_COLUMNS = _BITS // 64
_PLACES_FIRST = 1_024

Places = npt.NDArray[np.bool_]  # of whom: a truth value for each place
_Bits = npt.NDArray[np.uint64]


class Entry(NamedTuple):
    """One person. `text` is `search_text.text_of`, `name` the folded name with a space before."""

    participant_id: str
    name: str
    text: str
    status: str
    group: str  # empty for none


class Position(NamedTuple):
    """Where a page ended: how well that person fits, then the order among those alike."""

    rank: int
    name: str
    participant_id: str


class Page(NamedTuple):
    ids: list[str]
    next: Position | None
    total: int


class Wanted(NamedTuple):
    """What those found must be as well; None is anything, an empty group is none."""

    status: str | None = None
    group: str | None = None


class SearchIndex:
    """Best first: a whole field, the beginning of the name, of its words, of any word, a part."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._ids: list[str] = []
        self._names: list[str] = []
        self._texts: list[str] = []
        self._statuses: list[str] = []
        self._groups: list[str] = []
        self._signatures: _Bits = np.zeros((_COLUMNS, _PLACES_FIRST), np.uint64)

    def __len__(self) -> int:
        return len(self._ids)

    def put(self, entry: Entry) -> None:
        """Add somebody, or replace what was known of them."""
        place = self._places.setdefault(entry.participant_id, len(self._ids))
        if place == len(self._ids):
            for column in (self._ids, self._names, self._texts, self._statuses, self._groups):
                column.append("")
            if place == self._signatures.shape[1]:
                self._signatures = np.concatenate(
                    (self._signatures, np.zeros_like(self._signatures)), axis=1
                )
        self._ids[place] = entry.participant_id
        self._names[place], self._texts[place] = entry.name, entry.text
        self._statuses[place], self._groups[place] = entry.status, entry.group
        self._signatures[:, place] = _signature(entry.text)

    def find(self, asked: Asked, wanted: Wanted, after: Position | None, limit: int) -> Page:
        """Up to `limit` people behind `after`, how to go on, and how many fit in all."""
        reading, rest = self._fitting(asked)
        if wanted.status is not None:
            rest &= np.fromiter((one == wanted.status for one in self._statuses), np.bool_)
        if wanted.group is not None:
            rest &= np.fromiter((one == wanted.group for one in self._groups), np.bool_)
        total = int(rest.sum())
        found: list[Position] = []
        for rank, choose in enumerate(self._choices(asked, reading)):
            alike = choose(rest)
            if after is None or rank >= after.rank:
                found += self._in_order(rank, alike, after, limit + 1 - len(found))
            if len(found) > limit:
                break
            rest &= ~alike
        shown = found[:limit]
        more = shown[-1] if len(found) > limit else None
        return Page([position.participant_id for position in shown], more, total)

    def _fitting(self, asked: Asked) -> tuple[Words, Places]:
        found: Places = np.zeros(len(self), np.bool_)
        for reading in asked.readings:
            found = self._with_all(self._texts, reading, np.ones(len(self), np.bool_))
            if found.any():
                return reading, found
        return (), found

    def _choices(self, asked: Asked, reading: Words) -> tuple[Callable[[Places], Places], ...]:
        """Who of these fits best, then next best …"""
        names, texts = self._names, self._texts
        whole = tuple(f"{BEGIN}{said}{END}" for said in asked.whole)
        beginning = f"{BEGIN}{asked.whole[0]}"
        words = [forms for forms in reading if not is_mark(forms[0])]
        begin = [tuple(f" {form}" for form in forms) for forms in words]
        # Of a number also its end: people say the last four digits.
        ends = [
            (*starts, *(f"{form}{END}" for form in forms if form.isdecimal()))
            for forms, starts in zip(words, begin, strict=True)
        ]
        return (
            lambda places: self._with_any(texts, whole, places),
            lambda places: self._where(places, beginning, lambda p: texts[p].startswith(beginning)),
            lambda places: self._with_all(names, begin, places),
            lambda places: self._with_all(texts, ends, places),
            lambda places: places.copy(),
        )

    def _with_all(
        self, texts: list[str], words: Iterable[tuple[str, ...]], places: Places
    ) -> Places:
        """Whose text has a spelling of each word; the longest first, since it leaves the fewest."""
        for spellings in sorted(words, key=lambda forms: -min(map(len, forms))):
            places = self._with_any(texts, spellings, places)
        return places

    def _with_any(self, texts: list[str], spellings: Iterable[str], places: Places) -> Places:
        found: Places = np.zeros(len(places), np.bool_)
        for said in spellings:
            left = self._may_have(said, places & ~found)
            found[[place for place in left if said in texts[place]]] = True
        return found

    def _where(self, places: Places, said: str, holds: Callable[[int], bool]) -> Places:
        found: Places = np.zeros(len(places), np.bool_)
        found[[place for place in self._may_have(said, places) if holds(place)]] = True
        return found

    def _may_have(self, said: str, places: Places) -> list[int]:
        """Who of these has all the pairs of letters: everybody who has the text, and few others."""
        left = places.copy()
        for column, bits in enumerate(_signature(said)):
            if bits:
                left &= (self._signatures[column, : len(places)] & bits) == bits
        chosen: list[int] = np.flatnonzero(left).tolist()
        return chosen

    def _in_order(
        self, rank: int, alike: Places, after: Position | None, limit: int
    ) -> list[Position]:
        places: list[int] = np.flatnonzero(alike).tolist()
        names, ids = self._names.__getitem__, self._ids.__getitem__
        keys = zip(map(names, places), map(ids, places), strict=True)
        if after is not None and after.rank == rank:
            reached = after[1:]
            keys = (key for key in keys if key > reached)  # type: ignore[assignment]
        return [Position(rank, *key) for key in nsmallest(limit, keys)]


def _signature(text: str) -> _Bits:
    letters = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), np.uint16)
    pairs = letters[:-1].astype(np.uint32) * 197 + letters[1:]
    flags = np.zeros(_BITS, np.bool_)
    flags[(pairs * 2_654_435_761 >> 7) % _BITS] = True
    return np.packbits(flags, bitorder="little").view(np.uint64)
