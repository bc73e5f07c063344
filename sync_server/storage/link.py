"""A thread's connection: made anew when it is lost, and what failed in passing is tried again.

Bounded (P12): then the caller hears it. While the database stays away each transaction tries once,
so that a queue of them empties at once instead of after as many waits.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import structlog
from sqlalchemy import Connection, Engine
from tenacity import (
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from shared.errors import TransientError
from sync_server.storage.postgresql import begin_write, has_committed, is_lost, is_passing

T = TypeVar("T")
log = structlog.get_logger("database")

ATTEMPTS_MAX = 8
ATTEMPTS_S_MAX = 5.0
FIRST_WAIT_S, WAIT_S_MAX = 0.05, 1.0


class _Doubt(NamedTuple):
    """A commit that was asked for and not answered."""

    transaction: str
    result: Any


class Link:
    """Of one thread. `run` is one transaction; what it runs may be run again from the start."""

    def __init__(self, engine: Engine, *, writes: bool) -> None:
        self._engine = engine
        self._locks = writes and engine.dialect.name == "postgresql"
        self._conn: Connection | None = None
        self._doubt: _Doubt | None = None
        self._away = False

    def run(self, body: Callable[[Connection], T]) -> T:
        """Its result, once that is durable. What can't be done now raises the last cause."""
        attempts = Retrying(
            stop=stop_after_attempt(1 if self._away else ATTEMPTS_MAX)
            | stop_after_delay(ATTEMPTS_S_MAX),
            wait=wait_random_exponential(multiplier=FIRST_WAIT_S, max=WAIT_S_MAX),
            retry=retry_if_exception(_may_be_tried_again),
            reraise=True,
        )
        try:
            result: T = attempts(self._once, body)
        except BaseException as error:
            if is_lost(error) and not self._away:
                self._away = True
                log.warning("the database can't be reached", cause=str(error.__cause__))
            if self._doubt is not None:
                raise TransientError(
                    "The database went away while it committed and has not come back: whether it "
                    "was kept is not known yet. Send it again."
                ) from error
            raise
        finally:
            self._doubt = None
        if self._away:
            self._away = False
            log.warning("the database is back")
        return result

    def close(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def _once(self, body: Callable[[Connection], T]) -> T:
        try:
            if self._conn is None:
                self._conn = self._engine.connect()
            return self._transact(self._conn, body)
        except BaseException as error:
            if is_lost(error):
                self._drop()
            elif self._conn is not None:
                # What the connection remembers may come from what was just taken back.
                self._conn.info.clear()
            raise

    def _transact(self, conn: Connection, body: Callable[[Connection], T]) -> T:
        with conn.begin() as transaction:
            number = begin_write(conn) if self._locks else ""
            if (doubt := self._doubt) is not None:
                self._doubt = None
                if has_committed(conn, doubt.transaction):
                    result: T = doubt.result
                    return result
            result = body(conn)
            if self._locks:
                self._doubt = _Doubt(number, result)
            try:
                transaction.commit()
            except BaseException as error:
                if not is_lost(error):
                    self._doubt = None  # it was answered: no
                raise
        self._doubt = None
        return result

    def _drop(self) -> None:
        """Let the broken connection go; what it says on leaving is of no interest."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.invalidate()
            conn.close()


def _may_be_tried_again(error: BaseException) -> bool:
    return is_passing(error) or is_lost(error)
