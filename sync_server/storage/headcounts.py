"""People counted by group and permission, in the transaction that changes them.

A person is counted once in `all`, once in their group and once in each of their permissions, as
their row of `participants` and their row of `presences` say together. Both tables are written by
`revisions` alone, which tells here what it changed: no writer can forget the counts, whether a scan
came late, was voided, or its participant changed groups since.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Text, cast, delete, func, select, text

from sync_server.storage.chunks import mappings_in, select_in
from sync_server.storage.figure_tables import headcounts
from sync_server.storage.json_text import from_json
from sync_server.storage.schema import participants, presences

CANCELLED = "cancelled"
Row = Mapping[str, Any]
Key = tuple[str, str]  # kind, name
Counts = tuple[int, int, int, int]  # registered, came, attended, inside
Sums = dict[Key, Counts]

_NONE: Counts = (0, 0, 0, 0)
_PEOPLE_COLUMNS = ("status", "group", "permissions")
_PLACE_COLUMNS = ("attended", "inside")
_PEOPLE = select(
    participants.c.participant_id,
    participants.c.status,
    participants.c.group,
    participants.c.permissions,
)
_WHO = select(  # permissions as text: read once for all who have the same
    participants.c.participant_id,
    participants.c.status,
    participants.c.group,
    cast(participants.c.permissions, Text),
)
_PLACES = select(presences.c.participant_id, presences.c.attended, presences.c.inside)
_ADD = text(
    """
    INSERT INTO headcounts (kind, name, registered, came, attended, inside)
    VALUES (:kind, :name, :registered, :came, :attended, :inside)
    ON CONFLICT (kind, name) DO UPDATE SET
      registered = headcounts.registered + excluded.registered,
      came = headcounts.came + excluded.came,
      attended = headcounts.attended + excluded.attended,
      inside = headcounts.inside + excluded.inside
    """
)


def of_person(person: Row | None, place: Row | None) -> dict[Key, Counts]:
    """What a participant adds to which counts; nothing where there is no such participant."""
    if person is None:
        return {}
    registered = person["status"] != CANCELLED
    attended = place is not None and bool(place["attended"])
    inside = place is not None and bool(place["inside"])
    counts = (int(registered), int(registered and attended), int(attended), int(inside))
    if counts == _NONE:
        return {}
    keys = [("all", ""), ("group", person["group"] or "")]
    keys += [("permission", name) for name in set(person["permissions"])]
    return dict.fromkeys(keys, counts)


def add(sums: Sums, counts: Mapping[Key, Counts], sign: int = 1) -> None:
    for key, (registered, came, attended, inside) in counts.items():
        held = sums.get(key, _NONE)
        sums[key] = (
            held[0] + sign * registered,
            held[1] + sign * came,
            held[2] + sign * attended,
            held[3] + sign * inside,
        )


def follow(conn: Connection, table_name: str, changes: Iterable[tuple[Row | None, Row]]) -> None:
    """Rows of a replicated table were written: (what was stored, what is now)."""
    concerned = _CONCERNS.get(table_name)
    if concerned is None:
        return
    columns, move = concerned
    moved = {
        new["participant_id"]: (old, new)
        for old, new in changes
        if old is None or any(old[name] != new[name] for name in columns)
    }
    if moved:
        sums: Sums = {}
        move(conn, moved, sums)
        _apply(conn, sums)


_Moved = Mapping[str, tuple[Row | None, Row]]


def _people_moved(conn: Connection, moved: _Moved, sums: Sums) -> None:
    places = {
        row["participant_id"]: row
        for row in mappings_in(conn, _PLACES, presences.c.participant_id, list(moved))
    }
    for participant_id, (old, new) in moved.items():
        place = places.get(participant_id)
        add(sums, of_person(old, place), -1)
        add(sums, of_person(new, place))


def _places_moved(conn: Connection, moved: _Moved, sums: Sums) -> None:
    """Alike ones are added up first: most of a batch's people have the same in common."""
    alike: Counter[tuple[Any, ...]] = Counter()
    for row in select_in(conn, _WHO, participants.c.participant_id, list(moved)):
        old, new = moved[row.participant_id]
        was = (False, False) if old is None else (old["attended"], old["inside"])
        alike[row[1:], was, (new["attended"], new["inside"])] += 1
    for (who, was, now), number in alike.items():
        status, group, permissions = who
        person = {"status": status, "group": group, "permissions": from_json(permissions)}
        for (attended, inside), sign in ((was, -number), (now, number)):
            add(sums, of_person(person, {"attended": attended, "inside": inside}), sign)


_CONCERNS: Mapping[str, tuple[tuple[str, ...], Callable[[Connection, _Moved, Sums], None]]] = {
    "participants": (_PEOPLE_COLUMNS, _people_moved),
    "presences": (_PLACE_COLUMNS, _places_moved),
}


def _apply(conn: Connection, sums: Sums) -> None:
    rows = [_row(key, counts) for key, counts in sums.items() if counts != _NONE]
    if rows:
        conn.execute(_ADD, rows)


def _row(key: Key, counts: Counts) -> dict[str, Any]:
    names = ("registered", "came", "attended", "inside")
    return {"kind": key[0], "name": key[1], **dict(zip(names, counts, strict=True))}


def load(conn: Connection, kind: str) -> dict[str, Counts]:
    """By name; a name that nobody bears any more is left out."""
    table = headcounts
    rows = conn.execute(select(table).where(table.c.kind == kind).order_by(table.c.name))
    found = {row.name: (row.registered, row.came, row.attended, row.inside) for row in rows}
    return {name: counts for name, counts in found.items() if counts != _NONE}


def everybody(conn: Connection) -> Counts:
    return load(conn, "all").get("", _NONE)


def added(many: Iterable[Counts]) -> Counts:
    sums: Sums = {}
    for counts in many:
        add(sums, {("", ""): counts})
    return sums.get(("", ""), _NONE)


def counted_afresh(conn: Connection) -> Sums:
    """What the counts must be, from every participant and presence."""
    sums: Sums = {}
    joined = _PEOPLE.add_columns(presences.c.attended, presences.c.inside).outerjoin(
        presences, presences.c.participant_id == participants.c.participant_id
    )
    with conn.execute(joined.execution_options(yield_per=1_000)) as rows:
        for found in rows.mappings():
            row: Any = found
            add(sums, of_person(row, row))
    return {key: counts for key, counts in sums.items() if counts != _NONE}


def adds_up(conn: Connection) -> bool:
    """A cheap look: as many registered as there are."""
    people = select(func.count()).select_from(participants)
    registered = conn.execute(people.where(participants.c.status != CANCELLED)).scalar_one()
    return everybody(conn)[0] == int(registered)


def recount(conn: Connection) -> None:
    conn.execute(delete(headcounts))
    _apply(conn, counted_afresh(conn))


def differences(conn: Connection) -> Sequence[tuple[Key, Counts, Counts]]:
    """(key, stored, counted afresh) where they are not the same."""
    fresh = counted_afresh(conn)
    held = {(kind, name): counts for kind in ("all", "group", "permission")
            for name, counts in load(conn, kind).items()}  # fmt: skip
    return [
        (key, held.get(key, _NONE), fresh.get(key, _NONE))
        for key in sorted({*held, *fresh})
        if held.get(key, _NONE) != fresh.get(key, _NONE)
    ]
