"""Walk-ins: whom a supervisor let in at a gate without a registration becomes a participant.

What the gate recorded of them is sealed to this server's key (shared.sealed_box). The id follows
from the e-mail, else from the scan, so that the order of arrival does not matter (P3). Whatever is
wrong with what was typed, the walk-in stays a walk-in: nothing here refuses a scan (P6).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import Connection, select, update

from shared import sealed_box, wire
from shared.limits import FIELD_CHARS_MAX, NAME_CHARS_MAX
from shared.masking import mask_name
from shared.model import Event, ParticipantStatus, ScanKind
from sync_server.identity.keys import ServerKeys, from_base64url
from sync_server.privacy.vault import Vault
from sync_server.registration.event_store import load_event
from sync_server.registration.participants import find_participant
from sync_server.registration.planning import Planner, find_of
from sync_server.registration.quality import CleanRow, Rules, clean, tidy
from sync_server.registration.tickets import Issuer
from sync_server.storage import revisions, schema

GROUP = "walk-in"
UNNAMED = "Walk-in"
_MEMBERS = ("name", "email", "phone", "organization")


@dataclass(frozen=True, slots=True)
class WalkIns:
    vault: Vault
    keys: ServerKeys

    def register(self, conn: Connection, scan: wire.ScanEntry, now_ms: int) -> str | None:
        """The participant whom an admitted walk-in is from now on; None for any other scan."""
        if scan.kind is not ScanKind.WALK_IN or not scan.admitted:
            return None
        event = load_event(conn)
        said = self._said(scan.walk_in or {})
        row = _clean(said, event)
        participant_id = self._id_of(conn, scan.scan_id, row.email, event)
        if find_participant(conn, participant_id) is None:
            self._create(conn, participant_id, row, event, now_ms)
        return participant_id

    def register_held(self, conn: Connection, device_id: str, now_ms: int) -> None:
        """The walk-ins of a device that has been accepted: they waited in quarantine."""
        scans, entries = schema.scans, schema.entries
        waiting = select(scans.c.row_id, entries.c.body).join(
            entries,
            (entries.c.device_id == scans.c.device_id)
            & (entries.c.epoch == scans.c.epoch)
            & (entries.c.seq == scans.c.seq)
            & (entries.c.checksum == scans.c.checksum),
        )
        mine = waiting.where(
            scans.c.device_id == device_id,
            scans.c.kind == ScanKind.WALK_IN.value,
            scans.c.named_participant_id.is_(None),
        )
        for row_id, body in conn.execute(mine).all():
            scan = msgspec.json.decode(body, type=wire.ScanEntry)
            owner = self.register(conn, scan, now_ms)
            conn.execute(
                update(scans).where(scans.c.row_id == row_id).values(named_participant_id=owner)
            )

    def _said(self, walk_in: Mapping[str, Any]) -> dict[str, str]:
        content: Any = walk_in
        if isinstance(walk_in.get("sealed"), str):
            try:
                box = from_base64url(walk_in["sealed"])
                content = msgspec.json.decode(sealed_box.open_sealed(box, self.keys.private))
            except (ValueError, msgspec.DecodeError):
                content = {"name": walk_in.get("maskedName")}
        if not isinstance(content, dict):
            return {}
        return {
            name: text[:FIELD_CHARS_MAX].replace("\x00", "")
            for name in _MEMBERS
            if isinstance(text := content.get(name), str) and text.strip()
        }

    def _id_of(self, conn: Connection, scan_id: str, email: str | None, event: Event) -> str:
        if email is None:
            return "walkin-" + hashlib.sha256(scan_id.encode()).hexdigest()[:20]
        people = schema.participants
        key = self.vault.email_key(email)
        held = conn.execute(
            select(people.c.participant_id).where(people.c.email_key == key)
        ).scalar()
        return held or Planner(event, self.vault, None, reinstate=False).derived_id(email)

    def _create(
        self, conn: Connection, participant_id: str, row: CleanRow, event: Event, now_ms: int
    ) -> None:
        name = row.name or UNNAMED
        after: dict[str, Any] = {
            "participant_id": participant_id,
            "name": self.vault.seal(name),
            "email": self.vault.seal(row.email or ""),
            "phone": self.vault.seal(row.phone),
            "birth_date": None,
            "email_key": self.vault.email_key(row.email or f"{participant_id}:none"),
            "masked_name": mask_name(name),
            "organization": row.organization,
            "region": None,
            "group": GROUP,
            "permissions": ["attendance"],
            "status": ParticipantStatus.REGISTERED.value,
            "import_id": None,
            "created_ms": now_ms,
            "updated_ms": now_ms,
        }
        after["find"] = find_of(after, self.vault, self.keys.digest)
        revisions.upsert(conn, schema.participants, after)
        ticket = Issuer.now(conn, event, self.vault, self.keys, now_ms).issue(after)
        revisions.upsert(conn, schema.credentials, ticket)


def _clean(said: Mapping[str, str], event: Event) -> CleanRow:
    """By the rules of a registration, each member alone: one that breaks them is left out."""
    rules = Rules.of(event)
    name = tidy(said.get("name", ""))[:NAME_CHARS_MAX] or UNNAMED
    row = CleanRow(name=name)
    for member in ("email", "phone", "organization"):
        if member not in said:
            continue
        filler = {"name": "Walk-in", "email": "walk-in@example.org"}
        judged = clean({**filler, member: said[member]}, rules)
        if isinstance(judged, CleanRow):
            row = replace(row, **{member: getattr(judged, member)})
    return row
