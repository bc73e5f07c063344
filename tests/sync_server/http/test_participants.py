"""Registering, finding and changing people over HTTP, with every answer that the document names."""

import asyncio

import pytest

HONG = {"id": "H1", "name": "홍길동", "email": "hong@example.org", "phone": "010-1234-5678"}


async def found(server, query, key="operator"):
    status, answer = await server.api("GET", f"/participants?{query}", key=server.keys[key])
    assert status == 200, answer
    return [item["id"] for item in answer["items"]], answer


async def test_somebody_just_registered_is_found_by_anything(server):
    key = server.keys["operator"]
    status, made = await server.api("POST", "/participants", key=key, json={**HONG, "group": "VIP"})
    assert status == 201
    code = made["credentials"][0]["code"]
    for typed in (
        "H1",
        "ㅎㄱㄷ",
        "hong@",
        "5678",
        "%2B82 10 1234 5678",
        code,
        code[-10:],
        "vip hong",
    ):
        ids, answer = await found(server, f"q={typed}")
        assert ids[0] == "H1", typed
        assert answer["total"] >= 1
    await server.api("PATCH", "/participants/H1", key=key, json={"name": "임꺽정"})
    assert (await found(server, "q=ㅇㄲㅈ"))[0] == ["H1"]
    await server.api("DELETE", "/participants/H1", key=key)
    assert (await found(server, "q=임꺽정&status=cancelled"))[0] == ["H1"]
    assert (await found(server, "q=임꺽정&status=registered"))[0] == []


async def test_lists_are_paged_with_and_without_a_search(server):
    for query in ("", "q=example.org&"):
        ids, cursor = [], ""
        while cursor is not None:
            more = f"&cursor={cursor}" if cursor else ""
            page, answer = await found(server, f"{query}limit=2{more}")
            assert answer["total"] == 5
            ids, cursor = ids + page, answer["cursor"]
        assert ids == [f"P{n:06}" for n in range(5)]


async def test_a_search_that_can_not_be_is_answered_in_words(server):
    key = server.keys["operator"]
    for query in ("q=a&cursor=nonsense", "q=" + "a" * 201, "limit=0", "status=gone"):
        status, answer = await server.api("GET", f"/participants?{query}", key=key)
        assert status == 400, query
        assert answer["error"]["field"] == query.split("=")[-2].split("&")[-1]


async def test_a_search_waits_for_a_server_that_just_began(server, monkeypatch):
    assert await server.services.search.ready(10)  # so that nobody sets the new one
    monkeypatch.setattr("sync_server.http.participants.SEARCH_FILLED_WITHIN_S", 0)
    monkeypatch.setattr(server.services.search, "_ready", asyncio.Event())
    key = server.keys["operator"]
    status, answer = await server.api("GET", "/participants?q=p", key=key)
    assert (status, answer["error"]["code"]) == (503, "search_is_filling")
    assert int(server.last.headers["Retry-After"]) >= 1
    assert (await server.api("GET", "/participants", key=key))[0] == 200
    await found_at_a_gate(server, "p3@example.org", ["P000003"])


async def test_the_groups_there_are(server):
    key = server.keys["operator"]
    for number, group in enumerate(("VIP", "VIP", "Staff")):
        body = {"name": "Someone", "email": f"g{number}@example.org", "group": group}
        await server.api("POST", "/participants", key=key, json=body)
    await server.api("PATCH", "/participants/P000001", key=key, json={"status": "blocked"})
    _, answer = await server.api("GET", "/groups", key=key)
    zero = {"registered": 0, "blocked": 0, "cancelled": 0}
    assert answer["items"] == [
        {"group": "Staff", **zero, "registered": 1},
        {"group": "VIP", **zero, "registered": 2},
        {"group": None, **zero, "registered": 4, "blocked": 1},
    ]
    assert (await found(server, "group="))[1]["total"] == 5
    assert (await found(server, "group=VIP&q=someone"))[1]["total"] == 2


async def found_at_a_gate(server, typed, ids):
    device = await server.enrol()
    status, answer = await server.api(
        "POST", "/sync/search", key=device.token, json={"query": typed}
    )
    assert status == 200
    assert [person["participantId"] for person in answer["people"]] == ids


@pytest.mark.parametrize("typed", ["p3@example.org", "P000003"])
async def test_a_gate_asks_the_same_index(server, typed):
    assert await server.services.search.ready(10)
    await found_at_a_gate(server, typed, ["P000003"])


async def test_sheets_of_badges(server):
    key = server.keys["operator"]
    status, pdf = await server.api("GET", "/tickets/sheet.pdf", key=key)
    assert status == 200
    assert pdf.startswith(b"%PDF")
    assert server.last.headers.get("X-Gatesync-Missing-Signs") is None
    await server.api("PATCH", "/participants/P000001", key=key, json={"name": "Odd \U00012000"})
    status, pdf = await server.api("GET", "/participants/P000001/ticket.pdf", key=key)
    assert (status, pdf[:4]) == (200, b"%PDF")
    assert server.last.headers["X-Gatesync-Missing-Signs"] == "U+12000"
    for query in ("columns=0", "rows=9", "margin=31", "fields=phone"):
        status, answer = await server.api("GET", f"/tickets/sheet.pdf?{query}", key=key)
        assert (status, answer["error"]["field"]) == (400, query.split("=")[0])
    status, answer = await server.api("GET", "/tickets/sheet.pdf?group=nobody", key=key)
    assert (status, answer["error"]["code"]) == (404, "no_tickets")
