"""P2, P3: a server that has forgotten a device knows it by its certificate, under its old id."""

from sqlalchemy import Connection, delete, select

from shared import wire
from sync_server import system_clock
from sync_server.identity import devices
from sync_server.identity.keys import to_base64url
from sync_server.storage import schema
from tests.sync_server.builders import scan_entry
from tests.sync_server.http.conftest import ASSERTION_TYPE, Device, Server

EPOCH = "0011223344556677"


def forget(conn: Connection) -> None:
    """As a database restored from before the enrolment, or made anew with the same keys."""
    for table in (schema.devices, schema.device_gates, schema.device_status, schema.enrolments):
        conn.execute(delete(table))


async def certificate_of(server: Server, gate_id: str = "north") -> tuple[Device, str]:
    device = await server.enrol(gate_id)
    status, answer = await enrol_again(server, device, gate_id)
    assert (status, answer["deviceId"]) == (201, device.device_id)
    return device, answer["certificate"]


async def enrol_again(server: Server, device: Device, gate_id: str, certificate: str = ""):
    code, now_ms = f"again-{gate_id}", system_clock.now_ms()
    await server.database.write(lambda conn: devices.create_enrolment(conn, gate_id, code, now_ms))
    public = to_base64url(device.private.public_key().public_bytes_raw())
    body = {"code": code, "publicKey": public, "name": "gate pi"}
    if certificate:
        body["certificate"] = certificate
    return await server.api("POST", "/devices/enrol", json=body)


async def show(server: Server, device: Device, certificate: str) -> tuple[int, dict]:
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": device.assertion("demo"),
        "certificate": certificate,
    }
    return await server.api("POST", "/oauth/token", data=form)


async def test_p2_a_forgotten_device_uploads_at_once_and_gets_lists_once_confirmed(
    server: Server,
) -> None:
    device, certificate = await certificate_of(server)
    await server.database.write(forget)
    assert (await server.token(device.assertion("demo")))[0] == 401
    status, answer = await show(server, device, certificate)
    assert status == 200, answer
    key = answer["access_token"]
    entry = scan_entry(1, occurredAt=wire.format_time(system_clock.now_ms()))
    upload = {"deviceId": device.device_id, "epoch": EPOCH, "entries": [entry]}
    status, answer = await server.api("POST", "/sync/scans", key=key, json=upload)
    assert (status, answer["outcomes"][0]["outcome"]) == (200, "stored")
    assert answer["outcomes"][0]["verdict"] == "conflict", "this ticket's digest is not on the list"
    status, answer = await server.api("GET", "/sync/changes", key=key)
    assert (status, answer["error"]["code"]) == (403, "device_adopted")
    operator = server.keys["operator"]
    status, answer = await server.api("GET", "/devices", key=operator)
    assert [item["state"] for item in answer["items"]] == ["adopted"]
    path = f"/devices/{device.device_id}"
    assert (await server.api("PATCH", path, key=operator, json={"state": "active"}))[0] == 200
    assert (await server.api("GET", "/sync/changes", key=key))[0] == 200


async def test_a_certificate_proves_nothing_without_the_key_or_by_another_server(
    server: Server, new_server
) -> None:
    device, certificate = await certificate_of(server)
    thief = await server.enrol("south")
    thief.device_id = device.device_id
    await server.database.write(forget)
    assert (await show(server, thief, certificate))[0] == 401
    head, body, signature = certificate.split(".")
    forged = f"{head}.{body}.{signature[::-1]}"
    assert (await show(server, device, forged))[0] == 401
    access = (await show(server, device, certificate))[1]["access_token"]
    await server.database.write(forget)
    assert (await show(server, device, access))[0] == 401, "an access token is no certificate"


async def test_a_revoked_device_is_not_adopted_back(server: Server) -> None:
    device, certificate = await certificate_of(server)
    operator = server.keys["operator"]
    assert (await server.api("DELETE", f"/devices/{device.device_id}", key=operator))[0] == 204
    status, answer = await show(server, device, certificate)
    assert status == 200
    status, answer = await server.api("GET", "/sync/changes", key=answer["access_token"])
    assert (status, answer["error"]["code"]) == (403, "device_revoked")


async def test_p3_a_key_enrolled_again_keeps_its_id_whatever_was_forgotten(server: Server) -> None:
    device, certificate = await certificate_of(server)
    await server.database.write(forget)
    status, answer = await enrol_again(server, device, "south", certificate)
    assert (status, answer["deviceId"], answer["gateId"]) == (201, device.device_id, "south")
    status, answer = await enrol_again(server, device, "vip")
    assert (answer["deviceId"], answer["gateId"]) == (device.device_id, "vip")
    was_at = await server.database.read(
        lambda conn: conn.execute(select(schema.device_gates.c.gate_id)).scalars().all()
    )
    assert sorted(was_at) == ["south", "vip"], "scans of its earlier gate stay its own"
    await server.database.write(forget)
    status, answer = await enrol_again(server, device, "vip", "a.b.c")
    assert status == 201
    assert answer["deviceId"] != device.device_id, "a stranger's certificate gives no name"


async def test_a_used_code_lets_no_revoked_device_back_in(server: Server) -> None:
    device = await server.enrol()
    status, _ = await enrol_again(server, device, "north")
    assert status == 201
    operator = server.keys["operator"]
    await server.api("DELETE", f"/devices/{device.device_id}", key=operator)
    public = to_base64url(device.private.public_key().public_bytes_raw())
    body = {"code": "again-north", "publicKey": public}
    status, answer = await server.api("POST", "/devices/enrol", json=body)
    assert (status, answer["error"]["code"]) == (409, "enrolment_code_used")
