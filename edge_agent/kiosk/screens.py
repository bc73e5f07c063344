"""The kiosk's states, one table: colour, icon, sound, seconds, and the words' key. Pure.

The public face says no more than a stranger should read: whose ticket was withdrawn or who is
barred is told to staff (`shared.reasons.WORDS`), never on this screen. The words stand in the
catalogues (`catalogue.py`) under `KEY.title` and `KEY.words`.

    starting ──► waiting ──► reading ──► admitted (2 s) ─┐
                   ▲            └──────► refused, staff (5 s) ─┤   the next decision interrupts at once
                   └───────────────────────────────────────────┘
    not_enrolled ─► enrolling ─► enrolled        closed, held: what a supervisor set
    out_of_order, unlinked: nothing can be decided; whatever was shown before gives way
"""

from dataclasses import dataclass
from typing import Any, Final

from edge_agent.kiosk.catalogue import LANGUAGES, words
from edge_agent.outcomes import words_for
from edge_agent.ports import Outcome
from shared.model import Direction
from shared.reasons import Reason, Words, clock_words
from shared.wire import format_time

ADMITTED_S: Final = 2
REFUSED_S: Final = 5


@dataclass(frozen=True, slots=True)
class Look:
    """How a kind of screen looks and sounds. Contrast of ink on ground: FINDINGS §3.

    `seconds` 0: it stays as long as its cause.
    """

    kind: str
    ground: str
    ink: str
    icon: str
    sound: str
    seconds: int


ADMITTED: Final = Look("admitted", "#0b6b2e", "#ffffff", "check", "rise", ADMITTED_S)  # 6.65:1
REFUSED: Final = Look("refused", "#b00020", "#ffffff", "cross", "low", REFUSED_S)  # 7.33:1
STAFF: Final = Look("staff", "#ffb300", "#000000", "hand", "triple", REFUSED_S)  # 11.7:1
WAITING: Final = Look("waiting", "#10233b", "#ffffff", "scan", "", 0)
READING: Final = Look("reading", "#0a4a6e", "#ffffff", "eye", "", 0)
OUT: Final = Look("out-of-order", "#3a3f47", "#ffffff", "wrench", "", 0)
NOT_ENROLLED: Final = Look("not-enrolled", "#3d2a5c", "#ffffff", "plug", "", 0)
CLOSED: Final = Look("closed", "#4a1a1a", "#ffffff", "bar", "", 0)
HELD: Final = Look("held", "#4a3500", "#ffffff", "pause", "", 0)


@dataclass(frozen=True, slots=True)
class Screen:
    """One state's face. `shows_name`: the masked name may stand beside it."""

    look: Look
    key: str
    shows_name: bool = False

    @property
    def title(self) -> Words:
        return words(f"{self.key}.title")

    @property
    def words(self) -> Words:
        return words(f"{self.key}.words")

    def as_json(self) -> dict[str, Any]:
        """As the page reads it; `seconds` is how long it stays."""
        return {
            "kind": self.look.kind,
            "ground": self.look.ground,
            "ink": self.look.ink,
            "icon": self.look.icon,
            "sound": self.look.sound,
            "seconds": self.look.seconds,
            "title": self.title.as_json(),
            "words": self.words.as_json(),
        }


# What the page shows without a decision; `{…}` in their words are filled in there.
STATES: Final[dict[str, Screen]] = {
    "starting": Screen(OUT, "starting"),
    "unlinked": Screen(OUT, "unlinked"),
    "out_of_order": Screen(OUT, "out_of_order"),
    "not_enrolled": Screen(NOT_ENROLLED, "not_enrolled"),
    "enrolling": Screen(NOT_ENROLLED, "enrolling"),
    "enrolled": Screen(ADMITTED, "enrolled"),
    "revoked": Screen(NOT_ENROLLED, "revoked"),
    "no_list": Screen(NOT_ENROLLED, "no_list"),
    "closed": Screen(CLOSED, "closed"),
    "held": Screen(HELD, "held"),
    "waiting": Screen(WAITING, "waiting"),
    "foreign_code": Screen(WAITING, "foreign_code"),
    "reading": Screen(READING, "reading"),
}

_ASK_STAFF: Final = Screen(STAFF, "ask_staff")

SCREENS: Final[dict[Reason, Screen]] = {
    Reason.OK: Screen(ADMITTED, "ok", shows_name=True),
    Reason.UNREADABLE: Screen(REFUSED, "unreadable"),
    Reason.WRONG_EVENT: Screen(REFUSED, "wrong_event"),
    Reason.FORGED: _ASK_STAFF,
    Reason.UNKNOWN: Screen(STAFF, "unknown"),
    Reason.REVOKED: _ASK_STAFF,
    Reason.CANCELLED: _ASK_STAFF,
    Reason.BLOCKED: _ASK_STAFF,
    Reason.GATE_CLOSED: Screen(REFUSED, "gate_closed"),
    Reason.TOO_EARLY: Screen(REFUSED, "too_early"),
    Reason.TOO_LATE: Screen(REFUSED, "too_late"),
    Reason.NOT_PERMITTED: Screen(REFUSED, "not_permitted"),
    Reason.JUST_SCANNED: Screen(REFUSED, "just_scanned"),
    Reason.ALREADY_INSIDE: Screen(STAFF, "already_inside"),
    Reason.STAFF_REFUSED: _ASK_STAFF,
}
GOODBYE: Final = Screen(ADMITTED, "goodbye", shows_name=True)
MISTYPED: Final = Screen(REFUSED, "mistyped")


def screen_for(*, admitted: bool, reason: Reason, direction: str, typed: bool = False) -> Screen:
    """An override shows as an admission, whatever reason it overrode."""
    if not admitted:
        return MISTYPED if typed and reason is Reason.UNREADABLE else SCREENS[reason]
    return GOODBYE if direction == Direction.EXIT else SCREENS[Reason.OK]


def states_json() -> dict[str, Any]:
    return {name: screen.as_json() for name, screen in STATES.items()}


def decision_frame(outcome: Outcome) -> dict[str, Any]:
    """The data of a `decision` frame: what was decided, and the screen that says it.

    `message` is for staff and tools; the page shows `screen` alone, and gets the masked name only
    where the screen may show it. `language`: the person's wish, for as long as this is shown.
    """
    decision = outcome.decision
    screen = screen_for(
        admitted=decision.admitted,
        reason=decision.reason,
        direction=outcome.direction,
        typed=outcome.typed,
    )
    shown = screen.as_json()
    if outcome.forgiven is not None:
        clock = clock_words(outcome.forgiven, outcome.moment.error_ms)
        words = Words(f"{screen.words.en} {clock.en}", f"{screen.words.ko} {clock.ko}")
        shown["words"] = words.as_json()
    return {
        "admitted": decision.admitted,
        "reason": decision.reason.label,
        "code": int(decision.reason),
        "language": outcome.language if outcome.language in LANGUAGES else None,
        "maskedName": outcome.masked_name if screen.shows_name else None,
        "message": words_for(outcome).as_json(),
        "direction": outcome.direction,
        "at": format_time(outcome.moment.at_ms),
        "decidedErrorMs": outcome.moment.error_ms,
        "screen": shown,
    }
