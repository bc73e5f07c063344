"""A server database in a folder of the test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from sync_server.storage.database import Database
from tests.sync_server.builders import populate

NewDatabase = Callable[..., Database]


@pytest.fixture
def new_database(new_url: Callable[[str], str]) -> Iterator[NewDatabase]:
    """Makes databases that hold an event, three gates, two devices and some people."""
    with ExitStack() as opened:

        def make(name: str = "sync", **choices: Any) -> Database:
            database = Database.open(new_url(name))
            opened.callback(database.close)
            database.write_now(lambda conn: populate(conn, **choices))
            return database

        yield make


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    return new_database()
