"""Figures as API §3.7 writes them."""

from typing import Any

from sqlalchemy import update

from sync_server import system_clock
from sync_server.insight import outlook, stats
from sync_server.storage.database import Database
from sync_server.storage.schema import events
from tests.sync_server.builders import START_MS, scan_entry, upload
from tests.sync_server.http.conftest import Server


def test_trend_load_and_wait_follow_the_last_minutes(database: Database) -> None:
    entries: list[dict[str, Any]] = [scan_entry(n, person=n, minute=n / 10) for n in range(1, 16)]
    upload(database, entries)
    now_ms = START_MS + 2 * 60_000

    def read(at_ms: int) -> tuple[dict[str, Any], dict[str, Any]]:
        def job(conn: Any) -> tuple[dict[str, Any], dict[str, Any]]:
            north = next(g for g in stats.gates(conn, at_ms) if g["gateId"] == "north")
            return stats.overall(conn, at_ms), north

        return database.read_now(job)

    overall, north = read(now_ms)
    assert overall["totalParticipants"] == 20
    assert overall["attendedParticipants"] == 15
    assert overall["attendanceRate"] == 75.0
    assert overall["inside"] == 15
    assert overall["trend"] == "increasing"
    assert north["totalProcessed"] == 15
    assert north["currentLoad"] == 10.0  # 15 of 5 × 30
    assert north["estimatedWaitTime"] == 0.1
    assert north["avgProcessingTime"] == 12.5
    overall, north = read(now_ms + 6 * 60_000)
    assert overall["trend"] == "decreasing"
    assert north["currentLoad"] == 0.0
    overall, north = read(now_ms + 60 * 60_000)
    assert overall["trend"] == "stable"
    assert north["totalProcessed"] == 15


def test_the_busiest_hour_is_a_full_one_of_an_event_that_takes_days(database: Database) -> None:
    begins = START_MS // 3_600_000 * 3_600_000 + 15 * 60_000
    for days in (1, 2, 5, 30):
        times = {"start_ms": begins, "end_ms": begins + days * 86_400_000}
        database.write_now(lambda conn, times=times: conn.execute(update(events).values(times)))
        found = database.read_now(lambda conn: outlook.read(conn, begins, None))
        assert found["peakHourPrediction"]["value"][14:19] == "00:00"


def test_the_forecast_reads_what_the_counters_hold(database: Database) -> None:
    upload(database, [scan_entry(n, person=n, minute=n / 10) for n in range(1, 16)])
    found = database.read_now(lambda conn: outlook.read(conn, START_MS + 2 * 60_000, 0.8))
    final = found["expectedFinalAttendance"]
    assert found["arrived"] == 15
    assert found["registered"] == 20
    assert 15 <= final["low"] <= final["value"] <= final["high"] <= 20
    assert found["completionTime"]["low"] <= found["completionTime"]["high"]
    assert {found["peakHourPrediction"][name][14:19] for name in ("value", "low", "high")} == {
        "00:00"  # full hours of the event's zone
    }
    assert set(found["gateLoadDistribution"]["value"]) == {"north", "south", "vip"}


async def test_every_figure_is_served(server: Server) -> None:
    for name in ("overall", "gates", "hourly", "methods", "groups", "permissions", "arrivals"):
        status, _ = await server.api("GET", f"/stats/{name}", key=server.keys["viewer"])
        assert status == 200, name


async def test_the_forecast_is_served(server: Server) -> None:
    status, found = await server.api("GET", "/stats/forecast", key=server.keys["viewer"])
    assert status == 200
    for name in ("expectedFinalAttendance", "peakHourPrediction", "completionTime"):
        assert set(found[name]) == {"value", "low", "high"}


async def test_metrics_are_served_as_text_to_who_may_look(server: Server) -> None:
    status, body = await server.call("GET", "/metrics", key=server.keys["viewer"])
    assert status == 200
    assert b"gatesync_participants 5.0" in body
    assert server.last.content_type == "text/plain"


async def test_cancelled_participants_are_not_in_the_total(server: Server) -> None:
    key = server.keys["operator"]
    assert (await server.api("DELETE", "/participants/P000001", key=key))[0] in {200, 204}
    _, overall = await server.api("GET", "/stats/overall", key=server.keys["viewer"])
    assert overall["totalParticipants"] == 4
    assert system_clock.now_ms() > START_MS
