"""The quality rules for one registration: a raw row in, a clean one or its faults out. Pure."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import email_validator
import phonenumbers

from shared import credentials
from shared.limits import FIELD_CHARS_MAX, NAME_CHARS_MAX
from shared.model import Event, ParticipantStatus

NAME_CHARS_MIN = 2
AGE_YEARS_MIN = 13
ID_CHARS_MAX = 100
_BIRTH_YEAR_MIN = 1900
_LANGUAGE_WORDS = {
    "ko": "ko", "kor": "ko", "kr": "ko", "korean": "ko", "한국어": "ko", "국문": "ko",
    "en": "en", "eng": "en", "english": "en", "영어": "en", "영문": "en",
}  # fmt: skip
_LANGUAGE_TAG = re.compile(r"[a-z]{2,3}(-[a-z0-9]{1,8})*")  # as ja, de-informal, zh-hans
_DATE = re.compile(
    r"(\d{4})\s*(?:([-./])\s*(\d{1,2})\s*\2\s*(\d{1,2})\s*\.?|(\d{2})(\d{2})"
    r"|년\s*(\d{1,2})\s*월\s*(\d{1,2})\s*일)"
    r"(?:[ T]00:00(?::00(?:\.0+)?)?)?"  # a date cell that a program wrote as a moment
)
_NUMBER_CELL = re.compile(r"(\d{7,15})\.0+")  # a number's cell, as some programs write it
_SHORTENED = re.compile(r"\d(?:[.,]\d+)?E\+?\d+", re.IGNORECASE)
STATUS_WORDS = {
    "registered": ParticipantStatus.REGISTERED, "등록": ParticipantStatus.REGISTERED,
    "등록됨": ParticipantStatus.REGISTERED, "등록완료": ParticipantStatus.REGISTERED,
    "blocked": ParticipantStatus.BLOCKED, "차단": ParticipantStatus.BLOCKED,
    "차단됨": ParticipantStatus.BLOCKED, "입장제한": ParticipantStatus.BLOCKED,
    "cancelled": ParticipantStatus.CANCELLED, "canceled": ParticipantStatus.CANCELLED,
    "취소": ParticipantStatus.CANCELLED, "취소됨": ParticipantStatus.CANCELLED,
    "등록취소": ParticipantStatus.CANCELLED,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row is refused: the field, the code of API §3.2, a sentence for a person in English
    and in Korean.
    """

    field: str
    code: str
    message: str
    korean: str

    def as_json(self) -> dict[str, str]:
        return {
            "field": self.field,
            "code": self.code,
            "message": self.message,
            "messageKo": self.korean,
        }


@dataclass(frozen=True, slots=True)
class Rules:
    """What the rules read of the event."""

    tag: str
    start: date  # in the event's time zone
    default_region: str

    @classmethod
    def of(cls, event: Event) -> "Rules":
        start = datetime.fromtimestamp(event.start_ms / 1_000, ZoneInfo(event.time_zone)).date()
        return cls(event.tag, start, event.settings.default_region)


@dataclass(frozen=True, slots=True)
class CleanRow:
    """A row that follows the rules; None where the cell was empty (an update keeps what is)."""

    participant_id: str | None = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    organization: str | None = None
    birth_date: str | None = None
    region: str | None = None
    group: str | None = None
    language: str | None = None
    permissions: tuple[str, ...] | None = None
    status: ParticipantStatus | None = None
    letters: str | None = None  # of a ticket that is already out


NAME_MISSING = Fault("name", "name_too_short", "The name is empty.", "이름이 비어 있습니다.")
EMAIL_MISSING = Fault(
    "email", "invalid_email", "The e-mail address is empty.", "이메일이 비어 있습니다."
)


def tidy(text: str) -> str:
    """NFC, no invisible characters, single spaces."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    normal = unicodedata.normalize("NFC", text)
    kept = (
        " " if letter.isspace() else letter
        for letter in normal
        if letter.isspace() or unicodedata.category(letter) not in {"Cf", "Cc"}
    )
    return " ".join("".join(kept).split())


def clean(cells: Mapping[str, str], rules: Rules) -> CleanRow | list[Fault]:
    """Judge one row; all its faults at once, so that it can be mended in one go."""
    tidied = {name: text for name, cell in cells.items() if (text := tidy(cell))}
    faults: list[Fault] = []
    for name, text in tidied.items():
        longest = {"name": NAME_CHARS_MAX, "id": ID_CHARS_MAX}.get(name, FIELD_CHARS_MAX)
        if len(text) > longest:
            message = f"The {name} is longer than {longest} characters."
            korean = f"{name} 값이 {longest}자를 넘습니다."
            faults.append(Fault(name, "malformed_row", message, korean))
    if faults:
        return faults

    good: dict[str, Any] = {}
    for name, rule in _FIELD_RULES.items():
        if name in tidied:
            found = rule(tidied[name], tidied, rules)
            if isinstance(found, Fault):
                faults.append(found)
            else:
                good[_ATTRIBUTE.get(name, name)] = found
    return faults or CleanRow(**good)


def _name(text: str, _row: Mapping[str, str], _rules: Rules) -> str | Fault:
    if len(text) < NAME_CHARS_MIN:
        message = f"The name “{text}” is shorter than 2 characters."
        return Fault(
            "name", "name_too_short", message, f"이름 “{text}”이(가) 두 글자보다 짧습니다."
        )
    return text


def _email(text: str, _row: Mapping[str, str], _rules: Rules) -> str | Fault:
    try:
        # test_environment: the reserved domain `test` is fine; no DNS is asked either way.
        found = email_validator.validate_email(
            text, check_deliverability=False, test_environment=True
        )
    except email_validator.EmailNotValidError as error:
        message = f"“{text}” is not an e-mail address: {error}"
        korean = f"“{text}”은(는) 올바른 이메일 주소가 아닙니다."
        return Fault("email", "invalid_email", message, korean)
    return found.normalized.lower()


def _phone(text: str, row: Mapping[str, str], rules: Rules) -> str | Fault:
    region = row.get("region", "").upper()
    if region not in phonenumbers.SUPPORTED_REGIONS:
        region = rules.default_region  # “Seoul” says nothing about the numbering plan
    if _SHORTENED.fullmatch(text):
        message = (
            f"“{text}” is a phone number that a spreadsheet has shortened: its digits are lost."
        )
        korean = f"“{text}”: 스프레드시트가 전화번호를 줄여 써서 숫자를 알 수 없습니다."
        return Fault("phone", "invalid_phone", message, korean)
    text = _NUMBER_CELL.sub(r"\1", text)
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        korean = f"“{text}”은(는) 전화번호가 아닙니다."
        return Fault("phone", "invalid_phone", f"“{text}” is not a phone number.", korean)
    if not phonenumbers.is_valid_number(number):
        message = f"“{text}” is not a phone number of {region}; others need + and a country code."
        korean = (
            f"“{text}”은(는) {region} 전화번호가 아닙니다. 다른 나라 번호는 +와 국가 번호를 쓰세요."
        )
        return Fault("phone", "invalid_phone", message, korean)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _birth_date(text: str, _row: Mapping[str, str], rules: Rules) -> str | Fault:
    found = _DATE.fullmatch(text)
    parts = [int(part) for part in (found.groups() if found else ()) if part and part.isdecimal()]
    try:
        born = date(parts[0], parts[1], parts[2])
    except (IndexError, ValueError):
        message = f"“{text}” is not a date; write it as 2001-02-03."
        korean = f"“{text}”은(는) 날짜가 아닙니다. 2001-02-03처럼 쓰세요."
        return Fault("birthDate", "invalid_birth_date", message, korean)
    if born.year < _BIRTH_YEAR_MIN or born > rules.start:
        message = f"“{text}” can't be the birth date of a participant."
        korean = f"“{text}”은(는) 참가자의 생년월일일 수 없습니다."
        return Fault("birthDate", "invalid_birth_date", message, korean)
    had_birthday = (rules.start.month, rules.start.day) >= (born.month, born.day)
    age = rules.start.year - born.year - (not had_birthday)
    if age < AGE_YEARS_MIN:
        message = f"The participant is {age} when the event starts; {AGE_YEARS_MIN} is the minimum."
        korean = f"행사가 시작될 때 만 {age}세입니다. 만 {AGE_YEARS_MIN}세부터 참가할 수 있습니다."
        return Fault("birthDate", "too_young", message, korean)
    return born.isoformat()


def _permissions(text: str, _row: Mapping[str, str], _rules: Rules) -> tuple[str, ...] | None:
    return tuple(sorted({part for piece in text.split(";") if (part := piece.strip())})) or None


def _status(text: str, _row: Mapping[str, str], _rules: Rules) -> ParticipantStatus | Fault:
    status = STATUS_WORDS.get(text.casefold().replace(" ", ""))
    if status is None:
        message = f"“{text}” is not a status; use registered, blocked or cancelled."
        korean = f"“{text}”은(는) 상태가 아닙니다. 등록, 차단, 취소 가운데 하나를 쓰세요."
        return Fault("status", "unknown_status", message, korean)
    return status


def _code(text: str, _row: Mapping[str, str], rules: Rules) -> str | Fault:
    found = credentials.parse(text)
    if isinstance(found, credentials.Fault):
        message = f"“{text[:60]}” is not a ticket code, or it was mistyped."
        korean = f"“{text[:60]}”은(는) 티켓 코드가 아니거나 잘못 입력되었습니다."
        return Fault("code", "invalid_code", message, korean)
    if found.tag not in {None, rules.tag}:
        message = f"“{text[:60]}” is a ticket of the event {found.tag}, not of {rules.tag}."
        korean = f"“{text[:60]}”은(는) {rules.tag}이(가) 아니라 {found.tag} 행사의 티켓입니다."
        return Fault("code", "invalid_code", message, korean)
    return found.letters


def _region(text: str, _row: Mapping[str, str], _rules: Rules) -> str:
    return text.upper() if text.upper() in phonenumbers.SUPPORTED_REGIONS else text


def _language(text: str, _row: Mapping[str, str], _rules: Rules) -> str | Fault | None:
    """A kiosk speaks Korean and English; whoever wishes another gets the kiosk's own."""
    plain = text.casefold().replace("_", "-")
    named = _LANGUAGE_WORDS.get(plain) or _LANGUAGE_WORDS.get(plain.partition("-")[0])
    if named is None and not _LANGUAGE_TAG.fullmatch(plain):
        message = f"“{text[:60]}” is not a language; use ko or en."
        korean = f"“{text[:60]}”은(는) 언어가 아닙니다. ko 또는 en을 쓰세요."
        return Fault("language", "unknown_language", message, korean)
    return named


def _as_it_is(text: str, _row: Mapping[str, str], _rules: Rules) -> str:
    return text


# In the order in which faults are told.
_FIELD_RULES: dict[str, Callable[[str, Mapping[str, str], Rules], Any]] = {
    "id": _as_it_is,
    "name": _name,
    "email": _email,
    "phone": _phone,
    "organization": _as_it_is,
    "birthDate": _birth_date,
    "region": _region,
    "group": _as_it_is,
    "language": _language,
    "permissions": _permissions,
    "status": _status,
    "code": _code,
}
_ATTRIBUTE = {"id": "participant_id", "birthDate": "birth_date", "code": "letters"}
