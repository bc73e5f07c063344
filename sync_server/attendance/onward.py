"""Scans that come after all that is stored of their participant: only they need judging.

A fold walks a participant's scans in order. Where the new ones come last, the walk goes on from the
stored presence, whatever number of scans led there; a property test holds the outcome equal to the
whole fold. The rest (late scans) is folded whole.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from shared.history import History
from shared.merge import (
    Judgement,
    ResolutionFact,
    Resolved,
    ScanFact,
    ScanKey,
    Verdict,
    walk_on,
)
from shared.model import NOWHERE, Direction, Presence
from shared.reasons import Reason
from sync_server.attendance.open_conflicts import and_then, told_to_gates
from sync_server.attendance.scan_rows import Row
from sync_server.attendance.settling import Findings, presence_row
from sync_server.storage.chunks import select_in
from sync_server.storage.schema import presences, scans

LastMoved = tuple[ScanKey, str]  # identity and id of the scan that moved a participant last

_LAST = "\x00last"  # stands for that scan's id until it is known that somebody needs it

# Refused, quarantined and voided scans move nobody.
_MOVED = (
    select(
        scans.c.participant_id,
        scans.c.scan_id,
        scans.c.device_id,
        scans.c.epoch,
        scans.c.seq,
        scans.c.checksum,
    )
    .join(
        presences,
        (scans.c.participant_id == presences.c.participant_id)
        & (scans.c.occurred_ms == presences.c.last_ms),
    )
    .where(scans.c.admitted, scans.c.verdict.not_in((Verdict.REFUSED.value, Verdict.VOIDED.value)))
)


def judge_onward(
    conn: Connection,
    groups: Mapping[str, Sequence[Resolved]],
    places: Mapping[str, Row],
    last_word: Mapping[str, ResolutionFact],
    history: History,
) -> tuple[Findings, set[str]]:
    """Judge each participant's new scans (in order) that come last; and who has late ones.

    `places` are the stored presences; a participant without one has no stored scan.
    """
    ties = {
        person
        for person, ordered in groups.items()
        if (place := places.get(person)) and ordered[0][0].occurred_ms == place["last_ms"]
    }
    lasts = last_moved(conn, ties)
    found, late, asking = Findings(), set[str](), set[str]()
    for person, ordered in groups.items():
        place = places.get(person)
        if not comes_after(ordered[0][0], place, lasts.get(person)):
            late.add(person)
            continue
        judged, row = _walk_from(place, person, ordered, last_word, history)
        found.judgements |= judged
        found.places.append(row)
        if any(judgement.against == _LAST for judgement in judged.values()):
            asking.add(person)
    if asking:
        lasts |= last_moved(conn, asking - ties)
        _name_the_last(found.judgements, lasts)
    for row in found.places:
        if row["conflict"]:
            person = row["participant_id"]
            row["conflicts"] = _open_conflicts(
                groups[person], found.judgements, places.get(person), lasts.get(person)
            )
    return found, late


def comes_after(first: ScanFact, place: Row | None, last: LastMoved | None) -> bool:
    """Whether a scan comes after every stored one that moved its participant."""
    if place is None or place["last_ms"] is None or first.occurred_ms > place["last_ms"]:
        return True
    return first.occurred_ms == place["last_ms"] and last is not None and last[0] < first.key


def last_moved(conn: Connection, people: Collection[str]) -> dict[str, LastMoved]:
    """By participant; of several at one moment the last in order."""
    lasts: dict[str, LastMoved] = {}
    for row in select_in(conn, _MOVED, presences.c.participant_id, people):
        found = (ScanKey(row.device_id, row.epoch, row.seq, row.checksum), row.scan_id)
        held = lasts.get(row.participant_id)
        if held is None or held < found:
            lasts[row.participant_id] = found
    return lasts


def presence_of(place: Row | None) -> Presence:
    """A row of schema.presences as the rules read it."""
    if place is None:
        return NOWHERE
    direction = place["last_direction"]
    return Presence(
        inside=place["inside"],
        last_ms=place["last_ms"],
        last_error_ms=place["last_error_ms"],
        last_direction=None if direction is None else Direction(direction),
        last_gate_id=place["last_gate_id"],
        first_entry_ms=place["first_entry_ms"],
        last_entry_ms=place["last_entry_ms"],
        conflict=place["conflict"],
    )


def _walk_from(
    place: Row | None,
    participant_id: str,
    ordered: Sequence[Resolved],
    last_word: Mapping[str, ResolutionFact],
    history: History,
) -> tuple[dict[ScanKey, Judgement], dict[str, Any]]:
    stood = presence_of(place)
    unflagged = msgspec.structs.replace(stood, conflict=False) if stood.conflict else stood
    last_scan_id = None if stood.last_ms is None else _LAST
    judged, after = walk_on(unflagged, last_scan_id, participant_id, ordered, last_word, history)
    if stood.conflict and not after.conflict:
        after = msgspec.structs.replace(after, conflict=True)
    attended = (place is not None and place["attended"]) or _confirms_entry(ordered, judged)
    return judged, presence_row(participant_id, after, attended=attended)


def _name_the_last(judgements: dict[ScanKey, Judgement], lasts: Mapping[str, LastMoved]) -> None:
    for key, found in judgements.items():
        if found.against == _LAST and found.participant_id is not None:
            last = lasts.get(found.participant_id)
            named = None if last is None else last[1]
            judgements[key] = msgspec.structs.replace(found, against=named)


def _open_conflicts(
    ordered: Sequence[Resolved],
    judgements: Mapping[ScanKey, Judgement],
    place: Row | None,
    last: LastMoved | None,
) -> list[dict[str, Any]] | None:
    """Those that were told before all lie before the new ones."""
    facts = [scan for scan, _ in ordered]
    judged = {scan.key: judgements[scan.key] for scan in facts}
    if place is not None and last is not None:
        facts.append(_the_last(place, last))
        judged[last[0]] = Judgement(Verdict.CONFIRMED)
    (more,) = told_to_gates(facts, judged).values() or [[]]
    return and_then(None if place is None else place["conflicts"], more)


def _the_last(place: Row, last: LastMoved) -> ScanFact:
    """What a presence still says of the scan that moved it last."""
    return ScanFact(
        key=last[0],
        scan_id=last[1],
        gate_id=place["last_gate_id"],
        direction=Direction(place["last_direction"]),
        occurred_ms=place["last_ms"],
        admitted=True,
        reason=Reason.OK,
    )


def _confirms_entry(ordered: Iterable[Resolved], judged: Mapping[ScanKey, Judgement]) -> bool:
    return any(
        scan.direction is Direction.ENTRY and judged[scan.key].verdict is Verdict.CONFIRMED
        for scan, _ in ordered
    )
