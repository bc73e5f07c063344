"""The queue's states, on SQLite and on PostgreSQL."""

from sqlalchemy import select

from sync_server.mail import choosing, own_texts, queue
from sync_server.mail.choosing import Chosen, Progress
from sync_server.mail.queue import Result, State
from sync_server.mail.texts import Texts
from sync_server.storage import revisions, schema
from sync_server.storage.database import Database
from sync_server.storage.mail_tables import mails
from tests.sync_server.builders import NOW_MS, participant_row

ON_EACH_DATABASE = True
PAUSES = (1_000, 5_000)


def states(database: Database) -> dict[str, int]:
    found = database.read_now(queue.counts)
    return {name: count for name, count in found.items() if count}


def send(database: Database, chosen: Chosen, *, dry_run: bool = False) -> dict[str, int]:
    progress = database.write_now(
        lambda conn: choosing.step(conn, chosen, Progress(), NOW_MS, dry_run=dry_run)
    )
    assert progress.after is None
    return {name: count for name, count in progress.sums.as_json().items() if count}


def test_p12_three_attempts_with_growing_pauses(database: Database) -> None:
    assert send(database, Chosen(ids=("P000001",))) == {"chosen": 1, "queued": 1}
    now_ms = NOW_MS
    for attempt, pause in enumerate((*PAUSES, None), start=1):
        row = database.read_now(lambda conn, at=now_ms: queue.next_due(conn, at))
        assert row is not None
        mail_id = row["mail_id"]
        begun = (mail_id, "<t.1@x>", "ko", now_ms)
        assert database.write_now(lambda conn, b=begun: queue.begin(conn, *b))
        assert not database.write_now(lambda conn, b=begun: queue.begin(conn, *b))
        later = Result(State.QUEUED, "451 later")
        done = (mail_id, later, PAUSES, now_ms)
        database.write_now(lambda conn, d=done: queue.finish(conn, *d))
        if pause is None:
            break
        early = now_ms + pause - 1
        assert database.read_now(lambda conn, at=early: queue.next_due(conn, at)) is None
        now_ms += pause
        assert database.read_now(queue.earliest_ms) == now_ms, attempt
    assert states(database) == {"failed": 1}
    assert database.write_now(lambda conn: queue.retry_all(conn, State.FAILED, now_ms)) == 1
    again = database.read_now(lambda conn: queue.next_due(conn, now_ms))
    assert again is not None
    assert (again["attempts"], again["message_id"]) == (0, "<t.1@x>")


def test_whom_an_organiser_chooses(database: Database) -> None:
    press = participant_row(2, group="Press")
    cancelled = participant_row(3, status="cancelled")
    database.write_now(
        lambda conn: revisions.upsert_many(conn, schema.participants, [press, cancelled])
    )
    assert send(database, Chosen(group="Press"), dry_run=True) == {"chosen": 1, "queued": 1}
    assert states(database) == {}
    assert send(database, Chosen(group="Press")) == {"chosen": 1, "queued": 1}
    assert send(database, Chosen()) == {"chosen": 19, "queued": 18, "waiting": 1}
    stopped = database.write_now(lambda conn: queue.cancel_waiting(conn, "stopped", NOW_MS))
    assert stopped == 19
    everybody = send(database, Chosen())
    assert everybody == {"chosen": 19, "queued": 19, "failedBefore": 19}
    keys = database.read_now(lambda conn: conn.execute(select(mails.c.key)).scalars().all())
    assert len(keys) == len(set(keys)) == 19, "a ticket has one mail"


def test_alerts_go_first_and_come_once(database: Database) -> None:
    send(database, Chosen(ids=("P000001",)))
    alert = {"key": "alert:g.1:0", "kind": "alert", "address": "a@example.org", "data": {"a": 1}}
    for new in (1, 0):
        assert database.write_now(lambda conn: queue.put(conn, [alert], NOW_MS)) == new
    first = database.read_now(lambda conn: queue.next_due(conn, NOW_MS))
    assert first is not None
    assert first["kind"] == "alert"
    rows, cursor = database.read_now(
        lambda conn: queue.page(
            conn, state="queued", kind=None, participant_id=None, before=None, limit=1
        )
    )
    assert (rows[0]["kind"], cursor) == ("alert", rows[0]["mail_id"])


def test_own_words_are_kept_and_forgotten(database: Database) -> None:
    words = Texts("Hello", "{{ name }}")
    database.write_now(lambda conn: own_texts.keep(conn, "en", words, "Kim", NOW_MS))
    database.write_now(lambda conn: own_texts.keep(conn, "en", words, "Lee", NOW_MS))
    held = {one["language"]: one for one in database.read_now(own_texts.all_texts)}
    assert (held["en"]["subject"], held["en"]["changedBy"], held["ko"]["own"]) == (
        "Hello", "Lee", False,
    )  # fmt: skip
    database.write_now(lambda conn: own_texts.forget(conn, "en", NOW_MS))
    assert not any(one["own"] for one in database.read_now(own_texts.all_texts))
