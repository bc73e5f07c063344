"""A damaged journal: what can be read is saved, the rest is named, nothing is deleted (P2)."""

import random
import sqlite3
from pathlib import Path

import pytest

from edge_agent.storage import salvage
from edge_agent.storage.carve import PAGE_BYTES
from edge_agent.storage.journal import Journal
from shared.errors import NewerDataError

AT_MS = 1_700_000_000_000
EPOCH = "00000000000000aa"
MANY = 600


def open_journal(folder: Path, epoch: str = EPOCH, **more) -> Journal:
    return Journal.open(folder / "journal.db", new_epoch=lambda: epoch, **more)


def body(n: int) -> dict:
    return {"scanId": f"s{n}", "text": f"entry {n} " + "x" * 400, "admitted": True}


def filled(folder: Path, count: int = MANY, sealed: bool = True) -> None:
    journal = open_journal(folder)
    for n in range(1, count + 1):
        if sealed:
            journal.append_note({"note": f"n{n}", "data": body(n)}, at_ms=AT_MS)
        else:
            journal.append_scan(body(n), at_ms=AT_MS)
    journal.close()


def spoil(path: Path, pages: list[int], what: bytes = b"") -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE_BYTES)
            file.write((what or b"\0" * PAGE_BYTES)[:PAGE_BYTES])


def by_rowid(path: Path, base: int) -> int:
    """What point reads by rowid get out of a damaged file: the measure of FINDINGS §5."""
    conn = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    found = 0
    for n in range(1, MANY + 1):
        try:
            found += len(conn.execute("SELECT * FROM entries WHERE id = ?", (base + n,)).fetchall())
        except sqlite3.DatabaseError:
            continue
    conn.close()
    return found


def kept(journal: Journal, epoch: str = EPOCH) -> list[int]:
    """Sequence numbers that can go up, read as the uplink reads: on until the end."""
    found: list[int] = []
    at = 1
    while batch := journal.entries_from(at, 500, epoch):
        found += [entry["seq"] for entry in batch]
        at = found[-1] + 1
    return found


def damaged(folder: Path) -> Journal:
    """Opened anew, and read to the end as uplink and overlay do: wherever that finds the damage."""
    journal = open_journal(folder, "00000000000000bb")
    list(journal.scans_after(EPOCH, 0))
    try:
        kept(journal)
    except sqlite3.DatabaseError:
        journal.mend()
    return journal


def test_p2_garbage_pages_cost_only_the_rows_on_them(tmp_path: Path) -> None:
    filled(tmp_path)
    path = tmp_path / "journal.db"
    chance = random.Random(7)
    pages = path.stat().st_size // PAGE_BYTES
    spoil(path, [pages // 3, pages // 2, pages - 9], chance.randbytes(PAGE_BYTES))
    journal = damaged(tmp_path)
    saved = kept(journal)
    assert len(saved) >= MANY - 3 * 12  # some 8 rows a page
    assert len(saved) >= by_rowid(tmp_path / "journal.db.damaged-1", 1 << 40)
    assert journal.epoch == "00000000000000bb"
    [report] = salvage.reports(tmp_path)
    assert (report.saved, report.lost) == (len(saved), MANY - len(saved))
    assert report.lost > 0
    assert (tmp_path / report.aside).exists()
    journal.close()


@pytest.mark.parametrize("first", ["zeroed", "garbage", "schema"])
def test_p2_without_its_first_page_not_one_row_is_lost(tmp_path: Path, first: str) -> None:
    """There SQLite itself gives up at once."""
    filled(tmp_path)
    path = tmp_path / "journal.db"
    if first == "schema":  # the header stands, the tables' names do not
        page = path.read_bytes()[:PAGE_BYTES]
        spoil(path, [1], page[:100] + random.Random(1).randbytes(PAGE_BYTES - 100))
    else:
        spoil(path, [1], b"" if first == "zeroed" else random.Random(1).randbytes(PAGE_BYTES))
    journal = damaged(tmp_path)
    assert kept(journal) == list(range(1, MANY + 1))
    assert journal.epochs()[0] == (EPOCH, MANY)
    journal.close()


def test_p2_what_is_only_in_the_wal_is_saved_too(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    for n in range(1, 31):
        journal.append_note({"note": f"n{n}", "data": body(n)}, at_ms=AT_MS)
    for name in ("journal.db", "journal.db-wal"):  # as after a power cut: nothing checkpointed
        (tmp_path / f"kept-{name}").write_bytes((tmp_path / name).read_bytes())
    journal.close()
    for name in ("journal.db", "journal.db-wal"):
        (tmp_path / f"kept-{name}").rename(tmp_path / name)
    for cut in ("empty", "missing"):
        folder = tmp_path / cut
        folder.mkdir()
        (folder / "journal.db-wal").write_bytes((tmp_path / "journal.db-wal").read_bytes())
        if cut == "empty":
            (folder / "journal.db").touch()
        journal = damaged(folder)
        assert kept(journal) == list(range(1, 31))
        journal.close()


def test_p2_a_file_cut_short_keeps_its_numbers_and_names_its_tail(tmp_path: Path) -> None:
    filled(tmp_path)
    path = tmp_path / "journal.db"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2 // PAGE_BYTES * PAGE_BYTES + 100)
    journal = open_journal(tmp_path, "00000000000000bb", received={EPOCH: 550})
    saved = kept(journal)
    assert saved == list(range(1, len(saved) + 1))
    assert 0 < len(saved) < MANY
    # The server had answered for 550, so the epoch is known to have gone that far.
    assert journal.epochs()[0] == (EPOCH, 550)
    [report] = salvage.reports(tmp_path)
    assert report.lost == 0
    journal.close()


def test_p2_damage_met_while_running_is_mended_at_once(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    for n in range(1, MANY + 1):
        journal.append_note({"note": f"n{n}", "data": body(n)}, at_ms=AT_MS)
    journal.tidy()
    path = tmp_path / "journal.db"
    pages = path.stat().st_size // PAGE_BYTES
    spoil(path, [pages // 2])
    journal._new_epoch = lambda: "00000000000000bb"
    journal._conn.execute("PRAGMA shrink_memory")
    with pytest.raises(sqlite3.DatabaseError):
        kept(journal)
    life = journal.life
    journal.mend(life)
    journal.mend(life)  # the second who saw it finds it done
    assert len(salvage.reports(tmp_path)) == 1
    saved = kept(journal)
    assert MANY - 12 <= len(saved) < MANY
    assert journal.append_note({"note": "after"}, at_ms=AT_MS).seq == 2
    assert dict(journal.epochs())[EPOCH] == MANY
    journal.close()


def test_entries_not_sealed_yet_are_sealed_in_their_old_epoch(tmp_path: Path) -> None:
    filled(tmp_path, 20, sealed=False)
    spoil(tmp_path / "journal.db", [1])
    journal = damaged(tmp_path)
    assert (journal.unsealed_epoch(), journal.unsealed_count) == (EPOCH, 20)
    assert journal.unsealed_in(EPOCH) == 20
    rows = journal.unsealed(99, EPOCH)
    assert [row.seq for row in rows] == list(range(1, 21))
    journal.seal([(row.seq, row.body | {"checksum": "0" * 16}) for row in rows], EPOCH)
    assert kept(journal) == list(range(1, 21))
    journal.close()


def test_a_flipped_bit_that_is_no_text_any_more_costs_one_row(tmp_path: Path) -> None:
    filled(tmp_path, 30)
    path = tmp_path / "journal.db"
    data = bytearray(path.read_bytes())
    at = data.index(b"entry 17 ")
    data[at] ^= 0x80
    path.write_bytes(bytes(data))
    journal = damaged(tmp_path)
    assert journal.epoch == EPOCH  # SQLite reads on: no need for another file
    assert kept(journal) == [n for n in range(1, 31) if n != 17]
    assert journal.lost_ranges() == [(17, 17)]
    journal.close()


def test_every_bit_of_a_row_counts(tmp_path: Path) -> None:
    """P2: no damaged entry ever goes up as if it were sound, and none stops the others."""
    filled(tmp_path, 12)
    path = tmp_path / "journal.db"
    whole = path.read_bytes()
    truth = open_journal(tmp_path)
    sound = {entry["seq"]: entry for entry in truth.entries_from(1, 99)}
    truth.close()
    chance = random.Random(11)
    for _ in range(60):
        data = bytearray(whole)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        folder = tmp_path / f"flip-{chance.random()}"
        folder.mkdir()
        (folder / "journal.db").write_bytes(bytes(data))
        try:
            journal = damaged(folder)
        except NewerDataError:  # the one field that is rather believed: the schema's number
            continue
        for epoch, _head in journal.epochs():
            for entry in journal.entries_from(1, 99, epoch):
                if entry["note"] != "journal_salvaged":
                    assert entry == sound[entry["seq"]]
        assert sum(head for _, head in journal.epochs()) >= 11
        journal.close()


def test_the_epochs_name_outlives_its_table(tmp_path: Path) -> None:
    """Under another name the server would count the saved entries twice."""
    filled(tmp_path)
    path = tmp_path / "journal.db"
    conn = sqlite3.connect(path)
    roots = [row[0] for row in conn.execute("SELECT rootpage FROM sqlite_schema WHERE rootpage")]
    conn.close()
    names = max(roots)
    spoil(path, [1, *(root for root in roots if root not in {min(roots), names})])
    journal = damaged(tmp_path)
    assert kept(journal) == list(range(1, MANY + 1))
    journal.close()


def test_another_database_in_its_place_is_set_aside(tmp_path: Path) -> None:
    conn = sqlite3.connect(tmp_path / "journal.db")
    conn.execute("CREATE TABLE entries (id INTEGER PRIMARY KEY, something TEXT)")
    conn.execute("PRAGMA user_version=1")
    conn.commit()
    conn.close()
    journal = damaged(tmp_path)
    assert journal.epoch == "00000000000000bb"
    assert (tmp_path / "journal.db.damaged-1").exists()
    journal.close()


@pytest.mark.parametrize("gone", ["journal.db", "journal.db-wal", "both"])
def test_p1_a_file_deleted_under_a_running_gate_comes_back_whole(tmp_path: Path, gone: str) -> None:
    journal = open_journal(tmp_path)
    for n in range(1, 6):
        journal.append_note({"note": f"n{n}"}, at_ms=AT_MS)
    for name in ["journal.db", "journal.db-wal"] if gone == "both" else [gone]:
        (tmp_path / name).unlink()
    assert journal.append_note({"note": "n6"}, at_ms=AT_MS).seq == 6
    life = journal.life
    assert journal.append_note({"note": "n7"}, at_ms=AT_MS).seq == 7
    assert journal.life == life  # once is enough
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("journal.db", "journal.db-wal"):  # what a power cut would leave
        (copy / name).write_bytes((tmp_path / name).read_bytes())
    journal.close()
    again = open_journal(copy)
    assert (again.epoch, kept(again)) == (EPOCH, [1, 2, 3, 4, 5, 6, 7])
    again.close()


@pytest.mark.parametrize("step", ["half made", "old one moved"])
def test_a_power_cut_within_a_salvage_loses_nothing(tmp_path: Path, step: str) -> None:
    filled(tmp_path, 20)
    path = tmp_path / "journal.db"
    if step == "half made":
        spoil(path, [1])
        salvage.new_path(path).write_bytes(b"half a file")
    else:
        path.rename(salvage.new_path(path))
    journal = damaged(tmp_path)
    assert kept(journal) == list(range(1, 21))
    assert not salvage.new_path(path).exists()
    journal.close()


def test_long_entries_in_overflow_pages_are_saved(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    texts = {n: "가" * n * 1_500 for n in range(1, 6)}
    for text in texts.values():
        journal.append_note({"note": "long", "data": {"text": text}}, at_ms=AT_MS)
    journal.close()
    spoil(tmp_path / "journal.db", [1])
    journal = damaged(tmp_path)
    found = {entry["seq"]: entry["data"]["text"] for entry in journal.entries_from(1, 9, EPOCH)}
    assert found == texts
    journal.close()
