"""What is an alert, and that each is raised once and cleared when over."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from sync_server.insight import alerts
from sync_server.insight.alert_rules import AlertType, Key, Picture, Thresholds, standing
from sync_server.storage import schema
from sync_server.storage.database import Database
from sync_server.stream.alert_watch import AlertWatch
from tests.sync_server.builders import START_MS

LIMITS = Thresholds()
DEVICE = {
    "deviceId": "d1", "gateId": "north", "name": "north 1", "state": "active",
    "lastSeenAt": "2024-01-20T09:00:00.000Z", "waiting": 0, "holes": [],
    "clock": {"quality": "synced", "offsetMs": 20, "errorMs": 10},
    "disk": {"freeBytes": 8_000_000_000},
    "readers": [{"name": "camera", "state": "running"}],
}  # fmt: skip
CALM = Picture(
    now_ms=10_000_000,
    admits=True,
    start_ms=0,
    end_ms=100_000_000,
    overall={"totalParticipants": 100, "attendedParticipants": 5, "attendanceRate": 5.0},
    gates=[{"gateId": "north", "name": "North", "currentLoad": 80.0, "estimatedWaitTime": 4.0}],
    devices=[DEVICE],
    last_seen_ms={"d1": 9_990_000},
    waiting_before={"d1": 0},
    open_conflicts=0,
    parked=0,
)


def device(**changes: Any) -> dict[str, Any]:
    return {"devices": [{**DEVICE, **changes}]}


@pytest.mark.parametrize(
    ("changes", "type_"),
    [
        ({"gates": [{**CALM.gates[0], "currentLoad": 80.1}]}, AlertType.GATE_OVERLOAD),
        ({"now_ms": 50_000_001, "last_seen_ms": {}}, AlertType.LOW_ATTENDANCE),
        ({"last_seen_ms": {"d1": 9_938_000}}, AlertType.GATE_OFFLINE),
        (device(waiting=51), AlertType.QUEUE_GROWING),
        (device(holes=[[3, 4]]), AlertType.HOLES),
        (device(clock={"offsetMs": -61_000, "errorMs": 5}), AlertType.CLOCK_OFF),
        (device(clock={"offsetMs": None, "errorMs": 90_000}), AlertType.CLOCK_OFF),
        (device(disk={"freeBytes": 1_000_000}), AlertType.DISK_LOW),
        (device(readers=[{"name": "camera", "state": "failed"}]), AlertType.READER_FAILED),
        (
            device(disk={"troubles": [{"code": "journal_damaged", "en": "damaged", "ko": "손상"}]}),
            AlertType.GATE_TROUBLE,
        ),
        (device(state="adopted"), AlertType.DEVICE_ADOPTED),
        (device(state="revoked", quarantinedScans=3), AlertType.DEVICE_QUARANTINED),
        ({"open_conflicts": 1}, AlertType.CONFLICT),
        ({"parked": 2}, AlertType.DELIVERY_PARKED),
        ({"mail_problem": "550 go away"}, AlertType.MAIL_STUCK),
    ],
)
def test_each_cause_raises_its_alert_and_no_other(
    changes: Mapping[str, Any], type_: AlertType
) -> None:
    assert standing(CALM, LIMITS) == {}
    found = standing(replace(CALM, **changes), LIMITS)
    assert [key.type for key in found] == [type_]
    (alert,) = found.values()
    assert alert.words.en
    assert alert.words.ko


@pytest.mark.parametrize(
    "changes",
    [
        device(state="revoked", holes=[[1, 2]], waiting=900),
        {"admits": False, "last_seen_ms": {"d1": 0}},  # nobody is expected: a gate may be off
        {**device(waiting=60), "waiting_before": {"d1": 400}},  # it is catching up
        {"last_seen_ms": {"d1": None}},  # never heard of: not set up yet
        device(clock=None, disk=None, readers=None, waiting=None),
    ],
)
def test_what_is_no_cause(changes: Mapping[str, Any]) -> None:
    assert standing(replace(CALM, **changes), LIMITS) == {}


def test_p11_an_alert_is_raised_once_and_cleared_when_it_is_over(database: Database) -> None:
    found = standing(replace(CALM, open_conflicts=2), LIMITS)
    again = standing(replace(CALM, open_conflicts=3), LIMITS)

    def messages() -> list[str]:
        rows = database.read_now(
            lambda conn: conn.execute(
                select(schema.outbox.c.type).order_by(schema.outbox.c.outbox_id)
            ).scalars().all()
        )  # fmt: skip
        return [kind for kind in rows if kind.startswith("alert.")]

    raised = database.write_now(lambda conn: alerts.settle(conn, found, START_MS))
    assert [item["type"] for item in raised] == ["conflict"]
    assert not database.read_now(lambda conn: alerts.differs(conn, again))
    assert database.write_now(lambda conn: alerts.settle(conn, again, START_MS + 1)) == []
    held = int(raised[0]["id"])
    seen = database.write_now(lambda conn: alerts.acknowledge(conn, held, "Kim", START_MS + 2))
    assert seen is not None
    assert seen["acknowledgedBy"] == "Kim"
    database.write_now(lambda conn: alerts.acknowledge(conn, held, "Lee", START_MS + 2))
    assert database.read_now(lambda conn: alerts.differs(conn, {}))
    database.write_now(lambda conn: alerts.settle(conn, {}, START_MS + 3))
    assert messages() == ["alert.raised", "alert.acknowledged", "alert.cleared"]
    page = database.read_now(
        lambda conn: alerts.page(conn, standing_only=False, before=None, limit=10)
    )
    assert page["items"][0]["clearedAt"] is not None
    assert page["cursor"] is None
    database.write_now(lambda conn: alerts.settle(conn, found, START_MS + 4))
    assert messages()[-2:] == ["alert.cleared", "alert.raised"]
    assert Key(AlertType.CONFLICT, "event") in found


def test_a_load_about_the_limit_is_one_alert() -> None:
    key = Key(AlertType.GATE_OVERLOAD, "north")
    about = {"gates": [{**CALM.gates[0], "currentLoad": 78.0}]}
    assert standing(replace(CALM, **about), LIMITS) == {}
    assert key in standing(replace(CALM, **about, held={key}), LIMITS)
    calm = {"gates": [{**CALM.gates[0], "currentLoad": 74.0}]}
    assert standing(replace(CALM, **calm, held={key}), LIMITS) == {}


async def test_a_queue_that_shrinks_from_report_to_report_is_no_alert(database: Database) -> None:
    """Between two reports nothing is new, however often one looks."""
    now = {"ms": START_MS}
    watch = AlertWatch(database, Thresholds(waiting_scans=10), lambda: now["ms"])

    async def hear(waiting: int) -> set[str]:
        now["ms"] += 10_000
        said = {"device_id": "dev-north", "last_seen_ms": now["ms"], "status": {"waiting": waiting}}
        device = schema.devices.c.device_id == "dev-north"

        def job(conn: Any) -> None:
            conn.execute(update(schema.devices).where(device).values(public_key="k"))
            conn.execute(delete(schema.device_status))
            conn.execute(insert(schema.device_status).values(said))

        database.write_now(job)
        seen = set()
        for _ in range(3):
            await watch.look_once()
            page = database.read_now(
                lambda conn: alerts.page(conn, standing_only=True, before=None, limit=9)
            )
            seen.add(",".join(item["type"] for item in page["items"]))
        return seen

    assert await hear(5) == {""}
    assert await hear(400) == {"queue_growing"}
    assert await hear(300) == {""}
    assert await hear(200) == {""}
    assert await hear(200) == {"queue_growing"}
