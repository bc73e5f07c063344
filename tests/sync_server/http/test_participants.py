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


async def test_a_gate_finds_a_group_at_the_server_as_it_does_alone(server):
    body = {"name": "Someone", "email": "g@example.org", "group": "Choir"}
    await server.api("POST", "/participants", key=server.keys["operator"], json=body | {"id": "G1"})
    assert await server.services.search.ready(10)
    await found_at_a_gate(server, "choir", ["G1"])


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


async def test_several_are_moved_at_once_and_one_bad_id_stops_none(server):
    key = server.keys["operator"]
    ids = ["P000001", "P000002", "nobody", "P000002"]
    body = {"participantIds": ids, "group": "VIP"}
    status, answer = await server.api("PATCH", "/participants", key=key, json=body)
    assert (status, answer["changed"], answer["unchanged"]) == (200, 2, 0)
    assert [one["id"] for one in answer["refused"]] == ["nobody"]
    _, again = await server.api("PATCH", "/participants", key=key, json=body)
    assert (again["changed"], again["unchanged"]) == (0, 2)
    assert (await found(server, "group=VIP"))[0] == ["P000001", "P000002"]
    body = {"participantIds": ids, "group": None, "status": "blocked"}
    await server.api("PATCH", "/participants", key=key, json=body)
    assert (await found(server, "group=VIP"))[0] == []
    assert (await found(server, "status=blocked"))[0] == ["P000001", "P000002"]
    for bad in ({"participantIds": ["P1"]}, {"participantIds": [], "group": "x"}):
        assert (await server.api("PATCH", "/participants", key=key, json=bad))[0] == 400


async def test_a_history_tells_changes_tickets_and_scans(server):
    key = server.keys["operator"]
    await server.api("PATCH", "/participants/P000001", key=key, json={"status": "blocked"})
    await server.api("PATCH", "/participants/P000001", key=key, json={"status": "registered"})
    await server.api("POST", "/participants/P000001/credentials", key=key, json={"kind": "ticket"})
    record = {"participantId": "P000001", "gateId": "north", "method": "manual"}
    record["timestamp"] = "2026-11-21T09:30:00.000Z"
    await server.api("POST", "/attendance/record", key=server.keys["service"], json=record)
    _, answer = await server.api("GET", "/participants/P000001/history", key=key)
    kinds = [item["type"] for item in answer["items"]]
    assert kinds.count("issued") == 2
    values = [item["value"]["status"] for item in answer["items"] if item["type"] == "change"]
    assert sorted(values) == ["blocked", "registered", "revoked"]
    assert [item["at"] for item in answer["items"]] == sorted(
        (item["at"] for item in answer["items"]), reverse=True
    )
    status, _ = await server.api("GET", "/participants/nobody/history", key=key)
    assert status == 404


async def test_cancelling_and_registering_twice(server):
    key = server.keys["operator"]
    body = {"id": "X1", "name": "Twice Told", "email": "twice@example.org"}
    assert (await server.api("POST", "/participants", key=key, json=body))[0] == 201
    status, answer = await server.api("POST", "/participants", key=key, json=body)
    assert (status, answer["error"]["code"], answer["error"]["field"]) == (
        409,
        "duplicate_id",
        "id",
    )
    status, answer = await server.api("POST", "/participants", key=key, json={**body, "id": "X2"})
    assert (status, answer["error"]["field"]) == (409, "email")
    assert answer["error"]["errors"][0]["messageKo"]
    assert (await server.api("DELETE", "/participants/X1", key=key))[0] == 204
    assert (await server.api("DELETE", "/participants/X1", key=key))[0] == 204
    assert (await server.api("DELETE", "/participants/none", key=key))[0] == 404
    status, answer = await server.api("PATCH", "/participants/X1", key=key, json={"email": "no"})
    assert (status, answer["error"]["code"], answer["error"]["field"]) == (
        400, "invalid_email", "email",
    )  # fmt: skip
    for patch, field in (({"phone": "12"}, "phone"), ({"name": "a"}, "name"), ({"status": "x"}, "status"),
                         ({"birthDate": "2025-01-01"}, "birthDate"), ({"code": "x"}, "code")):  # fmt: skip
        status, answer = await server.api("PATCH", "/participants/X1", key=key, json=patch)
        assert (status, answer["error"]["field"]) == (400, field)
    for field in ("name", "email"):
        status, answer = await server.api("PATCH", "/participants/X1", key=key, json={field: " "})
        assert (status, answer["error"]["field"]) == (400, field)
    full = {"phone": "010-1234-5678", "group": "VIP", "organization": "Globex"}
    assert (await server.api("PATCH", "/participants/X1", key=key, json=full))[0] == 200
    emptied = {"phone": None, "group": "", "organization": " "}
    status, answer = await server.api("PATCH", "/participants/X1", key=key, json=emptied)
    assert (status, [answer[name] for name in emptied]) == (200, [None] * 3)


async def test_who_may_not_see_the_list_gets_masked_names_of_who_came(server):
    operator = server.keys["operator"]
    somebody = {**HONG, "group": "VIP", "organization": "Hong & Co"}
    await server.api("POST", "/participants", key=operator, json=somebody)
    for role in ("viewer", "supervisor", "operator"):
        headers = {"Authorization": f"Bearer {server.keys[role]}"}
        url = server.url + "/api/v1/reports/attendance.csv"
        async with server.http.get(url, headers=headers) as answer:
            line = next(x for x in (await answer.text()).splitlines() if x.startswith("H1,"))
        told = line.split(",")[:6]
        if role == "operator":
            assert told == ["H1", "홍길동", "Hong & Co", "", "VIP", "registered"]
        else:
            assert told == ["H1", "홍*동", "", "", "", "registered"]


async def test_an_edit_keeps_the_import_that_a_participant_came_from(server):
    key = server.keys["operator"]
    body = "name,email\n홍길동,hong@example.org\n".encode()
    status, result = await server.api(
        "POST", "/participants/import", key=key, data=body, headers={"Content-Type": "text/csv"}
    )
    assert status == 200, result
    (participant_id,), _ = await found(server, "q=hong@example.org")
    path = f"/participants/{participant_id}"
    status, edited = await server.api("PATCH", path, key=key, json={"group": "VIP"})
    assert (status, edited["importId"]) == (200, result["importId"])


async def test_the_report_links_the_export_to_those_who_may_have_it(server):
    for role, linked in (("viewer", False), ("operator", True)):
        headers = {"Authorization": f"Bearer {server.keys[role]}"}
        url = server.url + "/api/v1/reports/final.html"
        async with server.http.get(url, headers=headers) as answer:
            assert ("export.zip" in await answer.text()) is linked


async def test_a_file_that_is_no_list_is_refused_in_korean_too(server):
    status, answer = await server.api(
        "POST", "/participants/import", key=server.keys["operator"],
        data=b"a,b\n1,2\n", headers={"Content-Type": "text/csv"},
    )  # fmt: skip
    assert status == 400
    assert answer["error"]["messageKo"].startswith("올린 파일에 ")
