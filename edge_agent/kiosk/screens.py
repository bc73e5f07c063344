"""What the kiosk shows for a decision: one table from reason to presentation. Pure.

The public face says no more than a stranger should read: whose ticket was withdrawn or who is
barred is told to staff (`shared.reasons.WORDS`), never on this screen.
"""

from dataclasses import dataclass
from typing import Any, Final

from edge_agent.outcomes import words_for
from edge_agent.ports import Outcome
from shared.model import Direction
from shared.reasons import Reason, Words, clock_words
from shared.wire import format_time

ADMITTED_S: Final = 2
REFUSED_S: Final = 5

SEE_STAFF: Final = Words("Please see staff", "직원에게 문의해 주세요")


@dataclass(frozen=True, slots=True)
class Look:
    """How a kind of screen looks and sounds. Contrast of ink on ground: FINDINGS §3."""

    kind: str
    ground: str
    ink: str
    icon: str
    sound: str
    seconds: int


ADMITTED: Final = Look("admitted", "#0b6b2e", "#ffffff", "check", "rise", ADMITTED_S)  # 6.65:1
REFUSED: Final = Look("refused", "#b00020", "#ffffff", "cross", "low", REFUSED_S)  # 7.33:1
STAFF: Final = Look("staff", "#ffb300", "#000000", "hand", "triple", REFUSED_S)  # 11.7:1


@dataclass(frozen=True, slots=True)
class Screen:
    """One decision's face. `shows_name`: the masked name may stand beside it."""

    look: Look
    title: Words
    words: Words
    shows_name: bool = False

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


_ASK_STAFF: Final = Screen(
    STAFF,
    SEE_STAFF,
    Words("They will gladly help you.", "직원이 도와드리겠습니다."),
)

SCREENS: Final[dict[Reason, Screen]] = {
    Reason.OK: Screen(
        ADMITTED, Words("Welcome", "환영합니다"), Words("Please come in.", "입장해 주세요."), True
    ),
    Reason.UNREADABLE: Screen(
        REFUSED,
        Words("Not a ticket code", "티켓 코드가 아닙니다"),
        Words("Please check the code and try again.", "코드를 확인하고 다시 시도해 주세요."),
    ),
    Reason.WRONG_EVENT: Screen(
        REFUSED,
        Words("Another event's ticket", "다른 행사의 티켓입니다"),
        Words("Please show the ticket of this event.", "이 행사의 티켓을 보여 주세요."),
    ),
    Reason.FORGED: _ASK_STAFF,
    Reason.UNKNOWN: Screen(
        STAFF,
        SEE_STAFF,
        Words("This ticket is not on the list here.", "명단에서 찾을 수 없는 티켓입니다."),
    ),
    Reason.REVOKED: _ASK_STAFF,
    Reason.CANCELLED: _ASK_STAFF,
    Reason.BLOCKED: _ASK_STAFF,
    Reason.GATE_CLOSED: Screen(
        REFUSED,
        Words("Closed", "운영하지 않습니다"),
        Words("This gate is not open now.", "지금은 이 게이트를 이용할 수 없습니다."),
    ),
    Reason.TOO_EARLY: Screen(
        REFUSED,
        Words("Too early", "입장 시간 전입니다"),
        Words("Please come back later.", "잠시 후 다시 와 주세요."),
    ),
    Reason.TOO_LATE: Screen(
        REFUSED,
        Words("Time is over", "입장 시간이 지났습니다"),
        Words("The time to enter is over.", "입장이 마감되었습니다."),
    ),
    Reason.NOT_PERMITTED: Screen(
        REFUSED,
        Words("Not this gate", "다른 입구를 이용해 주세요"),
        Words("This ticket is not for this gate.", "이 게이트에서 쓸 수 없는 티켓입니다."),
    ),
    Reason.JUST_SCANNED: Screen(
        REFUSED,
        Words("Already scanned", "이미 확인되었습니다"),
        Words("This ticket was just scanned here.", "방금 이곳에서 확인된 티켓입니다."),
    ),
    Reason.ALREADY_INSIDE: Screen(
        STAFF,
        SEE_STAFF,
        Words("This ticket was already used to enter.", "이미 입장에 사용된 티켓입니다."),
    ),
    Reason.STAFF_REFUSED: _ASK_STAFF,
}

GOODBYE: Final = Screen(
    ADMITTED, Words("Goodbye", "안녕히 가세요"), Words("You may leave.", "나가셔도 됩니다."), True
)


MISTYPED: Final = Screen(
    REFUSED,
    Words("Mistyped", "잘못 입력되었습니다"),
    Words(
        "Please check the code and type it again.",
        "코드를 확인하고 다시 입력해 주세요.",
    ),
)


def screen_for(*, admitted: bool, reason: Reason, direction: str, typed: bool = False) -> Screen:
    """An override shows as an admission, whatever reason it overrode."""
    if not admitted:
        return MISTYPED if typed and reason is Reason.UNREADABLE else SCREENS[reason]
    return GOODBYE if direction == Direction.EXIT else SCREENS[Reason.OK]


def decision_frame(outcome: Outcome) -> dict[str, Any]:
    """The data of a `decision` frame: what was decided, and the screen that says it.

    `message` is for staff and tools; the page shows `screen` alone, and gets the masked name only
    where the screen may show it.
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
        "maskedName": outcome.masked_name if screen.shows_name else None,
        "message": words_for(outcome).as_json(),
        "direction": outcome.direction,
        "at": format_time(outcome.moment.at_ms),
        "decidedErrorMs": outcome.moment.error_ms,
        "screen": shown,
    }
