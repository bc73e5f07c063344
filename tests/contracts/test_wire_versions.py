"""Server and agents one version apart: what version N-1 said and heard still works (API §3).

`wire/version_*.ndjson` holds whole conversations between a gate and its server, recorded with the
programs of that version (how: docs/versions.md). P6: what a newer side adds stops nothing.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_agent.identity import check_certificate
from edge_agent.storage.replica import Replica
from edge_agent.sync.pages import apply_body
from edge_agent.sync.transport import PageBody, Timed
from shared import wire
from sync_server import system_clock
from sync_server.identity import devices
from sync_server.storage import revisions, schema
from tests.sync_server.builders import gate_row, sealed
from tests.sync_server.http.conftest import Device, Server, new_server, server

__all__ = ["new_server", "server"]  # pytest finds these fixtures by their names here

RECORDED = sorted((Path(__file__).parent / "wire").glob("version_*.ndjson"))
TYPES = {
    "/devices/enrol": wire.EnrolAnswer,
    "/oauth/token": wire.TokenAnswer,
    "/sync/scans": wire.UploadAnswer,
    "/sync/status": wire.StatusAnswer,
}


def exchanges(path: Path, route: str = "") -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [one for one in found if one["path"] == f"/api/v1{route}" or not route]


recorded = pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)


def test_each_recording_holds_every_kind_of_exchange():
    assert RECORDED
    for path in RECORDED:
        for route in (*TYPES, "/sync/changes"):
            assert exchanges(path, route), (path, route)


# ---- this version's agent hears an earlier server ---------------------------------------------


@recorded
@pytest.mark.parametrize("route", TYPES)
def test_an_agent_understands_what_an_earlier_server_answered(path: Path, route: str):
    for one in exchanges(path, route):
        said = json.loads(one["answer"])
        heard = msgspec.to_builtins(msgspec.json.decode(one["answer"], type=TYPES[route]))
        assert heard.items() <= said.items() or route == "/sync/scans"
        if route == "/devices/enrol":
            expected = {name: said[name] for name in ("deviceId", "gateId", "eventId")}
            check_certificate(said["certificate"], said["serverKey"], expected)
        if route == "/sync/scans":
            assert [o["outcome"] for o in heard["outcomes"]] == [
                o["outcome"] for o in said["outcomes"]
            ]


@recorded
def test_p7_an_agent_applies_an_earlier_servers_pages_and_gets_its_digest(path: Path, tmp_path):
    replica = Replica.open(tmp_path / "replica.db")
    digests = []
    for one in exchanges(path, "/sync/changes"):
        body = PageBody(one["answer"].encode().splitlines(), Timed(0, 0))
        digests.append(apply_body(replica, body, "D1", one["query"].get("cursor")).digest_ok)
    replica.close()
    assert set(digests) == {True}


# ---- this version's server hears an earlier agent ---------------------------------------------


async def enrolled(server: Server) -> Device:
    await server.database.write(lambda conn: revisions.upsert(conn, schema.gates, gate_row("g1")))
    return await server.enrol("g1")


@recorded
async def test_p2_a_server_takes_an_earlier_agents_uploads_and_answers_no_less(
    path: Path, server: Server
):
    device = await enrolled(server)
    for one in exchanges(path, "/sync/scans"):
        request = json.loads(one["request"]) | {"deviceId": device.device_id}
        status, answer = await server.api("POST", "/sync/scans", key=device.token, json=request)
        assert status == 200, answer
        before = json.loads(one["answer"])
        assert before.keys() <= answer.keys()
        for told, said in zip(answer["outcomes"], before["outcomes"], strict=True):
            assert (told["seq"], told["outcome"]) == (said["seq"], said["outcome"])
            assert said.keys() <= told.keys() | {"verdict", "kind"}
        assert answer["contiguousThrough"] == before["contiguousThrough"]


@recorded
async def test_a_server_takes_an_earlier_agents_status_and_questions(path: Path, server: Server):
    device = await enrolled(server)
    for one in exchanges(path, "/sync/status"):
        request = json.loads(one["request"])
        status, answer = await server.api("POST", "/sync/status", key=device.token, json=request)
        assert status == 200, answer
        assert json.loads(one["answer"]).keys() <= answer.keys()
    for one in exchanges(path, "/sync/changes"):
        query = one["query"] | {"wait": "0"}
        status, body = await server.api("GET", "/sync/changes", key=device.token, params=query)
        assert status == 200, body
        for line in map(json.loads, one["answer"].splitlines()):
            kind = type(msgspec.convert(line, wire.AnyLine))
            known = {field.encode_name for field in msgspec.structs.fields(kind)} | {"type"}
            assert line.keys() <= known, "a member that earlier agents read has gone"


@recorded
async def test_a_server_enrols_an_earlier_agent(path: Path, server: Server):
    (one,) = exchanges(path, "/devices/enrol")
    request, now_ms = json.loads(one["request"]), system_clock.now_ms()
    await server.database.write(
        lambda conn: devices.create_enrolment(conn, "north", request["code"], now_ms)
    )
    status, answer = await server.api("POST", "/devices/enrol", json=request)
    assert status == one["status"]
    assert json.loads(one["answer"]).keys() <= answer.keys()


# ---- a newer other side ------------------------------------------------------------------------


def test_p6_an_agent_leaves_out_what_only_a_newer_server_knows(tmp_path):
    path = RECORDED[-1]
    first = exchanges(path, "/sync/changes")[0]
    lines = [
        json.loads(line) | {"sinceVersion9": {"a": 1}} for line in first["answer"].splitlines()
    ]
    lines.insert(0, {"type": "weather", "revision": 1, "hash": "00", "rain": True})
    body = PageBody([json.dumps(line).encode() for line in lines], Timed(0, 0))
    replica = Replica.open(tmp_path / "replica.db")
    applied = apply_body(replica, body, "D1", None)
    reader = replica.reader()
    assert (applied.skipped, applied.digest_ok) == (1, None)
    assert reader.participants() == 3
    assert replica.live_cursor() == applied.page.cursor
    reader.close()
    replica.close()


async def test_p6_a_server_keeps_an_entry_that_only_a_newer_agent_understands(server: Server):
    device = await enrolled(server)
    scan = json.loads(exchanges(RECORDED[-1], "/sync/scans")[0]["request"])["entries"][0]
    newer = sealed({"type": "greeting", "seq": 2, "mood": "fine"})
    request = {
        "deviceId": device.device_id,
        "epoch": "00aa00aa00aa00aa",
        "entries": [scan | {"seq": 1}, newer],
    }
    request["entries"][0] = sealed({k: v for k, v in scan.items() if k != "checksum"} | {"seq": 1})
    status, answer = await server.api("POST", "/sync/scans", key=device.token, json=request)
    assert status == 200
    outcomes = [(one["outcome"], one.get("code")) for one in answer["outcomes"]]
    assert outcomes == [("stored", None), ("unusable", "unknown_type")]
    assert (answer["contiguousThrough"], answer["holes"]) == (2, [])
    held = await server.database.read(
        lambda conn: conn.execute(schema.entries.select().where(schema.entries.c.seq == 2)).one()
    )
    assert json.loads(held.body) == newer
