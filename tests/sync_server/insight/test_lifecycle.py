"""What a change of the event does, told before it is done, and then done so."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from shared.model import ADMITTING, Event, EventStatus, Settings, SignedTickets
from sync_server.insight import lifecycle
from sync_server.insight.lifecycle import LIFE, Numbers
from sync_server.storage import schema
from sync_server.storage.database import Database
from sync_server.stream.lifecycle_watch import CHANGED, LifecycleWatch
from tests.sync_server.builders import START_MS, scan_entry, upload

HOUR_MS = 3_600_000
EVENT = Event("demo", "DEMO", "Demo", START_MS, START_MS + 8 * HOUR_MS, "Asia/Seoul", "Hall")
CALM = Numbers(devices=4, offline=0, waiting=0, missing=0, conflicts=0, registered=90, attended=40, inside=30)  # fmt: skip
BUSY = replace(CALM, offline=1, waiting=12, missing=2, conflicts=3)
MOMENTS = {
    "before": START_MS - 2 * HOUR_MS,
    "during": START_MS + HOUR_MS,
    "after": EVENT.closes_ms + 1,
}


def effects(event: Event, status: EventStatus, known: Numbers, now_ms: int) -> list[dict[str, Any]]:
    found = lifecycle.transitions(event, known, now_ms)["transitions"]
    (one,) = [item for item in found if item["status"] == status.value]
    return one["effects"]


def said(found: list[dict[str, Any]]) -> str:
    return " ".join(effect["en"] for effect in found)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("before", LIFE)
def test_p11_every_step_says_what_the_gates_then_do(before: EventStatus, moment: str) -> None:
    now_ms = MOMENTS[moment]
    event = replace(EVENT, status=before)
    found = lifecycle.transitions(event, CALM, now_ms)
    if before is EventStatus.ARCHIVED:
        assert found["transitions"] == []
        return
    for item in found["transitions"]:
        status = EventStatus(item["status"])
        words = said(item["effects"])
        in_time = event.opens_ms <= now_ms <= event.closes_ms
        admits = status in ADMITTING and in_time
        did = before in ADMITTING and in_time
        assert ("Gates admit from now on" in words) == (admits and not did)
        assert ("Gates refuse every entry from now on" in words) == (
            before in ADMITTING and status not in ADMITTING and now_ms <= event.closes_ms
        )
        assert ("time is over" in words) == (status in ADMITTING and moment == "after")
        assert all(effect["ko"] and effect["ko"] != effect["en"] for effect in item["effects"])
        assert item["final"] == (status is EventStatus.ARCHIVED)
        assert ("can’t be taken back" in words) == item["final"]


def test_the_usual_step_leads_through_its_life_and_comes_by_itself() -> None:
    for moment, shown, usual in (
        ("before", "open", "live"), ("during", "live", "ended"), ("after", "ended", "archived"),
    ):  # fmt: skip
        found = lifecycle.transitions(EVENT, CALM, MOMENTS[moment])
        assert found["status"] == shown
        assert [one["status"] for one in found["transitions"] if one["usual"]] == [usual]
    by_itself = lifecycle.transitions(EVENT, CALM, MOMENTS["before"])["byItself"]
    assert [one["status"] for one in by_itself] == ["live", "ended"]
    assert all(one["at"].endswith("+09:00") for one in by_itself)


def test_numbers_stand_in_the_words_and_what_is_grave_is_marked() -> None:
    found = effects(EVENT, EventStatus.ENDED, BUSY, MOMENTS["during"])
    words = said(found)
    for part in ("inside now: 30", "3 of 4 devices hear", "1 are offline and go on admitting",
                 "12 scans still wait", "2 entries are missing", "3 conflicts wait"):  # fmt: skip
        assert part in words
    assert said([effect for effect in found if effect["grave"]]).count("12 scans") == 1
    assert not [e for e in effects(EVENT, EventStatus.ENDED, replace(CALM, inside=0), MOMENTS["during"]) if e["grave"]]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"end_ms": START_MS + HOUR_MS // 2, "settings": Settings(admission_margin_s=0)}, "Now lies outside"),
        ({"time_zone": "Europe/Berlin"}, "those of Europe/Berlin"),
        ({"name": "Other"}, "the new name"),
        ({"settings": Settings(allow_reentry_after_exit=False)}, "concerns 10 people"),
        ({"settings": Settings(allow_multiple_checkins=True)}, "opens and counts again"),
        ({"settings": Settings(duplicate_window_s=60)}, "within 60 s"),
        ({"settings": Settings(signed_tickets=SignedTickets.NEVER)}, "No ticket is signed"),
        ({"settings": Settings(default_region="DE")}, "read as DE"),
        ({"settings": Settings(offline_mode=False)}, "either way"),
        ({}, "Nothing changes."),
    ],
)  # fmt: skip
def test_each_setting_says_what_it_does(changes: dict[str, Any], words: str) -> None:
    found = lifecycle.preview(EVENT, replace(EVENT, **changes), CALM, MOMENTS["during"])
    assert words in said(found)
    assert all(effect["ko"] for effect in found)


async def test_it_ends_by_itself_once_and_the_report_is_written(
    database: Database, tmp_path: Path
) -> None:
    await asyncio.to_thread(upload, database, [scan_entry(1)])
    now_ms = START_MS + HOUR_MS
    watch = LifecycleWatch(database, tmp_path / "reports", lambda: now_ms)
    await watch.look_once()  # how it stands is taken as told
    now_ms = START_MS + 36_000_000 + HOUR_MS + 1
    await watch.look_once()
    await watch.look_once()

    def messages(conn: Any) -> list[Any]:
        box = schema.outbox
        return list(conn.execute(select(box.c.data).where(box.c.type == CHANGED)).scalars())

    assert await database.read(messages) == [
        {"eventId": "demo", "from": "live", "to": "ended", "byItself": True}
    ]
    names = sorted(path.name.split(".", 1)[1] for path in (tmp_path / "reports").iterdir())
    assert names == ["en.csv", "en.html", "en.pdf", "ko.csv", "ko.html", "ko.pdf"]
