"""Beacons over HTTP: given, imported, paired; rotating ids for gates, and never a key (P9)."""

from typing import Any

import msgspec
import pytest

from shared import beacons, credentials, wire
from shared.wire_beacons import BadgeLine, BadgePageLine
from sync_server import system_clock
from sync_server.verify import verify
from tests.sync_server.builders import scan_entry
from tests.sync_server.http.conftest import Server

KEY = "0102030405060708090a111213141516"
HOUR_MS = 3_600_000
ROTATING = {"type": "eddystone-eid", "identityKey": KEY, "rotationExponent": 5}
IBEACON = {
    "type": "ibeacon",
    "uuid": "F7826DA6-4FA2-4E98-8024-BC5B71E0893E",
    "major": 1,
    "minor": 2,
}


async def give(server: Server, beacon: dict[str, Any], person: str = "P000001") -> tuple[int, Any]:
    return await server.api(
        "POST",
        f"/participants/{person}/credentials",
        key=server.keys["operator"],
        json={"kind": "beacon", "beacon": beacon},
    )


async def badge_page(
    server: Server, token: str, **query: str
) -> tuple[list[BadgeLine], BadgePageLine]:
    status, body = await server.api("GET", "/sync/beacons", key=token, params=query)
    assert status == 200, body
    assert bytes.fromhex(KEY) not in body
    assert KEY.encode() not in body.lower()
    *lines, last = body.splitlines()
    return (
        [msgspec.json.decode(line, type=BadgeLine) for line in lines],
        msgspec.json.decode(last, type=BadgePageLine),
    )


def in_hours(hours: float) -> str:
    return wire.format_time(system_clock.now_ms() + round(hours * HOUR_MS))


async def test_gates_get_the_coming_hours_digests_and_the_key_stays(server: Server) -> None:
    """P9; the digest is API §3.4's of `eddystone-eid:…`, its first 8 bytes."""
    before_ms = system_clock.now_ms()
    status, made = await give(server, ROTATING)
    assert status == 201
    assert made["code"] == "eddystone-eid (a new id each 32 s)"
    device = await server.enrol()
    (line,), last = await badge_page(server, device.token, until=in_hours(48))
    until_ms = wire.parse_time(last.until)
    assert 6 * HOUR_MS <= until_ms - before_ms <= 7 * HOUR_MS, (
        "the horizon holds, whatever is asked"
    )
    digest_key = server.services.keys.digest
    name = beacons.rotating_badge(bytes.fromhex(KEY))
    assert line.digest == credentials.beacon_digest(digest_key, name)
    assert wire.parse_time(line.first_slot_at) - before_ms < 2_000, "its clock starts now"
    count = len(line.eids) // 8
    assert 0 <= wire.parse_time(line.first_slot_at) + 32_000 * count - until_ms < 32_000
    for slot, eid in enumerate(beacons.eids(bytes.fromhex(KEY), 5, 0, count)):
        whole = credentials.beacon_digest(digest_key, beacons.eddystone_eid(eid))
        assert line.eids[8 * slot : 8 * slot + 8].hex() == whole[:16]
    for address in ("/participants/P000001", "/audit"):
        _, shown = await server.api("GET", address, key=server.keys["owner"])
        assert KEY not in str(shown).lower()
    status, feed = await server.api("GET", "/sync/changes", key=device.token)
    assert KEY.encode() not in feed.lower()


async def test_pages_go_on_where_the_last_ended_and_only_with_what_is_new(server: Server) -> None:
    for number in range(3):
        key = f"{number:032x}"
        assert (await give(server, {**ROTATING, "identityKey": key}))[0] == 201
    device = await server.enrol()
    first, page = await badge_page(server, device.token, until=in_hours(1), limit="2")
    assert page.more
    rest, page = await badge_page(
        server, device.token, until=in_hours(1), limit="2", cursor=page.cursor
    )
    assert not page.more
    assert len({line.digest for line in first + rest}) == 3
    nothing, page = await badge_page(server, device.token, until=in_hours(1), cursor=page.cursor)
    assert nothing == []
    afresh, _ = await badge_page(server, device.token, until=in_hours(1), cursor="ffff.9")
    assert len(afresh) == 3, "another database's cursor starts from scratch"


async def test_hours_that_follow_each_other_leave_no_slot_out(server: Server) -> None:
    await give(server, {**ROTATING, "clockSeconds": 100_000})
    device = await server.enrol()
    whole, last = await badge_page(server, device.token, until=in_hours(3))
    middle = wire.format_time(wire.parse_time(last.until) - HOUR_MS)
    early, _ = await badge_page(server, device.token, until=middle)
    late, _ = await badge_page(server, device.token, until=last.until, **{"from": middle})
    assert early[0].eids + late[0].eids == whole[0].eids


@pytest.mark.parametrize(
    ("beacon", "field"),
    [
        ({**ROTATING, "identityKey": "00"}, "beacon.identityKey"),
        ({**ROTATING, "rotationExponent": 15}, "beacon.rotationExponent"),
        ({**ROTATING, "eid": "00" * 8}, "beacon.eid"),
        ({**ROTATING, "eid": "00" * 8, "clockSeconds": 1}, "beacon.eid"),
        ({**ROTATING, "clockAt": "noon"}, "beacon.clockAt"),
        ({**ROTATING, "major": 3}, "beacon.major"),
        ({**IBEACON, "minor": 65536}, "beacon.minor"),
        ({"type": "ibeacon", "major": 1, "minor": 1}, "beacon.uuid"),
        ({"type": "altbeacon", "id": "zz"}, "beacon.id"),
    ],
)
async def test_a_beacon_that_is_none_is_refused_by_its_member(
    server: Server, beacon: dict[str, Any], field: str
) -> None:
    status, answer = await give(server, beacon)
    assert (status, answer["error"]["field"]) == (400, field)


async def test_a_beacon_is_one_participants_only(server: Server) -> None:
    assert (await give(server, IBEACON))[0] == 201
    status, answer = await give(server, IBEACON, "P000002")
    assert (status, answer["error"]["code"]) == (409, "beacon_taken")


async def test_a_revoked_badge_is_given_to_another_and_earlier_scans_stay_with_the_first(
    server: Server,
) -> None:
    """DESIGN §2: reassigning a badge revokes one credential and adds another (P3)."""
    _, first = await give(server, IBEACON)
    operator, device = server.keys["operator"], await server.enrol("north")
    name = beacons.ibeacon(bytes.fromhex(IBEACON["uuid"].replace("-", "")), 1, 2)
    digest = credentials.beacon_digest(server.services.keys.digest, name)

    async def scan(seq: int, **more: Any) -> None:
        entry = scan_entry(seq, digest=digest, kind="beacon", method="ble_auto", **more)
        body = {"deviceId": device.device_id, "epoch": "00000000000000ab", "entries": [entry]}
        status, answer = await server.api("POST", "/sync/scans", key=device.token, json=body)
        assert (status, answer["outcomes"][0]["outcome"]) == (200, "stored"), answer

    await scan(1, credentialId=first["id"], participantId="P000001")
    path = f"/credentials/{first['id']}"
    assert (await server.api("DELETE", path, key=operator))[0] == 204
    status, second = await give(server, IBEACON, "P000002")
    assert status == 201, second
    assert second["id"] != first["id"]
    await scan(2, credentialId=second["id"], participantId="P000002")
    _, found = await server.api("GET", "/attendance", key=server.keys["viewer"])
    assert {item["seq"]: item["participantId"] for item in found["items"]} == {
        1: "P000001",
        2: "P000002",
    }
    assert await server.database.read(verify) == []
    assert (await give(server, IBEACON, "P000003"))[0] == 409


async def test_a_clock_is_found_from_the_id_that_the_badge_shows(server: Server) -> None:
    shown = beacons.eid(bytes.fromhex(KEY), 5, 123_456)
    assert (await give(server, {**ROTATING, "eid": shown.hex()}))[0] == 201
    device = await server.enrol()
    (line,), _ = await badge_page(server, device.token, until=in_hours(1))
    digest = credentials.beacon_digest(server.services.keys.digest, beacons.eddystone_eid(shown))
    slot = [line.eids[n : n + 8].hex() for n in range(0, len(line.eids), 8)].index(digest[:16])
    starts_ms = wire.parse_time(line.first_slot_at) + slot * 32_000
    assert -1_000 <= system_clock.now_ms() - starts_ms - 16_000 <= 10_000


async def test_a_list_of_beacons_answers_each_row(server: Server) -> None:
    text = (
        "participantId;type;uuid;major;minor;identityKey;rotationExponent\n"
        "P000001;ibeacon;f7826da6-4fa2-4e98-8024-bc5b71e0893e;1;2;;\n"
        f"P000002;eddystone-eid;;;;{KEY};5\n"
        "nobody;ibeacon;f7826da6-4fa2-4e98-8024-bc5b71e0893e;1;3;;\n"
        "P000003;ibeacon;f7826da6-4fa2-4e98-8024-bc5b71e0893e;1;2;;\n"
        "P000003;ibeacon;x;1;2;;\n"
        ";ibeacon;x;1;2;;\n"
    )

    async def imported() -> dict[str, Any]:
        status, answer = await server.api(
            "POST", "/beacons/import", key=server.keys["operator"],
            data=text.encode(), headers={"Content-Type": "text/csv"},
        )  # fmt: skip
        assert status == 200, answer
        return dict(answer)

    answer = await imported()
    assert (answer["created"], answer["unchanged"], answer["refused"]) == (2, 0, 4)
    faults = [(row["line"], row["errors"][0]["code"]) for row in answer["rows"]]
    assert faults == [
        (4, "participant_not_found"),
        (5, "beacon_taken"),
        (6, "invalid_beacon"),
        (7, "malformed_row"),
    ]
    again = await imported()
    assert (again["created"], again["unchanged"]) == (0, 2)


async def test_a_badge_held_to_a_gate_is_paired_when_an_operator_confirms(server: Server) -> None:
    operator, device = server.keys["operator"], await server.enrol("north")
    elsewhere = await server.enrol("south")
    status, pairing = await server.api(
        "POST", "/gates/north/pairings", key=operator, json={"participantId": "P000004"}
    )
    assert (status, pairing["nearest"]) == (201, None)
    path = f"/pairings/{pairing['id']}"
    status, _ = await server.api("POST", f"{path}/confirm", key=operator, json={"beacon": "x"})
    assert status == 422
    _, page = await badge_page(server, device.token, until=in_hours(1))
    assert page.pairing is not None
    assert page.pairing.pairing_id == pairing["id"]
    assert (await badge_page(server, elsewhere.token, until=in_hours(1)))[1].pairing is None
    heard = {"pairingId": pairing["id"], "beacon": f"altbeacon:{'ab' * 20}", "rssi": -48.5}
    assert (await server.api("POST", "/sync/pairing", key=elsewhere.token, json=heard))[0] == 404
    bad = {**heard, "beacon": "AA:BB:CC:DD:EE:FF"}
    assert (await server.api("POST", "/sync/pairing", key=device.token, json=bad))[0] == 400
    assert (await server.api("POST", "/sync/pairing", key=device.token, json=heard))[0] == 204
    _, seen = await server.api("GET", path, key=operator)
    assert seen["nearest"]["beacon"] == heard["beacon"]
    status, _ = await server.api(
        "POST", f"{path}/confirm", key=operator, json={"beacon": f"altbeacon:{'cd' * 20}"}
    )
    assert status == 409, "what the operator did not see is not confirmed"
    status, made = await server.api(
        "POST", f"{path}/confirm", key=operator, json={"beacon": heard["beacon"]}
    )
    assert (status, made["participantId"], made["kind"]) == (201, "P000004", "beacon")
    assert (await server.api("GET", path, key=operator))[0] == 404
    assert (await badge_page(server, device.token, until=in_hours(1)))[1].pairing is None


async def test_a_rotating_badge_is_paired_with_its_key(server: Server) -> None:
    operator, device = server.keys["operator"], await server.enrol("north")
    _, pairing = await server.api(
        "POST", "/gates/north/pairings", key=operator, json={"participantId": "P000004"}
    )
    canonical = beacons.eddystone_eid(beacons.eid(bytes.fromhex(KEY), 6, 50_000))
    heard = {"pairingId": pairing["id"], "beacon": canonical, "rssi": -40}
    assert (await server.api("POST", "/sync/pairing", key=device.token, json=heard))[0] == 204
    path = f"/pairings/{pairing['id']}/confirm"
    status, _ = await server.api("POST", path, key=operator, json={"beacon": canonical})
    assert status == 400, "without its key nobody knows its next id"
    body = {"beacon": canonical, "identityKey": KEY, "rotationExponent": 6}
    status, made = await server.api("POST", path, key=operator, json=body)
    assert status == 201, made
    assert len((await badge_page(server, device.token, until=in_hours(1)))[0]) == 1


async def test_a_gates_beacon_settings_are_checked_and_sent_down(server: Server) -> None:
    operator = server.keys["operator"]
    beacon = {"beaconAdmit": "any", "enterDb": 1, "leaveDb": 9}
    status, gate = await server.api("PATCH", "/gates/north", key=operator, json={"beacon": beacon})
    assert (status, gate["beacon"]) == (200, beacon)
    for wrong in ({"beaconAdmit": "all"}, {"enterDb": 9, "leaveDb": 3}, {"enter": 1}):
        status, _ = await server.api("PATCH", "/gates/north", key=operator, json={"beacon": wrong})
        assert status == 400, wrong


async def test_a_device_asks_for_rotating_ids_and_nobody_else(server: Server) -> None:
    status, _ = await server.api(
        "GET", "/sync/beacons", key=server.keys["owner"], params={"until": in_hours(1)}
    )
    assert status == 403
    device = await server.enrol()
    for wrong in ({"until": "noon"}, {"until": in_hours(1), "cursor": "x"}, {}):
        status, _ = await server.api("GET", "/sync/beacons", key=device.token, params=wrong)
        assert status == 400, wrong
