"""The quality rules, one by one."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import credentials
from shared.model import ParticipantStatus
from sync_server.registration.quality import CleanRow, Rules, clean, tidy

RULES = Rules("TCF24", date(2024, 1, 20), "KR")
LETTERS = credentials.make_letters(bytes(range(10)))
GOOD = {"name": "홍길동", "email": "hong@example.com"}


def judge(**cells: str) -> CleanRow:
    judged = clean(GOOD | cells, RULES)
    assert isinstance(judged, CleanRow), judged
    return judged


def codes(**cells: str) -> list[str]:
    judged = clean(GOOD | cells, RULES)
    assert isinstance(judged, list), judged
    assert all(fault.message.endswith((".", ")")) and "\n" not in fault.message for fault in judged)
    return [fault.code for fault in judged]


def test_white_space_and_case_are_cleaned() -> None:
    row = judge(name=" 홍\u200b길동  님 ", email=" Hong@Example.COM ")
    assert (row.name, row.email) == ("홍길동 님", "hong@example.com")
    assert judge(name="홍길동").name == "홍길동"  # decomposed → NFC


@pytest.mark.parametrize(
    ("text", "region", "e164"),
    [
        ("010-1234-5678", "", "+821012345678"),
        ("1012345678", "", "+821012345678"),  # Excel ate the zero
        ("02-312-3456", "서울", "+8223123456"),
        ("(212) 555-0123", "US", "+12125550123"),
        ("+49 30 901820", "KR", "+4930901820"),
    ],
)
def test_phones_become_e164(text: str, region: str, e164: str) -> None:
    assert judge(phone=text, region=region).phone == e164


@pytest.mark.parametrize(
    "text", ["2001-02-03", "2001.02.03", "2001. 2. 3.", "2001/2/3", "20010203", "2001년 2월 3일"]
)
def test_birth_dates_in_usual_forms(text: str) -> None:
    assert judge(birthDate=text).birth_date == "2001-02-03"


def test_thirteen_on_the_day_the_event_starts() -> None:
    assert judge(birthDate="2011-01-20").birth_date == "2011-01-20"
    assert codes(birthDate="2011-01-21") == ["too_young"]


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"name": "김"}, "name_too_short"),
        ({"email": "hong@"}, "invalid_email"),
        ({"email": "a b@example.com"}, "invalid_email"),
        ({"phone": "123"}, "invalid_phone"),
        ({"phone": "call me"}, "invalid_phone"),
        ({"birthDate": "03/02/2001"}, "invalid_birth_date"),
        ({"birthDate": "2001-02-30"}, "invalid_birth_date"),
        ({"birthDate": "2031-01-01"}, "invalid_birth_date"),
        ({"status": "maybe"}, "unknown_status"),
        ({"code": "TCF24-AAAA"}, "invalid_code"),
        ({"code": f"OTHER{LETTERS}"}, "invalid_code"),
        ({"language": "소리로"}, "unknown_language"),
        ({"language": "k"}, "unknown_language"),
        ({"id": "x" * 101}, "malformed_row"),
        ({"organization": "x" * 501}, "malformed_row"),
    ],
)
def test_each_fault_has_its_code(cells: dict[str, str], code: str) -> None:
    assert codes(**cells) == [code]


def test_all_faults_of_a_row_at_once() -> None:
    assert codes(name="김", email="x", phone="1") == [
        "name_too_short", "invalid_email", "invalid_phone",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [credentials.readable("TCF24", LETTERS), credentials.payload("TCF24", LETTERS), LETTERS],
)
def test_codes_in_every_form(text: str) -> None:
    assert judge(code=text.lower()).letters == LETTERS


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("등록", "registered"),
        (" Blocked", "blocked"),
        ("취소", "cancelled"),
        ("canceled", "cancelled"),
    ],
)
def test_statuses_in_both_languages(text: str, status: str) -> None:
    assert judge(status=text).status is ParticipantStatus(status)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("ko", "ko"),
        ("KO-kr", "ko"),
        ("한국어", "ko"),
        (" English ", "en"),
        ("en_US", "en"),
        ("영어", "en"),
        ("ja", None),  # no words for it: the kiosk's own
        ("de-informal", None),
        ("", None),
    ],
)
def test_languages_as_lists_write_them(text: str, language: str | None) -> None:
    assert judge(language=text).language == language


def test_permissions_are_a_sorted_set() -> None:
    assert judge(permissions="vip; attendance;vip;").permissions == ("attendance", "vip")


@given(st.text(max_size=30))
def test_tidying_twice_is_tidying_once(text: str) -> None:
    assert tidy(tidy(text)) == tidy(text)


@given(st.dictionaries(
    st.sampled_from(["id", "name", "email", "phone", "birthDate", "region", "permissions",
                     "status", "code"]), st.text(max_size=40)))  # fmt: skip
def test_no_text_whatever_makes_the_rules_fail(cells: dict[str, str]) -> None:
    assert clean(cells, RULES) is not None
