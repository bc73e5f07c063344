"""The team's accounts and the keys of services: who may change whom, and nobody is locked out."""

from tests.sync_server.http.conftest import PASSWORD

NEW = "another horse battery"


async def sign_in(server, name, password):
    return await server.api("POST", "/session", json={"name": name, "password": password})


async def test_a_new_password_ends_the_sessions(server):
    owner = server.keys["owner"]
    _, session = await sign_in(server, "supervisor", PASSWORD)
    status, answer = await server.api(
        "PATCH", "/operators/supervisor", key=owner, json={"password": NEW}
    )
    assert (status, answer["signsIn"]) == (200, True)
    assert (await server.api("GET", "/session", key=session["token"]))[0] == 401
    assert (await sign_in(server, "supervisor", NEW))[0] == 201
    for bad in ("short", ""):
        status, answer = await server.api(
            "PATCH", "/operators/supervisor", key=owner, json={"password": bad}
        )
        assert (status, answer["error"]["field"]) == (400, "password")


async def test_the_last_owner_who_can_sign_in_stays_one(server):
    owner = server.keys["owner"]
    for change in ({"active": False}, {"role": "operator"}, {"password": None}):
        status, answer = await server.api("PATCH", "/operators/boss", key=owner, json=change)
        assert (status, answer["error"]["code"]) == (409, "last_owner"), change
    assert (await sign_in(server, "boss", PASSWORD))[0] == 201
    body = {"name": "second", "role": "owner", "password": NEW}
    assert (await server.api("POST", "/operators", key=owner, json=body))[0] == 201
    status, answer = await server.api("PATCH", "/operators/boss", key=owner, json={"active": False})
    assert (status, answer["active"]) == (200, False)
    assert (await sign_in(server, "boss", PASSWORD))[0] == 401


async def test_an_operator_changes_no_owner_and_makes_none(server):
    key = server.keys["operator"]
    for who, change in (
        ("boss", {"password": NEW}),
        ("viewer", {"role": "owner"}),
        ("operator", {"active": False}),
    ):
        status, answer = await server.api("PATCH", f"/operators/{who}", key=key, json=change)
        assert (status, answer["error"]["code"]) == (403, "owner_needed")
    change = {"role": "supervisor", "password": NEW}
    assert (await server.api("PATCH", "/operators/viewer", key=key, json=change))[0] == 200


async def test_keys_are_told_once_and_end_at_once(server):
    owner = server.keys["owner"]
    body = {"name": "ticket shop", "role": "service"}
    status, made = await server.api("POST", "/api-keys", key=owner, json=body)
    assert status == 201
    assert (await server.api("POST", "/api-keys", key=owner, json=body))[0] == 409
    verify = {"token": "TST"}
    assert (await server.api("POST", "/tickets/verify", key=made["key"], json=verify))[0] == 400
    _, listed = await server.api("GET", "/api-keys", key=owner)
    shown = {item["name"]: item for item in listed["items"]}["ticket shop"]
    assert shown["revokedAt"] is None
    assert made["key"] not in str(listed)
    assert (await server.api("DELETE", "/api-keys/ticket shop", key=owner))[0] == 204
    assert (await server.api("DELETE", "/api-keys/ticket shop", key=owner))[0] == 204
    assert (await server.api("DELETE", "/api-keys/none", key=owner))[0] == 404
    assert (await server.api("POST", "/tickets/verify", key=made["key"], json=verify))[0] == 401
    assert (await server.api("GET", "/api-keys", key=server.keys["operator"]))[0] == 403
