"""A whole data folder with an event of our own, for tests of registration."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import select

from sync_server.deployment import Deployment, opened
from sync_server.identity.key_files import make_keys
from sync_server.identity.keys import load_keys
from sync_server.registration.event_file import EventBody, EventFile, event_of, gate_of
from sync_server.registration.event_store import create_event
from sync_server.registration.importer import Importer, Options
from sync_server.registration.list_reader import open_list
from sync_server.storage import schema
from sync_server.storage.chunks import mappings
from sync_server.storage.database import Database
from sync_server.storage.paths import DataFolder

NOW_MS = 1_700_000_000_000  # before the event
EVENT = event_of(
    EventBody(
        event_id="tech-conference-2024",
        tag="TCF24",
        event_name="Tech Conference 2024",
        start_date="2024-01-20T09:00:00Z",
        end_date="2024-01-20T18:00:00Z",
    )
)


@contextmanager
def deployment(path: Path) -> Iterator[Deployment]:
    folder = DataFolder(path)
    path.mkdir(exist_ok=True)
    make_keys(folder)
    database = Database.open(folder.database_url)
    file = EventFile(EVENT, (gate_of("main-entrance"),))
    database.write_now(lambda conn: create_event(conn, file, load_keys(folder)))
    database.close()
    with opened(folder, "http://gate.test") as made:
        yield made


def import_text(
    made: Deployment, text: str | bytes, now_ms: int = NOW_MS, **options: bool
) -> dict[str, Any]:
    data = text.encode() if isinstance(text, str) else text
    importer = Importer(made.database, made.vault, made.keys, Options(**options), lambda: now_ms)
    with open_list(io.BytesIO(data), "list.csv") as reader:
        reader.check()
        return importer.run(reader, "list.csv")


def counts(result: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """(created, updated, unchanged, refused)."""
    return (result["created"], result["updated"], result["unchanged"], result["refused"])


def codes(result: Mapping[str, Any]) -> dict[int, list[str]]:
    return {row["line"]: [error["code"] for error in row["errors"]] for row in result["rows"]}


def everything(made: Deployment) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, to compare before and after."""

    def job(conn: Any) -> dict[str, list[dict[str, Any]]]:
        return {
            table.name: [dict(row) for row in mappings(conn, select(table))]
            for table in schema.metadata.sorted_tables
        }

    return made.database.read_now(job)


def people(made: Deployment) -> dict[str, dict[str, Any]]:
    return {row["participant_id"]: row for row in everything(made)["participants"]}
