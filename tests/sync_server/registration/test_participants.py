"""One participant at a time."""

from pathlib import Path

import msgspec
import pytest

from shared.wire import ParticipantLine
from sync_server.registration.participants import (
    Filter,
    Registrar,
    RegistrationRefusedError,
    list_participants,
)
from sync_server.storage.lines import line_of
from tests.sync_server.registration.deployments import NOW_MS, deployment, everything, import_text

ANN = {"id": "P1", "name": "Ann Lee", "email": "ann@example.com", "phone": "010-1234-5678"}


@pytest.fixture
def made(tmp_path: Path):
    with deployment(tmp_path / "data") as found:
        yield found


@pytest.fixture
def registrar(made) -> Registrar:
    return Registrar(made.vault, made.keys, NOW_MS)


def test_a_registration_comes_with_a_ticket(made, registrar) -> None:
    row = made.database.write_now(lambda conn: registrar.create(conn, ANN))
    assert row["phone"] == "+821012345678"
    (ticket,) = everything(made)["credentials"]
    assert ticket["participant_id"] == "P1"


@pytest.mark.parametrize(
    ("cells", "code", "repeated"),
    [
        (ANN, "duplicate_id", True),
        (ANN | {"id": "P2"}, "duplicate_email", True),
        ({"id": "P2", "name": "x", "email": "b@example.com"}, "name_too_short", False),
        ({"name": "Bob Li"}, "invalid_email", False),
        ({"email": "b@example.com"}, "name_too_short", False),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(
    made, registrar, cells, code: str, repeated: bool
) -> None:
    made.database.write_now(lambda conn: registrar.create(conn, ANN))
    before = everything(made)
    with pytest.raises(RegistrationRefusedError) as caught:
        made.database.write_now(lambda conn: registrar.create(conn, cells))
    assert [fault.code for fault in caught.value.faults] == [code]
    assert caught.value.repeated is repeated
    assert everything(made) == before


def test_members_are_set_and_emptied(made, registrar) -> None:
    made.database.write_now(lambda conn: registrar.create(conn, ANN | {"group": "a"}))
    row = made.database.write_now(
        lambda conn: registrar.change(conn, "P1", {"name": "Ann Kim", "phone": None})
    )
    assert (row["name"], row["phone"], row["group"]) == ("Ann Kim", None, "a")
    row = made.database.write_now(lambda conn: registrar.change(conn, "P1", {"group": None}))
    assert row["group"] is None
    assert made.database.write_now(lambda conn: registrar.change(conn, "P9", {})) is None


def test_a_language_is_imported_changed_and_emptied_and_goes_to_gates(made) -> None:
    import_text(made, "이름,이메일,언어\n홍길동,hong@example.com,영어\nAnn Lee,ann@example.com,\n")
    english, none = sorted(everything(made)["participants"], key=lambda row: row["name"])[::-1]
    assert (english["language"], none["language"]) == ("en", None)
    before = english["revision"]
    registrar = Registrar(made.vault, made.keys, NOW_MS)
    for wish in ("ko", None):
        row = made.database.write_now(
            lambda conn, w=wish: registrar.change(conn, english["participant_id"], {"language": w})
        )
        assert row is not None
        assert row["language"] == wish
        assert row["revision"] > before, "gates are told"
        before = row["revision"]
        line = line_of("participants", row)
        assert isinstance(line, ParticipantLine)
        assert line.language == wish


def test_a_row_without_a_wish_is_the_line_of_the_version_before(made, registrar) -> None:
    """So that lists of both versions have one digest (docs/versions.md)."""
    row = made.database.write_now(lambda conn: registrar.create(conn, ANN))
    line = line_of("participants", row)
    assert b"language" not in msgspec.json.encode(line)


def test_cancelling_is_a_dated_change_that_an_operator_may_take_back(made, registrar) -> None:
    made.database.write_now(lambda conn: registrar.create(conn, ANN))
    made.database.write_now(lambda conn: registrar.cancel(conn, "P1"))
    assert [row["value"]["status"] for row in everything(made)["dated_changes"]] == [
        "registered", "cancelled",
    ]  # fmt: skip
    row = made.database.write_now(
        lambda conn: registrar.change(conn, "P1", {"status": "registered"})
    )
    assert row["status"] == "registered"


def test_listing_by_pages(made) -> None:
    rows = "".join(f"P{n:02d},Person {n},p{n}@example.com,{'ab'[n % 2]}\n" for n in range(25))
    import_text(made, "id,name,email,group\n" + rows)

    def page(limit: int, **wanted: str | None):
        return made.database.read_now(lambda conn: list_participants(conn, Filter(**wanted), limit))

    seen: list[str] = []
    cursor = None
    while True:
        found, cursor, total = page(10, after=cursor)
        assert total == 25
        seen += [row["participant_id"] for row in found]
        if cursor is None:
            break
    assert seen == [f"P{n:02d}" for n in range(25)]
    assert len(page(100, group="a")[0]) == 13
    assert page(100, status="blocked") == ([], None, 0)
