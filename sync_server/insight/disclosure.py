"""Counts by group that name nobody: groups of fewer than five people stand together.

It is not enough to leave a small group out: the whole is shown as well, and what is missing from it
would be that group. So what stands together has five people at least, with the smallest of the
others among them if it must be.
"""

from collections.abc import Mapping
from typing import TypeVar

GROUP_MIN = 5  # a smaller group could name a person
K = TypeVar("K")


def split(sizes: Mapping[K, int]) -> tuple[list[K], list[K]]:
    """(those that may be shown by name, those that stand together). `sizes` in people.

    Where all together are fewer than five nothing may be shown: both are empty.
    """
    by_size = sorted(sizes, key=lambda key: (sizes[key], str(key)))
    small = [key for key in by_size if sizes[key] < GROUP_MIN]
    named = by_size[len(small) :]
    while small and named and sum(sizes[key] for key in small) < GROUP_MIN:
        small.append(named.pop(0))
    if sum(sizes[key] for key in small) < GROUP_MIN:
        return named, []
    return named, small
