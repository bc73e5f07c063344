"""A whole import undone: whom it created is cancelled, whom it updated gets their values back.

Deletion is a status (DESIGN §5), so gates hear of it by revisions as of any change. Who was scanned
or changed since is left as they are, and named with the reason. Undoing again finds nothing more to
do; a later list may register anew whom an undo cancelled.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update

from shared.limits import IMPORT_ROWS_REPORTED_MAX
from shared.model import CredentialStatus, ParticipantStatus
from sync_server.attendance import merge_store
from sync_server.ports import Store
from sync_server.storage import revisions, schema
from sync_server.storage.chunks import KEYS_PER_QUESTION_MAX, mappings, mappings_in
from sync_server.storage.history import record_changes
from sync_server.storage.import_tables import import_rows

CHUNK_ROWS = 500
_TRIES_MAX = 10  # of e-mails that others of the same import must let go first
Row = Mapping[str, Any]


class Reason(NamedTuple):
    code: str
    en: str
    ko: str


GONE = Reason("gone", "Not there any more.", "더 이상 없습니다.")
SCANNED = Reason(
    "scanned", "Has been scanned at a gate since.", "그 뒤에 게이트에서 스캔되었습니다."
)
CHANGED = Reason("changed", "Was changed since the import.", "가져온 뒤에 수정되었습니다.")
EMAIL_TAKEN = Reason(
    "email_taken",
    "Somebody else has the former e-mail address now.",
    "이전 이메일 주소를 지금은 다른 사람이 씁니다.",
)


@dataclass(slots=True)
class Effect:
    """What undoing does, or would do."""

    cancelled: int = 0
    restored: int = 0
    left: dict[str, Reason] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)  # for an e-mail that another may let go

    def as_json(self) -> dict[str, Any]:
        rows = [
            {
                "participantId": participant_id,
                "outcome": "left",
                "reason": reason.code,
                "message": reason.en,
                "messageKo": reason.ko,
            }
            for participant_id, reason in sorted(self.left.items())[:IMPORT_ROWS_REPORTED_MAX]
        ]
        return {
            "cancelled": self.cancelled,
            "restored": self.restored,
            "left": len(self.left),
            "rows": rows,
        }


def effect_of(database: Store, import_id: str) -> Effect:
    """What undoing would do now; changes nothing."""

    def job(conn: Connection) -> Effect:
        effect = Effect()
        for pids in _pieces(conn, import_id):
            _Piece(conn, import_id, pids, effect).judge(dry=True)
        return effect

    return database.read_now(job)


def undo(
    database: Store,
    import_id: str,
    now_ms: Callable[[], int],
    progress: Callable[[int], None] = lambda _rows: None,
) -> Effect:
    """Piece by piece, a transaction each; what was undone stays so if it ends early."""
    effect = Effect()
    done = 0
    pieces = database.read_now(lambda conn: list(_pieces(conn, import_id)))
    for _ in range(_TRIES_MAX):
        for pids in pieces:
            _undo_piece(database, import_id, pids, effect, now_ms())
            done += len(pids)
            progress(done)
        waiting, effect.waiting = effect.waiting, []
        if not waiting or waiting == [pid for pids in pieces for pid in pids]:
            break
        pieces = [waiting[n : n + CHUNK_ROWS] for n in range(0, len(waiting), CHUNK_ROWS)]
    effect.left |= dict.fromkeys(waiting, EMAIL_TAKEN)
    return effect


def _undo_piece(
    database: Store, import_id: str, pids: Sequence[str], effect: Effect, now_ms: int
) -> None:
    def job(conn: Connection) -> Effect:
        mine = Effect()  # its own: a transaction may be run again
        _Piece(conn, import_id, pids, mine).judge(dry=False, now_ms=now_ms)
        return mine

    mine = database.write_now(job)
    effect.cancelled += mine.cancelled
    effect.restored += mine.restored
    effect.left |= mine.left
    effect.waiting += mine.waiting


def _pieces(conn: Connection, import_id: str) -> Iterator[list[str]]:
    rows = import_rows
    statement = (
        select(rows.c.participant_id)
        .where(rows.c.import_id == import_id)
        .order_by(rows.c.participant_id)
        .limit(CHUNK_ROWS)
    )
    after = ""
    while pids := list(conn.execute(statement.where(rows.c.participant_id > after)).scalars()):
        yield pids
        after = pids[-1]


class _Piece:
    """Some participants of one import, inside one transaction."""

    def __init__(
        self, conn: Connection, import_id: str, pids: Sequence[str], effect: Effect
    ) -> None:
        self._conn = conn
        self._import_id = import_id
        self._effect = effect
        rows, people, tickets = import_rows, schema.participants, schema.credentials
        mine = select(rows).where(rows.c.import_id == import_id)
        self._rows = list(mappings_in(conn, mine, rows.c.participant_id, pids))
        self._people = {
            row["participant_id"]: row
            for row in mappings_in(conn, select(people), people.c.participant_id, pids)
        }
        self._tickets: dict[str, list[Row]] = {}
        for row in mappings_in(conn, select(tickets), tickets.c.participant_id, pids):
            self._tickets.setdefault(row["participant_id"], []).append(row)
        self._scanned = _last_scans(conn, pids)

    def judge(self, *, dry: bool, now_ms: int = 0) -> None:
        undone: list[Row] = []
        for row in self._rows:
            pid = row["participant_id"]
            if row["undone_ms"] is not None:
                self._count(row)
                continue
            reason = self._reason(row)
            if reason is EMAIL_TAKEN and self._may_come_free(row):
                if not dry:
                    self._effect.waiting.append(pid)
                    continue
            elif reason is not None:
                self._effect.left[pid] = reason
                continue
            self._count(row)
            undone.append(row)
        if undone and not dry:
            self._take_back(undone, now_ms)

    def _count(self, row: Row) -> None:
        if row["created"]:
            self._effect.cancelled += 1
        else:
            self._effect.restored += 1

    def _reason(self, row: Row) -> Reason | None:
        """Why this participant is left as they are."""
        person = self._people.get(row["participant_id"])
        if person is None:
            return GONE
        scanned_ms = self._scanned.get(row["participant_id"])
        if scanned_ms is not None and (row["created"] or scanned_ms >= row["at_ms"]):
            return SCANNED
        only_ticket = (row["before"] or {}).get("updated_ms")
        expected_ms = row["at_ms"] if only_ticket is None else only_ticket
        mine = only_ticket is not None or person["import_id"] == self._import_id
        later = any(
            ticket["issued_ms"] > row["at_ms"]
            for ticket in self._tickets.get(row["participant_id"], ())
        )
        if not mine or person["updated_ms"] != expected_ms or later:
            return CHANGED
        email_key = (row["before"] or {}).get("email_key")
        if email_key is not None and self._holder(email_key) is not None:
            return EMAIL_TAKEN
        return None

    def _holder(self, email_key: str) -> str | None:
        people = schema.participants
        found = select(people.c.participant_id).where(people.c.email_key == email_key)
        return self._conn.execute(found).scalar()

    def _may_come_free(self, row: Row) -> bool:
        """Whether who has the former e-mail gives theirs back too when this import is undone."""
        holder = self._holder(row["before"]["email_key"])
        rows = import_rows
        statement = select(rows).where(
            rows.c.import_id == self._import_id,
            rows.c.participant_id == holder,
            rows.c.undone_ms.is_(None),
        )
        theirs = next(mappings(self._conn, statement), None)
        return theirs is not None and "email_key" in (theirs["before"] or {})

    def _take_back(self, rows: Sequence[Row], now_ms: int) -> None:
        people: list[tuple[Row, Row]] = []
        tickets: list[tuple[Row, Row]] = []
        for row in rows:
            before = self._people[row["participant_id"]]
            old = row["before"] or {"status": ParticipantStatus.CANCELLED.value}
            people.append((before, {**before, **old, "updated_ms": now_ms}))
            tickets += [
                (ticket, {**ticket, "status": CredentialStatus.REVOKED.value})
                for ticket in self._tickets.get(row["participant_id"], ())
                if ticket["status"] != CredentialStatus.REVOKED.value
                and (row["created"] or ticket["credential_id"] in row["tickets"])
            ]
        conn = self._conn
        revisions.upsert_many(conn, schema.participants, [after for _, after in people])
        revisions.upsert_many(conn, schema.credentials, [after for _, after in tickets])
        changed = [(before["participant_id"], before, after) for before, after in people]
        record_changes(conn, "participant", changed, now_ms)
        revoked = [(before["credential_id"], before, after) for before, after in tickets]
        record_changes(conn, "credential", revoked, now_ms)
        pids = [row["participant_id"] for row in rows]
        self._mark(pids, now_ms)
        merge_store.refold(conn, [pid for pid in pids if pid in self._scanned], now_ms)

    def _mark(self, pids: Sequence[str], now_ms: int) -> None:
        rows = import_rows
        for start in range(0, len(pids), KEYS_PER_QUESTION_MAX):
            these = rows.c.participant_id.in_(pids[start : start + KEYS_PER_QUESTION_MAX])
            self._conn.execute(
                update(rows)
                .where(rows.c.import_id == self._import_id, these)
                .values(undone_ms=now_ms)
            )


def _last_scans(conn: Connection, pids: Sequence[str]) -> dict[str, int]:
    """When the last scan of each came to the server."""
    scans = schema.scans
    statement = select(scans.c.participant_id, scans.c.received_ms)
    last: dict[str, int] = {}
    for row in mappings_in(conn, statement, scans.c.participant_id, pids):
        pid = row["participant_id"]
        last[pid] = max(last.get(pid, 0), row["received_ms"])
    return last
