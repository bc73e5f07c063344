"""The merge in the database: what is stored follows `shared.merge.fold` in the same transaction.

A scan that arrives, a resolution, a dated change or a row that appears folds again whom it touches,
and nobody else; what differs is written: verdicts, presences, counters, outbox (DESIGN §4.2).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from shared.history import History
from shared.merge import Judgement, ScanFact, ScanKey, Verdict, fold, resolve
from shared.model import NOWHERE, Direction, Presence
from shared.reasons import Reason
from shared.wire import format_time
from sync_server.attendance.knowledge import note_head
from sync_server.attendance.open_conflicts import told_to_gates
from sync_server.attendance.scan_rows import (
    Row,
    fact_of,
    held_back,
    key_of,
    load_resolutions,
    load_scans,
    rows_by_id,
    rows_of_participants,
    unresolved_rows,
)
from sync_server.insight import counters
from sync_server.storage import revisions
from sync_server.storage.chunks import insert_rows, mappings_in, select_in, update_rows
from sync_server.storage.history import load_history
from sync_server.storage.schema import participants, presences, resolutions, scans
from sync_server.stream.outbox import emit

__all__ = [
    "Known",
    "fact_of",
    "insert_scans",
    "load_known",
    "load_resolutions",
    "load_scans",
    "refold",
    "refold_all",
    "refold_device",
    "refold_gate",
]

PARTICIPANTS_PER_FOLD_MAX = 2_000

_PRESENCES = select(presences)
_NAMES = select(participants.c.participant_id, participants.c.masked_name)


class Known(NamedTuple):
    """What a transaction has read of some participants: it need not be read again to store a scan."""

    history: History
    waiting: Mapping[str, int]  # what `held_back` says
    stored: Mapping[ScanKey, Row]  # all their scans


def load_known(conn: Connection, participant_ids: Collection[str], history: History) -> Known:
    stored = {key_of(row): row for row in rows_of_participants(conn, participant_ids)}
    return Known(history, held_back(conn), stored)


def insert_scans(
    conn: Connection, rows: Sequence[Mapping[str, Any]], now_ms: int, known: Known | None = None
) -> dict[ScanKey, Judgement]:
    """Store new scans (columns of schema.scans without the verdict's) with their verdicts.

    The participants concerned are folded again; returns the new scans' judgements. `known` is of
    these participants, read in this transaction.
    """
    new = {key_of(row): row for row in rows}
    waiting = held_back(conn) if known is None else known.waiting
    facts = {key: fact_of(row, waiting) for key, row in new.items()}
    history = known.history if known is not None else _history_of(conn, facts.values())
    people = _present({resolve(fact, history)[0] for fact in facts.values()})
    if known is None:
        known = load_known(conn, people, history)
    judgements, _ = _settle(conn, known, people, new, now_ms, facts)
    return {key: judgements[key] for key in new}


def _history_of(conn: Connection, facts: Collection[ScanFact]) -> History:
    return load_history(
        conn,
        _present(fact.participant_id for fact in facts),
        _present(fact.digest for fact in facts),
        _present(fact.credential_id for fact in facts),
    )


def refold(
    conn: Connection,
    participant_ids: Iterable[str],
    now_ms: int,
    *,
    digests: Collection[str] = (),
    scan_ids: Collection[str] = (),
) -> list[str]:
    """Fold these participants again, and whoever owns these digests or scans.

    Scans that were nobody's find their owner here when a credential or participant has appeared.
    Returns the ids of scans whose verdict changed.
    """
    rows = {key_of(row): row for row in rows_by_id(conn, scan_ids)}
    people = {*participant_ids, *_present(row["participant_id"] for row in rows.values())}
    ordered = sorted(people)
    changed: list[str] = []
    waiting = held_back(conn)
    for start in range(0, max(len(ordered), 1), PARTICIPANTS_PER_FOLD_MAX):
        piece = ordered[start : start + PARTICIPANTS_PER_FOLD_MAX]
        first = start == 0
        history = load_history(conn, piece, digests if first else ())
        nobodys = {
            key: row
            for row in (
                *unresolved_rows(conn, history, digests if first else ()),
                *(row for row in rows.values() if first and row["participant_id"] is None),
            )
            if (key := key_of(row))
        }
        concerned = set(history.participants)
        stored = {key_of(row): row for row in rows_of_participants(conn, concerned)} | nobodys
        known = Known(history, waiting, stored)
        changed += _settle(conn, known, concerned, {}, now_ms)[1]
    return changed


def refold_gate(conn: Connection, gate_id: str, now_ms: int) -> list[str]:
    """Fold again everyone who passed this gate: its activity or permission changed."""
    return refold(conn, _people_where(conn, scans.c.gate_id == gate_id), now_ms)


def refold_device(conn: Connection, device_id: str, now_ms: int) -> list[str]:
    """Fold again all that this device said: it went into quarantine, or came out of it."""
    mine = scans.c.device_id == device_id
    words = conn.execute(
        select(resolutions.c.scan_id).where(
            resolutions.c.resolution_id.startswith(f"{device_id}:", autoescape=True)
        )
    ).scalars()
    nobodys = conn.execute(
        select(scans.c.scan_id).where(mine, scans.c.participant_id.is_(None))
    ).scalars()
    return refold(conn, _people_where(conn, mine), now_ms, scan_ids={*words, *nobodys})


def tell_old_conflicts(conn: Connection, now_ms: int) -> None:
    """Conflicts of a data folder from before gates were told of them."""
    untold = presences.c.conflict & presences.c.conflicts.is_(None)
    people = conn.execute(select(presences.c.participant_id).where(untold)).scalars().all()
    if people:
        refold(conn, people, now_ms)


def refold_all(conn: Connection, now_ms: int) -> list[str]:
    """Fold everyone again: the event's window, status or settings changed."""
    return refold(conn, _people_where(conn, scans.c.participant_id.is_not(None)), now_ms)


def _people_where(conn: Connection, condition: Any) -> set[str]:
    found = conn.execute(select(scans.c.participant_id).where(condition).distinct()).scalars()
    return _present(found)


def _present(values: Iterable[str | None]) -> set[str]:
    return {value for value in values if value is not None}


def presence_row(
    participant_id: str,
    presence: Presence,
    *,
    attended: bool,
    conflicts: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    return {
        "participant_id": participant_id,
        "inside": presence.inside,
        "last_ms": presence.last_ms,
        "last_error_ms": presence.last_error_ms,
        "last_direction": presence.last_direction and presence.last_direction.value,
        "last_gate_id": presence.last_gate_id,
        "first_entry_ms": presence.first_entry_ms,
        "last_entry_ms": presence.last_entry_ms,
        "conflict": presence.conflict,
        "attended": attended,
        "conflicts": conflicts,
    }


def judge(
    conn: Connection,
    history: History,
    facts: Sequence[ScanFact],
    people: Collection[str],
    waiting: Mapping[str, int] | None = None,
) -> tuple[Mapping[ScanKey, Judgement], list[dict[str, Any]]]:
    """The fold of all scans of these people: judgements, and a presence row for each of them.

    A person with a scan has a row even if it says "never seen", so that the rows depend on the set
    of scans alone (P3).
    """
    words = load_resolutions(conn, {fact.scan_id for fact in facts}, waiting)
    folded = fold(facts, words, history)
    attended = {
        found.participant_id
        for fact in facts
        if (found := folded.judgements[fact.key]).verdict is Verdict.CONFIRMED
        and fact.direction is Direction.ENTRY
    }
    told = told_to_gates(facts, folded.judgements)
    rows = [
        presence_row(
            person,
            folded.presences.get(person, NOWHERE),
            attended=person in attended,
            conflicts=told.get(person),
        )
        for person in people
        if person in folded.presences
    ]
    return folded.judgements, rows


def _settle(
    conn: Connection,
    known: Known,
    people: Collection[str],
    new: Mapping[ScanKey, Row],
    now_ms: int,
    new_facts: Mapping[ScanKey, ScanFact] | None = None,
) -> tuple[Mapping[ScanKey, Judgement], list[str]]:
    """Fold, and write what differs. Returns all judgements and the scan ids that changed."""
    history, waiting, stored = known
    if not stored and not new:
        return {}, []
    facts = [fact_of(row, waiting) for row in stored.values()] + list((new_facts or {}).values())
    judgements, places = judge(conn, history, facts, people, waiting)
    sums: counters.Sums = {}
    changed = {key: row for key, row in stored.items() if differs(row, judgements[key])}
    if changed:
        _write_verdicts(conn, changed, judgements)
        for key, row in changed.items():
            counters.add(sums, counters.of_scan(row, row["verdict"]), -1)
            counters.add(sums, counters.of_scan(row, judgements[key].verdict))
    if new:
        insert_rows(
            conn, scans, [{**row, **verdict_columns(judgements[key])} for key, row in new.items()]
        )
        for key, row in new.items():
            counters.add(sums, counters.of_scan(row, judgements[key].verdict))
    _write_presences(conn, places, sums)
    note_head(conn, now_ms)
    _tell(conn, {**changed, **new}, judgements, counters.apply(conn, sums), now_ms)
    return judgements, [row["scan_id"] for row in changed.values()]


def verdict_columns(found: Judgement) -> dict[str, Any]:
    return {
        "verdict": found.verdict.value,
        "verdict_kind": None if found.kind is None else found.kind.value,
        "against": found.against,
        "participant_id": found.participant_id,
        "credential_id": found.credential_id,
    }


def differs(row: Row, found: Judgement) -> bool:
    return bool(
        row["verdict"] != found.verdict
        or row["verdict_kind"] != found.kind
        or row["against"] != found.against
        or row["participant_id"] != found.participant_id
        or row["credential_id"] != found.credential_id
    )


def _write_verdicts(
    conn: Connection, changed: Mapping[ScanKey, Row], judgements: Mapping[ScanKey, Judgement]
) -> None:
    rows = [
        {"row_id": row["row_id"], **verdict_columns(judgements[key])}
        for key, row in changed.items()
    ]
    update_rows(conn, scans, scans.c.row_id, rows)


def _write_presences(
    conn: Connection, places: Sequence[Mapping[str, Any]], sums: counters.Sums
) -> None:
    ids = [row["participant_id"] for row in places]
    held = {
        row["participant_id"]: row
        for row in mappings_in(conn, _PRESENCES, presences.c.participant_id, ids)
    }
    for row in places:
        counters.add(sums, counters.of_presence(held.get(row["participant_id"])), -1)
        counters.add(sums, counters.of_presence(row))
    if places:
        revisions.upsert_many(conn, presences, places, held)


def _tell(
    conn: Connection,
    changed: Mapping[ScanKey, Row],
    judgements: Mapping[ScanKey, Judgement],
    counters_moved: bool,
    now_ms: int,
) -> None:
    people = _present(judgements[key].participant_id for key in changed)
    names = {
        row.participant_id: row.masked_name
        for row in select_in(
            conn,
            _NAMES,
            participants.c.participant_id,
            people,
        )
    }
    messages = [
        ("scan.merged", scan_message(row, judgements[key], names)) for key, row in changed.items()
    ]
    if counters_moved:
        overall = counters.load(conn, ["overall"])
        messages.append(("stats.updated", {name: value for (_, name), value in overall.items()}))
    emit(conn, messages, now_ms)


_LABELS = {int(reason): reason.label for reason in Reason}


@lru_cache(maxsize=16)  # a batch came at one moment
def _received(ms: int) -> str:
    return format_time(ms)


def scan_message(row: Row, found: Judgement, names: Mapping[str, str]) -> dict[str, Any]:
    """A scan as the live page shows it; nothing personal beyond the masked name."""
    person = found.participant_id
    return {
        "scanId": row["scan_id"],
        "participantId": person,
        "maskedName": None if person is None else names.get(person),
        "credentialId": found.credential_id,
        "gateId": row["gate_id"],
        "deviceId": row["device_id"],
        "epoch": row["epoch"],
        "seq": row["seq"],
        "method": row["method"],
        "direction": row["direction"],
        "occurredAt": format_time(row["occurred_ms"]),
        "receivedAt": _received(row["received_ms"]),
        "admitted": row["admitted"],
        "reason": _LABELS[row["reason"]],
        "verdict": found.verdict.value,
        "kind": None if found.kind is None else found.kind.value,
        "against": found.against,
        "override": row["override"],
    }
