"""Is what is stored what follows from the scans? One line for each difference, none if all is well.

Reads only. Folds everyone again from nothing (P3), adds the counters up again, hashes every
replicated row again, and looks for holes in the journals (P2).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, and_, func, select

from shared.wire import DIGEST_MODULUS, format_time
from sync_server.attendance.merge_store import differs, judge
from sync_server.attendance.scan_rows import fact_of, held_back, key_of, rows_of_participants
from sync_server.insight import counters, tallies
from sync_server.storage import headcounts, revisions, schema
from sync_server.storage.chunks import mappings, mappings_in
from sync_server.storage.history import load_history
from sync_server.storage.lines import HASH_OF_NOTHING, hash_of
from sync_server.sync.journals import received

LINES_MAX = 200
PARTICIPANTS_PER_FOLD = 2_000


def verify(conn: Connection) -> list[str]:
    """What differs, at most 200 lines; run it in one read transaction."""
    lines: list[str] = []
    for line in _differences(conn):
        if len(lines) == LINES_MAX:
            return [*lines, f"… and more: only the first {LINES_MAX} differences are shown"]
        lines.append(line)
    return lines


class Counted(NamedTuple):
    """What the scans add up to."""

    plain: counters.Sums
    by_time: tallies.Sums

    def scan(self, row: Mapping[str, Any], verdict: str) -> None:
        counters.add(self.plain, counters.of_scan(row, verdict))
        tallies.add_scans(self.by_time, [(row, verdict)])


def _differences(conn: Connection) -> Iterator[str]:
    yield from _file(conn)
    yield from _rows(conn)
    yield from _journals(conn)
    yield from _entries(conn)
    yield from _merge(conn)


def _file(conn: Connection) -> Iterator[str]:
    if conn.dialect.name == "sqlite":
        for answer in conn.exec_driver_sql("PRAGMA quick_check(10)").scalars():
            if answer != "ok":
                yield f"database file: {answer}"


def _rows(conn: Connection) -> Iterator[str]:
    """Hash, revision and digest of every replicated row."""
    head = revisions.head(conn)
    total = 0
    seen: set[int] = set()
    for table in schema.REPLICATED:
        (key,) = table.primary_key.columns
        # Closed even where nobody reads on: on PostgreSQL it is a cursor at the server.
        with conn.execute(select(table).execution_options(yield_per=1_000)) as rows:
            for found in rows.mappings():
                row = cast("Mapping[str, Any]", found)
                name = f"{table.name} {row[key.name]}"
                total += int(row["hash"], 16)
                if row["hash"] != hash_of(table.name, row):
                    yield f"{name}: the stored hash is not that of the row"
                if row["hash"] == HASH_OF_NOTHING:
                    continue
                revision = row["revision"]
                if revision in seen or not 0 < revision <= head.revision:
                    yield f"{name}: revision {revision} is given twice or beyond {head.revision}"
                seen.add(revision)
    if f"{total % DIGEST_MODULUS:032x}" != revisions.digest(conn):
        yield "state: the digest is not the sum of the rows' hashes"


def _journals(conn: Connection) -> Iterator[str]:
    """Entries that have not come, ranges declared lost aside."""
    for row in mappings(conn, select(schema.journals)):
        device_id, epoch = row["device_id"], row["epoch"]
        for first, last in received(conn, device_id, epoch, up_to_head=True).holes:
            which = f"entry {first} has" if first == last else f"entries {first}-{last} have"
            yield f"device {device_id}, journal {epoch}: {which} not arrived"


def _entries(conn: Connection) -> Iterator[str]:
    """Each usable scan entry is a scan, each resolution entry a resolution."""
    entries, scans, words = schema.entries, schema.scans, schema.resolutions
    same = and_(
        scans.c.device_id == entries.c.device_id,
        scans.c.epoch == entries.c.epoch,
        scans.c.seq == entries.c.seq,
        scans.c.checksum == entries.c.checksum,
    )
    missing = (
        select(entries.c.device_id, entries.c.epoch, entries.c.seq)
        .outerjoin(scans, same)
        .where(entries.c.type == "scan", entries.c.unusable.is_(None), scans.c.row_id.is_(None))
    )
    for row in conn.execute(missing):
        yield f"device {row.device_id}, journal {row.epoch}: entry {row.seq} is not among the scans"
    said = conn.execute(
        select(func.count()).where(entries.c.type == "resolution", entries.c.unusable.is_(None))
    ).scalar_one()
    kept = conn.execute(
        select(func.count()).where(words.c.resolution_id.contains(":"))
    ).scalar_one()
    if kept < said:
        yield f"resolutions: the gates sent {said}, {kept} are kept"


def _merge(conn: Connection) -> Iterator[str]:
    """Verdicts, presences and counters against a fold from nothing."""
    sums = Counted({}, {})
    people = sorted(
        conn.execute(
            select(schema.scans.c.participant_id)
            .where(schema.scans.c.participant_id.is_not(None))
            .distinct()
        ).scalars()
    )
    for start in range(0, len(people), PARTICIPANTS_PER_FOLD):
        yield from _people(conn, people[start : start + PARTICIPANTS_PER_FOLD], sums)
    yield from _strangers(conn, sums)
    with_scans = select(schema.scans.c.participant_id).where(
        schema.scans.c.participant_id.is_not(None)
    )
    orphans = select(schema.presences.c.participant_id).where(
        schema.presences.c.participant_id.not_in(with_scans)
    )
    for participant_id in conn.execute(orphans).scalars():
        yield f"presence {participant_id}: stored, and no scan speaks of this participant"
    yield from _counters(conn, sums)
    yield from _headcounts(conn)


def _people(conn: Connection, people: list[str], sums: Counted) -> Iterator[str]:
    history = load_history(conn, people)
    rows = {key_of(row): row for row in rows_of_participants(conn, people)}
    waiting = held_back(conn)
    facts = [fact_of(row, waiting) for row in rows.values()]
    judgements, places = judge(conn, history, facts, people)
    for key, row in rows.items():
        found = judgements[key]
        sums.scan(row, found.verdict)
        if differs(row, found):
            yield (
                f"scan {row['scan_id']}: stored as {row['verdict']}, "
                f"counts as {found.verdict.value} ({found.kind or 'no kind'})"
            )
    held = {
        row["participant_id"]: row
        for row in mappings_in(
            conn, select(schema.presences), schema.presences.c.participant_id, people
        )
    }
    for place in places:
        counters.add(sums.plain, counters.of_presence(place))
        yield from _presence(place, held.get(place["participant_id"]))


def _presence(place: Mapping[str, Any], held: Mapping[str, Any] | None) -> Iterator[str]:
    name = f"presence {place['participant_id']}"
    if held is None:
        yield f"{name}: missing"
        return
    for column, value in place.items():
        if held[column] != value:
            yield f"{name}: {column} is {held[column]!r}, the scans say {value!r}"


def _strangers(conn: Connection, sums: Counted) -> Iterator[str]:
    """Scans of nobody: still nobody's, and judged alone."""
    scans = schema.scans
    nobody = scans.c.participant_id.is_(None)
    rows = {key_of(row): row for row in mappings(conn, select(scans).where(nobody))}
    history = load_history(
        conn,
        _present(row["named_participant_id"] for row in rows.values()),
        _present(row["digest"] for row in rows.values()),
        _present(row["named_credential_id"] for row in rows.values()),
    )
    waiting = held_back(conn)
    facts = [fact_of(row, waiting) for row in rows.values()]
    judgements, _ = judge(conn, history, facts, ())
    for key, row in rows.items():
        found = judgements[key]
        sums.scan(row, found.verdict)
        if differs(row, found):
            owner = found.participant_id or "nobody"
            yield (
                f"scan {row['scan_id']}: stored as {row['verdict']} of nobody, "
                f"counts as {found.verdict.value} of {owner}"
            )


def _present(values: Iterable[str | None]) -> set[str]:
    return {value for value in values if value is not None}


def _counters(conn: Connection, sums: Counted) -> Iterator[str]:
    held = {
        (row["scope"], row["name"]): row["value"] for row in mappings(conn, select(schema.counters))
    }
    for name in sorted({*held, *sums.plain}):
        stored, counted = held.get(name, 0.0), sums.plain.get(name, 0.0)
        if stored != counted:
            yield f"counter {name[0]} {name[1]}: stored {stored:g}, counted {counted:g}"
    by_time = tallies.stored(conn)
    for key in sorted({*by_time, *sums.by_time}):
        if by_time.get(key, 0) != sums.by_time.get(key, 0):
            width, slot, gate_id, what = key
            yield (
                f"tally {what} at {gate_id}, {format_time(slot * width)}: "
                f"stored {by_time.get(key, 0)}, counted {sums.by_time.get(key, 0)}"
            )


def _headcounts(conn: Connection) -> Iterator[str]:
    """People by group and permission, against every participant and presence."""
    for (kind, name), stored, counted in headcounts.differences(conn):
        yield (
            f"headcount {kind} {name!r}: stored {stored}, counted {counted} "
            "(registered, of those came, attended, inside)"
        )
