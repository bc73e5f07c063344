"""One schema for SQLite and PostgreSQL: SQLAlchemy Core tables, times as integer milliseconds.

Rows that gates replicate carry `revision` (the server's counter when they last changed) and `hash`
(32 hex digits, summed modulo 2^128 into the digest of the whole). `storage/revisions.py` is the
only code that writes those two columns.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from sync_server.storage import figure_tables
from sync_server.storage import import_tables as _import_tables  # noqa: F401 - belong to it
from sync_server.storage import mail_tables as _mail_tables  # noqa: F401 - belong to it too
from sync_server.storage import message_tables as _message_tables  # noqa: F401 - belong to it too
from sync_server.storage.metadata import metadata

PARTNER_DEVICE_PREFIX = "partner:"  # partner calls are kept as scans of such a device


counters, tallies, headcounts = (
    figure_tables.counters,
    figure_tables.tallies,
    figure_tables.headcounts,
)


def _replicated(name: str, *columns: Column[object] | UniqueConstraint | Index) -> Table:
    return Table(
        name,
        metadata,
        *columns,
        Column("revision", BigInteger, nullable=False, index=True),
        Column("hash", String(32), nullable=False),
    )


# One row: programs that know no step of storage/migrations from this one on can't work here.
schema_support = Table(
    "schema_support",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1
    Column("oldest", String(4), nullable=False),
)

# One row: the life of this database (DESIGN §2 generation), head revision, digest of the whole.
state = Table(
    "state",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1
    Column("generation", String(32), nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("digest", String(32), nullable=False),
)

events = _replicated(
    "events",
    Column("event_id", String(100), primary_key=True),
    Column("tag", String(5), nullable=False),
    Column("name", Text, nullable=False),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("venue", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("settings", JSON, nullable=False),  # members as in API §3.1
    Column("ticket_keys", JSON, nullable=False),  # key id → base64url public key
)

gates = _replicated(
    "gates",
    Column("gate_id", String(100), primary_key=True),
    Column("name", Text, nullable=False),
    Column("direction", String(8), nullable=False),
    Column("zone", Text),
    Column("required_permission", Text),
    Column("capacity_per_minute", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("location", JSON),
    Column("beacon", JSON),
)

# Columns that hold what `privacy.vault.Vault.seal` returned: name, email, phone, birth_date.
participants = _replicated(
    "participants",
    Column("participant_id", String(100), primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("phone", Text),
    Column("birth_date", Text),
    Column("email_key", String(32), nullable=False, unique=True),  # vault.email_key(email)
    Column("masked_name", Text, nullable=False),
    Column("organization", Text),
    Column("region", Text),  # a country code, or what the list said
    Column("group", Text),
    Column("permissions", JSON, nullable=False),  # sorted list of text
    Column("status", String(16), nullable=False),
    Column("import_id", String(36)),
    Column(
        "language", String(8)
    ),  # ko | en: what the kiosk greets them in; null leaves it to the kiosk
    Column("find", Text),  # marks of shared.findable, separated by spaces
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
)

credentials = _replicated(
    "credentials",
    Column("credential_id", String(36), primary_key=True),
    Column("participant_id", String(100), nullable=False, index=True),
    Column("kind", String(8), nullable=False),
    Column("digest", String(32), nullable=False, unique=True),
    Column("code", Text),  # the 17 letters or canonical beacon id, sealed
    Column("status", String(8), nullable=False),
    Column("valid_from_ms", BigInteger),
    Column("valid_until_ms", BigInteger),
    Column("issued_ms", BigInteger, nullable=False),
    # Of a badge that was revoked and given to another: its digest, which stands above once only.
    Column("shared_digest", String(32), index=True),
    Column("signed_payload", Text),  # sealed QR text of a signed ticket, else null
    Column("mark", String(8)),  # shared.findable.code_mark of a ticket
)

presences = _replicated(
    "presences",
    Column("participant_id", String(100), primary_key=True),
    Column("inside", Boolean, nullable=False),
    Column("last_ms", BigInteger),
    Column("last_error_ms", BigInteger, nullable=False),
    Column("last_direction", String(8)),
    Column("last_gate_id", String(100)),
    Column("first_entry_ms", BigInteger),
    Column("last_entry_ms", BigInteger),
    Column("conflict", Boolean, nullable=False),
    Column("attended", Boolean, nullable=False),  # has a confirmed entry; not on the wire
    # the conflicts not yet decided, [{kind, scanId, gateId, at, …}], as the line says them, or null
    Column("conflicts", JSON(none_as_null=True)),
)

devices = _replicated(
    "devices",
    Column("device_id", String(100), primary_key=True),  # `partner:<key name>` for partner calls
    Column("name", Text, nullable=False),
    Column("gate_id", String(100), nullable=False),
    Column("public_key", String(64)),  # base64url of the raw 32 bytes
    Column("state", String(8), nullable=False),  # active | adopted | revoked
    Column("epoch", String(32)),  # the journal epoch last heard of
    Column("contiguous_through", BigInteger, nullable=False),  # of that epoch
    Column("enrolled_ms", BigInteger, nullable=False),
    Column("quarantined", Boolean, nullable=False),
)

people = _replicated(  # operators: those who sign in, and supervisors at gates
    "people",
    Column("operator_id", String(100), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("role", String(16), nullable=False),  # owner | operator | supervisor | viewer
    Column("password_hash", Text),
    Column("active", Boolean, nullable=False),
    Column("pin_mark", String(16)),  # random, new whenever what gates hold of the PIN changed
)

REPLICATED = (events, gates, participants, credentials, presences, devices, people)

# A supervisor's PIN for the gates, sealed under the master key: a gate enrolled later needs a hash
# of its own. `identity.pins` is the only code that reads it.
operator_pins = Table(
    "operator_pins",
    metadata,
    Column("operator_id", String(100), primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("set_ms", BigInteger, nullable=False),
)

operator_pin_hashes = Table(  # argon2, one for each device that may check the PIN
    "operator_pin_hashes",
    metadata,
    Column("operator_id", String(100), primary_key=True),
    Column("device_id", String(100), primary_key=True),
    Column("pin_hash", Text, nullable=False),
)

# What a device last said of itself: changes every 10 s, so not replicated.
device_status = Table(
    "device_status",
    metadata,
    Column("device_id", String(100), primary_key=True),
    Column("last_seen_ms", BigInteger, nullable=False),
    Column("status", JSON),  # the last /sync/status body
)

contacts = Table(  # from when until when a device spoke without a longer pause
    "contacts",
    metadata,
    Column("device_id", String(100), primary_key=True),
    Column("from_ms", BigInteger, primary_key=True),
    Column("until_ms", BigInteger, nullable=False),
)

head_times = Table(  # when the head was there, kept where scans were merged: who could know what
    "head_times",
    metadata,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False, index=True),
)

device_gates = Table(  # every gate a device was ever assigned to (foreign_gate, DESIGN §5)
    "device_gates",
    metadata,
    Column("device_id", String(100), primary_key=True),
    Column("gate_id", String(100), primary_key=True),
    Column("since_ms", BigInteger, primary_key=True),
)

enrolments = Table(
    "enrolments",
    metadata,
    Column("code_hash", String(64), primary_key=True),  # SHA-256 of the code
    Column("gate_id", String(100), nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
    Column("device_id", String(100)),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_hash", String(64), primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("operator_id", String(100), nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
)

used_assertions = Table(  # jti of device assertions until they expire: one use each
    "used_assertions",
    metadata,
    Column("jti_hash", String(64), primary_key=True),
    Column("expires_ms", BigInteger, nullable=False, index=True),
)

# Journal entries exactly as they came (P2, P6), usable or not.
entries = Table(
    "entries",
    metadata,
    Column("entry_id", Integer, primary_key=True),
    Column("device_id", String(100), nullable=False),
    Column("epoch", String(32), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("checksum", String(64), nullable=False),
    Column("type", String(16), nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("unusable", String(64)),  # code, or null
    Column("body", Text, nullable=False),  # canonical JSON
    UniqueConstraint("device_id", "epoch", "seq", "checksum", name="entries_identity"),
)

journals = Table(
    "journals",
    metadata,
    Column("device_id", String(100), primary_key=True),
    Column("epoch", String(32), primary_key=True),
    Column("contiguous_through", BigInteger, nullable=False),
    Column("head", BigInteger, nullable=False),  # as the device reported, or the highest received
    Column("first_received_ms", BigInteger, nullable=False),
)

lost_ranges = Table(
    "lost_ranges",
    metadata,
    Column("device_id", String(100), primary_key=True),
    Column("epoch", String(32), primary_key=True),
    Column("from_seq", BigInteger, primary_key=True),
    Column("to_seq", BigInteger, nullable=False),
    Column("declared_ms", BigInteger, nullable=False),
)

# Scans as the merge reads and writes them. (device, epoch, seq, checksum) is the identity.
scans = Table(
    "scans",
    metadata,
    Column("row_id", Integer, primary_key=True),  # order of arrival
    Column("scan_id", String(64), nullable=False, index=True),
    Column("device_id", String(100), nullable=False),
    Column("epoch", String(32), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("checksum", String(64), nullable=False),
    Column("kind", String(8), nullable=False),  # ticket | beacon | person | walk_in
    Column("method", String(8), nullable=False),
    Column("direction", String(8), nullable=False),
    Column("gate_id", String(100), nullable=False),
    Column("digest", String(32), index=True),
    Column("named_participant_id", String(100)),  # as the scan said
    Column("named_credential_id", String(36)),  # as the scan said
    Column("participant_id", String(100), index=True),  # as resolved by the fold
    Column("credential_id", String(36)),  # as resolved by the fold
    Column("occurred_ms", BigInteger, nullable=False),
    Column("time_error_ms", BigInteger, nullable=False),
    Column("decided_error_ms", BigInteger, nullable=False),
    Column("time_quality", String(16), nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("admitted", Boolean, nullable=False),
    Column("reason", Integer, nullable=False),  # Reason's number
    Column("override", JSON),  # {"operatorId","text"} or null
    Column("processing_ms", Float, nullable=False),
    Column("location", JSON),
    Column("device_info", JSON),
    Column("metadata", JSON),
    Column("verdict", String(12), nullable=False),
    Column("verdict_kind", String(20)),
    Column("against", String(64)),  # scan id
    UniqueConstraint("device_id", "epoch", "seq", "checksum", name="scans_identity"),
)
Index("scans_by_verdict", scans.c.verdict, scans.c.row_id)
Index("scans_by_gate", scans.c.gate_id, scans.c.row_id)
Index("scans_last_at_gate", scans.c.gate_id, scans.c.verdict, scans.c.occurred_ms)

resolutions = Table(
    "resolutions",
    metadata,
    Column("resolution_id", String(128), primary_key=True),
    Column("scan_id", String(64), nullable=False, index=True),
    Column("action", String(8), nullable=False),
    Column("operator_id", String(100), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Index("resolutions_by_time", "at_ms", "resolution_id"),
)

# Dated changes: append-only (DESIGN §2). `value` is what the rules read of the subject after it;
# the row with at_ms null holds the initial value, in force since ever.
dated_changes = Table(
    "dated_changes",
    metadata,
    Column("change_id", Integer, primary_key=True),
    Column("subject", String(16), nullable=False),  # event | gate | participant | credential
    Column("subject_id", String(100), nullable=False),
    Column("at_ms", BigInteger),
    Column("value", JSON, nullable=False),
)
Index("dated_changes_by_subject", dated_changes.c.subject, dated_changes.c.subject_id)

answered_requests = Table(  # idempotency of attendance/record (API §3.3)
    "answered_requests",
    metadata,
    Column("key_name", String(100), primary_key=True),
    Column("request_id", String(200), primary_key=True),
    Column("body_hash", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", JSON, nullable=False),
)

outbox = Table(  # every change, in its own transaction; the live page reads it
    "outbox",
    metadata,
    Column("outbox_id", Integer, primary_key=True),
    Column("type", String(64), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("data", JSON, nullable=False),
)

pairings = Table(  # "pair this badge": one open at a gate, gone once confirmed or over
    "pairings",
    metadata,
    Column("pairing_id", String(36), primary_key=True),
    Column("gate_id", String(100), nullable=False, unique=True),
    Column("participant_id", String(100), nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Column("beacon", String(100)),  # the strongest unknown one that the gate hears, canonical
    Column("rssi", Float),
    Column("heard_ms", BigInteger),
)
