"""The first schema (data folders of PRAGMA user_version 1 are of this one)."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _event()
    _participants()
    _devices()
    _journals()
    _scans()
    _merge()
    _access_and_answers()


def _event() -> None:
    op.create_table(
        "state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("generation", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "events",
        sa.Column("event_id", sa.String(length=100), nullable=False),
        sa.Column("tag", sa.String(length=5), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("ticket_keys", sa.JSON(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index(op.f("ix_events_revision"), "events", ["revision"], unique=False)
    op.create_table(
        "gates",
        sa.Column("gate_id", sa.String(length=100), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("zone", sa.Text(), nullable=True),
        sa.Column("required_permission", sa.Text(), nullable=True),
        sa.Column("capacity_per_minute", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("location", sa.JSON(), nullable=True),
        sa.Column("beacon", sa.JSON(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("gate_id"),
    )
    op.create_index(op.f("ix_gates_revision"), "gates", ["revision"], unique=False)


def _participants() -> None:
    op.create_table(
        "participants",
        sa.Column("participant_id", sa.String(length=100), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("birth_date", sa.Text(), nullable=True),
        sa.Column("email_key", sa.String(length=32), nullable=False),
        sa.Column("masked_name", sa.Text(), nullable=False),
        sa.Column("organization", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("group", sa.Text(), nullable=True),
        sa.Column("permissions", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("import_id", sa.String(length=36), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("participant_id"),
        sa.UniqueConstraint("email_key"),
    )
    op.create_index(op.f("ix_participants_revision"), "participants", ["revision"], unique=False)
    op.create_table(
        "credentials",
        sa.Column("credential_id", sa.String(length=36), nullable=False),
        sa.Column("participant_id", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("valid_from_ms", sa.BigInteger(), nullable=True),
        sa.Column("valid_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("issued_ms", sa.BigInteger(), nullable=False),
        sa.Column("signed_payload", sa.Text(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("credential_id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index(
        op.f("ix_credentials_participant_id"), "credentials", ["participant_id"], unique=False
    )
    op.create_index(op.f("ix_credentials_revision"), "credentials", ["revision"], unique=False)
    op.create_table(
        "presences",
        sa.Column("participant_id", sa.String(length=100), nullable=False),
        sa.Column("inside", sa.Boolean(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_error_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_direction", sa.String(length=8), nullable=True),
        sa.Column("last_gate_id", sa.String(length=100), nullable=True),
        sa.Column("first_entry_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_entry_ms", sa.BigInteger(), nullable=True),
        sa.Column("conflict", sa.Boolean(), nullable=False),
        sa.Column("attended", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("participant_id"),
    )
    op.create_index(op.f("ix_presences_revision"), "presences", ["revision"], unique=False)


def _devices() -> None:
    op.create_table(
        "devices",
        sa.Column("device_id", sa.String(length=100), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("gate_id", sa.String(length=100), nullable=False),
        sa.Column("public_key", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("epoch", sa.String(length=32), nullable=True),
        sa.Column("contiguous_through", sa.BigInteger(), nullable=False),
        sa.Column("enrolled_ms", sa.BigInteger(), nullable=False),
        sa.Column("quarantined", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("device_id"),
    )
    op.create_index(op.f("ix_devices_revision"), "devices", ["revision"], unique=False)
    op.create_table(
        "people",
        sa.Column("operator_id", sa.String(length=100), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("operator_id"),
        sa.UniqueConstraint("name"),
    )
    op.create_index(op.f("ix_people_revision"), "people", ["revision"], unique=False)
    op.create_table(
        "device_status",
        sa.Column("device_id", sa.String(length=100), nullable=False),
        sa.Column("last_seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("device_id"),
    )
    op.create_table(
        "device_gates",
        sa.Column("device_id", sa.String(length=100), nullable=False),
        sa.Column("gate_id", sa.String(length=100), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "gate_id", "since_ms"),
    )
    op.create_table(
        "enrolments",
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("gate_id", sa.String(length=100), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
        sa.Column("device_id", sa.String(length=100), nullable=True),
        sa.PrimaryKeyConstraint("code_hash"),
    )


def _journals() -> None:
    op.create_table(
        "entries",
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("device_id", sa.String(length=100), nullable=False),
        sa.Column("epoch", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("checksum", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("unusable", sa.String(length=64), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id"),
        sa.UniqueConstraint("device_id", "epoch", "seq", "checksum", name="entries_identity"),
    )
    op.create_table(
        "journals",
        sa.Column("device_id", sa.String(length=100), nullable=False),
        sa.Column("epoch", sa.String(length=32), nullable=False),
        sa.Column("contiguous_through", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.BigInteger(), nullable=False),
        sa.Column("first_received_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "epoch"),
    )
    op.create_table(
        "lost_ranges",
        sa.Column("device_id", sa.String(length=100), nullable=False),
        sa.Column("epoch", sa.String(length=32), nullable=False),
        sa.Column("from_seq", sa.BigInteger(), nullable=False),
        sa.Column("to_seq", sa.BigInteger(), nullable=False),
        sa.Column("declared_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "epoch", "from_seq"),
    )


def _scans() -> None:
    op.create_table(
        "scans",
        sa.Column("row_id", sa.Integer(), nullable=False),
        sa.Column("scan_id", sa.String(length=64), nullable=False),
        sa.Column("device_id", sa.String(length=100), nullable=False),
        sa.Column("epoch", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("checksum", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("method", sa.String(length=8), nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("gate_id", sa.String(length=100), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=True),
        sa.Column("named_participant_id", sa.String(length=100), nullable=True),
        sa.Column("named_credential_id", sa.String(length=36), nullable=True),
        sa.Column("participant_id", sa.String(length=100), nullable=True),
        sa.Column("credential_id", sa.String(length=36), nullable=True),
        sa.Column("occurred_ms", sa.BigInteger(), nullable=False),
        sa.Column("time_error_ms", sa.BigInteger(), nullable=False),
        sa.Column("decided_error_ms", sa.BigInteger(), nullable=False),
        sa.Column("time_quality", sa.String(length=16), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("admitted", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Integer(), nullable=False),
        sa.Column("override", sa.JSON(), nullable=True),
        sa.Column("processing_ms", sa.Float(), nullable=False),
        sa.Column("location", sa.JSON(), nullable=True),
        sa.Column("device_info", sa.JSON(), nullable=True),
        sa.Column("metadata", sa.JSON(), nullable=True),
        sa.Column("verdict", sa.String(length=12), nullable=False),
        sa.Column("verdict_kind", sa.String(length=20), nullable=True),
        sa.Column("against", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("row_id"),
        sa.UniqueConstraint("device_id", "epoch", "seq", "checksum", name="scans_identity"),
    )
    op.create_index(op.f("ix_scans_digest"), "scans", ["digest"], unique=False)
    op.create_index(op.f("ix_scans_participant_id"), "scans", ["participant_id"], unique=False)
    op.create_index(op.f("ix_scans_scan_id"), "scans", ["scan_id"], unique=False)
    op.create_index("scans_by_gate", "scans", ["gate_id", "row_id"], unique=False)
    op.create_index("scans_by_verdict", "scans", ["verdict", "row_id"], unique=False)


def _merge() -> None:
    op.create_table(
        "resolutions",
        sa.Column("resolution_id", sa.String(length=128), nullable=False),
        sa.Column("scan_id", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=8), nullable=False),
        sa.Column("operator_id", sa.String(length=100), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("resolution_id"),
    )
    op.create_index(op.f("ix_resolutions_scan_id"), "resolutions", ["scan_id"], unique=False)
    op.create_table(
        "dated_changes",
        sa.Column("change_id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=16), nullable=False),
        sa.Column("subject_id", sa.String(length=100), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=True),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("change_id"),
    )
    op.create_index(
        "dated_changes_by_subject", "dated_changes", ["subject", "subject_id"], unique=False
    )
    op.create_table(
        "counters",
        sa.Column("scope", sa.String(length=120), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "name"),
    )


def _access_and_answers() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key_hash"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("operator_id", sa.String(length=100), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_table(
        "used_assertions",
        sa.Column("jti_hash", sa.String(length=64), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("jti_hash"),
    )
    op.create_index(
        op.f("ix_used_assertions_expires_ms"), "used_assertions", ["expires_ms"], unique=False
    )
    op.create_table(
        "imports",
        sa.Column("import_id", sa.String(length=36), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("import_id"),
    )
    op.create_table(
        "answered_requests",
        sa.Column("key_name", sa.String(length=100), nullable=False),
        sa.Column("request_id", sa.String(length=200), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("key_name", "request_id"),
    )
    op.create_table(
        "outbox",
        sa.Column("outbox_id", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("outbox_id"),
    )
