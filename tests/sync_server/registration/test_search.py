"""Finding somebody by parts of anything, best first, as it was last committed."""

import asyncio
import unicodedata

import pytest
from sqlalchemy import insert

from shared import credentials
from sync_server.identity.keys import ServerKeys
from sync_server.privacy.vault import Vault
from sync_server.registration.importer import Importer, Options
from sync_server.registration.list_reader import Record
from sync_server.registration.participants import Registrar
from sync_server.registration.search import ParticipantSearch, read_position
from sync_server.registration.search_index import Wanted
from sync_server.registration.tickets import issue_ticket
from sync_server.storage import schema
from sync_server.stream.head_watch import HeadWatch
from tests.sync_server.builders import NOW_MS

ON_EACH_DATABASE = True
KEYS = ServerKeys(b"\1" * 32, b"\2" * 32, b"\3" * 32)
VAULT = Vault(KEYS.master)
PEOPLE = (
    {"id": "K1", "name": "김철수", "email": "chulsoo@hanbit.kr", "phone": "010-1234-5678",
         "organization": "한빛소프트", "group": "VIP", "region": "KR", "birthDate": "1990-04-05"},
    {"id": "K2", "name": "김처리", "email": "cheori@example.org", "phone": "010-9999-1234", "group": "VIP"},
    {"id": "K3", "name": "박 철수", "email": "park@example.org", "organization": "㈜대한 상사"},
    {"id": "K4", "name": "José Müller-García", "email": "jose.mueller@example.de",
         "phone": "+49 30 901820", "region": "DE"},
    {"id": "K5", "name": "Kim Minji", "email": "MINJI.KIM@Example.org", "organization": "김앤장"},
    {"id": "P-2024-17", "name": "Ｌee Ｆull", "email": "wide@example.org", "status": "blocked"},
)  # fmt: skip


@pytest.fixture
def found(new_database):
    """Who is found, in order, by ids."""
    database = new_database(people=0)
    registrar = Registrar(VAULT, KEYS, NOW_MS)
    for cells in PEOPLE:
        database.write_now(lambda conn, cells=cells: registrar.create(conn, cells))
    search = ParticipantSearch(database, None, VAULT)

    def ids(text, limit=50, cursor=None, **wanted):
        def job(conn):
            search.catch_up(conn)
            return search.find(conn, text, Wanted(**wanted), cursor, limit)

        page, ids.cursor = database.read_now(job)
        ids.total = page.total
        return page.ids

    ids.database, ids.search = database, search
    return ids


TYPED = (
    ("김철수", ["K1"]),
    ("철수", ["K3", "K1"]),  # a word of the name before a part of one
    ("박철수", ["K3"]),
    ("철수 박", ["K3"]),
    (unicodedata.normalize("NFD", "김철수"), ["K1"]),
    ("기", ["K2", "K1", "K5"]),  # on the way to 김
    ("김철", ["K1", "K2"]),  # 철 may become 처리
    ("ㄱㅊㅅ", ["K1"]),
    ("ㅂㅊ", ["K3"]),
    ("김ㅊ", ["K2", "K1"]),
    ("jose", ["K4"]),
    ("garcia", ["K4"]),
    ("MÜLLER", ["K4"]),
    ("ｋｉｍ", ["K5"]),
    ("lee full", ["P-2024-17"]),
    ("minji.kim", ["K5"]),
    ("EXAMPLE.DE", ["K4"]),
    ("hanbit.kr", ["K1"]),
    ("(주)대한", ["K3"]),
    ("대한상사", []),  # two words of an organization are not one
    ("김앤", ["K5"]),
    ("2024-17", ["P-2024-17"]),
    ("p-2024", ["P-2024-17"]),
    ("vip 김", ["K2", "K1"]),
    ("vip park", []),
    ("blocked", ["P-2024-17"]),
    ("차단", ["P-2024-17"]),
    ("차단 김", []),
    ("1990-04-05", ["K1"]),
    ("1990.4.5.", ["K1"]),
    ("1990", []),
    ("nobody at all", []),
)
PHONES = (
    "010-1234-5678", "01012345678", "+82 10 1234 5678", "+821012345678", "82-10-1234-5678",
    "+82 (0)10-1234-5678", "010 1234 5678", "(010) 1234-5678", "1234-5678", "5678",
    "0082 10 1234 5678", "010-1234",
)  # fmt: skip


def test_anything_finds(found):
    for typed, ids in TYPED:
        assert found(typed) == ids, typed


def test_a_phone_is_found_however_it_is_written(found):
    for typed in PHONES:
        assert found(typed)[:1] == ["K1"], typed
        assert "K4" not in found(typed)


def test_a_phone_of_another_country(found):
    for typed in ("+49 30 901820", "030 901820", "901820", "+4930901820"):
        assert found(typed) == ["K4"], typed


def test_the_last_four_digits_come_before_others(found):
    assert found("1234") == ["K2", "K1"]


def test_a_ticket_is_found_by_its_code_or_a_part_also_once_revoked(found):
    ticket = found.database.write_now(lambda conn: issue_ticket(conn, "K4", VAULT, KEYS, NOW_MS))
    letters = VAULT.open(ticket["code"])
    issued = lambda conn: issue_ticket(conn, "K4", VAULT, KEYS, NOW_MS)
    newer = VAULT.open(found.database.write_now(issued)["code"])
    readable = credentials.readable("DEMO", letters)
    for typed in (
        readable,
        readable.lower(),
        readable.replace("-", " "),
        credentials.payload("DEMO", letters),
        letters,
        readable[:14],
        readable.partition("-")[2],
        letters[5:13],
        letters.replace("0", "O").replace("1", "l"),
        newer,
    ):
        assert found(typed) == ["K4"], typed


def test_who_fits_best_comes_first(found):
    registrar = Registrar(VAULT, KEYS, NOW_MS)
    names = {"Z1": "나 김철수", "Z2": "김철수아", "Z3": "나김철수", "Z4": "김철수", "Z5": "다른이"}
    for number, (one, name) in enumerate(names.items()):
        cells = {"id": one, "name": name, "email": f"x{number}@example.org"}
        if one == "Z5":
            cells["organization"] = "김철수 상회"
        found.database.write_now(lambda conn, cells=cells: registrar.create(conn, cells))
    # The whole name, by id where equal; its beginning; a word of it; a word of anything; a part.
    assert found("김철수") == ["K1", "Z4", "Z2", "Z1", "Z5", "Z3"]
    assert found("z1") == ["Z1"]


def test_filters_narrow_and_pages_follow_each_other(found):
    everybody = found("example")
    assert found.total == len(everybody) == 5
    pages, cursor = [], None
    while True:
        pages += found("example", limit=2, cursor=cursor)
        assert found.total == 5
        cursor = found.cursor
        if cursor is None:
            break
    assert pages == everybody
    assert found("example", status="blocked") == ["P-2024-17"]
    assert found("example", group="VIP") == ["K2"]
    assert "K2" not in found("example", group="")
    for cursor in ("nonsense", "e30", "!!"):
        with pytest.raises(ValueError, match="cursor"):
            read_position(cursor)


def test_what_was_just_written_is_found(found):
    registrar = Registrar(VAULT, KEYS, NOW_MS)
    database = found.database
    assert found("새이름") == []
    database.write_now(lambda conn: registrar.change(conn, "K1", {"name": "새이름"}))
    assert found("새이름") == ["K1"]
    assert found("김철수") == []
    database.write_now(lambda conn: registrar.change(conn, "K1", {"organization": "새회사"}))
    assert found("새회사") == ["K1"]
    database.write_now(lambda conn: registrar.change(conn, "K1", {"region": "Busan"}))
    assert found("busan") == ["K1"]
    database.write_now(lambda conn: registrar.cancel(conn, "K1"))
    assert found("취소") == ["K1"]


def test_an_import_is_found_at_once(found):
    rows = [
        Record(line=n, cells={"name": f"Visitor {n}", "email": f"v{n}@import.test"})
        for n in range(1_500)
    ]
    Importer(found.database, VAULT, KEYS, Options(), lambda: NOW_MS).run(rows, "list.csv")
    assert found("import.test visitor") and found.total == 1_500
    assert found("v1499@import.test", limit=3) != []


async def test_filling_and_following(new_database):
    """Filled in the background; a change committed meanwhile, and later ones, are in it."""
    database = new_database(people=1_500)
    heads = HeadWatch(asyncio.get_running_loop())
    database.on_commit(heads.notify)
    search = ParticipantSearch(database, heads, VAULT)
    assert not await search.ready(0)
    registrar = Registrar(VAULT, KEYS, NOW_MS)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(search.run())
        cells = {"name": "Meanwhile", "email": "m@example.test"}
        await database.write(lambda conn: registrar.create(conn, cells))
        assert await search.ready(30)
        find = lambda conn: search.find(conn, "meanwhile", Wanted(), None, 5)
        page, _ = await database.read(find)
        assert page.total == 1
        everybody = lambda conn: search.find(conn, "example", Wanted(), None, 5)
        page, _ = await database.read(everybody)
        assert page.total == 1_501
        heads.close()
        running.cancel()


def test_a_code_that_is_no_ticket_is_searched_too(found):
    beacon = "ibeacon:0102030405060708090a0b0c0d0e0f10:7:9"
    row = {
        "credential_id": "B1", "participant_id": "K5", "kind": "beacon", "digest": "f" * 32,
        "code": VAULT.seal(beacon), "status": "active", "issued_ms": NOW_MS,
        "revision": 10_000, "hash": "0" * 32,
    }  # fmt: skip
    found.database.write_now(lambda conn: conn.execute(insert(schema.credentials).values(**row)))
    from sqlalchemy import update

    found.database.write_now(
        lambda conn: conn.execute(update(schema.state).values(revision=10_000))
    )
    assert found("0102030405060708") == ["K5"]
