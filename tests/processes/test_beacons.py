"""Badges end to end: real server and agent, bleak on BlueZ, a bluetoothd that the test plays."""

import time
from pathlib import Path

import pytest

from edge_agent.readers.adverts import EDDYSTONE
from shared import beacons
from tests.bluez.mock_bluez import DAEMON
from tests.bluez.room import Badge, Room, room
from tests.processes.fleet import Gate, Server, call, ending, until

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(DAEMON is None, reason="there is no dbus-daemon here: apt install dbus"),
]

KEY = bytes.fromhex("0102030405060708090a111213141516")
EXPONENT = 5
CLOCK_S = 500_000
STRANGER = "5A:11:22:33:44:55"
ROTATING = {
    "type": "eddystone-eid",
    "identityKey": KEY.hex(),
    "rotationExponent": EXPONENT,
    "clockSeconds": CLOCK_S,
}


def ibeacon(number: int) -> dict[int, bytes]:
    return {0x4C: b"\x02\x15" + bytes(16) + number.to_bytes(4) + b"\xc5"}


class RotatingBadge:
    """As the badge computes it; `late_s`: a recording of so long ago."""

    def __init__(self) -> None:
        self._started_s = time.monotonic() - CLOCK_S

    def frame(self, late_s: float = 0) -> dict[str, bytes]:
        clock_s = int(time.monotonic() - self._started_s - late_s)
        return {EDDYSTONE: b"\x30\xee" + beacons.eid(KEY, EXPONENT, clock_s)}


def figures(gate: Gate) -> dict[str, float]:
    (reader,) = [one for one in gate.status()["readers"] if one["name"] == "beacons"]
    return dict(reader["figures"])


def heard(gate: Gate, name: str, least: float) -> None:
    until(lambda: figures(gate).get(name, 0) >= least, f"{name} of {least}")


@pytest.fixture
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    folder = tmp_path / "bluez"
    folder.mkdir()
    with room(folder) as made:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", made.address)
        yield made


def test_a_rotating_badge_walks_in_hands_free_and_its_recording_does_not(
    around: Room, tmp_path: Path
) -> None:
    """Issue 4, DESIGN §7: a badge recorded minutes ago is worthless; fixed ids don't admit here."""
    server = Server(tmp_path).start()
    gate = Gate(tmp_path, server)
    with ending(server, gate):
        badge = RotatingBadge()
        beacon = {"kind": "beacon", "beacon": ROTATING}
        made = server.ask("POST", "/participants/P001/credentials", beacon)
        fixed = {"type": "ibeacon", "uuid": "00" * 16, "major": 0, "minor": 2}
        server.ask("POST", "/participants/P002/credentials", {"kind": "beacon", "beacon": fixed})
        gate.start("--beacons", "hci0")
        heard(gate, "rotating_badges_known", 1)
        around.badges["C0:00:00:00:00:09"] = Badge(-50, service=lambda: badge.frame(300))
        around.badges["C0:00:00:00:00:02"] = Badge(-50, lambda: ibeacon(2))
        around.badges[STRANGER] = Badge(-40, lambda: ibeacon(77))
        heard(gate, "strangers_frames", 25)
        heard(gate, "fixed_not_taken", 15)
        assert gate.status()["head"] == 0, "neither the recording nor the fixed id was a sighting"
        around.badges["C0:00:00:00:00:01"] = Badge(-55, service=badge.frame)
        until(gate.openings, "the badge opens the gate")
        (scan,) = until(server.attendance, "its scan arrives")
        assert (scan["participantId"], scan["credentialId"]) == ("P001", made["id"])
        assert (scan["method"], scan["admitted"], scan["verdict"]) == (
            "ble_auto",
            True,
            "confirmed",
        )
        heard(gate, "beacon_frames", figures(gate)["beacon_frames"] + 40)
        assert gate.status()["head"] == 1, "who lingers is one scan"
        gate.stop()
        written = b"".join(file.read_bytes() for file in gate.data.iterdir() if file.is_file())
        log = (tmp_path / "agent-g1.log").read_bytes()
        for secret in (KEY, KEY.hex().encode(), STRANGER.encode(), STRANGER.lower().encode()):
            assert secret not in written
            assert secret not in log
        server.verify()


def test_a_revoked_badge_is_refused_and_a_gate_may_take_fixed_ids(
    around: Room, tmp_path: Path
) -> None:
    server = Server(tmp_path).start()
    gate = Gate(tmp_path, server)
    with ending(server, gate):
        server.ask("PATCH", "/gates/g1", {"beacon": {"beaconAdmit": "any", "silenceSeconds": 2}})
        ids = []
        for number in (1, 2):
            fixed = {"type": "ibeacon", "uuid": "00" * 16, "major": 0, "minor": number}
            body = {"kind": "beacon", "beacon": fixed}
            ids.append(server.ask("POST", f"/participants/P00{number}/credentials", body)["id"])
        token = server.sign_in()
        url = f"{server.url}/api/v1/credentials/{ids[1]}"
        assert call(url, token=token, method="DELETE")[0] == 204
        gate.start("--beacons", "auto")
        around.badges["C0:00:00:00:00:01"] = Badge(-50, lambda: ibeacon(1))
        around.badges["C0:00:00:00:00:02"] = Badge(-50, lambda: ibeacon(2))
        until(lambda: len(server.attendance()) == 2, "both were decided on")
        told = {item["participantId"]: item["reason"] for item in server.attendance()}
        assert told == {"P001": "ok", "P002": "revoked"}
        assert len(gate.openings()) == 1


def test_a_badge_held_to_the_gate_is_paired_and_then_opens_it(around: Room, tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    gate = Gate(tmp_path, server)
    with ending(server, gate):
        server.ask("PATCH", "/gates/g1", {"beacon": {"beaconAdmit": "any", "silenceSeconds": 2}})
        gate.start("--beacons", "hci0")
        around.badges["5A:00:00:00:00:01"] = Badge(-70, lambda: ibeacon(500))
        around.badges["C0:00:00:00:00:07"] = Badge(-38, lambda: ibeacon(7))
        pairing = server.ask("POST", "/gates/g1/pairings", {"participantId": "P007"})
        path = f"/pairings/{pairing['id']}"
        wanted = f"ibeacon:{'00' * 16}:0000:0007"
        until(
            lambda: (server.get(path)["nearest"] or {}).get("beacon") == wanted,
            "the gate names the badge that is held to it",
        )
        assert server.ask("POST", f"{path}/confirm", {"beacon": wanted})["participantId"] == "P007"
        (scan,) = until(server.attendance, "it opens the gate from then on")
        assert (scan["participantId"], scan["admitted"]) == ("P007", True)


def test_a_gate_without_bluetooth_works_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'no-bus'}")
    server = Server(tmp_path).start()
    gate = Gate(tmp_path, server)
    with ending(server, gate):
        gate.start("--beacons", "hci0")
        assert gate.present(next(iter(server.codes().values())))["admitted"]
        (reader,) = [one for one in gate.status()["readers"] if one["name"] == "beacons"]
        assert reader["state"] == "missing"
        assert "Tickets and typed codes work as ever." in reader["detail"]
