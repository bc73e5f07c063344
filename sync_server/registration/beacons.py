"""Beacons of participants: what people give, what is kept, what may be shown (API §2, §3.4).

A badge with a fixed id is known by its canonical id. One whose id rotates (Eddystone-EID) is known
by its identity key, which stays in the vault; gates learn digests of the coming hours' ids only.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from sqlalchemy import Connection, select

from shared import beacons, credentials, wire
from shared.errors import UsageError
from shared.limits import BADGE_CLOCK_SEARCHED_S_MAX
from shared.model import CredentialKind, CredentialStatus
from sync_server.attendance import merge_store
from sync_server.identity.keys import ServerKeys
from sync_server.privacy.vault import Vault
from sync_server.storage import revisions, schema

_UUID = r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
_NUMBER_MAX = 0xFFFF
_ROTATING = re.compile(r"eddystone-eid-key:([0-9a-f]{32}):(\d{1,2}):(-?\d{1,16})")
_MEMBERS = {
    "ibeacon": ("uuid", "major", "minor"),
    "altbeacon": ("id",),
    "eddystone-uid": ("namespace", "instance"),
    "eddystone-eid": ("identity_key", "rotation_exponent", "clock_seconds", "clock_at", "eid"),
}
_OPTIONAL = frozenset({"clock_seconds", "clock_at", "eid"})

Hex = Annotated[str, msgspec.Meta(max_length=100)]


class BeaconBody(wire.Request, kw_only=True):
    """`ibeacon`: uuid, major, minor. `altbeacon`: id (40 hex digits). `eddystone-uid`: namespace
    (20) and instance (12). `eddystone-eid`: identityKey (32) and rotationExponent (a new id each
    2^K seconds, 4 to 10), and how its clock stands: clockSeconds at clockAt (0 and now when left
    out: it was switched on just now), or the id (eid, 16 hex digits) that it shows now.
    """

    type: Literal["ibeacon", "altbeacon", "eddystone-uid", "eddystone-eid"]
    uuid: Hex | None = None
    major: int | None = None
    minor: int | None = None
    id: Hex | None = None
    namespace: Hex | None = None
    instance: Hex | None = None
    identity_key: Hex | None = None
    rotation_exponent: int | None = None
    clock_seconds: int | None = None
    clock_at: str | None = None
    eid: Hex | None = None


class BadBeaconError(UsageError):
    """What is wrong with a beacon, and where."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Beacon:
    """`name`: what its digest is made of. `code`: what is kept, sealed; a key may be in it."""

    name: str
    code: str


@dataclass(frozen=True, slots=True)
class RotatingBadge:
    """`zero_ms`: the server's time at which the badge's clock stood at 0."""

    identity_key: bytes
    exponent: int
    zero_ms: int

    @property
    def slot_ms(self) -> int:
        return (1 << self.exponent) * 1_000

    def slot_at(self, at_ms: int) -> int:
        return (at_ms - self.zero_ms) // self.slot_ms

    def starts_ms(self, slot: int) -> int:
        return self.zero_ms + slot * self.slot_ms


def read_beacon(body: BeaconBody, now_ms: int) -> Beacon:
    """BadBeaconError names the member that is wrong."""
    _check_members(body)
    if body.type == "eddystone-eid":
        badge = _rotating(body, now_ms)
        code = f"{beacons.rotating_badge(badge.identity_key)}:{badge.exponent}:{badge.zero_ms}"
        return Beacon(beacons.rotating_badge(badge.identity_key), code)
    name = _fixed(body)
    return Beacon(name, name)


def rotating_badge_of(code: str) -> RotatingBadge | None:
    """From what is kept of a beacon; None for one with a fixed id."""
    found = _ROTATING.fullmatch(code)
    if found is None:
        return None
    return RotatingBadge(bytes.fromhex(found[1]), int(found[2]), int(found[3]))


def public_code(code: str) -> str:
    """What operators see: never the key."""
    badge = rotating_badge_of(code)
    return code if badge is None else f"eddystone-eid (a new id each {badge.slot_ms // 1_000} s)"


def add_beacon(
    conn: Connection,
    participant_id: str,
    beacon: Beacon,
    keys: ServerKeys,
    vault: Vault,
    now_ms: int,
) -> dict[str, Any] | None:
    """A beacon for a participant; None where there is nobody, LookupError where it is taken."""
    people, held = schema.participants, schema.credentials
    found = select(people.c.participant_id).where(people.c.participant_id == participant_id)
    if conn.execute(found).first() is None:
        return None
    digest = credentials.beacon_digest(keys.digest, beacon.name)
    if active_owner(conn, digest) is not None:
        raise LookupError("this beacon is a participant's already: revoke it there first")
    credential_id = str(uuid.uuid4())
    before = conn.execute(select(held.c.digest).where(held.c.digest == digest)).first()
    # An earlier credential keeps the badge's digest; one digest stands once in that column.
    own = f"{beacon.name}#{credential_id}"
    row = {
        "credential_id": credential_id,
        "participant_id": participant_id,
        "kind": CredentialKind.BEACON.value,
        "digest": credentials.beacon_digest(keys.digest, own) if before else digest,
        "shared_digest": digest if before else None,
        "code": vault.seal(beacon.code),
        "status": CredentialStatus.ACTIVE.value,
        "valid_from_ms": None,
        "valid_until_ms": None,
        "issued_ms": now_ms,
        "signed_payload": None,
        "mark": None,
    }
    revisions.upsert(conn, held, row)
    merge_store.refold(conn, [participant_id], now_ms, digests=[digest])
    return row


def active_owner(conn: Connection, digest: str) -> str | None:
    """Who holds this beacon; a revoked one may be given to another participant."""
    held = schema.credentials
    active = held.c.status == CredentialStatus.ACTIVE.value
    owner: str | None = conn.execute(
        select(held.c.participant_id).where(
            (held.c.digest == digest) | (held.c.shared_digest == digest), active
        )
    ).scalar()
    return owner


def body_of(fields: Mapping[str, str]) -> BeaconBody:
    """From a list's cells or a canonical id's parts; empty ones don't count. BadBeaconError."""
    given: dict[str, Any] = {name: text.strip() for name, text in fields.items() if text.strip()}
    given["type"] = given.get("type", "").lower()
    try:
        return msgspec.convert(given, BeaconBody, strict=False)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        raise BadBeaconError(where.strip("`$.") or "type", message) from error


def _check_members(body: BeaconBody) -> None:
    """A member of another type, or one left out, is a mistake that would name another badge."""
    wanted = _MEMBERS[body.type]
    for name in BeaconBody.__struct_fields__:
        present = getattr(body, name) is not None
        if name == "type" or present == (name in wanted):
            continue
        if present or name not in _OPTIONAL:
            words = "is no member of" if present else "is missing for"
            shown = _camel(name)
            raise BadBeaconError(shown, f"{shown} {words} a beacon of type {body.type}.")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _fixed(body: BeaconBody) -> str:
    if body.type == "ibeacon":
        for name, number in (("major", body.major), ("minor", body.minor)):
            if number is None or not 0 <= number <= _NUMBER_MAX:
                raise BadBeaconError(name, f"{name} must be 0 to {_NUMBER_MAX}.")
        text = _hex(body.uuid, _UUID, "uuid", "a UUID").replace("-", "")
        return beacons.ibeacon(bytes.fromhex(text), body.major or 0, body.minor or 0)
    if body.type == "altbeacon":
        return beacons.altbeacon(_bytes(body.id, 20, "id"))
    namespace = _bytes(body.namespace, 10, "namespace")
    return beacons.eddystone_uid(namespace, _bytes(body.instance, 6, "instance"))


def _rotating(body: BeaconBody, now_ms: int) -> RotatingBadge:
    key = _bytes(body.identity_key, beacons.IDENTITY_KEY_BYTES, "identityKey")
    exponent = body.rotation_exponent
    if exponent is None or not beacons.EXPONENT_MIN <= exponent <= beacons.EXPONENT_MAX:
        raise BadBeaconError(
            "rotationExponent",
            f"rotationExponent must be {beacons.EXPONENT_MIN} to {beacons.EXPONENT_MAX} "
            "(5 or 6 are good): with longer slots a recording would admit for too long.",
        )
    if body.eid is not None and body.clock_seconds is not None:
        raise BadBeaconError("eid", "Give eid or clockSeconds, not both.")
    at_ms = now_ms if body.clock_at is None else _time(body.clock_at)
    clock_s = body.clock_seconds or 0
    if body.eid is not None:
        shown = _bytes(body.eid, beacons.EID_BYTES, "eid")
        found = beacons.find_clock(key, exponent, shown, BADGE_CLOCK_SEARCHED_S_MAX)
        if found is None:
            days = BADGE_CLOCK_SEARCHED_S_MAX // 86_400
            raise BadBeaconError(
                "eid",
                f"A badge with this key does not show this id in its first {days} days: "
                "check identityKey and rotationExponent, or give clockSeconds.",
            )
        clock_s = found + (1 << exponent) // 2  # somewhere in that slot: half of one wrong at most
    if not 0 <= clock_s < 1 << beacons.CLOCK_BITS:
        raise BadBeaconError("clockSeconds", "clockSeconds must be 0 to 4294967295.")
    return RotatingBadge(key, exponent, at_ms - clock_s * 1_000)


def _time(text: str) -> int:
    try:
        return wire.parse_time(text)
    except (ValueError, OverflowError) as error:
        raise BadBeaconError("clockAt", f"{text!r} is no time as 2026-11-21T09:30:00Z.") from error


def _bytes(text: str | None, size: int, name: str) -> bytes:
    return bytes.fromhex(_hex(text, rf"[0-9a-f]{{{2 * size}}}", name, f"{2 * size} hex digits"))


def _hex(text: str | None, pattern: str, name: str, form: str) -> str:
    plain = (text or "").strip().lower()
    if not re.fullmatch(pattern, plain):
        raise BadBeaconError(name, f"{name} must be {form}.")
    return plain
