"""A supervisor at a gate, with real processes: signed in, searching and deciding, online and off."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.processes.fleet import Gate, Server, call, ending, until

pytestmark = pytest.mark.process
PIN = "246813"
PEOPLE = """id,name,email,phone,group
P1,홍길동,hong@example.com,010-1234-5678,Press
P2,홍길순,soon@example.com,010-9876-4321,
P3,John Doe,john@example.com,+44 20 7946 0958,Press
P4,Jane Dough,jane@example.com,010-5555-1111,
"""


class Staff:
    """The kiosk's staff side as its page calls it."""

    def __init__(self, gate: Gate) -> None:
        assert gate.process is not None
        self.base = gate.process.ready["kiosk"].rstrip("/") + "/api/manual"
        self.token = ""

    def ask(self, what: str, **body: Any) -> tuple[int, Any]:
        return call(f"{self.base}/{what}", body, token=self.token or None)

    def ok(self, what: str, **body: Any) -> Any:
        status, answer = self.ask(what, **body)
        assert status == 200, (what, answer)
        return answer

    def sign_in(self, operator: str = "Kim", pin: str = PIN) -> int:
        status, answer = self.ask("session", operator=operator, pin=pin)
        if status == 200:
            self.token = answer["token"]
        return status

    def found(self, query: str) -> list[str]:
        return [one["participantId"] for one in self.ok("search", query=query)["people"]]


def with_staff(tmp_path: Path) -> Server:
    server = Server(tmp_path, participants=0).start()
    (tmp_path / "named.csv").write_text(PEOPLE)
    server.command("import", str(tmp_path / "named.csv"))
    status, made = call(
        f"{server.url}/api/v1/operators",
        {"name": "Kim", "role": "supervisor"},
        token=server.sign_in(),
    )
    assert status == 201, made
    pin = f"{server.url}/api/v1/operators/{made['operatorId']}/pin"
    assert call(pin, {"pin": "12345"}, token=server.sign_in(), method="PUT")[0] == 400
    assert call(pin, {"pin": PIN}, token=server.sign_in(), method="PUT")[0] == 204
    return server


def hashes(gate: Gate) -> set[str]:
    with sqlite3.connect(gate.data / "replica.db") as db:
        rows = db.execute("SELECT body FROM reference_a UNION SELECT body FROM reference_b")
        return {body for (body,) in rows if '"pinHash":"$argon2' in body}


def test_a_full_session_offline_reaches_the_server(tmp_path: Path) -> None:
    """P2, P9, P11: everything a supervisor does without the network counts once it is back."""
    server = with_staff(tmp_path)
    codes = server.codes()
    gate = Gate(tmp_path, server).start()
    with ending(server, gate):
        until(lambda: hashes(gate), "the PIN's hash comes down")
        server.kill()
        staff = Staff(gate)
        assert staff.ask("search", query="홍")[0] == 401
        assert staff.sign_in(pin="000000") == 403
        assert staff.sign_in() == 200
        assert gate.present(codes["P1"])["admitted"]
        _searches(staff, codes)
        once_more = gate.present(codes["P1"])
        assert once_more["reason"] == "just_scanned"
        recent = staff.ok("recent")["items"][0]
        assert (recent["reason"], recent["earlier"]["method"]) == ("just_scanned", "qr_scan")
        assert recent["earlier"]["gateName"] == "Gate 1"
        again = staff.ok("decide", participantId="P1", action="admit", text="Checked the passport")
        assert (again["admitted"], again["reason"]) == (True, "just_scanned")
        for member in ({"text": "a\x00b"}, {"participantId": "P\x001"}):
            asked = {"participantId": "P1", "action": "admit", "text": "x"} | member
            assert staff.ask("decide", **asked)[0] == 400, "the server could not use that scan"
        refused = staff.ok("decide", participantId="P2", action="refuse", text="Drunk")
        assert (refused["admitted"], refused["reason"]) == (False, "staff_refused")
        group = staff.ok("group", participantIds=["P3", "P4"], text="Press bus")["items"]
        assert [one["admitted"] for one in group] == [True, True]
        walk_in = {"name": "이영희", "email": "lee@example.com", "phone": "010-2222-3333"}
        entered = staff.ok("decide", walkIn=walk_in, action="admit", text="Paid at the desk")
        assert (entered["admitted"], entered["reason"]) == (True, "unknown")
        undone = staff.ok("undo", scanId=group[1]["scanId"], text="Wrong person")
        assert staff.ask("undo", scanId=group[1]["scanId"], text="Again")[0] == 409
        assert staff.ask("undo", scanId=refused["scanId"], text="x")[0] == 422
        assert staff.ask("undo", scanId="nothing", text="x")[0] == 404
        assert gate.present(codes["P4"])["admitted"], "taken back: not inside any more"
        assert undone["action"] == "void"
        _nothing_in_clear(gate, codes)
        server.start()
        until(gate.uploaded, "all of it arrives")
        _merged(server)
        server.verify()


def _searches(staff: Staff, codes: dict[str, str]) -> None:
    assert staff.ok("search", query="홍길동")["source"] == "gate"
    assert staff.found("홍길동") == ["P1"]
    assert staff.found("홍길") == ["P1", "P2"]
    assert staff.found("홍") == ["P1", "P2"]
    assert staff.found("john") == ["P3"]
    assert staff.found("doe") == ["P3"]
    assert staff.found("John D") == ["P3"]
    assert staff.found("5678") == ["P1"]
    assert staff.found("010-9876-4321") == ["P2"]
    assert staff.found("JANE@example.com") == ["P4"]
    assert staff.found("press") == ["P1", "P3"]
    assert staff.found(codes["P2"]) == ["P2"]
    assert staff.found(codes["P2"][-5:]) == ["P2"]
    assert staff.found("nobody at all") == []
    person = staff.ok("search", query="홍길동")["people"][0]
    assert person["inside"] is True
    assert (person["lastMethod"], person["gateName"]) == ("qr_scan", "Gate 1")
    assert (person["wouldSay"], "name" in person) == ("just_scanned", False)


def _nothing_in_clear(gate: Gate, codes: dict[str, str]) -> None:
    files = [path for path in gate.data.iterdir() if path.is_file() and path.name != "reserve"]
    held = b"".join(path.read_bytes() for path in files)
    letters = [code.removeprefix("GS:TST") for code in codes.values()]
    for secret in ["홍길동", "hong@example.com", "lee@example.com", "이영희", "5678", *letters]:
        assert secret.encode() not in held, secret


def _merged(server: Server) -> None:
    items = {(i["participantId"], i["reason"], i["verdict"]) for i in server.attendance()}
    assert {("P1", "just_scanned", "confirmed"), ("P2", "staff_refused", "refused")} <= items
    assert ("P4", "ok", "voided") in items
    overrides = [i["override"] for i in server.attendance() if i["override"]]
    assert {one["operatorName"] for one in overrides} == {"Kim"}
    words = {one["text"] for one in overrides}
    with sqlite3.connect(server.data / "sync.db") as db:  # what the live page is told
        told = db.execute("SELECT data FROM outbox WHERE type = 'scan.merged'").fetchall()
    shown = [json.loads(data)["override"] for (data,) in told]
    assert {(one["operatorName"], one["text"]) for one in shown if one} >= {
        ("Kim", "Checked the passport"),
        ("Kim", "Drunk"),
    }
    assert words == {"Checked the passport", "Drunk", "Press bus", "Paid at the desk"}
    (walk_in,) = server.get("/participants?q=lee@example.com")["items"]
    assert (walk_in["name"], walk_in["group"]) == ("이영희", "walk-in")
    assert walk_in["phone"] == "+821022223333"
    assert server.get(f"/attendance?participantId={walk_in['id']}")["items"][0]["verdict"] == (
        "confirmed"
    )


def test_online_the_server_answers_more_fully_and_a_revoked_device_forces_new_pins(
    tmp_path: Path,
) -> None:
    server = with_staff(tmp_path)
    one, two = Gate(tmp_path, server, "g1").start(), Gate(tmp_path, server, "g2").start()
    with ending(server, one, two):
        until(lambda: hashes(one) and hashes(two), "both gates have the PIN")
        assert not hashes(one) & hashes(two), "a hash of its own for each device"
        staff = Staff(one)
        assert staff.sign_in() == 200
        until(lambda: staff.ok("search", query="길동")["source"] == "server", "online")
        person = staff.ok("search", query="길동")["people"][0]
        assert (person["name"], person["email"]) == ("홍길동", "h***@example.com")
        assert person["phoneEnd"] == "5678"
        stolen = two.status()["deviceId"]
        status, _ = call(
            f"{server.url}/api/v1/devices/{stolen}", token=server.sign_in(), method="DELETE"
        )
        assert status == 204
        until(lambda: staff.ask("search", query="길동")[0] == 401, "the PIN is over")
        assert staff.sign_in() == 403


def test_p12_five_wrong_pins_lock_the_desk_and_each_is_a_note(tmp_path: Path) -> None:
    server = with_staff(tmp_path)
    gate = Gate(tmp_path, server).start()
    with ending(server, gate):
        until(lambda: hashes(gate), "the PIN's hash comes down")
        staff = Staff(gate)
        assert [staff.sign_in(pin=f"11111{n}") for n in range(5)] == [403] * 5
        assert staff.sign_in() == 429
        until(gate.uploaded, "the notes arrive")
        with sqlite3.connect(server.data / "sync.db") as db:
            notes = db.execute("SELECT body FROM entries WHERE type = 'note'").fetchall()
        assert sum('"pin_wrong"' in body for (body,) in notes) == 5
