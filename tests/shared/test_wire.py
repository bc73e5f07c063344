"""Times, cursors and checksums as API.md writes them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import wire


@given(st.integers(0, 4_102_444_800_000))
def test_times_read_back(ms: int) -> None:
    assert wire.parse_time(wire.format_time(ms)) == ms


def test_any_offset_is_understood_and_none_is_refused() -> None:
    assert wire.parse_time("2026-11-21T18:30:00+09:00") == wire.parse_time("2026-11-21T09:30:00Z")
    with pytest.raises(ValueError, match="offset"):
        wire.parse_time("2026-11-21T09:30:00")


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"])
def test_the_first_and_the_last_time_read_back(text: str) -> None:
    assert wire.format_time(wire.parse_time(text)) == text


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:30:00-01:00"])
def test_a_time_whose_year_in_utc_has_not_four_digits_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="out of range"):
        wire.parse_time(text)


def test_a_checksum_is_over_the_sorted_entry_without_itself() -> None:
    entry = {"b": "홍", "a": 1}
    assert wire.canonical(entry) == '{"a":1,"b":"홍"}'.encode()
    assert wire.checksum(entry) == wire.checksum({**entry, "checksum": "x"})
    assert wire.checksum(entry) != wire.checksum({**entry, "a": 2})


@given(st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=5))
def test_canonical_is_json(value: object) -> None:
    assert json.loads(wire.canonical({"v": value})) == {"v": value}


@pytest.mark.parametrize("text", ["", "5", "g.", ".5", "g.x", "g.-1"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        wire.parse_cursor(text)


@pytest.mark.parametrize(
    "value",
    [0.0, -0.0, 3.25, 1e-4, 9.9e-5, 1e15, 1e16, -1e16, 1e300, 2**70, -1, True, None, '한\x1f\x7f\u2028"\\', "\ud800", {"b": 1e-5, "a": [1.5]}],
)  # fmt: skip
def test_the_fast_way_writes_what_the_canonical_form_says(value):
    said = json.dumps(
        {"ㄱ": 1, "b": value, "a": 2}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    assert wire.canonical({"ㄱ": 1, "b": value, "a": 2}) == said.encode("utf-8", "surrogatepass")
