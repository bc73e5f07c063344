"""Tables of figures kept beside the scans and the participants: read in a few rows, however many."""

from sqlalchemy import BigInteger, Column, Float, Integer, String, Table, Text

from sync_server.storage.metadata import metadata

# Counters kept in the transaction of the scans. scope: "overall" | "gate:<id>" |
# "hour:<epoch hour>"; name: "confirmed" | "method:qr_scan" | "processing_ms_sum" | …
counters = Table(
    "counters",
    metadata,
    Column("scope", String(120), primary_key=True),
    Column("name", String(120), primary_key=True),
    Column("value", Float, nullable=False),
)

# Scans by time: how many at a gate in one slot of `width_ms` (`insight/tallies.py` says what).
tallies = Table(
    "tallies",
    metadata,
    Column("width_ms", Integer, primary_key=True),
    Column("slot", BigInteger, primary_key=True),  # the scan's time / width_ms, since 1970
    Column("gate_id", String(100), primary_key=True),
    Column("name", String(16), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# People by what they have in common; `storage/headcounts.py` is the only code that writes it.
headcounts = Table(
    "headcounts",
    metadata,
    Column("kind", String(12), primary_key=True),  # all | group | permission
    Column("name", Text, primary_key=True),  # "" of all, and of those without a group
    Column("registered", BigInteger, nullable=False),  # not cancelled
    Column("came", BigInteger, nullable=False),  # of those: who has a confirmed entry
    Column("attended", BigInteger, nullable=False),  # cancelled since or not
    Column("inside", BigInteger, nullable=False),
)
