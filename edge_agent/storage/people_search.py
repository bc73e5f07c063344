"""A supervisor's search of the replica by marks (shared.findable): rare, so it reads the whole list
rather than keep an index that every page would have to feed. One reader, any one thread at a time.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from edge_agent.storage import sqlite_file
from shared.limits import SEARCH_CANDIDATES_MAX

log = structlog.get_logger(__name__)
_ROWS = """
SELECT p.participant_id, p.masked_name, p.status, p.group_name,
  r.inside, r.last_ms, r.last_direction, r.last_gate_id
FROM participants_{live} p LEFT JOIN presences_{live} r ON r.participant_id = p.participant_id
WHERE {condition} ORDER BY p.participant_id LIMIT ?
"""


class Person(NamedTuple):
    """What a gate knows of a participant, their place as the replica has it."""

    participant_id: str
    masked_name: str
    status: str
    group: str | None
    inside: bool
    last_ms: int | None
    last_direction: str | None
    last_gate_id: str | None


class PeopleSearch:
    """Each answer has at most `SEARCH_CANDIDATES_MAX` people. Each opens the file anew: a damaged
    one may have been put aside meanwhile. Any thread.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def by_ids(self, ids: Sequence[str]) -> list[Person]:
        places = ", ".join("?" * len(ids))
        return self._find(f"p.participant_id IN ({places})", *ids) if ids else []

    def by_digest(self, digest: bytes) -> list[Person]:
        owners = "SELECT participant_id FROM credentials_{live} WHERE digest = ?"
        return self._find(f"p.participant_id IN ({owners})", digest)

    def by_code_mark(self, mark: str) -> list[Person]:
        owners = "SELECT participant_id FROM credentials_{live} WHERE mark = ?"
        return self._find(f"p.participant_id IN ({owners})", mark)

    def with_marks(self, marks: Sequence[str]) -> list[Person]:
        """Who has all of these marks."""
        condition = " AND ".join("instr(p.find, ?) > 0" for _ in marks)
        return self._find(condition, *(f" {mark} " for mark in marks)) if marks else []

    def beginning(self, first: str) -> list[Person]:
        """Whose masked name, or a word of it, begins so: for a single letter."""
        return self._find(
            "instr(lower(p.masked_name), ?) = 1 OR instr(lower(p.masked_name), ?) > 0",
            first,
            f" {first}",
        )

    def in_group(self, group: str) -> list[Person]:
        return self._find("lower(p.group_name) = ?", group)

    def inside(self) -> int | None:
        """How many are inside, as the replica has it; None where it can't be read now."""
        rows = self._rows("SELECT count(*) FROM presences_{live} WHERE inside", ())
        return None if rows is None else int(rows[0][0])

    def _find(self, condition: str, *values: Any) -> list[Person]:
        sql = _ROWS.replace("{condition}", condition)
        rows = self._rows(sql, (*values, SEARCH_CANDIDATES_MAX))
        return [
            Person(one, name, status, group, bool(inside), *last)
            for one, name, status, group, inside, *last in rows or ()
        ]

    def _rows(self, sql: str, values: Sequence[Any]) -> list[Any] | None:
        try:
            with closing(sqlite_file.connect_reader(self._path)) as conn:
                live = conn.execute("SELECT live FROM state").fetchone()[0]
                return conn.execute(sql.replace("{live}", live), values).fetchall()
        except sqlite3.DatabaseError as error:
            log.warning("list_not_readable", error=str(error))
            return None
