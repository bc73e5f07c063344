"""Lists over HTTP: looked at, imported at once or as a job, refused rows taken back, undone."""

import asyncio
import csv
import io
import json
from typing import Any

import aiohttp

from shared import limits
from sync_server import system_clock
from sync_server.registration import import_store
from sync_server.registration.import_desk import Request
from tests.sync_server.http.conftest import Server

BASE = "/participants/import"
LIST = "이름;메일주소;휴대폰;Shoe\n홍길동;hong@example.com;010-1234-5678;9\n김;kim@;=1+1;8\n"
MAPPING = {"메일주소": "email", "Shoe": None}


async def post(server: Server, path: str, data: Any, **params: str) -> tuple[int, Any]:
    headers = {"Content-Type": "text/csv"} if isinstance(data, bytes) else {}
    return await server.api(
        "POST", path, key=server.keys["operator"], data=data, headers=headers, params=params
    )


async def ended(server: Server, import_id: str) -> dict[str, Any]:
    """Ask until the job is through; the test's own time-out is the limit."""
    while True:
        _, told = await server.api(
            "GET", f"/participants/imports/{import_id}", key=server.keys["operator"]
        )
        if told["state"] not in {"waiting", "running", "undoing"}:
            return told
        assert told["progress"]["rowsDone"] >= 0
        await asyncio.sleep(0)


async def test_a_preview_changes_nothing_and_tells_all(server: Server) -> None:
    status, told = await post(server, BASE + "/preview", LIST.encode("cp949"))
    assert status == 200, told
    assert (told["encoding"], told["delimiter"], told["missing"]) == ("cp949", ";", ["email"])
    assert told["rows"][0] == {
        "line": 2,
        "cells": ["홍길동", "hong@example.com", "010-1234-5678", "9"],
    }
    assert "firstName" in told["fields"]

    status, told = await post(
        server, BASE + "/preview", LIST.encode("cp949"), mapping=json.dumps(MAPPING)
    )
    assert status == 200, told
    assert [one["field"] for one in told["headings"]] == ["name", "email", "phone", None]
    assert told["ignored"] == ["Shoe"]
    first, second = told["rows"]
    assert (first["outcome"], first["stored"]["phone"]) == ("created", "+821012345678")
    assert (second["outcome"], [error["code"] for error in second["errors"]]) == (
        "refused", ["name_too_short", "invalid_email", "invalid_phone"],
    )  # fmt: skip
    _, people = await server.api("GET", "/participants?q=hong@", key=server.keys["operator"])
    assert people["items"] == []


async def test_a_form_with_a_mapping_beside_the_file(server: Server) -> None:
    form = aiohttp.FormData()
    form.add_field("file", LIST.encode("utf-16"), filename="명단.csv", content_type="text/csv")
    form.add_field("mapping", json.dumps(MAPPING))  # may stand behind the file
    status, result = await post(server, BASE, form)
    assert status == 200, result
    assert (result["created"], result["refused"], result["ignored"]) == (1, 1, ["Shoe"])
    _, listed = await server.api("GET", "/participants/imports", key=server.keys["operator"])
    (item,) = listed["items"]
    assert (item["importId"], item["source"], item["undoable"]) == (
        result["importId"], "명단.csv", True,
    )  # fmt: skip


async def test_a_dry_run_changes_nothing(server: Server) -> None:
    status, result = await post(
        server, BASE, LIST.encode(), dryRun="true", mapping=json.dumps(MAPPING)
    )
    assert (status, result["created"], result["refused"]) == (200, 1, 1)
    _, people = await server.api("GET", "/participants?q=hong@", key=server.keys["operator"])
    assert people["items"] == []
    _, listed = await server.api("GET", "/participants/imports", key=server.keys["operator"])
    assert listed["items"] == []


async def test_the_refused_rows_come_back_mended(server: Server) -> None:
    rows = [f"{'x' if n % 2 else 'Ann Lee'};a{n}@example.com;;{n}" for n in range(2_400)]
    text = "이름;메일주소;휴대폰;Shoe\n" + "\n".join(rows) + '\n"=x|y";;+1;"a ""b"""\n'
    _, result = await post(server, BASE, text.encode(), mapping=json.dumps(MAPPING))
    assert (result["created"], result["refused"]) == (1_200, 1_201)
    assert len(result["rows"]) == limits.IMPORT_ROWS_REPORTED_MAX
    path = f"/participants/imports/{result['importId']}/refused.csv?language=ko"
    status, body = await server.api("GET", path, key=server.keys["operator"])
    assert status == 200
    assert body.startswith(b"\xef\xbb\xbf")
    table = list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))
    assert table[0] == ["이름", "메일주소", "휴대폰", "Shoe", "원래 줄", "거부된 까닭"]
    assert len(table) == 1_202
    assert table[1][:5] == ["x", "a1@example.com", "", "1", "3"]
    assert "두 글자보다" in table[1][5]
    assert table[-1][:4] == ["'=x|y", "", "'+1", 'a "b"']
    mended = body.decode("utf-8-sig").replace("\r\nx,", "\r\nBob Li,")
    _, again = await post(server, BASE, mended.encode(), mapping=json.dumps(MAPPING))
    assert (again["created"], again["refused"]) == (1_200, 1)
    assert again["ignored"] == ["Shoe", "원래 줄", "거부된 까닭"]


async def test_a_long_list_is_a_job(server: Server) -> None:
    text = "name,email\n" + "".join(f"Ann Lee,a{n}@example.com\n" for n in range(1_200)) + "x,y\n"
    status, told = await post(server, BASE, text.encode(), job="true", source="list.csv")
    assert status == 202, told
    job = told["job"]
    done = await ended(server, job["importId"])
    assert done["state"] == "done", done
    assert (done["result"]["created"], done["result"]["refused"]) == (1_200, 1)
    assert (done["by"], done["source"]) == ("operator", "list.csv")
    status, body = await server.api(
        "GET", f"{job['url'][7:]}/refused.csv", key=server.keys["operator"]
    )
    assert status == 200
    assert b"Why refused" in body

    path = f"/participants/imports/{job['importId']}/undo"
    status, effect = await post(server, path, b"", dryRun="true")
    assert (status, effect["cancelled"], effect["left"]) == (200, 1_200, 0)
    status, undone = await post(server, path, b"")
    assert (status, undone["cancelled"]) == (200, 1_200)
    status, again = await post(server, path, b"")
    assert (status, again) == (200, undone)
    assert (await ended(server, job["importId"]))["state"] == "undone"
    _, people = await server.api(
        "GET", "/participants?status=registered", key=server.keys["operator"]
    )
    assert len(people["items"]) == 5


async def test_a_file_that_is_no_list_is_told_before_a_job_begins(server: Server) -> None:
    for data in (b"who,where\nx,y\n", b"", b"PK\x03\x04garbage"):
        status, told = await post(server, BASE, data, job="true")
        assert (status, told["error"]["code"]) == (400, "unreadable_file")
    _, listed = await server.api("GET", "/participants/imports", key=server.keys["operator"])
    assert listed["items"] == []
    status, told = await post(server, BASE, LIST.encode(), mapping="{")
    assert (status, told["error"]["code"]) == (400, "malformed_json")
    status, told = await post(server, BASE, LIST.encode(), mapping='{"Shoe":"size"}')
    assert status == 400


async def test_what_is_not_there(server: Server) -> None:
    for method, path in (
        ("GET", "/participants/imports/nothing"),
        ("GET", "/participants/imports/nothing/refused.csv"),
        ("POST", "/participants/imports/nothing/undo"),
    ):
        status, _ = await server.api(method, path, key=server.keys["operator"])
        assert status == 404


async def test_an_import_that_a_server_did_not_end_has_failed(server: Server) -> None:
    now_ms = system_clock.now_ms()
    import_id = "00000000-0000-4000-8000-000000000000"
    await server.database.write(
        lambda conn: import_store.begin(conn, import_id, "list.csv", now_ms)
    )
    await server.services.import_jobs.begin()
    _, told = await server.api(
        "GET", f"/participants/imports/{import_id}", key=server.keys["operator"]
    )
    assert told["state"] == "failed"
    assert "kept" in told["error"]["en"]


async def test_a_server_that_stops_ends_an_import_between_two_pieces(server: Server) -> None:
    jobs, desk = server.services.import_jobs, server.services.desk
    jobs._stopping = True  # as when its task is cancelled
    file = io.BytesIO(b"name,email\n" + b"".join(b"Ann Lee,a%d@x.kr\n" % n for n in range(1_200)))
    import_id = await jobs.start_import(file, 1, Request("list.csv"))
    told = await ended(server, import_id)
    assert told["state"] == "failed"
    assert "kept" in told["error"]["en"]
    _, people = await server.api("GET", "/participants?limit=1000", key=server.keys["operator"])
    assert len(people["items"]) == 1_000
    assert told["undoable"] is True
    assert desk.effect(import_id)["cancelled"] == 1_000
