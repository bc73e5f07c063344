"""Marks by which gates find people (shared.findable), for rows stored before there were any.

They come in the background, a chunk a transaction, so that gates and pages are served meanwhile;
each chunk is a change like any other, which gates fetch.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog
from sqlalchemy import Connection, select

from shared.errors import TransientError
from shared.findable import code_mark
from shared.model import CredentialKind
from sync_server.ports import Store
from sync_server.privacy.vault import Vault
from sync_server.registration.planning import find_of
from sync_server.storage import revisions, schema
from sync_server.storage.chunks import mappings

CHUNK_ROWS = 500  # some 50 ms of the writer's time
RETRY_S = 5.0  # where the database is away

Fill = Callable[[Connection, str], list[str]]

log = structlog.get_logger("search_marks")


class SearchMarks:
    """`run` ends once no row lacks its marks; a start later finds nothing to do."""

    def __init__(self, database: Store, vault: Vault, digest_key: bytes) -> None:
        self._database = database
        self._vault = vault
        self._digest_key = digest_key

    async def run(self) -> None:
        try:
            await self._all("people", self._fill_people)
            await self._all("tickets", self._fill_tickets)
        except Exception:  # a mistake here must not end the server: gates hang on it
            log.exception("search_marks_given_up")

    async def _all(self, kind: str, fill: Fill) -> None:
        after, rows = "", 0
        while True:
            try:
                done = await self._database.write(partial(_call, fill, after))
            except TransientError as error:
                log.warning("search_marks_wait", why=str(error))
                await asyncio.sleep(RETRY_S)
                continue
            if not done:
                break
            after, rows = done[-1], rows + len(done)
        if rows:
            log.info("search_marks_made", of=kind, rows=rows)

    def _fill_people(self, conn: Connection, after: str) -> list[str]:
        """The ids of the next who lacked marks, by id."""
        people = schema.participants
        lacking = (
            select(people)
            .where(people.c.find.is_(None), people.c.participant_id > after)
            .order_by(people.c.participant_id)
            .limit(CHUNK_ROWS)
        )
        rows = list(mappings(conn, lacking))
        made = [{**row, "find": find_of(row, self._vault, self._digest_key)} for row in rows]
        revisions.upsert_many(conn, people, made, {row["participant_id"]: row for row in rows})
        return [row["participant_id"] for row in rows]

    def _fill_tickets(self, conn: Connection, after: str) -> list[str]:
        tickets = schema.credentials
        lacking = (
            select(tickets)
            .where(
                tickets.c.mark.is_(None),
                tickets.c.kind == CredentialKind.TICKET.value,
                tickets.c.code.is_not(None),
                tickets.c.credential_id > after,
            )
            .order_by(tickets.c.credential_id)
            .limit(CHUNK_ROWS)
        )
        rows = list(mappings(conn, lacking))
        made = [
            {**row, "mark": code_mark(self._digest_key, self._vault.open(row["code"]) or "")}
            for row in rows
        ]
        revisions.upsert_many(conn, tickets, made, {row["credential_id"]: row for row in rows})
        return [row["credential_id"] for row in rows]


def _call(fill: Fill, after: str, conn: Connection) -> list[str]:
    return fill(conn, after)
