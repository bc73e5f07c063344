"""Tables of what is told to people and programs: handlers of the outbox, and alerts."""

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, String, Table, Text

from sync_server.storage.metadata import metadata

stream_cursors = Table(  # how far each handler has read the outbox
    "stream_cursors",
    metadata,
    Column("handler", String(64), primary_key=True),
    Column("through", BigInteger, nullable=False),  # outbox_id
)

# A message that a handler could not take at once, or one of the last that it took.
deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", Integer, primary_key=True),
    Column("handler", String(64), nullable=False),
    Column("envelope", JSON, nullable=False),
    Column("state", String(8), nullable=False),  # waiting | done | parked
    Column("attempts", Integer, nullable=False),
    Column("next_ms", BigInteger, nullable=False),  # when it is tried again
    Column("at_ms", BigInteger, nullable=False),  # when it came to this state
    Column("error", Text),
)
Index("deliveries_by_state", deliveries.c.handler, deliveries.c.state, deliveries.c.next_ms)

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", Integer, primary_key=True),
    Column("type", String(32), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("raised_ms", BigInteger, nullable=False),
    Column("cleared_ms", BigInteger, index=True),  # null while it holds
    Column("acknowledged_by", String(100)),
    Column("acknowledged_ms", BigInteger),
    Column("data", JSON, nullable=False),
    Column("message_en", Text, nullable=False),
    Column("message_ko", Text, nullable=False),
)
