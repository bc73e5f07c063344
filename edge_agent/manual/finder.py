"""Finding somebody: by the gate's own marks, and by the server where it answers in time."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from edge_agent.manual.recent import Recent
from edge_agent.storage.people_search import PeopleSearch, Person
from shared import findable
from shared.credentials import ticket_digest
from shared.errors import GatesyncError
from shared.limits import SEARCH_ONLINE_S, SEARCH_RESULTS_MAX
from shared.search_wire import FoundPerson, SearchAnswer
from shared.wire import format_time

Ask = Callable[[str], Awaitable[SearchAnswer]]
WouldSay = Callable[[list[str]], Awaitable[dict[str, dict[str, Any]]]]

log = structlog.get_logger(__name__)


class Finder:
    """`would_say` tells for people by id where they are and what the gate would decide now."""

    def __init__(
        self, people: PeopleSearch, digest_key: bytes, recent: Recent, ask: Ask, would_say: WouldSay
    ) -> None:
        self._people = people
        self._lock = threading.Lock()
        self._digest_key = digest_key
        self._recent = recent
        self._ask = ask
        self._would_say = would_say

    async def search(self, typed: str) -> dict[str, Any]:
        """At most 20 people; `source` says who answered, `more` that some were left out."""
        mine = asyncio.to_thread(self.here, typed)
        theirs: SearchAnswer | None = None
        async with asyncio.TaskGroup() as group:
            here = group.create_task(mine)
            asked = group.create_task(self._online(typed))
        found, theirs = here.result(), asked.result()
        rows: dict[str, dict[str, Any]] = {}
        if theirs is not None:
            # The server's answer is the exacter one; the gate's candidates could only blur it.
            rows = {one.participant_id: _of_server(one) for one in theirs.people}
        else:
            rows = {one.participant_id: self._of_gate(one) for one in found}
        shown = dict(list(rows.items())[:SEARCH_RESULTS_MAX])
        places = await self._would_say(list(shown))
        for person_id, row in shown.items():
            theirs_at, theirs_how = row["lastAt"], row["lastMethod"]
            row.update(places.get(person_id, {}))
            if row["lastMethod"] is None and row["lastAt"] == theirs_at:
                row["lastMethod"] = theirs_how  # the server knows how, wherever it was
            row["gateName"] = self._recent.gate_name(row.get("lastGateId"))
            row["refusal"] = self._recent.last_refusal(person_id)
        return {
            "people": list(shown.values()),
            "more": len(rows) > len(shown) or (theirs is not None and theirs.more),
            "source": "gate" if theirs is None else "server",
        }

    def here(self, typed: str) -> list[Person]:
        """By the replica alone; best matches only, never more than there must be."""
        query = findable.query_of(self._digest_key, typed)
        people = self._people
        with self._lock:
            if query.code is not None:
                digest = bytes.fromhex(ticket_digest(self._digest_key, query.code.letters))
                return people.by_digest(digest)
            found = people.by_ids([typed.strip()])
            if not found and query.any_of:
                found = people.with_marks(query.any_of)
            if not found and query.words:
                found = people.in_group(" ".join(query.words))
            if not found and query.words:
                candidates = (
                    people.with_marks(query.begins)
                    if query.begins
                    else people.beginning(query.words[0])
                )
                found = [p for p in candidates if findable.fits_mask(query.words, p.masked_name)]
            if query.code_part is not None:
                known = {one.participant_id for one in found}
                more = people.by_code_mark(query.code_part)
                found = [*found, *(one for one in more if one.participant_id not in known)]
        return found

    async def _online(self, typed: str) -> SearchAnswer | None:
        try:
            async with asyncio.timeout(SEARCH_ONLINE_S):
                return await self._ask(typed)
        except (GatesyncError, TimeoutError) as error:
            log.info("manual.search_here_only", error=str(error))
            return None

    def _of_gate(self, person: Person) -> dict[str, Any]:
        return {
            "participantId": person.participant_id,
            "maskedName": person.masked_name,
            "status": person.status,
            "group": person.group,
            "inside": person.inside,
            "lastAt": None if person.last_ms is None else format_time(person.last_ms),
            "lastGateId": person.last_gate_id,
            "lastDirection": person.last_direction,
            "lastMethod": None,
        }


def _of_server(person: FoundPerson) -> dict[str, Any]:
    return {
        "participantId": person.participant_id,
        "maskedName": person.masked_name,
        "name": person.name,
        "status": person.status,
        "group": person.group,
        "organization": person.organization,
        "email": person.email,
        "phoneEnd": person.phone_end,
        "inside": person.inside,
        "lastAt": person.last_at,
        "lastGateId": person.last_gate_id,
        "lastDirection": person.last_direction,
        "lastMethod": person.last_method,
    }
