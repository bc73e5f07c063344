"""Partner calls: the same rules as at a gate, as of the call's timestamp; every refusal of §3.3."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared import credentials
from shared.wire import format_time
from sync_server.attendance import partner, review
from sync_server.attendance.partner_messages import (
    Answer,
    Caller,
    VerifyRequest,
    batch_result,
    in_order_of_time,
)
from sync_server.attendance.review import NewResolution, ScanFilter
from sync_server.storage import revisions, schema
from sync_server.storage.database import Database
from sync_server.storage.history import record_change
from sync_server.verify import verify
from tests.sync_server.builders import (
    MINUTE_MS,
    NOW_MS,
    START_MS,
    credential_row,
    gate_row,
    participant_row,
    populate,
)

ON_EACH_DATABASE = True
KEY = b"k" * 32
CALLER = Caller("app", NOW_MS, KEY)
LETTERS = [credentials.make_letters(bytes([n] * 10)) for n in range(3)]
TOKENS = [credentials.payload("DEMO", letters) for letters in LETTERS]


@pytest.fixture
def database(new_url: Callable[[str], str]) -> Iterator[Database]:
    opened = Database.open(new_url("sync"))
    opened.write_now(lambda conn: populate(conn, 6))
    for number, letters in enumerate(LETTERS):
        row = credential_row(number, digest=credentials.ticket_digest(KEY, letters))
        change(opened, schema.credentials, row)
    yield opened
    opened.close()


def change(database: Database, table: Any, row: dict[str, Any]) -> None:
    database.write_now(lambda conn: revisions.upsert(conn, table, row))


def call(database: Database, minute: float = 0, caller: Caller = CALLER, **body: Any) -> Answer:
    request = {
        "participantId": "P000000",
        "gateId": "north",
        "timestamp": format_time(START_MS + round(minute * MINUTE_MS)),
        "method": "qr_scan",
    } | body
    request = {name: value for name, value in request.items() if value is not None}
    return database.write_now(lambda conn: partner.record(conn, caller, request))


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.body["error"]["code"]


def attendance(database: Database) -> list[dict[str, Any]]:
    found = database.read_now(lambda conn: review.list_attendance(conn, ScanFilter()))
    return list(found["items"])


def test_a_recorded_attendance_is_answered_kept_and_read_back_whole(database: Database) -> None:
    place = {"lat": 37.5, "lng": 127.0, "accuracy": 3.0}
    info = {"deviceId": "phone-1", "platform": "ios", "version": "2.0"}
    answer = call(database, location=place, deviceInfo=info, metadata={"seat": "A1"})
    assert answer.status == 201
    record = answer.body["attendanceRecord"]
    assert record["participantId"] == "P000000"
    assert record["status"] == "confirmed"
    assert record["verified"] is True
    assert record["checkinTime"] == format_time(START_MS)
    (item,) = attendance(database)
    assert item["scanId"] == record["id"]
    assert item["deviceId"] == "partner:app"
    assert (item["location"], item["deviceInfo"], item["metadata"]) == (place, info, {"seat": "A1"})


def test_p10_p11_each_refusal_has_its_answer(database: Database) -> None:
    assert call(database).status == 201
    again = call(database, 1)
    assert code(again) == (409, "recent_attendance")
    assert again.body["error"]["earlier"]["checkinTime"] == format_time(START_MS)
    inside = call(database, 10)
    assert code(inside) == (409, "already_inside")
    assert inside.body["error"]["earlier"]["participantId"] == "P000000"
    assert code(call(database, participantId="P1")) == (404, "participant_not_found")
    assert code(call(database, gateId="moon")) == (404, "gate_not_found")
    assert code(call(database, -61, participantId="P000001")) == (400, "outside_allowed_period")
    assert code(call(database, 9_999, participantId="P000001")) == (400, "outside_allowed_period")
    change(database, schema.gates, gate_row("vip", required_permission="vip"))
    assert code(call(database, participantId="P000001", gateId="vip")) == (400, "not_permitted")
    change(database, schema.gates, gate_row("south", active=False))
    assert code(call(database, participantId="P000001", gateId="south")) == (404, "gate_inactive")
    for number, status in ((2, "blocked"), (3, "cancelled")):
        change(database, schema.participants, participant_row(number, status=status))
        refused = call(database, participantId=f"P{number:06}")
        assert code(refused) == (400, "participant_not_active")
    kept = [item for item in attendance(database) if not item["admitted"]]
    assert {item["reason"] for item in kept} == {
        "just_scanned", "already_inside", "too_early", "too_late",
        "not_permitted", "gate_closed", "blocked", "cancelled",
    }  # fmt: skip
    assert database.read_now(verify) == []


def test_p4_tokens_are_judged_as_at_a_gate(database: Database) -> None:
    for text in ("hello", f"GS:OTHER{LETTERS[0]}", "GS:DEMO" + credentials.make_letters(b"z" * 10)):
        assert code(call(database, participantId=None, token=text)) == (400, "invalid_token")
    typed = credentials.readable("DEMO", LETTERS[1])
    assert call(database, participantId=None, token=typed).status == 201
    digest = credentials.ticket_digest(KEY, LETTERS[2])
    change(database, schema.credentials, credential_row(2, digest=digest, status="revoked"))
    assert code(call(database, participantId=None, token=TOKENS[2])) == (400, "ticket_revoked")


def test_p3_the_rules_are_asked_as_of_the_timestamp(database: Database) -> None:
    before = participant_row(1)
    after = participant_row(1, status="blocked")
    change(database, schema.participants, after)
    at_ms = START_MS + 10 * MINUTE_MS
    database.write_now(
        lambda conn: record_change(conn, "participant", "P000001", before, after, at_ms)
    )
    late = call(database, 10, participantId="P000001")
    assert code(late) == (400, "participant_not_active")
    assert call(database, 9, participantId="P000001").status == 201
    assert call(database, 20).status == 201
    assert call(database, 5).status == 201  # nobody was inside at that time
    verdicts = {i["occurredAt"]: i["verdict"] for i in attendance(database) if i["admitted"]}
    assert verdicts[format_time(START_MS + 5 * MINUTE_MS)] == "confirmed"
    assert verdicts[format_time(START_MS + 20 * MINUTE_MS)] == "conflict"


def test_p2_the_same_request_id_gets_the_first_answer_again(database: Database) -> None:
    first = call(database, requestId="r1")
    assert call(database, requestId="r1") == first
    assert code(call(database, 1, requestId="r1")) == (409, "request_id_reused")
    other = Caller("other", NOW_MS, KEY)
    assert code(call(database, caller=other, requestId="r1")) == (409, "recent_attendance")
    assert len(attendance(database)) == 2
    lost = call(database, participantId="nobody", requestId="r2")
    assert call(database, participantId="nobody", requestId="r2") == lost
    assert code(call(database, participantId="P000001", requestId="r2")) == (
        409,
        "request_id_reused",
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"extra": 1}, None),
        ({"gateId": 5}, "gateId"),
        ({"gateId": None}, None),
        ({"method": "smell"}, "method"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": "2026-01-01T00:00:00"}, "timestamp"),
        ({"token": "GS:X"}, "participantId"),
        ({"participantId": None}, "participantId"),
        ({"location": {"lat": 91, "lng": 0}}, "location"),
        ({"metadata": {"x": "y" * 10_000}}, "metadata"),
        ({"direction": "up"}, "direction"),
        ({"deviceInfo": {"colour": "red"}}, "deviceInfo"),
    ],
)
def test_p11_malformed_calls_say_where(
    database: Database, body: dict[str, Any], field: str | None
) -> None:
    answer = call(database, **body)
    assert code(answer) == (400, "invalid_request")
    if field is not None:
        assert answer.body["error"]["field"].startswith(field)
    assert attendance(database) == []


def test_p6_one_bad_item_never_fails_another(database: Database) -> None:
    good = {"gateId": "north", "timestamp": format_time(START_MS), "method": "qr"}
    items: list[Any] = [
        good | {"participantId": "P000001"},
        "nonsense",
        good | {"participantId": "nobody"},
        good | {"participantId": "P000001"},
        good | {"participantId": "P000002"},
    ]
    answers = database.write_now(lambda conn: partner.batch(conn, CALLER, items))
    result = batch_result(items, answers)
    assert result["totalProcessed"] == 5
    assert [r["participantId"] for r in result["successful"]] == ["P000001", "P000002"]
    assert [f["index"] for f in result["failed"]] == [1, 2]
    assert result["duplicates"][0]["index"] == 3
    assert result["duplicates"][0]["earlier"] == result["successful"][0]


def test_verifying_a_ticket_tells_and_records_nothing(database: Database) -> None:
    def ask() -> Answer:
        request = VerifyRequest(token=TOKENS[0])
        return database.read_now(lambda conn: partner.verify_ticket(conn, CALLER, request))

    assert ask().body["admissible"] is True
    assert attendance(database) == []
    call(database, 59)
    said = ask().body
    assert (said["admissible"], said["reason"]) == (False, "already_inside")
    assert said["participant"]["inside"] is True
    unknown = VerifyRequest(token="GS:X")
    refused = database.read_now(lambda conn: partner.verify_ticket(conn, CALLER, unknown))
    assert code(refused) == (400, "invalid_token")


def test_p11_conflicts_are_listed_with_both_sides_and_resolved(database: Database) -> None:
    call(database, 20)
    call(database, 5, gateId="south")
    listed = database.read_now(
        lambda conn: review.list_conflicts(conn, ScanFilter(), open_only=True)
    )
    (conflict,) = listed["items"]
    assert conflict["kind"] == "double_entry"
    assert conflict["against"]["gateId"] == "south"
    assert "already inside" in conflict["explanation"]["en"]
    assert conflict["explanation"]["ko"]

    def word(name: str, action: Any, at_ms: int) -> str:
        said = NewResolution(name, conflict["scanId"], action, "kim", "seen", at_ms)
        return database.write_now(lambda conn: review.resolve(conn, said))

    assert word("r1", "void", 1) == "resolved"
    item = database.read_now(lambda conn: review.get_scan(conn, conflict["scanId"]))
    assert item is not None
    assert (item["verdict"], item["resolution"]["action"]) == ("voided", "void")
    assert word("r2", "accept", 2) == "resolved"
    item = database.read_now(lambda conn: review.get_scan(conn, conflict["scanId"]))
    assert item is not None
    assert item["verdict"] == "confirmed"
    assert database.read_now(verify) == []


def test_lists_go_on_by_cursor(database: Database) -> None:
    for number in range(5):
        call(database, participantId=f"P{number:06}")
    seen: list[str] = []
    cursor: int | None = None
    while True:
        asked = ScanFilter(limit=2, cursor=cursor)
        page = database.read_now(lambda conn, asked=asked: review.list_attendance(conn, asked))
        seen += [item["participantId"] for item in page["items"]]
        if page["cursor"] is None:
            break
        cursor = int(page["cursor"])
    assert seen == [f"P{number:06}" for number in reversed(range(5))]


def test_p12_a_batch_is_taken_in_order_of_time():
    def at(text, **more):
        return {"timestamp": text, **more}

    early, late = "2026-11-21T09:00:00Z", "2026-11-21T10:00:00Z"
    assert in_order_of_time([at(late), at(early), at(late), 5, at("x"), {}], 0) == [
        3,
        4,
        5,
        1,
        0,
        2,
    ]
    twice = [at(late, requestId="r"), at(early, requestId="r")]
    assert in_order_of_time(twice, 0) == [0, 1]
