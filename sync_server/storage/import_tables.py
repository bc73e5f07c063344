"""Tables of imports: what each did, and the values from before it, so that it can be undone."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, String, Table, Text

from sync_server.storage.metadata import metadata

imports = Table(
    "imports",
    metadata,
    Column("import_id", String(36), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),  # when it began
    Column("source", Text, nullable=False),
    Column("result", JSON, nullable=False),  # counts, and how the file was understood
    Column("state", String(8)),  # waiting | running | done | failed | undoing | undone; null: done
    Column("caller", String(100)),  # who asked for it
    Column("options", JSON),
    Column("finished_ms", BigInteger),
    Column("error", JSON(none_as_null=True)),  # {"en","ko"} of one that failed
    Column("undo", JSON(none_as_null=True)),  # what undoing it did
)
Index("imports_by_time", imports.c.at_ms)

# Whom an import created or updated, for the newest imports (limits.IMPORTS_UNDOABLE_ROWS_MAX).
import_rows = Table(
    "import_rows",
    metadata,
    Column("import_id", String(36), primary_key=True),
    Column("participant_id", String(100), primary_key=True),
    Column("created", Boolean, nullable=False),
    Column("at_ms", BigInteger, nullable=False),  # the row's `updated_ms`, unless changed since
    Column("before", JSON(none_as_null=True)),  # columns that it changed, as they were (sealed)
    Column("tickets", JSON, nullable=False),  # credentials that it added
    Column("undone_ms", BigInteger),
)
Index("import_rows_by_participant", import_rows.c.participant_id)
