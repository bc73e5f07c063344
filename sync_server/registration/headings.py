"""Which column of a participants' list is which: English and Korean headings, the headings of other
programs' exports, or what the user says.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sync_server.registration.exports import Export
from sync_server.registration.plain import plain
from sync_server.registration.rows import ListError

# Field → headings it is known by; the first is the one to prefer where several stand in a file.
HEADINGS: dict[str, tuple[str, ...]] = {
    "id": ("id", "participant id", "participant number", "아이디", "참가자 id", "참가자 번호",
           "등록번호", "번호"),
    "name": ("name", "full name", "participant name", "이름", "성명", "참가자명", "참가자 이름"),
    "email": ("email", "e-mail", "email address", "mail", "이메일", "이메일 주소", "전자우편",
              "메일"),
    "phone": ("phone", "phone number", "mobile", "mobile phone", "telephone", "tel",
              "cell phone", "cell", "mobile number", "contact number", "전화번호", "휴대폰 번호",
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
# What a field is put together from where its own column is missing or its cell is empty.
PARTS: dict[str, tuple[str, ...]] = {
    "firstName": ("first name", "given name", "forename", "이름(명)", "명"),
    "lastName": ("last name", "surname", "family name", "성", "성씨"),
    "buyerName": ("buyer name", "구매자 이름", "구매자명", "주문자명"),
    "buyerEmail": ("buyer email", "buyer e-mail", "purchaser email", "구매자 이메일",
                   "주문자 이메일"),
}  # fmt: skip
FIELDS = (*HEADINGS, *PARTS)
_REQUIRED = {  # field → what may stand for it
    "name": {"name", "firstName", "lastName", "buyerName"},
    "email": {"email", "buyerEmail"},
}
_GIVEN_NAMES = {"이름", "name"}  # beside a column of family names this is the given name


_FIELD_OF = {
    plain(heading): (name, rank)
    for name, headings in (HEADINGS | PARTS).items()
    for rank, heading in enumerate(headings)
}


def recognised(heading: str) -> bool:
    return plain(heading) in _FIELD_OF


class Columns(NamedTuple):
    """Which places give a field, the first that is not empty; `ignored` are the other headings.

    `missing` are fields that a list of people must have.
    """

    places: dict[str, tuple[int, ...]]
    ignored: list[str]
    missing: list[str]

    def field_at(self, place: int) -> str | None:
        return next((field for field, found in self.places.items() if place in found), None)


def map_headings(
    names: Sequence[str],
    mapping: Mapping[str, str | None],
    source: str,
    export: Export | None = None,
) -> Columns:
    """`mapping` is heading → field, from the user; None says that the column is not used."""
    said = _check_mapping(names, mapping, source)
    keys = [plain(name) for name in names]
    places: dict[str, tuple[int, ...]] = {}
    for place, key in enumerate(keys):
        field = said.get(key)
        if field is not None:
            if field in places:
                other, name = names[places[field][0]].strip(), names[place].strip()
                raise ListError(
                    f"{source}: the columns “{other}” and “{name}” both are {field}; choose one",
                    f"{source}: “{other}” 열과 “{name}” 열이 모두 {field}입니다. 하나만 고르세요.",
                )
            places[field] = (place,)
    free = [(place, key) for place, key in enumerate(keys) if key and key not in said]
    guessed = _of_export(free, export) if export else _guessed(free, names, source)
    for field, found in guessed.items():
        places.setdefault(field, found)
    used = {place for found in places.values() for place in found}
    ignored = [name.strip() for place, name in enumerate(names) if place not in used]
    missing = [field for field, stand_ins in _REQUIRED.items() if not stand_ins & places.keys()]
    return Columns(places, [name for name in ignored if name], missing)


def _of_export(free: Sequence[tuple[int, str]], export: Export) -> dict[str, tuple[int, ...]]:
    """By the export's own table; of several columns for one field the earlier come first."""
    found: dict[str, tuple[int, ...]] = {}
    for key, field in export.columns.items():
        these = tuple(place for place, name in free if name == key)
        if these:
            found[field] = found.get(field, ()) + these
    return found


def _guessed(
    free: Sequence[tuple[int, str]], names: Sequence[str], source: str
) -> dict[str, tuple[int, ...]]:
    best: dict[str, tuple[int, int]] = {}  # field → (rank, place)
    split = any(_FIELD_OF.get(key, ("", 0))[0] == "lastName" for _, key in free)
    for place, key in free:
        if key not in _FIELD_OF:
            continue
        field, rank = _FIELD_OF[key]
        if split and key in _GIVEN_NAMES:
            field = "firstName"
        if field in best and best[field][0] == rank:
            other, name = names[best[field][1]].strip(), names[place].strip()
            raise ListError(
                f"{source} has two columns for {field}, “{other}” and “{name}”; "
                "remove or rename one of them, or say which with a mapping",
                f"{source}에 {field} 열이 둘 있습니다: “{other}”, “{name}”. 하나를 지우거나 "
                "이름을 바꾸세요.",
            )
        if field not in best or rank < best[field][0]:
            best[field] = (rank, place)
    return {field: (place,) for field, (_, place) in best.items()}


def _check_mapping(
    names: Iterable[str], mapping: Mapping[str, str | None], source: str
) -> dict[str, str | None]:
    present = {plain(name) for name in names}
    for heading, field in mapping.items():
        if field is not None and field not in FIELDS:
            fields = ", ".join(FIELDS)
            raise ListError(
                f"the mapping names a field {field!r}; there are {fields}",
                f"“{field}”이라는 항목은 없습니다. 있는 항목: {fields}",
            )
        if not plain(heading) or plain(heading) not in present:
            raise ListError(
                f"the mapping names a column {heading!r} that {source} does not have",
                f"{source}에 “{heading}” 열이 없습니다.",
            )
    return {plain(heading): field for heading, field in mapping.items()}


def explain_missing(missing: Sequence[str], names: Sequence[str], source: str) -> ListError:
    words = {"name": "name (이름)", "email": "email (이메일)"}
    found = ", ".join(name.strip()[:30] for name in names[:8] if name.isprintable()) or "none"
    lacking = [words[name] for name in missing]
    return ListError(
        f"{source} has no column {' and no column '.join(lacking)} "
        f"among its headings (found: {found[:200]}); add the heading or use --map HEADING=FIELD",
        f"{source}에 {', '.join(lacking)} 열이 없습니다 (찾은 제목: {found[:200]}).",
    )
