"""Every alert of DESIGN §6 by real uploads to a real server: raised once, acknowledged, over again."""

import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared.wire import format_time
from tests.benchmarks.rig import Device
from tests.processes.fleet import Server, ending, until
from tests.sync_server.builders import scan_entry

pytestmark = pytest.mark.process
EPOCH = "a1b2c3d4e5f60718"
SETTINGS = {  # thresholds are settings; these make a minute's event of an hour's
    "GATESYNC_ALERT_OFFLINE_S": "3",
    "GATESYNC_ALERT_WAITING_SCANS": "10",
    "GATESYNC_ALERT_ATTENDANCE_PERCENT": "40",
}
CALM = {"quality": "synced", "offsetMs": 5, "errorMs": 5}


class Gate:
    """An enrolled device that we play ourselves."""

    def __init__(self, server: Server) -> None:
        self.device = Device(server)
        self.head = 0

    def scan(self, person: int, *, skip: int = 0, seq: int | None = None) -> None:
        self.head += skip + (seq is None)
        entry = scan_entry(
            seq or self.head, kind="person", digest=None, participantId=f"P{person:03}",
            gateId="g1", occurredAt=format_time(int(time.time() * 1_000)),
            scanId=f"{self.device.device_id}-{seq or self.head}",
        )  # fmt: skip
        self._post("/api/v1/sync/scans", {
            "deviceId": self.device.device_id, "epoch": EPOCH, "entries": [entry],
        })  # fmt: skip

    def say(self, **more: Any) -> None:
        self._post("/api/v1/sync/status", {
            "epoch": EPOCH, "head": self.head, "waiting": 0, "clock": CALM, **more,
        })  # fmt: skip

    def _post(self, path: str, body: Any) -> None:
        self.device.exchange("POST", path, msgspec.json.encode(body))


class Watch:
    def __init__(self, server: Server) -> None:
        self.server = server

    def all(self) -> list[dict[str, Any]]:
        return list(self.server.get("/alerts")["items"])

    def standing(self) -> dict[str, dict[str, Any]]:
        return {one["type"]: one for one in self.all() if one["clearedAt"] is None}

    def raised(self, type_: str) -> dict[str, Any]:
        return dict(until(lambda: self.standing().get(type_), f"{type_} raised"))

    def over(self, type_: str, also: Any = None) -> None:
        """Until it no longer stands; `also` is done again and again meanwhile."""

        def gone() -> bool:
            if also is not None:
                also()
            return type_ not in self.standing()

        until(gone, f"{type_} over")


def past_half(server: Server) -> None:
    now = datetime.now(UTC)
    server.ask("PATCH", "/event", {
        "startDate": (now - timedelta(hours=5)).isoformat(),
        "endDate": (now + timedelta(hours=1)).isoformat(),
    })  # fmt: skip


def test_each_alert_is_raised_once_and_over_when_its_cause_is(tmp_path: Path) -> None:
    server = Server(tmp_path, participants=10)
    server.environment = SETTINGS
    watch = Watch(server)
    with ending(server), ExitStack() as stack:
        server.start()
        gate = Gate(server)
        stack.callback(gate.device.close)
        gate.say()

        past_half(server)
        low = watch.raised("low_attendance")
        assert low["message"]["ko"]
        server.ask("PATCH", "/gates/g1", {"capacityPerMinute": 1})
        for person in range(5):
            gate.scan(person)
        watch.raised("gate_overload")  # five in five minutes are all that it can
        watch.over("low_attendance", gate.say)
        server.ask("PATCH", "/gates/g1", {"capacityPerMinute": 30})
        watch.over("gate_overload", gate.say)

        gate.scan(0)  # inside already
        conflict = watch.raised("conflict")
        acknowledged = server.ask("POST", f"/alerts/{conflict['id']}/acknowledge")
        assert acknowledged["acknowledgedBy"] == "owner"

        gate.scan(5, skip=1)
        holes = watch.raised("holes")
        gate.say(waiting=11)
        queue = watch.raised("queue_growing")
        gate.say(waiting=11, clock={"quality": "wall", "offsetMs": -90_000, "errorMs": 10})
        watch.raised("clock_off")
        offline = watch.raised("gate_offline")

        server.kill()
        server.start()
        until(lambda: len(server.get("/stats/gates")) == 2, "it serves")
        time_of = {one["type"]: one["raisedAt"] for one in (holes, queue, offline, conflict)}
        until(lambda: set(time_of) <= set(watch.standing()), "they stand after the restart")
        again = watch.standing()
        assert {name: again[name]["raisedAt"] for name in time_of} == time_of
        assert again["conflict"]["acknowledgedBy"] == "owner"

        watch.over("gate_offline", gate.say)
        watch.over("queue_growing", gate.say)
        watch.over("clock_off", gate.say)
        gate.scan(6, seq=gate.head - 1)
        watch.over("holes", gate.say)
        (open_one,) = server.get("/conflicts?open=true")["items"]
        server.ask(
            "POST", f"/scans/{open_one['scanId']}/resolution", {"action": "void", "reason": "twice"}
        )
        watch.over("conflict", gate.say)
        types = [one["type"] for one in watch.all() if one["type"] != "gate_offline"]
        assert sorted(types) == sorted(set(types)), "one was raised twice"


def test_devices_that_wait_for_somebodys_word_are_alerts(tmp_path: Path) -> None:
    server = Server(tmp_path, participants=10)
    watch = Watch(server)
    with ending(server), ExitStack() as stack:
        server.start()
        gate = Gate(server)
        stack.callback(gate.device.close)
        gate.scan(1)
        server.ask("DELETE", f"/devices/{gate.device.device_id}")
        gate.scan(2)
        found = watch.raised("device_quarantined")
        assert found["data"]["deviceId"] == gate.device.device_id
        server.ask(
            "POST", f"/devices/{gate.device.device_id}/quarantine/accept", {"reason": "it is ours"}
        )
        watch.over("device_quarantined")
