"""Dated changes in the database, and the history that a fold reads (DESIGN §2, §4.2)."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, bindparam, func, select

from shared.errors import UsageError
from shared.history import History, Timeline
from shared.model import (
    Credential,
    CredentialKind,
    CredentialStatus,
    Event,
    EventStatus,
    Gate,
    GateDirection,
    Participant,
    ParticipantStatus,
    Settings,
    SignedTickets,
)
from sync_server.storage.chunks import insert_rows, mappings, mappings_in, select_in
from sync_server.storage.schema import (
    credentials,
    dated_changes,
    events,
    gates,
    participants,
)

PLACE = "gatesync_place"  # in `Connection.info`
T = TypeVar("T")
Row = Mapping[str, Any]

# What the rules read of each subject: columns of its table.
RULE_COLUMNS: dict[str, tuple[str, ...]] = {
    "event": ("start_ms", "end_ms", "status", "settings"),
    "gate": ("active", "direction", "required_permission"),
    "participant": ("status", "permissions"),
    "credential": ("status", "valid_from_ms", "valid_until_ms"),
    "device": ("quarantined",),
}


_OWNERS = select(credentials.c.participant_id)
_CARDS = select(
    credentials.c.credential_id,
    credentials.c.participant_id,
    credentials.c.kind,
    func.coalesce(credentials.c.shared_digest, credentials.c.digest).label("digest"),
    credentials.c.status,
    credentials.c.valid_from_ms,
    credentials.c.valid_until_ms,
    credentials.c.issued_ms,
)
_PERSONS = select(participants.c.participant_id, participants.c.status, participants.c.permissions)
_WITH_HISTORY = select(dated_changes.c.subject_id).where(dated_changes.c.subject == bindparam("of"))
# In the order in which they were made.
_CHANGES = (
    select(dated_changes.c.subject_id, dated_changes.c.at_ms, dated_changes.c.value)
    .where(dated_changes.c.subject == bindparam("subject_kind"))
    .order_by(dated_changes.c.change_id)
)
_PLACE_STATE = select(
    select(func.max(events.c.revision)).scalar_subquery(),
    select(func.max(gates.c.revision)).scalar_subquery(),
    select(func.max(dated_changes.c.change_id)).scalar_subquery(),
)


def record_change(
    conn: Connection, subject: str, subject_id: str, before: Row, after: Row, at_ms: int
) -> None:
    """Append a dated change if the rules read another value after it.

    `before` and `after` are rows of the subject's table (others columns are left aside). When the
    subject has no history yet, the value before is written as the initial one, in force since ever.
    """
    record_changes(conn, subject, [(subject_id, before, after)], at_ms)


def record_changes(
    conn: Connection, subject: str, changes: Sequence[tuple[str, Row, Row]], at_ms: int
) -> None:
    """As `record_change` of each (id, before, after), in few statements; an id stands once."""
    columns = RULE_COLUMNS[subject]
    differing = {
        subject_id: (old, new)
        for subject_id, before, after in changes
        if (old := {name: before.get(name) for name in columns})
        != (new := {name: after.get(name) for name in columns})
    }
    found = select_in(conn, _WITH_HISTORY, dated_changes.c.subject_id, differing, of=subject)
    known = {row[0] for row in found}
    rows: list[Row] = []
    for subject_id, (old, new) in differing.items():
        if subject_id not in known:
            rows.append({"subject": subject, "subject_id": subject_id, "at_ms": None, "value": old})
        rows.append({"subject": subject, "subject_id": subject_id, "at_ms": at_ms, "value": new})
    insert_rows(conn, dated_changes, rows)


def load_history(
    conn: Connection,
    participant_ids: Iterable[str],
    digests: Iterable[str] = (),
    credential_ids: Iterable[str] = (),
) -> History:
    """Everything that a fold of these participants reads; owners of the credentials included."""
    people = set(participant_ids)
    for column, keys in (
        (credentials.c.digest, set(digests)),
        (credentials.c.shared_digest, set(digests)),
        (credentials.c.credential_id, set(credential_ids)),
    ):
        people.update(row.participant_id for row in select_in(conn, _OWNERS, column, keys))
    cards = {
        row["credential_id"]: row
        for row in mappings_in(conn, _CARDS, credentials.c.participant_id, people)
    }
    persons = mappings_in(conn, _PERSONS, participants.c.participant_id, people)
    place = load_place(conn)
    return History(
        event=place.event,
        gates=place.gates,
        participants=_timelines(
            conn, place, "participant", persons, "participant_id", participant_of
        ),
        credentials=_timelines(
            conn, place, "credential", cards.values(), "credential_id", credential_of
        ),
        credential_of={
            row["digest"]: row["credential_id"] for row in sorted(cards.values(), key=_age)
        },
        digest_of={card_id: row["digest"] for card_id, row in cards.items()},
    )


def _age(row: Row) -> tuple[int, str]:
    """Of a badge that changed hands the newest credential comes last, and holds."""
    return row["issued_ms"], row["credential_id"]


class Place(NamedTuple):
    """The event and its gates, as of `state`: their highest revisions and the last dated change."""

    state: tuple[Any, ...]
    event: Timeline[Event]
    gates: Mapping[str, Timeline[Gate]]


def load_place(conn: Connection) -> Place:
    """Kept with the connection and read again once one of them has changed."""
    held: Place | None = conn.info.get(PLACE)
    state = tuple(conn.execute(_PLACE_STATE).one())
    if held is not None and held.state == state:
        return held
    event_row = next(mappings(conn, select(events)), None)
    if event_row is None:
        raise UsageError("the database holds no event: run `sync-server init` first")
    bare = Place(state, Timeline(event_of(event_row)), {})
    event = _timelines(conn, bare, "event", [event_row], "event_id", event_of)
    doors = _timelines(conn, bare, "gate", mappings(conn, select(gates)), "gate_id", gate_of)
    place = Place(state, event[event_row["event_id"]], doors)
    conn.info[PLACE] = place
    return place


def _timelines(
    conn: Connection,
    place: Place,
    subject: str,
    rows: Iterable[Row],
    key: str,
    make: Callable[[Row], T],
) -> dict[str, Timeline[T]]:
    found = {row[key]: row for row in rows}
    changes: dict[str, list[tuple[int | None, Row]]] = defaultdict(list)
    if place.state[-1] is not None:  # before an event most subjects have never changed
        column = dated_changes.c.subject_id
        for change in select_in(conn, _CHANGES, column, found, subject_kind=subject):
            changes[change.subject_id].append((change.at_ms, change.value))
    if not changes:
        return {subject_id: Timeline(make(row)) for subject_id, row in found.items()}
    return {
        subject_id: _timeline(row, changes.get(subject_id, ()), make)
        for subject_id, row in found.items()
    }


def _timeline(
    row: Row, changes: Iterable[tuple[int | None, Row]], make: Callable[[Row], T]
) -> Timeline[T]:
    initial = make(row)
    dated: list[tuple[int, T]] = []
    for at_ms, value in changes:
        made = make({**row, **value})
        if at_ms is None:
            initial = made
        else:
            dated.append((at_ms, made))
    return Timeline(initial, dated)


def settings_of(settings: Row) -> Settings:
    """The settings as API §3.1 writes them; what is missing takes its default."""
    given = Settings()
    return Settings(
        allow_multiple_checkins=settings.get(
            "allowMultipleCheckins", given.allow_multiple_checkins
        ),
        allow_reentry_after_exit=settings.get(
            "allowReentryAfterExit", given.allow_reentry_after_exit
        ),
        offline_mode=settings.get("offlineMode", given.offline_mode),
        duplicate_window_s=settings.get("duplicateWindowSeconds", given.duplicate_window_s),
        admission_margin_s=settings.get("admissionMarginSeconds", given.admission_margin_s),
        signed_tickets=SignedTickets(settings.get("signedTickets", given.signed_tickets)),
        default_region=settings.get("defaultRegion", given.default_region),
    )


def event_of(row: Row) -> Event:
    return Event(
        event_id=row["event_id"],
        tag=row["tag"],
        name=row["name"],
        start_ms=row["start_ms"],
        end_ms=row["end_ms"],
        time_zone=row["time_zone"],
        venue=row["venue"],
        status=EventStatus(row["status"]),
        settings=settings_of(row["settings"]),
    )


def gate_of(row: Row) -> Gate:
    return Gate(
        gate_id=row["gate_id"],
        name=row["name"],
        direction=GateDirection(row["direction"]),
        zone=row["zone"],
        required_permission=row["required_permission"],
        capacity_per_minute=row["capacity_per_minute"],
        active=row["active"],
        location=row["location"],
        beacon=row["beacon"],
    )


def participant_of(row: Row) -> Participant:
    return Participant(
        participant_id=row["participant_id"],
        status=ParticipantStatus(row["status"]),
        permissions=frozenset(row["permissions"]),
    )


def credential_of(row: Row) -> Credential:
    return Credential(
        credential_id=row["credential_id"],
        participant_id=row["participant_id"],
        kind=CredentialKind(row["kind"]),
        status=CredentialStatus(row["status"]),
        valid_from_ms=row["valid_from_ms"],
        valid_until_ms=row["valid_until_ms"],
    )
