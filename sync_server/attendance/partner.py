"""Attendance of partner systems (API §3.3): the same rules, asked as of the call's `timestamp`.

Every function here is one job inside a writing transaction. A call about a known participant is
kept as a scan of the device `partner:<key name>`, admitted or not.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, bindparam, func, select

from shared import credentials, wire
from shared.admission import Facts, Recognition, first_reason
from shared.credentials import Fault
from shared.history import History
from shared.merge import fold
from shared.model import (
    NOWHERE,
    Direction,
    Event,
    Gate,
    GateDirection,
    Moment,
    Presence,
    ScanKind,
)
from shared.reasons import WORDS, Reason
from sync_server.attendance import merge_store
from sync_server.attendance.onward import last_moved, presence_of
from sync_server.attendance.partner_messages import (
    ANSWER_OF,
    METHODS,
    REASON_OF_FAULT,
    Answer,
    Caller,
    RecordRequest,
    RefusedError,
    VerifyRequest,
    body_hash,
    checked,
    invalid,
    refusal,
)
from sync_server.attendance.scan_rows import rows_of_participants
from sync_server.storage import revisions, schema
from sync_server.storage.chunks import insert_rows
from sync_server.storage.history import load_history, load_place

_scans, _devices, _answered = schema.scans, schema.devices, schema.answered_requests

# In constants, so that each is prepared once.
_SCAN = select(_scans).where(_scans.c.scan_id == bindparam("of_scan"))
_HIGHEST = select(func.max(_scans.c.seq)).where(
    _scans.c.device_id == bindparam("of_device"), _scans.c.epoch == bindparam("of_epoch")
)
_DEVICE = select(_devices.c.device_id).where(_devices.c.device_id == bindparam("of_device"))
_ANSWERED = select(_answered.c.body_hash, _answered.c.status, _answered.c.answer).where(
    _answered.c.key_name == bindparam("of_key"), _answered.c.request_id == bindparam("of_request")
)


def record(conn: Connection, caller: Caller, raw: Any) -> Answer:
    """Decide and keep one call. The same `requestId` of the same key gets the first answer."""
    try:
        request = checked(raw)
        replayed = _answered_before(conn, caller, request, raw)
        if replayed is not None:
            return replayed
    except RefusedError as refused:
        return refused.answer
    try:
        answer = _decided(conn, caller, request)
    except RefusedError as refused:
        answer = refused.answer
    if request.request_id is not None:
        kept = {
            "key_name": caller.key_name,
            "request_id": request.request_id,
            "body_hash": body_hash(raw),
            "status": answer.status,
            "answer": answer.body,
        }
        insert_rows(conn, schema.answered_requests, [kept])
    return answer


def batch(conn: Connection, caller: Caller, items: Sequence[Any]) -> list[Answer]:
    """Each item's answer, in order; one bad item never fails another (P6)."""
    return [record(conn, caller, item) for item in items]


def verify_ticket(conn: Connection, caller: Caller, request: VerifyRequest) -> Answer:
    """Whose ticket this is and whether it would be admitted now; records nothing."""
    try:
        digest = _token_digest(request.token, caller, load_place(conn).event.now)
        known = load_history(conn, [], [digest])
        credential_id = known.credential_of.get(digest)
        if credential_id is None:
            raise refusal(Reason.UNKNOWN)
    except RefusedError as refused:
        return refused.answer
    credential = known.credentials[credential_id].now
    folded = merge_store.load_known(conn, [credential.participant_id], known)
    presence, _ = _presence_as_of(conn, credential.participant_id, caller.now_ms, folded)
    participant = known.participants[credential.participant_id].now
    reason = first_reason(
        Facts(
            event=known.event.now,
            gate=Gate(gate_id="", name=""),  # at no gate: no permission and no closing is asked
            direction=Direction.ENTRY,
            now=Moment(caller.now_ms),
            credential=credential,
            participant=participant,
            presence=presence,
        )
    )
    row = conn.execute(
        select(schema.participants.c.masked_name, schema.participants.c.group).where(
            schema.participants.c.participant_id == participant.participant_id
        )
    ).one()
    body = {
        "admissible": reason is Reason.OK,
        "reason": reason.label,
        "code": int(reason),
        "message": WORDS[reason].as_json(),
        "participant": {
            "participantId": participant.participant_id,
            "maskedName": row.masked_name,
            "group": row.group,
            "status": participant.status.value,
            "permissions": sorted(participant.permissions),
            "inside": presence.inside,
            "firstEntryAt": _time_or_none(presence.first_entry_ms),
        },
        "credential": {
            "credentialId": credential.credential_id,
            "kind": credential.kind.value,
            "status": credential.status.value,
        },
    }
    return Answer(200, body)


# --- Steps ---------------------------------------------------------------------------------------


def _answered_before(
    conn: Connection, caller: Caller, request: RecordRequest, raw: Any
) -> Answer | None:
    if request.request_id is None:
        return None
    row = conn.execute(
        _ANSWERED, {"of_key": caller.key_name, "of_request": request.request_id}
    ).one_or_none()
    if row is None:
        return None
    if row.body_hash != body_hash(raw):
        raise RefusedError(
            409,
            "request_id_reused",
            "this requestId was used before with another body: use a new one",
            field="requestId",
        )
    return Answer(row.status, row.answer)


def _decided(conn: Connection, caller: Caller, request: RecordRequest) -> Answer:
    at_ms = _timestamp_ms(request, caller)
    digests = []
    if request.token is not None:
        digests = [_token_digest(request.token, caller, load_place(conn).event.now)]
    named = [request.participant_id] if request.participant_id is not None else []
    known = load_history(conn, named, digests)
    participant_id, credential_id = _who(request, digests, known)
    gate = known.gates.get(request.gate_id)
    if gate is None:
        raise RefusedError(404, "gate_not_found", f"there is no gate {request.gate_id!r}")
    direction = request.direction or _direction_at(gate.at(at_ms))
    read = merge_store.load_known(conn, [participant_id], known)
    presence, last = _presence_as_of(conn, participant_id, at_ms, read)
    reason = first_reason(
        Facts(
            event=known.event.at(at_ms),
            gate=gate.at(at_ms),
            direction=direction,
            now=Moment(at_ms),
            recognition=Recognition.FOUND,
            credential=known.credentials[credential_id].at(at_ms) if credential_id else None,
            participant=known.participants[participant_id].at(at_ms),
            presence=presence,
        )
    )
    made = _keep(
        conn,
        caller,
        request,
        {
            "participant_id": participant_id,
            "credential_id": credential_id,
            "digest": digests[0] if digests else None,
            "occurred_ms": at_ms,
            "direction": direction,
            "reason": reason,
        },
        read,
    )
    if reason is Reason.OK:
        return Answer(201, {"attendanceRecord": made})
    if reason is Reason.GATE_CLOSED and not gate.at(at_ms).active:
        raise_with = (404, "gate_inactive")
    else:
        raise_with = ANSWER_OF[reason]
    more: dict[str, Any] = {}
    if raise_with[0] == 409 and last is not None:
        more["earlier"] = record_of(conn, last)
    error = {"code": raise_with[1], "message": WORDS[reason].en, "reason": reason.label, **more}
    return Answer(raise_with[0], {"error": error})


def _timestamp_ms(request: RecordRequest, caller: Caller) -> int:
    if request.timestamp is None:
        return caller.now_ms
    try:
        return wire.parse_time(request.timestamp)
    except (ValueError, OverflowError) as error:
        raise invalid(
            "timestamp", "timestamp must be RFC 3339, as 2026-11-21T09:30:00.000Z"
        ) from error


def _token_digest(token: str, caller: Caller, event: Event) -> str:
    code = credentials.parse(token)
    if isinstance(code, Fault):
        raise refusal(REASON_OF_FAULT[code])
    if code.tag is not None and not credentials.same_tag(code.tag, event.tag):
        raise refusal(Reason.WRONG_EVENT)
    if code.signed is not None:
        claims = credentials.verify_claims(code, event.event_id, caller.ticket_keys)
        if isinstance(claims, Fault):
            raise refusal(REASON_OF_FAULT[claims])
    return credentials.ticket_digest(caller.digest_key, code.letters)


def _who(request: RecordRequest, digests: Sequence[str], known: History) -> tuple[str, str | None]:
    if digests:
        credential_id = known.credential_of.get(digests[0])
        if credential_id is None:
            raise refusal(Reason.UNKNOWN)
        return known.credentials[credential_id].now.participant_id, credential_id
    if request.participant_id is None or request.participant_id not in known.participants:
        raise RefusedError(
            404, "participant_not_found", f"there is no participant {request.participant_id!r}"
        )
    return request.participant_id, None


def _direction_at(gate: Gate) -> Direction:
    return Direction.EXIT if gate.direction is GateDirection.EXIT else Direction.ENTRY


def _presence_as_of(
    conn: Connection, participant_id: str, at_ms: int, known: merge_store.Known
) -> tuple[Presence, str | None]:
    """Where the participant was at `at_ms` by all scans known now, and the scan that says so.

    For a moment after their last scan that is what is stored. For an earlier one their scans until
    then are folded.
    """
    place = known.places.get(participant_id)
    if place is None or place["last_ms"] is None:
        return NOWHERE, None
    if place["last_ms"] <= at_ms:
        last = last_moved(conn, [participant_id]).get(participant_id)
        return presence_of(place), None if last is None else last[1]
    facts = [
        merge_store.fact_of(row, known.waiting)
        for row in rows_of_participants(conn, [participant_id])
        if row["occurred_ms"] <= at_ms
    ]
    words = merge_store.load_resolutions(conn, [fact.scan_id for fact in facts], known.waiting)
    folded = fold(facts, words, known.history)
    presence = folded.presences.get(participant_id, NOWHERE)
    moving = [fact for fact in facts if fact.admitted and fact.occurred_ms == presence.last_ms]
    found = max(moving, key=lambda fact: fact.order, default=None)
    return presence, None if found is None else found.scan_id


def _keep(
    conn: Connection,
    caller: Caller,
    request: RecordRequest,
    decided: dict[str, Any],
    known: merge_store.Known,
) -> dict[str, Any]:
    """Write the call down as a scan and fold it in; returns its `attendanceRecord`."""
    _enrol_partner(conn, caller, request.gate_id)
    generation, _ = revisions.head(conn)
    highest = conn.execute(
        _HIGHEST, {"of_device": caller.device_id, "of_epoch": generation}
    ).scalar()
    seq = (highest or 0) + 1
    reason: Reason = decided["reason"]
    info, where = request.device_info, request.location
    row = {
        "device_id": caller.device_id,
        "epoch": generation,
        "seq": seq,
        "kind": (ScanKind.TICKET if decided["digest"] else ScanKind.PERSON).value,
        "method": METHODS[request.method].value,
        "direction": decided["direction"].value,
        "gate_id": request.gate_id,
        "digest": decided["digest"],
        "named_participant_id": decided["participant_id"],
        "named_credential_id": decided["credential_id"],
        "occurred_ms": decided["occurred_ms"],
        "time_error_ms": 0,
        "decided_error_ms": 0,
        "time_quality": "synced",
        "received_ms": caller.now_ms,
        "admitted": reason is Reason.OK,
        "reason": int(reason),
        "override": None,
        "processing_ms": 0.0,
        "location": msgspec.to_builtins(where) if where else None,
        "device_info": msgspec.to_builtins(info) if info else None,
        "metadata": request.metadata,
    }
    row["checksum"] = wire.checksum(row)
    row["scan_id"] = f"{caller.key_name}-{generation[:8]}-{seq}"
    (judgement,) = merge_store.insert_scans(conn, [row], caller.now_ms, known).values()
    return _record({**row, **merge_store.verdict_columns(judgement)})


def _enrol_partner(conn: Connection, caller: Caller, gate_id: str) -> None:
    """A partner's key is a device too, so that its scans have one; it has no key of its own."""
    devices = schema.devices
    known = conn.execute(_DEVICE, {"of_device": caller.device_id}).one_or_none()
    if known is None:
        revisions.upsert(
            conn,
            devices,
            {
                "device_id": caller.device_id,
                "name": caller.key_name,
                "gate_id": gate_id,
                "public_key": None,
                "state": "active",
                "epoch": None,
                "contiguous_through": 0,
                "enrolled_ms": caller.now_ms,
                "quarantined": False,
            },
        )


def record_of(conn: Connection, scan_id: str) -> dict[str, Any]:
    """The `attendanceRecord` of a scan (API §3.3)."""
    row = conn.execute(_SCAN, {"of_scan": scan_id}).mappings().first()
    if row is None:
        raise LookupError(f"no scan {scan_id}")
    return _record(cast("Mapping[str, Any]", row))


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": row["scan_id"],
        "participantId": row["participant_id"],
        "gateId": row["gate_id"],
        "checkinTime": wire.format_time(row["occurred_ms"]),
        "method": row["method"],
        "direction": row["direction"],
        "deviceId": row["device_id"],
        "verified": row["admitted"],
        "status": row["verdict"],
        "location": row["location"],
        "deviceInfo": row["device_info"],
        "metadata": row["metadata"],
    }


def _time_or_none(ms: int | None) -> str | None:
    return None if ms is None else wire.format_time(ms)
