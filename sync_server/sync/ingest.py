"""The uplink's transaction: entries in, outcomes out (DESIGN §5 Up, API §3.5).

Whatever came is stored and acknowledged, usable or not (P6); sent again it changes nothing (P2).
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, union, update

from shared import limits, wire
from shared.errors import WireError
from shared.merge import Judgement, ScanKey
from shared.model import ScanKind
from shared.wire import Outcome, UploadRequest, cursor_text
from sync_server.attendance.merge_store import insert_scans, refold, refold_device
from sync_server.attendance.scan_rows import held_back
from sync_server.storage import revisions
from sync_server.storage.chunks import insert_rows, select_in
from sync_server.storage.outbox import emit
from sync_server.storage.schema import device_gates, devices, entries, resolutions, scans
from sync_server.sync import journals
from sync_server.sync.entry_check import CheckedEntry, check_entry, scan_row
from sync_server.sync.upload import Upload, upload_of

_GATES = union(
    select(device_gates.c.gate_id).where(device_gates.c.device_id == bindparam("of_device")),
    select(devices.c.gate_id).where(devices.c.device_id == bindparam("of_device")),
)
_HELD = select(entries.c.seq, entries.c.checksum, entries.c.unusable).where(
    entries.c.device_id == bindparam("of_device"), entries.c.epoch == bindparam("of_epoch")
)
_JUDGED = select(scans.c.seq, scans.c.checksum, scans.c.verdict, scans.c.verdict_kind).where(
    scans.c.device_id == bindparam("of_device"), scans.c.epoch == bindparam("of_epoch")
)

_TAKEN_AGAIN = (
    select(
        entries.c.entry_id,
        entries.c.epoch,
        entries.c.checksum,
        entries.c.received_ms,
        entries.c.body,
    )
    .where(entries.c.unusable.in_(["foreign_gate", "unknown_type", "unknown_reason"]))
    .order_by(entries.c.entry_id)
    .limit(limits.TAKEN_AGAIN_ENTRIES_MAX)
)

Register = Callable[[Connection, wire.ScanEntry, int], str | None]
Identity = tuple[int, str]  # sequence and checksum, within a device's epoch


@dataclass(frozen=True, slots=True)
class Ingested:
    """What the answer says, its two times aside."""

    outcomes: list[Outcome]
    contiguous_through: int
    holes: list[journals.Range]
    visible_at: str


class _Sender(NamedTuple):
    device_id: str
    epoch: str
    received_ms: int


def ingest(
    conn: Connection,
    device_id: str,
    request: Upload | UploadRequest,
    received_ms: int,
    register: Register | None = None,
) -> Ingested:
    """Store a batch of one journal. The caller has checked that the device is who it says.

    `register` makes a participant of a walk-in (registration.walk_ins).
    """
    if isinstance(request, UploadRequest):
        request = upload_of(request)
    journals.check_epoch(request.epoch)
    if len(request.entries) > limits.UPLOAD_BATCH_ENTRIES_MAX:
        raise WireError(f"entries: at most {limits.UPLOAD_BATCH_ENTRIES_MAX} in one upload")
    sender = _Sender(device_id, request.epoch, received_ms)
    gates = _gates_of(conn, device_id)
    checked = [check_entry(raw, gates) for raw in request.entries]
    held = _held(conn, sender, checked)
    fresh = _fresh(checked, held)
    twins = _twins(checked, held)
    _store_entries(conn, sender, fresh)
    judged = _store_meaning(conn, sender, fresh, register)
    _declare_lost(conn, sender, request.lost)
    _tell(conn, sender, fresh, twins)
    highest = max((entry.seq for entry in checked), default=0)
    now = journals.note_journal(conn, device_id, request.epoch, highest, received_ms)
    judged |= _judged_before(conn, sender, checked, judged)
    new = {(entry.seq, entry.checksum) for entry in fresh}
    outcomes: list[Outcome] = []
    for entry in checked:
        identity = (entry.seq, entry.checksum)
        unusable = held.get(identity, entry.unusable)
        outcomes.append(_outcome(entry, unusable, identity in new, twins, judged))
        new.discard(identity)  # a second copy in one batch is known
    generation, revision = revisions.head(conn)
    return Ingested(outcomes, now.contiguous_through, now.holes, cursor_text(generation, revision))


def _gates_of(conn: Connection, device_id: str) -> set[str]:
    """Every gate that the device was ever at: a scan keeps its gate when its device moves."""
    return set(conn.execute(_GATES, {"of_device": device_id}).scalars())


def _held(
    conn: Connection, sender: _Sender, checked: Sequence[CheckedEntry]
) -> dict[Identity, str | None]:
    """What is stored under the batch's numbers: identity → why unusable, or None."""
    numbers = {entry.seq for entry in checked}
    mine = {"of_device": sender.device_id, "of_epoch": sender.epoch}
    return {
        (row.seq, row.checksum): row.unusable
        for row in select_in(conn, _HELD, entries.c.seq, numbers, **mine)
    }


def _fresh(
    checked: Sequence[CheckedEntry], held: Mapping[Identity, str | None]
) -> list[CheckedEntry]:
    new = {(entry.seq, entry.checksum): entry for entry in checked}
    return [entry for identity, entry in new.items() if identity not in held]


def _twins(checked: Sequence[CheckedEntry], held: Mapping[Identity, str | None]) -> set[int]:
    """Numbers with two usable contents: a cloned or rolled-back card. Both are kept and fold."""
    contents: dict[int, set[str]] = defaultdict(set)
    for (seq, checksum), unusable in held.items():
        if unusable is None:
            contents[seq].add(checksum)
    for entry in checked:
        if entry.unusable is None:
            contents[entry.seq].add(entry.checksum)
    return {seq for seq, found in contents.items() if len(found) > 1}


def _store_entries(conn: Connection, sender: _Sender, fresh: Sequence[CheckedEntry]) -> None:
    if fresh:
        insert_rows(
            conn,
            entries,
            [
                {
                    "device_id": sender.device_id,
                    "epoch": sender.epoch,
                    "seq": entry.seq,
                    "checksum": entry.checksum,
                    "type": entry.type,
                    "received_ms": sender.received_ms,
                    "unusable": entry.unusable,
                    "body": entry.body,
                }
                for entry in fresh
            ],
        )


def _store_meaning(
    conn: Connection, sender: _Sender, fresh: Sequence[CheckedEntry], register: Register | None
) -> dict[Identity, tuple[str, str | None]]:
    """Scans and resolutions into the merge; identity → verdict and kind of the new scans."""
    words: list[wire.ResolutionEntry] = []
    rows: list[dict[str, Any]] = []
    walk_ins: list[tuple[wire.ScanEntry, dict[str, Any]]] = []
    for checked in fresh:
        said = checked.entry
        if isinstance(said, wire.ScanEntry):
            row = scan_row(sender.device_id, sender.epoch, said, checked.at_ms, sender.received_ms)
            rows.append(row)
            if said.kind is ScanKind.WALK_IN:
                walk_ins.append((said, row))
        elif isinstance(said, wire.ResolutionEntry):
            words.append(said)
    if words:
        conn.execute(insert(resolutions), [_resolution_row(sender, word) for word in words])
    judgements: Mapping[ScanKey, Judgement] = {}
    if register is not None and walk_ins:
        _register_walk_ins(conn, sender, walk_ins, register)
    if rows:
        judgements = insert_scans(conn, rows, sender.received_ms)
    if words:
        refold(conn, [], sender.received_ms, scan_ids={word.scan_id for word in words})
    return {
        (key.seq, key.checksum): (
            found.verdict.value,
            None if found.kind is None else found.kind.value,
        )
        for key, found in judgements.items()
    }


def take_again(
    conn: Connection, device_id: str, now_ms: int, register: Register | None = None
) -> int:
    """Look once more at what the device sent and nobody could use; returns how many can be now.

    A database restored from a backup has forgotten that a device was moved: its scans of the later
    gate are `foreign_gate` until somebody moves it there again (P2).
    """
    gates = _gates_of(conn, device_id)
    by_sender: dict[_Sender, list[CheckedEntry]] = defaultdict(list)
    kept = conn.execute(_TAKEN_AGAIN.where(entries.c.device_id == device_id)).all()
    for row in kept:
        checked = check_entry(row.body.encode(), gates)
        if checked.entry is None or checked.checksum != row.checksum:
            continue
        conn.execute(
            update(entries).where(entries.c.entry_id == row.entry_id).values(unusable=None)
        )
        sender = _Sender(device_id, row.epoch, row.received_ms)
        by_sender[sender].append(checked)
    for sender, usable in by_sender.items():
        _store_meaning(conn, sender, usable, register)
    if by_sender:
        refold_device(conn, device_id, now_ms)
    return sum(map(len, by_sender.values()))


def _register_walk_ins(
    conn: Connection,
    sender: _Sender,
    walk_ins: Sequence[tuple[wire.ScanEntry, dict[str, Any]]],
    register: Register,
) -> None:
    """Who was let in without a registration has one from now on; not on a stolen device's word."""
    if sender.device_id not in held_back(conn):
        for scan, row in walk_ins:
            row["named_participant_id"] = register(conn, scan, sender.received_ms)


def _resolution_row(sender: _Sender, word: wire.ResolutionEntry) -> dict[str, Any]:
    return {
        "resolution_id": f"{sender.device_id}:{sender.epoch}:{word.seq}:{word.checksum}",
        "scan_id": word.scan_id,
        "action": word.action,
        "operator_id": word.operator_id,
        "at_ms": wire.parse_time(word.at),
        "text": word.text,
    }


def _declare_lost(conn: Connection, sender: _Sender, ranges: Sequence[tuple[int, int]]) -> None:
    """Ranges that make no sense are left aside: they must not stop the entries (P6)."""
    sound = [
        (first, last)
        for first, last in ranges[: limits.LOST_RANGES_MAX]
        if 1 <= first <= last <= journals.SEQ_MAX
    ]
    if sound:
        journals.declare_lost(conn, sender.device_id, sender.epoch, sound, sender.received_ms)


def _tell(
    conn: Connection, sender: _Sender, fresh: Sequence[CheckedEntry], twins: set[int]
) -> None:
    about: dict[str, Any] = {"deviceId": sender.device_id, "epoch": sender.epoch}
    messages: list[tuple[str, dict[str, Any]]] = []
    for entry in fresh:
        if isinstance(entry.entry, wire.NoteEntry):
            messages.append(("note", about | {"seq": entry.seq, "note": entry.entry.note}))
        elif isinstance(entry.entry, wire.ResolutionEntry):
            word = entry.entry
            told = {"scanId": word.scan_id, "action": word.action, "operatorId": word.operator_id}
            messages.append(("resolution.added", told))
        if entry.unusable is not None:
            messages.append(("entry.unusable", about | {"seq": entry.seq, "code": entry.unusable}))
    new_twins = sorted(twins & {entry.seq for entry in fresh})
    if new_twins:
        messages.append(("journal.mismatch", about | {"seqs": new_twins}))
    emit(conn, messages, sender.received_ms)


def _judged_before(
    conn: Connection,
    sender: _Sender,
    checked: Sequence[CheckedEntry],
    judged: Mapping[Identity, tuple[str, str | None]],
) -> dict[Identity, tuple[str, str | None]]:
    """Verdicts of the scans that were known already."""
    numbers = {
        entry.seq
        for entry in checked
        if isinstance(entry.entry, wire.ScanEntry) and (entry.seq, entry.checksum) not in judged
    }
    mine = {"of_device": sender.device_id, "of_epoch": sender.epoch}
    return {
        (row.seq, row.checksum): (row.verdict, row.verdict_kind)
        for row in select_in(conn, _JUDGED, scans.c.seq, numbers, **mine)
    }


def _outcome(
    entry: CheckedEntry,
    unusable: str | None,
    is_new: bool,
    twins: set[int],
    judged: Mapping[Identity, tuple[str, str | None]],
) -> Outcome:
    if unusable is not None:
        return Outcome(seq=entry.seq, outcome="unusable", code=unusable)
    verdict, kind = judged.get((entry.seq, entry.checksum), (None, None))
    if entry.seq in twins:
        return Outcome(seq=entry.seq, outcome="mismatch", verdict=verdict, kind=kind)
    return Outcome(
        seq=entry.seq, outcome="stored" if is_new else "known", verdict=verdict, kind=kind
    )
