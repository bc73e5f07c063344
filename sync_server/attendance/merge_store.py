"""The merge in the database: what is stored follows `shared.merge.fold` in the same transaction.

A scan that arrives, a resolution, a dated change or a row that appears folds again whom it touches,
and nobody else; what differs is written: verdicts, presences, counters, outbox (DESIGN §4.2).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from shared.history import History
from shared.merge import (
    Judgement,
    Resolved,
    ScanFact,
    ScanKey,
    Verdict,
    fold,
    judge_strangers,
    last_words,
    resolve,
)
from shared.model import NOWHERE, Direction
from sync_server.attendance.onward import judge_onward
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
from sync_server.attendance.settling import (
    Findings,
    differs,
    load_places,
    presence_row,
    settle,
    verdict_columns,
)
from sync_server.storage.history import load_history
from sync_server.storage.schema import presences, resolutions, scans

__all__ = [
    "Known",
    "differs",
    "fact_of",
    "insert_scans",
    "load_known",
    "load_resolutions",
    "load_scans",
    "refold",
    "refold_all",
    "refold_device",
    "refold_gate",
    "verdict_columns",
]

PARTICIPANTS_PER_FOLD_MAX = 2_000


class Known(NamedTuple):
    """What a transaction has read of some participants: it need not be read again to store a scan."""

    history: History
    waiting: Mapping[str, int]  # what `held_back` says
    places: Mapping[str, Row]  # their stored presences


def load_known(conn: Connection, participant_ids: Collection[str], history: History) -> Known:
    return Known(history, held_back(conn), load_places(conn, participant_ids))


def insert_scans(
    conn: Connection, rows: Sequence[Mapping[str, Any]], now_ms: int, known: Known | None = None
) -> dict[ScanKey, Judgement]:
    """Store new scans (columns of schema.scans without the verdict's) with their verdicts.

    A scan that comes after all of its participant's is judged alone; for a late one the participant
    is folded again. Returns the new scans' judgements. `known` is of these participants, read in
    this transaction.
    """
    new = {key_of(row): row for row in rows}
    waiting = held_back(conn) if known is None else known.waiting
    facts = {key: fact_of(row, waiting) for key, row in new.items()}
    history = known.history if known is not None else _history_of(conn, facts.values())
    groups, strangers = _by_person(facts.values(), history)
    places = load_places(conn, groups) if known is None else known.places
    words = last_words(load_resolutions(conn, {fact.scan_id for fact in facts.values()}, waiting))
    found, late = judge_onward(conn, groups, places, words, history)
    found.judgements |= judge_strangers(strangers, words, history)
    if late:
        stored = {key_of(row): row for row in rows_of_participants(conn, late)}
        coming = [scan for person in late for scan, _ in groups[person]]
        more = _fold_again(conn, history, stored, late, waiting, coming)
        found.judgements |= more.judgements
        found.places += more.places
        found.changed |= more.changed
    settle(conn, found, new, places, now_ms)
    return {key: found.judgements[key] for key in new}


def _history_of(conn: Connection, facts: Collection[ScanFact]) -> History:
    return load_history(
        conn,
        _present(fact.participant_id for fact in facts),
        _present(fact.digest for fact in facts),
        _present(fact.credential_id for fact in facts),
    )


def _by_person(
    facts: Iterable[ScanFact], history: History
) -> tuple[dict[str, list[Resolved]], list[Resolved]]:
    """Each participant's scans in order, and those of nobody."""
    groups: dict[str, list[Resolved]] = {}
    strangers: list[Resolved] = []
    for fact in facts:
        person, credential_id = resolve(fact, history)
        if person is None:
            strangers.append((fact, credential_id))
        elif person in groups:
            groups[person].append((fact, credential_id))
        else:
            groups[person] = [(fact, credential_id)]
    for group in groups.values():
        if len(group) > 1:
            group.sort(key=lambda pair: pair[0].order)
    return groups, strangers


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
        if stored:
            found = _fold_again(conn, history, stored, concerned, waiting)
            settle(conn, found, {}, load_places(conn, concerned), now_ms)
            changed += [row["scan_id"] for row in found.changed.values()]
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


def without_words_on(
    conn: Connection, scan_id: str, participant_id: str | None
) -> tuple[Judgement, bool]:
    """What this scan would count as, had nobody said a word on it; and whether it would stand in a
    conflict, its own or that of a later one.
    """
    facts = load_scans(conn, [] if participant_id is None else [participant_id])
    if not any(fact.scan_id == scan_id for fact in facts):
        waiting = held_back(conn)
        facts += [fact_of(row, waiting) for row in rows_by_id(conn, [scan_id])]
    words = load_resolutions(conn, {fact.scan_id for fact in facts} - {scan_id})
    history = _history_of(conn, facts)
    judgements = fold(facts, words, history).judgements
    own = next(judgements[fact.key] for fact in facts if fact.scan_id == scan_id)
    disputed = any(
        judgements[fact.key].verdict is Verdict.CONFLICT
        and scan_id in {fact.scan_id, judgements[fact.key].against}
        for fact in facts
    )
    return own, disputed


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


def _fold_again(
    conn: Connection,
    history: History,
    stored: Mapping[ScanKey, Row],
    people: Collection[str],
    waiting: Mapping[str, int],
    new: Sequence[ScanFact] = (),
) -> Findings:
    facts = [*(fact_of(row, waiting) for row in stored.values()), *new]
    judgements, places = judge(conn, history, facts, people, waiting)
    changed = {key: row for key, row in stored.items() if differs(row, judgements[key])}
    return Findings(dict(judgements), places, changed)
