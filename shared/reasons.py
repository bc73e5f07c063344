"""Why a decision fell as it did, in order of precedence (DESIGN §4.1).

The numbers are stored in journals and databases: a number is never reused, and the order of the
enum is the order in which the rules are asked.
"""

from enum import IntEnum
from typing import Final, NamedTuple


class Reason(IntEnum):
    """A decision's one reason; the first that applies wins."""

    OK = 0
    UNREADABLE = 10
    WRONG_EVENT = 11
    FORGED = 12
    UNKNOWN = 13
    REVOKED = 20
    CANCELLED = 21
    BLOCKED = 22
    GATE_CLOSED = 30
    TOO_EARLY = 31
    TOO_LATE = 32
    NOT_PERMITTED = 40
    JUST_SCANNED = 50
    ALREADY_INSIDE = 51
    STAFF_REFUSED = 60

    @property
    def label(self) -> str:
        """The name used in messages, pages and documents, as `just_scanned`."""
        return self.name.lower()

    @classmethod
    def from_label(cls, label: str) -> "Reason":
        """The reason of a message's name; KeyError if there is none."""
        return cls[label.upper()]


class Words(NamedTuple):
    """One sentence in the two languages of the product."""

    en: str
    ko: str

    def as_json(self) -> dict[str, str]:
        return {"en": self.en, "ko": self.ko}


# What staff, organisers and callers read. The kiosk's public face says less (kiosk/screens.py).
WORDS: dict[Reason, Words] = {
    Reason.OK: Words("Welcome.", "환영합니다."),
    Reason.UNREADABLE: Words(
        "This is not a ticket code, or it was mistyped.",
        "티켓 코드가 아니거나 잘못 입력되었습니다.",
    ),
    Reason.WRONG_EVENT: Words("This ticket is for another event.", "다른 행사의 티켓입니다."),
    Reason.FORGED: Words(
        "This ticket's signature is not genuine.", "티켓의 서명이 올바르지 않습니다."
    ),
    Reason.UNKNOWN: Words("This ticket is not on the list.", "명단에 없는 티켓입니다."),
    Reason.REVOKED: Words(
        "This ticket was replaced or withdrawn.", "재발급되었거나 취소된 티켓입니다."
    ),
    Reason.CANCELLED: Words("This registration was cancelled.", "취소된 등록입니다."),
    Reason.BLOCKED: Words("This person may not enter.", "입장이 제한된 참가자입니다."),
    Reason.GATE_CLOSED: Words(
        "This gate is closed or the event is not open.",
        "게이트가 닫혀 있거나 행사가 열려 있지 않습니다.",
    ),
    Reason.TOO_EARLY: Words("It is too early to enter.", "아직 입장 시간이 아닙니다."),
    Reason.TOO_LATE: Words("The time to enter is over.", "입장 시간이 지났습니다."),
    Reason.NOT_PERMITTED: Words(
        "This ticket is not valid for this gate.", "이 게이트를 이용할 수 없는 티켓입니다."
    ),
    Reason.JUST_SCANNED: Words("This ticket was just scanned here.", "방금 확인된 티켓입니다."),
    Reason.ALREADY_INSIDE: Words("This person is already inside.", "이미 입장한 참가자입니다."),
    Reason.STAFF_REFUSED: Words("Refused by staff.", "직원이 입장을 거절했습니다."),
}

GOODBYE = Words("Goodbye.", "안녕히 가세요.")  # an admitted exit
MISTYPED = Words(
    "This code was mistyped. Please check it and type it again.",
    "코드가 잘못 입력되었습니다. 확인하고 다시 입력해 주세요.",
)
"""Instead of `unreadable` where a person typed: the check letter tells a slip from a stranger's code."""


def clock_words(forgiven: Reason, error_ms: int) -> Words:
    """That a window was judged in the visitor's favour, and within which error of the clock."""
    en, ko = _WITHIN_ERROR[forgiven]
    span_en, span_ko = _span(error_ms)
    return Words(
        f"By the clock alone it would be {en}; the clock is sure to ±{span_en} only.",
        f"시계로는 {ko}이지만 시계 오차가 ±{span_ko}입니다.",
    )


_WITHIN_ERROR: Final = {
    Reason.TOO_EARLY: ("too early", "입장 시간 전"),
    Reason.TOO_LATE: ("too late", "입장 시간 후"),
    Reason.JUST_SCANNED: ("a repeated scan", "반복 확인"),
}


def _span(error_ms: int) -> tuple[str, str]:
    for unit_ms, en, ko in ((3_600_000, "h", "시간"), (60_000, "min", "분"), (1_000, "s", "초")):
        if error_ms >= unit_ms:
            return f"{error_ms / unit_ms:.3g} {en}", f"{error_ms / unit_ms:.3g}{ko}"
    return f"{error_ms} ms", f"{error_ms}ms"
