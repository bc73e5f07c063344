"""Which column of a participants' list is which: English and Korean headings, or a mapping."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from shared.errors import UsageError

# Field → headings it is known by; the first is the one to prefer where several stand in a file.
HEADINGS: dict[str, tuple[str, ...]] = {
    "id": ("id", "participant id", "participant number", "아이디", "참가자 id", "참가자 번호",
           "등록번호", "번호"),
    "name": ("name", "full name", "participant name", "이름", "성명", "참가자명", "참가자 이름"),
    "email": ("email", "e-mail", "email address", "mail", "이메일", "이메일 주소", "전자우편",
              "메일"),
    "phone": ("phone", "phone number", "mobile", "mobile phone", "telephone", "tel", "전화번호",
              "휴대폰", "휴대폰번호", "휴대전화", "핸드폰", "연락처", "전화"),
    "organization": ("organization", "organisation", "company", "affiliation", "소속", "회사",
                     "회사명", "기관", "소속기관", "단체"),
    "birthDate": ("birth date", "date of birth", "birthday", "dob", "생년월일", "생일"),
    "region": ("region", "country", "지역", "국가"),
    "group": ("group", "team", "그룹", "조", "분류"),
    "language": ("language", "preferred language", "언어", "선호 언어", "사용 언어", "안내 언어"),
    "permissions": ("permissions", "permission", "권한"),
    "status": ("status", "상태", "등록상태"),
    "code": ("code", "ticket code", "ticket", "코드", "티켓코드", "티켓"),
}  # fmt: skip
REQUIRED = ("name", "email")


def plain(heading: str) -> str:
    """A heading without case, spaces, marks and invisible characters."""
    text = unicodedata.normalize("NFKC", heading).casefold()
    return "".join(letter for letter in text if letter.isalnum())


_FIELD_OF = {
    plain(heading): (name, rank)
    for name, headings in HEADINGS.items()
    for rank, heading in enumerate(headings)
}


def recognised(heading: str) -> bool:
    return plain(heading) in _FIELD_OF


def map_headings(
    names: Sequence[str], mapping: Mapping[str, str], source: str
) -> tuple[dict[int, str], list[str]]:
    """(place → field, headings that are ignored). `mapping` is heading → field, from the user."""
    wanted = _check_mapping(names, mapping)
    best: dict[str, tuple[int, int]] = {}  # field → (rank, place)
    for place, name in enumerate(names):
        key = plain(name)
        if key in wanted:
            field, rank = wanted[key], -1
        elif key in _FIELD_OF:
            field, rank = _FIELD_OF[key]
        else:
            continue
        if field in best and best[field][0] == rank:
            raise UsageError(
                f"{source} has two columns “{name.strip()}”; remove or rename one of them"
            )
        if field not in best or rank < best[field][0]:
            best[field] = (rank, place)
    missing = [field for field in REQUIRED if field not in best]
    if missing:
        raise UsageError(_missing(missing, names, source))
    columns = {place: field for field, (_, place) in best.items()}
    ignored = [name.strip() for place, name in enumerate(names) if place not in columns]
    return columns, [name for name in ignored if name]


def _check_mapping(names: Iterable[str], mapping: Mapping[str, str]) -> dict[str, str]:
    present = {plain(name) for name in names}
    for heading, field in mapping.items():
        if field not in HEADINGS:
            raise UsageError(f"--map: there is no field {field!r}; one of {', '.join(HEADINGS)}")
        if plain(heading) not in present:
            raise UsageError(f"--map: the file has no column {heading!r}")
    return {plain(heading): field for heading, field in mapping.items()}


def _missing(missing: Sequence[str], names: Sequence[str], source: str) -> str:
    words = {"name": "name (이름)", "email": "email (이메일)"}
    found = ", ".join(name.strip()[:30] for name in names[:8] if name.isprintable()) or "none"
    return (
        f"{source} has no column {' and no column '.join(words[name] for name in missing)} "
        f"in its first line (found: {found[:200]}); add the heading or use --map HEADING=FIELD"
    )
