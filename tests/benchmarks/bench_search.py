"""The search among 100,000 participants: ms an answer over HTTP, against an address that asks nothing.

Seeded names, e-mails, phones and codes are written to the server's tables; the search is filled when
it starts. Each kind of question is asked with many different texts.
"""

import argparse
import http.client
import json
import random
import statistics
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from shared import credentials
from sync_server.storage import revisions, schema
from sync_server.storage.database import Database
from tests.benchmarks.rig import memory_mb
from tests.processes.fleet import Server, call, ending, until
from tests.sync_server.builders import credential_row, participant_row

FAMILIES = "김이박최정강조윤장임한오서신권황안송류홍전고문양손배백허남심"
SYLLABLES = "민서준지우현도윤하은수아진영철호성훈미경희연재원태주혜선동욱"
FIRST, LAST = ["Minji", "Alex", "José", "Anna", "Oliver"], ["Kim", "Lee", "Müller", "Jansen"]
ORGANIZATIONS = ["한빛소프트", "Acme Corporation", "서울대학교", "㈜대한상사", "Globex", None]
INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
TIMES = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--participants", type=int, default=100_000)
    asked = parser.parse_args()
    chance = random.Random(4_711)
    people = [person(n, chance) for n in range(asked.participants)]
    with tempfile.TemporaryDirectory() as name:
        server = Server(Path(name), participants=1)
        seed(server, people)
        with ending(server):
            began = time.perf_counter()
            server.start()
            listening_s, before_mb = time.perf_counter() - began, memory_mb(server)
            token = server.sign_in()
            wait_for(server, token, "/participants?q=filled&limit=1")
            print(
                f"{len(people)} participants: listening after {listening_s:.1f} s, search filled "
                f"after {time.perf_counter() - began:.1f} s, memory {before_mb:.0f} → "
                f"{memory_mb(server):.0f} MB"
            )
            measure(server, token, people, chance)


def measure(server: Server, token: str, people: list[dict], chance: random.Random) -> None:
    bare, _ = times(server, token, ["/session"] * TIMES)
    print(f"{'question':<28}{'p50 ms':>9}{'p99 ms':>9}{'max':>8}{'found':>9}{'× bare':>8}")
    print(f"{'(who am I)':<28}{bare[0]:>9.1f}{bare[1]:>9.1f}{bare[2]:>8.1f}{'':>9}{1:>8.1f}")
    for what, question in QUESTIONS.items():
        texts = [question(chance.choice(people), chance) for _ in range(TIMES)]
        paths = [f"/participants?limit=50&q={quote(text)}" for text in texts]
        took, found = times(server, token, paths)
        print(
            f"{what:<28}{took[0]:>9.1f}{took[1]:>9.1f}{took[2]:>8.1f}"
            f"{statistics.median(found):>9.0f}{took[0] / bare[0]:>8.1f}"
        )


QUESTIONS = {
    "whole name": lambda one, _: one["name"],
    "part of a name": lambda one, _: one["name"][1:],
    "one syllable or letter": lambda one, _: one["name"][:1],
    "first consonants": lambda one, chance: "".join(chance.choice(INITIALS) for _ in range(3)),
    "e-mail": lambda one, _: one["email"],
    "part of an e-mail": lambda one, _: one["email"][:7],
    "phone": lambda one, _: f"010-{one['phone'][5:9]}-{one['phone'][9:]}",
    "last four of a phone": lambda one, _: one["phone"][-4:],
    "readable code": lambda one, _: credentials.readable("TST", one["letters"]),
    "part of a code": lambda one, _: one["letters"][4:12],
    "group and part of a name": lambda one, _: f"vip {one['name'][:2]}",
    "what everybody has": lambda _one, _chance: "example",
    "status": lambda _one, _chance: "등록",
    "nobody": lambda _one, chance: f"zq{chance.random()}",
}  # fmt: skip


def person(number: int, chance: random.Random) -> dict:
    if chance.random() < 0.7:
        name = chance.choice(FAMILIES) + chance.choice(SYLLABLES) + chance.choice(SYLLABLES)
    else:
        name = f"{chance.choice(FIRST)} {chance.choice(LAST)}"
    return {
        "id": f"V{number:06}",
        "name": name,
        "email": f"u{chance.getrandbits(40):x}@example{number % 40}.org",
        "phone": f"+8210{chance.randrange(10**8):08}",
        "organization": chance.choice(ORGANIZATIONS),
        "group": chance.choice(["VIP", "일반", "Staff", None]),
        "letters": credentials.make_letters(chance.randbytes(credentials.RANDOM_BYTES)),
    }


def seed(server: Server, people: list[dict]) -> None:
    (file,) = server.data.glob("*.db")
    database = Database.open(f"sqlite:///{file}")

    def job(conn, piece, start):
        rows, tickets = [], []
        for number, one in enumerate(piece, start=start):
            columns = ("name", "email", "phone", "organization", "group")
            said = {column: one[column] for column in columns}
            rows.append(participant_row(number + 1, participant_id=one["id"], **said))
            ticket = {"participant_id": one["id"], "code": one["letters"]}
            tickets.append(credential_row(number + 1, **ticket))
        revisions.upsert_many(conn, schema.participants, rows, held={})
        revisions.upsert_many(conn, schema.credentials, tickets, held={})

    for start in range(0, len(people), 5_000):
        piece = people[start : start + 5_000]
        database.write_now(lambda conn, piece=piece, start=start: job(conn, piece, start))
    database.close()


def wait_for(server: Server, token: str, path: str) -> None:
    url = f"{server.url}/api/v1{path}"
    until(lambda: call(url, token=token)[0] == 200, "the search is filled", wait_s=120)


def times(server: Server, token: str, paths: list[str]) -> tuple[tuple[float, ...], list[int]]:
    """p50, p99 and the most, in ms, over one kept connection; and how many each found."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {"Authorization": f"Bearer {token}"}
    took, found = [], []
    for path in paths:
        began = time.perf_counter()
        connection.request("GET", f"/api/v1{path}", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        took.append((time.perf_counter() - began) * 1_000)
        assert answer.status == 200, body
        found.append(json.loads(body).get("total", 0))
    connection.close()
    cuts = statistics.quantiles(took, n=100)
    return (statistics.median(took), cuts[98], max(took)), found


if __name__ == "__main__":
    main()
