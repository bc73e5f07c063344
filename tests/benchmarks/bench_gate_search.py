"""A supervisor's search among 100,000 people at a gate, and what its marks cost on the card (ADR 19)."""

import random
import statistics
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from edge_agent.manual.finder import Finder
from edge_agent.manual.recent import Recent
from edge_agent.storage.people_search import PeopleSearch
from edge_agent.storage.replica import Replica
from shared import credentials, findable, wire
from shared.masking import mask_name

PEOPLE = 100_000
PAGE = 5_000
TRIES = 9
KEY = bytes(32)
TIME = "2026-01-01T00:00:00.000Z"
FAMILIES = "김이박최정강조윤장임한오서신권황안송류홍"
SYLLABLES = "민서지현우준영호수진은혜경아름다솔빛나태윤재성훈도연하유"


class Person:
    """Somebody made up; the same for the same number."""

    def __init__(self, number: int) -> None:
        chance = random.Random(number)
        self.number = number
        self.name = chance.choice(FAMILIES) + "".join(chance.choices(SYLLABLES, k=2))
        if chance.random() < 0.15:
            self.name = f"{chance.choice(('John', 'Jane', 'Maria'))} Doe{chance.choice('abcdefgh')}"
        self.phone = f"+8210{chance.randrange(10**8):08d}"
        self.email = f"person{number}@example.com"
        self.letters = credentials.make_letters(chance.randbytes(credentials.RANDOM_BYTES))

    def lines(self, *, marks: bool) -> list[wire.AnyLine]:
        first = 2 * self.number + 1
        find = findable.marks_of(KEY, self.name, self.email, self.phone) if marks else []
        person = wire.ParticipantLine(
            revision=first, hash=f"{first:032x}", participant_id=f"P{self.number:06}",
            masked_name=mask_name(self.name), status="registered", permissions=["attendance"],
            find=find,
        )  # fmt: skip
        ticket = wire.CredentialLine(
            revision=first + 1, hash=f"{first + 1:032x}", credential_id=f"{self.number:036}",
            participant_id=person.participant_id, kind="ticket", status="active",
            digest=credentials.ticket_digest(KEY, self.letters),
            mark=findable.code_mark(KEY, self.letters) if marks else None,
        )  # fmt: skip
        return [person, ticket]


def build(path: Path, *, marks: bool) -> int:
    """A gate's list; returns its bytes."""
    replica = Replica.open(path)
    for start in range(0, PEOPLE, PAGE):
        end = start + PAGE
        lines = [line for n in range(start, end) for line in Person(n).lines(marks=marks)]
        cursor = wire.cursor_text("g", 2 * end)
        replica.apply_page(
            lines,
            wire.PageLine(
                cursor=cursor, more=end < PEOPLE, server_received_at=TIME, server_time=TIME
            ),
        )
    replica.close()
    return path.stat().st_size


def measure(finder: Finder, what: str, query: str) -> None:
    wall, cpu = [], []
    for _ in range(TRIES):
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        found = finder.here(query)
        wall.append(1_000 * (time.perf_counter() - wall_s))
        cpu.append(1_000 * (time.process_time() - cpu_s))
    print(
        f"{what:<18} {len(found):>4} found  {statistics.median(wall):>6.1f} ms"
        f"  worst {max(wall):>6.1f}  CPU {statistics.median(cpu):>5.1f} ms"
    )


def nobody(*_asked: Any) -> Awaitable[Any]:
    raise AssertionError("offline")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        bare = build(Path(folder) / "bare.db", marks=False)
        path = Path(folder) / "replica.db"
        marked = build(path, marks=True)
        print(
            f"{PEOPLE:,} people: {bare / PEOPLE:.0f} bytes each, {marked / PEOPLE:.0f} with marks"
        )
        finder = Finder(PeopleSearch(path), KEY, Recent(lambda name: name), nobody, nobody)
        one = Person(70_000)
        measure(finder, "whole name", one.name)
        measure(finder, "its beginning", one.name[:2])
        measure(finder, "one letter", one.name[:1])
        measure(finder, "end of the phone", one.phone[-4:])
        measure(finder, "e-mail", one.email)
        measure(finder, "ticket", one.letters)
        measure(finder, "end of the ticket", one.letters[-5:])
        measure(finder, "nobody", "zzzzzz")


if __name__ == "__main__":
    main()
