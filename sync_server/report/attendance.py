"""Who came: one line a participant, for spreadsheets and other systems."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, case, func, select

from shared.merge import Verdict
from sync_server.privacy.vault import Vault
from sync_server.registration.event_store import load_event
from sync_server.report.gather import passages, stay_minutes
from sync_server.storage import schema

COLUMNS = (
    "participantId", "name", "organization", "region", "group", "status", "attended", "inside",
    "firstEntryAt", "lastEntryAt", "entries", "exits", "refused", "conflicts", "stayMinutes",
)  # fmt: skip


def rows(conn: Connection, vault: Vault, *, personal: bool = True) -> Iterator[tuple[object, ...]]:
    """The heading, then everybody in the order of their ids; times in the event's zone.

    Without `personal` names are masked, and what would tell people apart (organization, region,
    group: small ones are not broken down) is left empty.
    """
    event = load_event(conn)
    zone = ZoneInfo(event.time_zone)
    local = _local(zone)
    counted = _counts(conn)
    stays = stay_minutes(passages(conn))
    people, places = schema.participants, schema.presences
    query = (
        select(people, places.c.attended, places.c.inside, places.c.first_entry_ms,
               places.c.last_entry_ms)
        .select_from(people.outerjoin(places, places.c.participant_id == people.c.participant_id))
        .order_by(people.c.participant_id)
    )  # fmt: skip
    yield COLUMNS
    for row in conn.execute(query):
        entries, exits, refused, conflicts = counted.get(row.participant_id, (0, 0, 0, 0))
        stay = stays.get(row.participant_id)
        who = (
            (vault.open(row.name), row.organization, row.region, row.group)
            if personal
            else (row.masked_name, None, None, None)
        )
        yield (
            row.participant_id, *who,
            row.status, "yes" if row.attended else "no", "yes" if row.inside else "no",
            local(row.first_entry_ms), local(row.last_entry_ms),
            entries, exits, refused, conflicts, round(stay, 1) if stay is not None else None,
        )  # fmt: skip


def _local(zone: ZoneInfo) -> Callable[[int | None], str | None]:
    def local(at_ms: int | None) -> str | None:
        if at_ms is None:
            return None
        moment = datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(zone)
        return moment.isoformat(timespec="seconds")

    return local


def _counts(conn: Connection) -> dict[str, tuple[int, int, int, int]]:
    """Confirmed entries and exits, refusals and conflicts by participant."""
    scans = schema.scans
    confirmed = scans.c.verdict == Verdict.CONFIRMED.value

    def sum_of(condition: ColumnElement[bool]) -> ColumnElement[Any]:
        return func.sum(case((condition, 1), else_=0))

    found = conn.execute(
        select(
            scans.c.participant_id,
            sum_of(confirmed & (scans.c.direction == "entry")),
            sum_of(confirmed & (scans.c.direction == "exit")),
            sum_of(scans.c.verdict == Verdict.REFUSED.value),
            sum_of(scans.c.verdict == Verdict.CONFLICT.value),
        )
        .where(scans.c.participant_id.is_not(None))
        .group_by(scans.c.participant_id)
    )
    return {row[0]: (int(row[1]), int(row[2]), int(row[3]), int(row[4])) for row in found}
