"""No figure of a group of fewer than five can be had, by no subtraction from the whole either."""

from hypothesis import given
from hypothesis import strategies as st

from sync_server.insight.disclosure import GROUP_MIN, split


def test_four_stand_with_others_and_five_stand_alone() -> None:
    assert split({"a": 4, "b": 5, "c": 9}) == (["c"], ["a", "b"])
    assert split({"a": 5, "b": 9}) == (["a", "b"], [])
    assert split({"a": 2, "b": 3, "c": 9}) == (["c"], ["a", "b"])
    assert split({"a": 1, "b": 19}) == ([], ["a", "b"])
    assert split({"a": 3}) == ([], [])


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 12), max_size=8))
def test_what_is_shown_and_what_is_missing_have_five_each(sizes: dict[str, int]) -> None:
    named, together = split(sizes)
    assert all(sizes[name] >= GROUP_MIN for name in named)
    hidden = sum(sizes.values()) - sum(sizes[name] for name in named)
    if named and any(sizes[name] < GROUP_MIN for name in sizes):
        assert hidden >= GROUP_MIN
        assert sum(sizes[name] for name in together) == hidden
    assert not set(named) & set(together)
