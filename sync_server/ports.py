"""What the rooms need of the world; `storage` provides it."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


class Store(Protocol):
    """One database. A job is a synchronous function of a SQLAlchemy connection.

    The contract, held for each implementation by tests/contracts/test_store.py:

    - `write` runs the job in one transaction and returns once it is durable; a job that raises
      leaves nothing behind and hinders no other, even one that shares its commit.
    - `read` runs the job on one state of the whole, and can't write.
    - Full queues raise TransientError at once: back-pressure, never growth (P12).
    - `on_commit` callbacks run after each commit that was announced, on any thread.
    - `close` finishes what was taken; then everything raises TransientError.
    """

    async def write(self, job: Callable[[Connection], T]) -> T: ...

    async def read(self, job: Callable[[Connection], T]) -> T: ...

    def write_now(self, job: Callable[[Connection], T]) -> T:
        """As `write`, blocking; never on an event loop's thread."""

    def read_now(self, job: Callable[[Connection], T]) -> T: ...

    def on_commit(self, callback: Callable[[], None]) -> None: ...

    def close(self) -> None: ...
