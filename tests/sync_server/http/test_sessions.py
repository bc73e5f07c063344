"""People sign in and out; services get tokens; guessing is slow (DESIGN §7)."""

import asyncio

from shared import limits
from sync_server.http.authentication import COOKIE
from tests.sync_server.http.conftest import PASSWORD, Server

RIGHT = {"name": "boss", "password": PASSWORD}


async def test_signing_in_gives_a_cookie_and_a_bearer(server: Server) -> None:
    status, answer = await server.api("POST", "/session", json=RIGHT)
    assert status == 201
    cookie = server.last.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    token = answer["token"]
    assert (await server.api("GET", "/session", key=token))[1] == {"name": "boss", "role": "owner"}
    with_cookie = {"Cookie": f"{COOKIE}={token}"}
    assert (await server.api("GET", "/stats/overall", headers=with_cookie))[0] == 200
    foreign = with_cookie | {"Origin": "http://evil.example"}
    for headers in (with_cookie, foreign):
        status, answer = await server.api("DELETE", "/session", headers=headers)
        assert (status, answer["error"]["code"]) == (403, "foreign_origin")
    own = with_cookie | {"Origin": server.url}
    assert (await server.api("DELETE", "/session", headers=own))[0] == 204
    assert (await server.api("GET", "/session", headers=with_cookie))[0] == 401
    assert (await server.api("GET", "/session", key=token))[0] == 401


async def test_guessing_is_slow_also_many_at_once(server: Server) -> None:
    wrong = {"name": "boss", "password": "guess"}
    answers = await asyncio.gather(*(server.api("POST", "/session", json=wrong) for _ in range(20)))
    codes = [status for status, _ in answers]
    assert 1 <= codes.count(401) <= limits.SIGN_IN_FAILURES_PER_MINUTE_MAX
    assert codes.count(429) == 20 - codes.count(401)
    status, _ = await server.api("POST", "/session", json=RIGHT)
    assert status == 429
    assert int(server.last.headers["Retry-After"]) >= 1


async def test_nobody_is_told_which_names_exist(server: Server) -> None:
    answers = [
        await server.api("POST", "/session", json={"name": name, "password": "guess"})
        for name in ("boss", "nobody")
    ]
    said = [
        (status, answer["error"]["code"], answer["error"]["message"]) for status, answer in answers
    ]
    assert said[0] == said[1]
    assert said[0][0] == 401


async def test_a_service_gets_a_token_with_its_key(server: Server) -> None:
    key = server.keys["service"]
    form = {"grant_type": "client_credentials", "client_id": "service", "client_secret": key}
    status, answer = await server.api("POST", "/oauth/token", data=form)
    assert status == 200
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", limits.DEVICE_TOKEN_TTL_S)
    for bearer in (answer["access_token"], key):
        status, _ = await server.api("POST", "/tickets/verify", key=bearer, json={"token": "x"})
        assert status == 400
    for wrong in ({**form, "client_secret": "no"}, {**form, "client_id": "other"}):
        status, answer = await server.api("POST", "/oauth/token", data=wrong)
        assert (status, answer["error"]["code"]) == (401, "invalid_client")
    status, answer = await server.api(
        "POST", "/oauth/token", data={**form, "grant_type": "password"}
    )
    assert (status, answer["error"]["code"]) == (400, "unsupported_grant_type")
    status, answer = await server.api(
        "POST", "/oauth/token", data={**form, "client_assertion_type": "another"}
    )
    assert (status, answer["error"]["field"]) == (400, "client_assertion_type")
    status, _ = await server.api("POST", "/oauth/token", json=form)
    assert status == 415
