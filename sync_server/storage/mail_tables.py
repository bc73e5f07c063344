"""Tables of the mail queue. No address and no name stands here: both are read when a mail is sent."""

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, String, Table, Text

from sync_server.storage.metadata import metadata

# One mail to one person. `key` says what it is about: the same thing is queued once.
mails = Table(
    "mails",
    metadata,
    Column("mail_id", Integer, primary_key=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("kind", String(8), nullable=False),  # alert | ticket
    Column("participant_id", String(100), index=True),  # of a ticket's mail
    Column("credential_id", String(36)),  # the ticket that it brings, or is to bring
    Column("address", Text),  # of an alert's mail, sealed
    Column("data", JSON(none_as_null=True)),  # the alert
    Column("language", String(8)),  # in which it was sent
    Column("generation", String(32), nullable=False),  # of the database that queued it
    Column("state", String(12), nullable=False),  # see sync_server.mail.queue.State
    Column("attempts", Integer, nullable=False),
    Column("queued_ms", BigInteger, nullable=False),
    Column("next_ms", BigInteger, nullable=False),  # not tried before
    Column("at_ms", BigInteger, nullable=False),  # when it came to this state
    Column("reason", Text),
    Column("message_id", String(250), index=True),
)
Index("mails_by_state", mails.c.state, mails.c.kind, mails.c.next_ms)

mail_texts = Table(  # an organiser's own words for tickets' mails
    "mail_texts",
    metadata,
    Column("language", String(8), primary_key=True),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("changed_by", String(100), nullable=False),
)
