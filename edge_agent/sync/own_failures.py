"""Trouble of this machine's own on the way of an exchange: a full card, a damaged list, a defect."""

import sqlite3

import structlog

from edge_agent.storage.replica import MovedError, Replica
from edge_agent.storage.sqlite_file import is_damage
from edge_agent.sync.backoff import Failure, FailureKind

log = structlog.get_logger("sync")


def own_failure(what: str, error: Exception, replica: Replica) -> Failure:
    """What the session is told; a list that proves damaged is seen to, a defect is logged whole."""
    if is_damage(error):  # the journal's is mended where it is read
        replica.standing.suspect = True
    elif not isinstance(error, sqlite3.OperationalError | MovedError):
        log.error("sync.unexpected", channel=what, exc_info=error)
        return Failure(FailureKind.LOCAL, f"{type(error).__name__}: {error}")
    return Failure(FailureKind.LOCAL, f"the disk: {error}")


class Acknowledgements:
    """Notes in the replica what the server holds. A card that takes nothing more must not keep its
    scans from the server: what is not noted is offered once more after a restart, and known there.
    """

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._failing = False

    def note(self, epoch: str, held: int, visible_at: str) -> None:
        try:
            self._replica.record_ack(epoch, held, visible_at)
        except sqlite3.OperationalError as error:
            if not self._failing:
                log.warning("sync.failed", channel="up", detail=f"the disk: {error}")
            self._failing = True
        else:
            self._failing = False
