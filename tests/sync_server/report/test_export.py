"""The complete export: everything of one moment, nothing secret, no cell a spreadsheet runs (P12)."""

import csv
import hashlib
import io
import json
import zipfile
from typing import Any

import pytest
from sqlalchemy import update

from sync_server.privacy.vault import Vault
from sync_server.report import export_tables
from sync_server.report.export import write_export
from sync_server.storage import schema
from sync_server.storage.database import Database
from tests.sync_server.builders import (
    NOW_MS,
    digest_of,
    note_entry,
    resolution_entry,
    scan_entry,
    upload,
)

ON_EACH_DATABASE = True
WORDS = {"operatorId": "op-1", "text": "=HYPERLINK(1)"}


def made(database: Database, *, personal: bool = True) -> zipfile.ZipFile:
    file = io.BytesIO()
    database.read_now(
        lambda conn: write_export(conn, Vault(b"k" * 32), file, NOW_MS, personal=personal)
    )
    return zipfile.ZipFile(file)


def lines(archive: zipfile.ZipFile, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in archive.read(f"{name}.ndjson").splitlines()]


def cells(archive: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    text = archive.read(f"{name}.csv").decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def happen(database: Database) -> None:
    entries = [scan_entry(n, person=n) for n in range(1, 6)]
    entries += [
        scan_entry(6, person=1, minute=30),  # inside already: a conflict
        scan_entry(7, person=7, method="manual", reason="not_permitted", override=WORDS),
        resolution_entry(8, "scan-6", "void"),
        note_entry(9),
        scan_entry(12, person=2, direction="exit", minute=40),  # 10 and 11 never came
    ]
    upload(database, entries)

    def name_as_formula(conn: Any) -> None:
        people = schema.participants
        one = people.c.participant_id == "P000001"
        conn.execute(update(people).where(one).values(name="=1+1", organization="@홍"))

    database.write_now(name_as_formula)


def test_every_table_says_the_same_twice_and_the_manifest_counts_it(database: Database) -> None:
    happen(database)
    archive = made(database)
    manifest = json.loads(archive.read("manifest.json"))
    assert archive.testzip() is None
    for told in manifest["files"]:
        body = archive.read(told["name"])
        assert (len(body), hashlib.sha256(body).hexdigest()) == (told["bytes"], told["sha256"])
    sums = archive.read("SHA256SUMS").decode()
    assert all(f"{told['sha256']}  {told['name']}\n" in sums for told in manifest["files"])
    names = {told["name"].rpartition(".")[0] for told in manifest["files"]} - {"README"}
    rows = {told["name"]: told.get("rows") for told in manifest["files"]}
    for name in names:
        as_json, as_text = lines(archive, name), cells(archive, name)
        assert len(as_json) == len(as_text) == rows[f"{name}.ndjson"] == rows[f"{name}.csv"], name
        assert name in archive.read("README.txt").decode()
    assert {"event", "gates", "participants", "credentials", "scans", "overrides", "resolutions",
            "dated-changes", "devices", "journals", "lost-ranges", "notes", "alerts", "imports",
            "operators", "figures"} == names  # fmt: skip


def test_verdicts_words_overrides_and_holes_are_in_it(database: Database) -> None:
    happen(database)
    archive = made(database)
    verdicts = {row["scanId"]: row["verdict"] for row in lines(archive, "scans")}
    assert (verdicts["scan-1"], verdicts["scan-6"]) == ("confirmed", "voided")
    (word,) = lines(archive, "resolutions")
    assert (word["scanId"], word["action"]) == ("scan-6", "void")
    (override,) = cells(archive, "overrides")
    assert (override["operatorId"], override["text"]) == ("op-1", "'=HYPERLINK(1)")
    (note,) = lines(archive, "notes")
    assert note["note"] == "wrong_pin"
    (journal,) = lines(archive, "journals")
    assert (journal["contiguousThrough"], journal["head"]) == (9, 12)
    people = {row["participantId"]: row for row in lines(archive, "participants")}
    assert people["P000001"]["name"] == "=1+1"  # JSON says what is stored
    assert people["P000001"]["attended"]
    assert not people["P000009"]["attended"]
    row = next(row for row in cells(archive, "participants") if row["participantId"] == "P000001")
    assert (row["name"], row["organization"]) == ("'=1+1", "'@홍")


@pytest.mark.parametrize("personal", [True, False])
def test_nothing_secret_is_in_it_and_personal_fields_only_where_asked(
    database: Database, personal: bool
) -> None:
    happen(database)
    archive = made(database, personal=personal)
    names = [name for name in archive.namelist() if name != "README.txt"]
    whole = b"".join(archive.read(name) for name in names)
    for secret in (b"SECRETCODE", digest_of(3).encode(), b"argon2", b"password", b"pin_mark"):
        assert secret not in whole, secret
    for field in (b"p3@example.org", "홍길동".encode(), b"+8210"):
        assert (field in whole) is personal, field
    assert "홍*동".encode() in whole or personal


def test_rows_are_held_a_few_at_a_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page of rows holds, not the table, is in memory: the cursor hands on piece by piece."""
    monkeypatch.setattr(export_tables, "ROWS_AT_ONCE", 3)
    happen(database)
    assert len(lines(made(database), "credentials")) == 20


def test_it_is_of_one_moment(database: Database) -> None:
    """A scan that is merged while the export is written is in all of it or in none of it."""
    happen(database)

    def job(conn: Any) -> tuple[int, int]:
        tables = {
            table.name: table
            for table in export_tables.tables(conn, Vault(b"k" * 32), NOW_MS, personal=True)
        }
        before = len(list(tables["scans"].rows()))
        upload(database, [scan_entry(13, person=13)])
        return before, len(list(tables["scans"].rows()))

    before, after = database.read_now(job)
    assert before == after
