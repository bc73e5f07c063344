"""A gate's whole conversation: enrolment, token, changes, scans, status (DESIGN §5, §7)."""

import asyncio
import json
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey

from shared import limits, wire
from sync_server import system_clock
from sync_server.identity import devices
from sync_server.identity.keys import to_base64url
from sync_server.storage import revisions, schema
from tests.sync_server.builders import gate_row, scan_entry
from tests.sync_server.http.conftest import AnyAlgorithm, Device, Server

EPOCH = "0011223344556677"


def lines(body: bytes) -> list[dict[str, Any]]:
    assert body.endswith(b"\n")
    return [json.loads(line) for line in body.splitlines()]


async def changes(server: Server, device: Device, **query: Any) -> list[dict[str, Any]]:
    status, body = await server.api("GET", "/sync/changes", key=device.token, params=query)
    assert status == 200, body
    return lines(body)


async def test_a_code_enrols_once_and_the_certificate_is_the_servers(server: Server) -> None:
    now_ms = system_clock.now_ms()
    await server.database.write(
        lambda conn: devices.create_enrolment(conn, "north", "ABCD-1234", now_ms)
    )
    public = to_base64url(b"\x01" * 32)
    body = {"code": "abcd 1234", "publicKey": public, "name": "gate"}
    status, answer = await server.api("POST", "/devices/enrol", json=body)
    assert status == 201
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": answer["serverKey"]})
    signed = json.loads(
        jws.deserialize_compact(answer["certificate"], key, registry=AnyAlgorithm()).payload
    )
    assert signed.pop("iat") >= now_ms // 1_000
    assert signed == {
        "deviceId": answer["deviceId"],
        "publicKey": public,
        "gateId": "north",
        "eventId": "demo",
        "digestKey": answer["digestKey"],
    }
    status, again = await server.api("POST", "/devices/enrol", json=body)
    assert (status, again["deviceId"]) == (201, answer["deviceId"]), "the answer may be lost"
    body["publicKey"] = to_base64url(b"\x02" * 32)
    status, answer = await server.api("POST", "/devices/enrol", json=body)
    assert (status, answer["error"]["code"]) == (409, "enrolment_code_used")


async def test_wrong_and_expired_codes_are_named_and_guessing_is_slowed(server: Server) -> None:
    long_ago = system_clock.now_ms() - 2 * limits.ENROLMENT_CODE_TTL_S * 1_000
    await server.database.write(
        lambda conn: devices.create_enrolment(conn, "north", "OLD", long_ago)
    )
    body = {"code": "OLD", "publicKey": to_base64url(b"\x01" * 32)}
    status, answer = await server.api("POST", "/devices/enrol", json=body)
    assert (status, answer["error"]["code"]) == (410, "enrolment_code_expired")
    for _ in range(limits.ENROL_FAILURES_PER_MINUTE_MAX - 1):
        status, answer = await server.api("POST", "/devices/enrol", json={**body, "code": "NO"})
        assert (status, answer["error"]["code"]) == (404, "enrolment_code_unknown")
    status, answer = await server.api("POST", "/devices/enrol", json={**body, "code": "NO"})
    assert status == 429
    assert int(server.last.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("key", ["", "AAAA", "!" * 43])
async def test_a_key_that_is_none_is_refused(server: Server, key: str) -> None:
    status, answer = await server.api(
        "POST", "/devices/enrol", json={"code": "X", "publicKey": key}
    )
    assert (status, answer["error"]["field"]) == (400, "publicKey")


async def test_assertions_that_prove_nothing_get_no_token(server: Server) -> None:
    device = await server.enrol()
    other = await server.enrol("south")
    now_s = system_clock.now_ms() // 1_000
    unsigned = device.assertion("demo").split(".")
    none = to_base64url(b'{"alg":"none"}') + "." + unsigned[1] + "."
    bad = {
        "expired": device.assertion("demo", iat=now_s - 400, exp=now_s - 120),
        "not yet": device.assertion("demo", iat=now_s + 300, exp=now_s + 400),
        "too long": device.assertion("demo", exp=now_s + 3_600),
        "foreign audience": device.assertion("http://elsewhere.example"),
        "foreign key": device.assertion("demo", key=OKPKey.import_key(other.private)),
        "other subject": device.assertion("demo", sub=other.device_id),
        "unknown device": device.assertion("demo", iss="nobody", sub="nobody"),
        "no jti": device.assertion("demo", jti=""),
        "exp is text": device.assertion("demo", exp="soon"),
        "hs256": device.assertion(
            "demo",
            alg="HS256",
            key=OctKey.import_key(device.private.public_key().public_bytes_raw()),
        ),
        "none": none,
        "garbage": "garbage",
        "three dots": "a.b.c",
    }
    for why, assertion in bad.items():
        status, answer = await server.token(assertion)
        assert (status, answer["error"]["code"]) == (401, "invalid_client"), why
        assert "WWW-Authenticate" in server.last.headers
        assert "Date" in server.last.headers, "a gate without a clock learns the time from it"


async def test_an_assertion_works_once_and_either_audience_is_ours(server: Server) -> None:
    device = await server.enrol()
    assertion = device.assertion(server.url)
    assert (await server.token(assertion))[0] == 200
    assert (await server.token(assertion))[0] == 401


async def test_p6_device_routes_refuse_whoever_is_no_device(server: Server) -> None:
    for method, path in (("GET", "/sync/changes"), ("POST", "/sync/scans")):
        assert (await server.api(method, path))[0] == 401
        for role in ("owner", "service", "viewer"):
            assert (await server.api(method, path, key=server.keys[role]))[0] == 403


async def test_p7_a_page_ends_with_its_cursor_and_goes_on_from_there(server: Server) -> None:
    device = await server.enrol()
    first = await changes(server, device, limit=4)
    assert [line["type"] for line in first][-1] == "page"
    assert first[-1]["more"] is True
    assert "digest" not in first[-1]
    found, page = first[:-1], first[-1]
    while page["more"]:
        rest = await changes(server, device, cursor=page["cursor"], limit=4)
        found, page = found + rest[:-1], rest[-1]
    total = sum(int(line["hash"], 16) for line in found) % wire.DIGEST_MODULUS
    assert page["digest"] == f"{total:032x}"
    assert len([line for line in found if line["type"] == "credential"]) == 5
    assert wire.parse_time(page["serverReceivedAt"]) <= wire.parse_time(page["serverTime"])


async def test_p9_no_code_mail_or_phone_goes_down(server: Server) -> None:
    device = await server.enrol()
    status, body = await server.api("GET", "/sync/changes", key=device.token)
    assert status == 200
    for secret in (b"example.org", b"+8210", b"gildong", "홍길동".encode()):
        assert secret not in body


async def test_a_big_page_comes_compressed_only_where_asked_for(server: Server) -> None:
    device = await server.enrol()
    path = server.url + "/api/v1/sync/changes"
    headers = {"Authorization": f"Bearer {device.token}"}
    async with server.http.get(path, headers={**headers, "Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.content_type == "application/x-ndjson"
        zipped = lines(await answer.read())
    async with server.http.get(path, headers={**headers, "Accept-Encoding": "identity"}) as answer:
        assert "Content-Encoding" not in answer.headers
        plain = lines(await answer.read())
    assert zipped[:-1] == plain[:-1]


async def test_a_long_poll_wakes_at_a_commit(server: Server) -> None:
    device = await server.enrol()
    cursor = (await changes(server, device))[-1]["cursor"]
    async with asyncio.timeout(25), asyncio.TaskGroup() as tasks:  # half of the wait
        poll = tasks.create_task(changes(server, device, cursor=cursor, wait=50))
        await asyncio.sleep(0.2)
        assert not poll.done()
        await server.database.write(
            lambda conn: revisions.upsert(conn, schema.gates, gate_row("new"))
        )
    assert [line["type"] for line in poll.result()] == ["gate", "page"]


async def test_p12_a_wait_ends_and_bad_questions_are_named(server: Server) -> None:
    device = await server.enrol()
    cursor = (await changes(server, device))[-1]["cursor"]
    answer = await changes(server, device, cursor=cursor, wait=0.2)
    assert [line["type"] for line in answer] == ["page"]
    assert answer[-1]["cursor"] == cursor
    for name, value in (
        ("cursor", "nonsense"),
        ("wait", "-1"),
        ("wait", "nan"),
        ("limit", "0"),
        ("limit", "x"),
        ("colour", "red"),
    ):
        status, body = await server.api(
            "GET", "/sync/changes", key=device.token, params={name: value}
        )
        assert (status, body["error"]["field"]) == (400, name)


async def test_p2_scans_go_up_once_in_effect(server: Server) -> None:
    device = await server.enrol()
    entry = scan_entry(1, occurredAt=wire.format_time(system_clock.now_ms()))
    request = {"deviceId": device.device_id, "epoch": EPOCH, "entries": [entry]}
    status, answer = await server.api("POST", "/sync/scans", key=device.token, json=request)
    assert status == 200, answer
    assert answer["outcomes"][0]["outcome"] == "stored"
    assert answer["contiguousThrough"] == 1
    status, answer = await server.api("POST", "/sync/scans", key=device.token, json=request)
    assert answer["outcomes"][0]["outcome"] == "known"
    assert wire.parse_time(answer["serverReceivedAt"]) <= wire.parse_time(answer["serverTime"])
    request["deviceId"] = "another"
    status, answer = await server.api("POST", "/sync/scans", key=device.token, json=request)
    assert (status, answer["error"]["code"]) == (403, "foreign_device")


async def test_a_revoked_device_gets_no_list_but_its_scans_are_kept(server: Server) -> None:
    """P2: what it saw is not lost; it waits in quarantine."""
    device = await server.enrol()
    status, _ = await server.api(
        "DELETE", f"/devices/{device.device_id}", key=server.keys["operator"]
    )
    assert status == 204
    for method, path, more in (
        ("GET", "/sync/changes", {}),
        ("POST", "/sync/status", {"json": {}}),
    ):
        status, answer = await server.api(method, path, key=device.token, **more)
        assert (status, answer["error"]["code"]) == (403, "device_revoked")
    request = {"deviceId": device.device_id, "epoch": EPOCH, "entries": [scan_entry(1)]}
    status, answer = await server.api("POST", "/sync/scans", key=device.token, json=request)
    assert status == 200
    assert answer["outcomes"][0]["outcome"] == "stored"


async def test_status_is_kept_and_shown(server: Server) -> None:
    device = await server.enrol()
    body = {
        "epoch": EPOCH,
        "head": 7,
        "waiting": 3,
        "clock": {"quality": "synced", "offsetMs": 4, "errorMs": 20},
        "readers": [{"name": "camera", "state": "running"}],
    }
    status, answer = await server.api("POST", "/sync/status", key=device.token, json=body)
    assert status == 200
    assert answer["contiguousThrough"] == 0
    status, answer = await server.api("GET", "/devices", key=server.keys["operator"])
    shown = next(item for item in answer["items"] if item["deviceId"] == device.device_id)
    assert shown["waiting"] == 3
    assert shown["online"] is True
    assert shown["holes"] == [[1, 7]]
