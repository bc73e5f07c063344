"""P11: every decision has words in both languages, and the public ones tell a stranger little."""

import itertools
import re

import pytest
from msgspec.structs import replace

from edge_agent import outcomes
from edge_agent.kiosk.catalogue import FOLDER, texts
from edge_agent.kiosk.screens import (
    ADMITTED,
    GOODBYE,
    MISTYPED,
    SCREENS,
    STAFF,
    STATES,
    Screen,
    decision_frame,
    screen_for,
)
from edge_agent.ports import Outcome
from shared.model import Decision, Direction, Moment, Override
from shared.reasons import WORDS, Reason

ALL = [*STATES.values(), *SCREENS.values(), GOODBYE, MISTYPED]
HOLES = re.compile(r"{\w+}")
# Keys that the staff side puts together: `s.${…}`.
S_MADE = [
    *("too_late", "taken_back", "not_admitted", "scan_not_found", "busy", "invalid_request"),
    "people",
    "recent",
    "walkIn",
    "gate",
    "name",
    "email",
    "phone",
    "organization",
    "entry",
    "exit",
    "qr_scan",
    "ble_auto",
    "manual",
    "brightness",
    "volume",
]
PRIVATE = [Reason.REVOKED, Reason.CANCELLED, Reason.BLOCKED, Reason.FORGED, Reason.STAFF_REFUSED]


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def outcome(reason: Reason, admitted: bool, direction: str = "entry") -> Outcome:
    override = Override("op-1", "known") if admitted and reason is not Reason.OK else None
    return Outcome(
        decision=Decision(admitted, reason, override),
        direction=direction,
        moment=Moment(1_763_700_000_000),
        participant_id="P001",
        masked_name="홍*동",
        scan_id="s1",
        epoch="e",
        seq=1,
        processing_ms=1.0,
    )


def test_each_reason_has_a_row() -> None:
    assert set(SCREENS) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_each_screen_can_be_read_heard_and_told_apart_without_colour(reason: Reason) -> None:
    screen = SCREENS[reason]
    assert all([*screen.title, *screen.words, screen.look.icon, screen.look.sound])
    assert contrast(screen.look.ground, screen.look.ink) >= 4.5
    assert screen.look.seconds == (2 if reason is Reason.OK else 5)
    assert (screen.look is ADMITTED) == (reason is Reason.OK)


def test_looks_differ_in_icon_and_sound() -> None:
    looks = {screen.look for screen in SCREENS.values()}
    assert len({look.icon for look in looks}) == len({look.sound for look in looks}) == len(looks)


@pytest.mark.parametrize("reason", PRIVATE)
def test_what_is_between_a_person_and_staff_stays_there(reason: Reason) -> None:
    frame = decision_frame(outcome(reason, admitted=False))
    assert SCREENS[reason].look is STAFF
    assert frame["screen"] == SCREENS[Reason.BLOCKED].as_json()  # one face for all of them
    assert frame["maskedName"] is None
    assert frame["message"] == WORDS[reason].as_json()


@pytest.mark.parametrize(("reason", "direction"), list(itertools.product(Reason, Direction)))
def test_an_override_shows_as_an_admission(reason: Reason, direction: Direction) -> None:
    screen = screen_for(admitted=True, reason=reason, direction=direction)
    assert screen.look is ADMITTED
    assert screen.title.en == ("Goodbye" if direction is Direction.EXIT else "Welcome")


def test_the_frame_carries_the_decision() -> None:
    frame = decision_frame(outcome(Reason.OK, admitted=True))
    assert frame["maskedName"] == "홍*동"
    assert (frame["admitted"], frame["reason"], frame["code"]) == (True, "ok", 0)
    assert frame["at"] == "2025-11-21T04:40:00.000Z"


@pytest.mark.parametrize(("wish", "said"), [("en", "en"), ("ko", "ko"), ("xx", None), (None, None)])
def test_the_frame_says_which_language_the_person_wishes(wish: str | None, said: str) -> None:
    one = replace(outcome(Reason.OK, admitted=True), language=wish)
    assert decision_frame(one)["language"] == said


def test_p11_a_window_judged_within_the_clocks_error_is_said_on_the_screen() -> None:
    late = replace(
        outcome(Reason.OK, admitted=True),
        moment=Moment(1_763_700_000_000, 300_000),
        forgiven=Reason.TOO_LATE,
    )
    frame = decision_frame(late)
    assert frame["decidedErrorMs"] == 300_000
    assert "±5 min" in frame["screen"]["words"]["en"]
    assert "±5분" in frame["screen"]["words"]["ko"]
    assert outcomes.as_json(late)["withinError"] == "too_late"
    assert "withinError" not in outcomes.as_json(outcome(Reason.OK, admitted=True))


def test_no_text_is_missing_in_either_catalogue() -> None:
    """P11: one catalogue a language, the same keys, the same `{…}`, nothing empty."""
    ko, en = texts("ko"), texts("en")
    assert set(ko) == set(en)
    for key, text in ko.items():
        assert text.strip(), key
        assert en[key].strip(), key
        assert sorted(HOLES.findall(text)) == sorted(HOLES.findall(en[key])), key


def test_each_text_is_used_and_each_used_text_is_there() -> None:
    scripts = "".join(path.read_text() for path in FOLDER.glob("*.js"))
    scripts += (FOLDER / "index.html").read_text()
    made = {f"{screen.key}.{part}" for screen in ALL for part in ("title", "words")}
    made |= {f"display{mode}" for mode in ("Plain", "Large", "Contrast", "Both")}
    made |= {key for key in texts("en") if key.startswith("enrol.")}  # commands/unenrolled.py
    made |= {f"s.{name}" for name in S_MADE}
    unused = {key for key in texts("en") if f'"{key}"' not in scripts} - made
    assert unused == set()
    named = set(re.findall(r'(?:say|tell)\((?:language, )?"([\w.]+)"', scripts))
    assert named <= set(texts("en"))


@pytest.mark.parametrize("name", STATES)
def test_each_state_can_be_read(name: str) -> None:
    screen = STATES[name]
    assert contrast(screen.look.ground, screen.look.ink) >= 4.5
    assert all([*screen.title, *screen.words, screen.look.icon])


@pytest.mark.parametrize("screen", ALL)
def test_each_icon_is_drawn(screen: Screen) -> None:
    assert f'id="icon-{screen.look.icon}"' in (FOLDER / "index.html").read_text()


def test_an_admitted_exit_is_told_goodbye() -> None:
    frame = decision_frame(outcome(Reason.OK, admitted=True, direction="exit"))
    assert frame["message"]["en"] == "Goodbye."
