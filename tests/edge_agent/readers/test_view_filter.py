"""The same code in view is one sighting; two people in quick succession are two."""

from edge_agent.readers.view_filter import ViewFilter


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
