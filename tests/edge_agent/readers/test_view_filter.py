"""The same code in view is one sighting; two people in quick succession are two."""

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.readers.view_filter import LEAVE_MS, ViewFilter


def test_a_held_ticket_is_one_sighting() -> None:
    view = ViewFilter()
    new = [view.new_codes(["A"], at_ms) for at_ms in range(0, 60_000, 100)]
    assert new[0] == ["A"]
    assert not any(new[1:])


def test_a_ticket_is_new_once_it_has_left_for_1500_ms() -> None:
    view = ViewFilter()
    view.new_codes(["A"], 0)
    assert view.new_codes(["A"], 1499) == []
    assert view.new_codes(["A"], 1499 + 1499) == []  # each view begins the wait afresh
    assert view.new_codes(["A"], 1499 + 1499 + 1500) == ["A"]


def test_two_people_in_quick_succession_are_never_swallowed() -> None:
    view = ViewFilter()
    assert view.new_codes(["A"], 0) == ["A"]
    assert view.new_codes(["B"], 1) == ["B"]
    assert view.new_codes(["A", "B", "C"], 2) == ["C"]


def test_several_codes_at_once_make_one_sighting_each_even_when_they_flicker() -> None:
    view = ViewFilter()
    assert view.new_codes(["A", "B", "A"], 0) == ["A", "B"]
    for at_ms in range(100, 5000, 100):
        assert view.new_codes(["A"] if at_ms % 200 else ["B"], at_ms) == []


def test_in_a_folder_a_changed_image_is_a_new_view() -> None:
    view = ViewFilter(change_is_leaving=True)
    assert view.new_codes(["A"], 0) == ["A"]
    assert view.new_codes(["A"], 1000) == []  # the next file shows the same ticket
    assert view.new_codes(["B"], 2000) == ["B"]
    assert view.new_codes(["A"], 3000) == ["A"]  # A left when B was shown without it


def test_in_a_folder_an_empty_image_counts_by_time_alone() -> None:
    view = ViewFilter(change_is_leaving=True)
    view.new_codes(["A"], 0)
    assert view.new_codes([], 800) == []
    assert view.new_codes(["A"], 1400) == []
    assert view.new_codes(["A"], 2900) == ["A"]


def test_p12_a_poster_of_codes_is_bounded() -> None:
    view = ViewFilter()
    for number in range(10_000):
        view.new_codes([str(number)], 0)
    assert len(view._seen_ms) <= 64


_FRAMES = st.lists(
    st.tuples(st.integers(0, 2500), st.sets(st.sampled_from("ABCDE"), max_size=4)), max_size=60
)


@given(_FRAMES)
def test_no_one_is_swallowed_and_no_one_counts_twice(frames: list[tuple[int, set[str]]]) -> None:
    """Against the rule itself: a code is sighted when it was not seen during the last 1500 ms,
    whoever else is or was in view.
    """
    view, at_ms, last_seen = ViewFilter(), 0, dict[str, int]()
    for wait_ms, codes in frames:
        at_ms += wait_ms
        new = view.new_codes(sorted(codes), at_ms)
        assert set(new) == {
            c for c in codes if c not in last_seen or at_ms - last_seen[c] >= LEAVE_MS
        }
        assert len(new) == len(set(new))
        last_seen |= dict.fromkeys(codes, at_ms)


@given(
    st.lists(st.sampled_from("ABCDEFGH"), min_size=1, max_size=30).map(
        lambda people: [p for p, before in zip(people, ["", *people], strict=False) if p != before]
    ),
    st.integers(1, 5),
)
def test_a_queue_of_people_a_frame_each_is_a_sighting_each(people: list[str], frames: int) -> None:
    """However fast they pass, each first showing counts, and of one held for long only the first."""
    view, at_ms, sighted = ViewFilter(), 0, list[str]()
    for person in people:
        for _ in range(frames):
            at_ms += 66
            sighted += view.new_codes([person], at_ms)
    assert list(dict.fromkeys(people)) == list(dict.fromkeys(sighted))
