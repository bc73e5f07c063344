"""P4, P10, P11: what changes at the server while gates are cut off, and what gates then learn."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.processes.fleet import Gate, Server, ending, until
from tests.processes.proxy import Proxy

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]


@dataclass
class Fleet:
    """One server, two gates behind lines that can be cut; each test has visitors of its own."""

    server: Server
    one: Gate
    two: Gate
    line_one: Proxy
    line_two: Proxy
    codes: dict[str, str]

    def until_all_is_here(self) -> None:
        until(lambda: self.one.uploaded() and self.two.uploaded(), "all arrives")

    def scan_of(self, person: str) -> dict[str, Any]:
        (item,) = self.server.get(f"/attendance?participantId={person}")["items"]
        return dict(item)

    def conflict_of(self, person: str) -> dict[str, Any]:
        items = self.server.get("/conflicts")["items"]
        return next(dict(item) for item in items if item["participantId"] == person)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    server = Server(folder, participants=12).start()
    with ending(server), Proxy(server.port) as first, Proxy(server.port) as second:
        one = Gate(folder, server, "g1", through=first.url)
        two = Gate(folder, server, "g2", through=second.url)
        with ending(one, two):
            one.start()
            two.start()
            yield Fleet(server, one, two, first, second, server.codes())
            server.verify()


def test_p10_p11_both_gates_learn_of_a_double_entry_and_show_it_until_it_is_decided(
    fleet: Fleet,
) -> None:
    code, server = fleet.codes["P000"], fleet.server
    until(lambda: fleet.two.state()["online"], "a contact that can be named")
    with fleet.line_one.away(), fleet.line_two.away():
        assert fleet.one.present(code)["admitted"]
        assert fleet.two.present(code)["admitted"]
    for gate, other in ((fleet.one, "g2"), (fleet.two, "Gate 1")):
        told = until(lambda gate=gate: gate.state()["doubleEntries"], "the kiosk is told")
        assert (told["count"], told["gate"]) == (1, other)
        (conflict,) = gate.status()["conflicts"]
        assert (conflict["participantId"], conflict["kind"]) == ("P000", "double_entry")
    item = fleet.conflict_of("P000")
    assert {item["gateName"], item["against"]["gateName"]} == {"Gate 1", "g2"}
    assert item["knowledge"]["couldKnow"] is False
    assert "could not know" in item["explanation"]["en"]
    assert "알 수 없었습니다" in item["explanation"]["ko"]
    word = {"action": "accept", "reason": "came back from the car park"}
    for _ in range(2):  # an answer may be lost: said again it is one word
        server.ask("POST", f"/scans/{item['scanId']}/resolution", word)
    assert server.get("/conflicts?open=true")["items"] == []
    until(lambda: not fleet.one.state()["doubleEntries"], "gate one hears of the decision")
    until(lambda: not fleet.two.state()["doubleEntries"], "gate two hears of the decision")


def test_p4_p10_cancelled_and_reissued_while_the_gate_was_cut_off(fleet: Fleet) -> None:
    server = fleet.server
    with fleet.line_one.away():
        server.ask("DELETE", "/participants/P001")
        server.ask("POST", "/participants/P002/credentials", {"kind": "ticket"})
        assert fleet.one.present(fleet.codes["P001"])["admitted"], "it could not know"
        assert fleet.one.present(fleet.codes["P002"])["admitted"]
        new_ticket = server.codes()["P002"]
    fleet.until_all_is_here()
    for person, kind in (("P001", "cancelled"), ("P002", "revoked")):
        item = fleet.conflict_of(person)
        assert (item["kind"], item["verdict"]) == (kind, "conflict")
        assert item["knowledge"]["couldKnow"] is False
        until(lambda p=person, k=kind: fleet.one.would(fleet.codes[p]) == k, "the gate hears")
    assert fleet.one.present(fleet.codes["P001"], "exit")["admitted"], "nobody is locked in"
    assert fleet.one.present(fleet.codes["P002"], "exit")["admitted"]
    assert fleet.one.present(new_ticket)["admitted"]


def test_event_times_changed_live_reach_the_gates_and_are_judged_anew(fleet: Fleet) -> None:
    server, code = fleet.server, fleet.codes["P003"]
    event = server.get("/event")
    now = datetime.now(UTC)
    with fleet.line_two.away():
        server.ask("PATCH", "/event", {"endDate": (now - timedelta(minutes=1)).isoformat(),
                                       "settings": {"admissionMarginSeconds": 0}})  # fmt: skip
        until(lambda: fleet.one.would(code) == "too_late", "the gate that is near hears of it")
        assert fleet.two.present(code)["admitted"], "the one that is cut off could not"
    fleet.until_all_is_here()
    assert fleet.conflict_of("P003")["kind"] == "outside_period"
    assert fleet.two.would(fleet.codes["P004"]) == "too_late"
    settings = {"admissionMarginSeconds": event["settings"]["admissionMarginSeconds"]}
    server.ask("PATCH", "/event", {"endDate": event["endDate"], "settings": settings})
    until(lambda: fleet.one.would(fleet.codes["P004"]) == "ok", "and of the change back")
    assert fleet.conflict_of("P003")["kind"] == "outside_period", "as of then it was over"


def test_a_device_moved_to_another_gate_keeps_what_it_scanned_before(fleet: Fleet) -> None:
    server, one = fleet.server, fleet.one
    device = one.identity()["deviceId"]
    with fleet.line_one.away():
        server.ask("PATCH", f"/devices/{device}", {"gateId": "g2"})
        assert one.present(fleet.codes["P005"])["admitted"]
    until(lambda: one.state()["gate"]["id"] == "g2", "the gate hears that it was moved")
    assert one.present(fleet.codes["P006"])["admitted"]
    fleet.until_all_is_here()
    for person, gate_id in (("P005", "g1"), ("P006", "g2")):
        scan = fleet.scan_of(person)
        assert (scan["gateId"], scan["verdict"]) == (gate_id, "confirmed")
    server.ask("PATCH", f"/devices/{device}", {"gateId": "g1"})
    until(lambda: one.state()["gate"]["id"] == "g1", "and back")


def test_a_revoked_device_wipes_its_list_and_its_uploads_wait(fleet: Fleet) -> None:
    server, two = fleet.server, fleet.two
    path = f"/devices/{two.identity()['deviceId']}"
    with fleet.line_two.away():
        assert two.present(fleet.codes["P007"])["admitted"]
        server.ask("DELETE", path)
    until(lambda: two.status()["participants"] == 0, "it wipes its list")
    fleet.until_all_is_here()
    waiting = server.get(f"{path}/quarantine")
    assert [item["participantId"] for item in waiting["items"]] == ["P007"]
    assert fleet.scan_of("P007")["kind"] == "quarantined"
    answer = server.ask("POST", f"{path}/quarantine/accept", {"reason": "it was only mislaid"})
    assert answer == {"accepted": 1}
    assert fleet.scan_of("P007")["verdict"] == "confirmed"
    assert server.get(f"{path}/quarantine")["items"] == []
