"""What is kept of imports: that they were, what came of them, and whom they changed from what.

Every function is one job, or part of one, inside a transaction.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, desc, insert, select, update

from shared import wire
from shared.limits import IMPORTS_UNDOABLE_ROWS_MAX
from sync_server.registration.planning import Plan
from sync_server.storage.chunks import insert_rows, mappings
from sync_server.storage.import_tables import import_rows, imports

Row = Mapping[str, Any]
NOT_COMPARED = frozenset({"revision", "hash", "updated_ms"})
ENDED_EARLY = {
    "en": "The server ended before the list was through. What was done until then is kept: "
    "import the same file again, nothing is done twice.",
    "ko": "목록이 끝나기 전에 서버가 멈췄습니다. 그때까지 처리된 것은 남아 있습니다. "
    "같은 파일을 다시 가져오면 두 번 처리되지 않습니다.",
}
UNDO_ENDED_EARLY = {
    "en": "The server ended before the import was undone whole; undo it again for the rest.",
    "ko": "가져오기를 다 되돌리기 전에 서버가 멈췄습니다. 다시 되돌리면 나머지가 처리됩니다.",
}


def begin(
    conn: Connection,
    import_id: str,
    source: str,
    now_ms: int,
    *,
    state: str = "running",
    caller: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Note that an import is to be; nothing where that is noted already."""
    if find(conn, import_id) is None:
        values = {
            "import_id": import_id, "at_ms": now_ms, "source": source, "result": {},
            "state": state, "caller": caller, "options": dict(options or {}),
        }  # fmt: skip
        conn.execute(insert(imports).values(values))


def set_state(conn: Connection, import_id: str, state: str, **values: Any) -> None:
    this = imports.c.import_id == import_id
    conn.execute(update(imports).where(this).values(state=state, **values))


def remember(conn: Connection, import_id: str, plan: Plan, now_ms: int) -> bool:
    """Keep whom a chunk created or changed, and what they were; False if there is nothing."""
    added: dict[str, list[str]] = {}
    for ticket in plan.credentials:
        added.setdefault(ticket["participant_id"], []).append(ticket["credential_id"])
    after = {row["participant_id"]: row for row in (*plan.participants, *plan.moved_emails)}
    rows = [
        {
            "import_id": import_id,
            "participant_id": participant_id,
            "created": participant_id in plan.created,
            "at_ms": now_ms,
            "before": _before(plan, participant_id, after.get(participant_id)),
            "tickets": added.get(participant_id, []),
            "undone_ms": None,
        }
        for participant_id in sorted(plan.created | plan.befores.keys())
    ]
    insert_rows(conn, import_rows, rows)
    return bool(rows)


def _before(plan: Plan, participant_id: str, after: Row | None) -> dict[str, Any] | None:
    before = plan.befores.get(participant_id)
    if participant_id in plan.created or before is None:
        return None
    if after is None:  # only a ticket came to them
        return {"updated_ms": before["updated_ms"]}
    return {
        name: value
        for name, value in before.items()
        if name in after and name not in NOT_COMPARED and after[name] != value
    }


def prune(conn: Connection) -> None:
    """Forget former values beyond the newest imports: those can't be undone any more."""
    kept = 0
    newest_first = select(imports.c.import_id, imports.c.result).order_by(
        desc(imports.c.at_ms), desc(imports.c.import_id)
    )
    for place, row in enumerate(conn.execute(newest_first).all()):
        kept += row.result.get("created", 0) + row.result.get("updated", 0)
        if place and kept > IMPORTS_UNDOABLE_ROWS_MAX:
            conn.execute(delete(import_rows).where(import_rows.c.import_id == row.import_id))


def fail_unfinished(conn: Connection, now_ms: int) -> None:
    """At a server's start nothing runs: what says so was cut off."""
    cut_off = imports.c.state.in_(("waiting", "running"))
    conn.execute(
        update(imports).where(cut_off).values(state="failed", finished_ms=now_ms, error=ENDED_EARLY)
    )
    half_undone = imports.c.state == "undoing"
    conn.execute(update(imports).where(half_undone).values(state="done", error=UNDO_ENDED_EARLY))


def find(conn: Connection, import_id: str) -> Row | None:
    statement = select(imports).where(imports.c.import_id == import_id)
    return next(mappings(conn, statement), None)


def newest(conn: Connection, after: str | None, limit: int) -> tuple[list[Row], str | None]:
    """Up to `limit` imports, newest first, and the cursor of the next page."""
    statement = select(imports).order_by(desc(imports.c.at_ms), desc(imports.c.import_id))
    if after is not None:
        at_text, _, import_id = after.partition(".")
        at_ms = int(at_text) if at_text.isdecimal() else 0
        earlier = (imports.c.at_ms == at_ms) & (imports.c.import_id < import_id)
        statement = statement.where((imports.c.at_ms < at_ms) | earlier)
    rows = list(mappings(conn, statement.limit(limit + 1)))
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], f"{last['at_ms']}.{last['import_id']}"


def undoable(conn: Connection, import_id: str) -> bool:
    """Whether anything of it is there to be taken back."""
    rows = import_rows
    left = select(rows.c.import_id).where(rows.c.import_id == import_id, rows.c.undone_ms.is_(None))
    return conn.execute(left.limit(1)).first() is not None


def remembered(conn: Connection, import_id: str) -> bool:
    """Whether it is still known whom this import changed."""
    found = select(import_rows.c.import_id).where(import_rows.c.import_id == import_id)
    return conn.execute(found.limit(1)).first() is not None


def as_json(conn: Connection, row: Row) -> dict[str, Any]:
    """An import as the list and its own address tell it."""
    finished = row["finished_ms"]
    return {
        "importId": row["import_id"],
        "source": row["source"],
        "state": row["state"] or "done",
        "dryRun": bool((row["options"] or {}).get("dryRun")),
        "by": row["caller"],
        "startedAt": wire.format_time(row["at_ms"]),
        "finishedAt": None if finished is None else wire.format_time(finished),
        "result": row["result"] or None,
        "error": row["error"],
        "undo": row["undo"],
        "undoable": (row["state"] or "done") in {"done", "failed", "undone"}
        and undoable(conn, row["import_id"]),
    }
