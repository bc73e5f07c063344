"""Giving journal entries their final times, a few at a time, on the lane's thread (DESIGN §4.3)."""

import secrets
from typing import Any

from edge_agent.storage.journal import Journal
from edge_agent.storage.journal_rows import Row
from edge_agent.timekeeper import Timekeeper
from shared import wire
from shared.timekeeping import Sealed, Stamp

SEAL_ROWS_MAX = 100  # one short commit: a visitor may be waiting behind it


def seal_some(journal: Journal, timekeeper: Timekeeper) -> int:
    """Seal the oldest unsealed entries; how many. One commit, on the lane's thread.

    A time that had to move too far tells of two stories in one journal: once all of this one is
    sealed, a new epoch begins, so that the next entries need not lie.
    """
    epoch = journal.unsealed_epoch()  # after a salvage an old one may have some left
    rows = journal.unsealed(SEAL_ROWS_MAX, epoch) if epoch is not None else []
    if not rows:
        return 0
    previous_ms = journal.last_occurred_of(epoch or journal.epoch)
    sealed = timekeeper.seal([_stamp(row) for row in rows], previous_ms)
    journal.seal(
        [(row.seq, sealed_body(row, time)) for row, time in zip(rows, sealed, strict=True)], epoch
    )
    if epoch == journal.epoch and any(time.wants_new_epoch for time in sealed):
        renew_epoch(journal, journal.epoch, "time moved")
    return len(rows)


def renew_epoch(journal: Journal, epoch: str, cause: str) -> bool:
    """Go on under a new epoch if `epoch` is still the current one and wholly sealed."""
    if journal.epoch != epoch or journal.unsealed_count:
        return False
    journal.start_epoch(secrets.token_hex(8), cause)
    return True


def sealed_body(row: Row, time: Sealed) -> dict[str, Any]:
    """The whole wire entry: its times and its checksum."""
    body = {
        **row.body,
        "occurredAt": wire.format_time(time.at_ms),
        "timeErrorMs": time.error_ms,
        "timeQuality": time.quality,
    }
    return {**body, "checksum": wire.checksum(body)}


def _stamp(row: Row) -> Stamp:
    body = row.body
    return Stamp(row.seq, body["bootId"], body["bootMs"], wire.parse_time(body["wallAt"]))
