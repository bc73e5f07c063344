"""The lane: P1 durable first, P4 no known-bad entry, P5 independent, P7, P10 once inside."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent import outcomes
from edge_agent.facts import NotReadyError
from edge_agent.identity import b64_encode
from edge_agent.lane import OutOfOrderError
from shared import credentials, wire
from shared.errors import UsageError
from shared.model import Direction
from shared.timekeeping import Stamp
from tests.edge_agent.gate import Gate, code, digest, letters
from tests.edge_agent.storage import lines


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    opened = Gate(tmp_path)
    opened.list()
    yield opened
    opened.close()


def test_an_admission_is_written_down_as_the_wire_wants_it(gate: Gate) -> None:
    outcome = gate.present(code(1))
    assert outcome.decision.admitted
    [entry] = gate.journal.entries_from(1, 10)
    scan = msgspec.convert(entry, wire.JournalEntry)
    assert isinstance(scan, wire.ScanEntry)
    assert (scan.participant_id, scan.credential_id, scan.digest) == ("P1", "C1", digest(1))
    assert (scan.replica_cursor, scan.time_quality) == ("g1.10", "synced")
    assert scan.occurred_at == wire.format_time(lines.NOON_MS)
    assert wire.checksum(entry) == scan.checksum
    assert gate.pin.opened == [scan.scan_id] == [outcome.scan_id]
    assert outcomes.as_json(outcome)["message"]["ko"] == "환영합니다."


def test_p9_no_ticket_code_is_in_any_file(gate: Gate, tmp_path: Path) -> None:
    for text in (code(1), code(99), "TCF24-" + letters(2)):
        gate.present(text)
    for path in tmp_path.iterdir():
        data = path.read_bytes()
        assert not any(letters(n).encode() in data for n in (1, 2, 99)), path.name


def test_p1_nothing_opens_when_the_commit_fails_and_the_gate_goes_on(gate: Gate) -> None:
    gate.journal._conn.execute("PRAGMA query_only=ON")
    with pytest.raises(OutOfOrderError, match="opens for nobody"):
        gate.present(code(1))
    assert gate.pin.opened == []
    assert "journal" in gate.lane.health.fault
    gate.journal._conn.execute("PRAGMA query_only=OFF")
    outcome = gate.present(code(1))
    assert (outcome.decision.admitted, outcome.seq, gate.lane.health.fault) == (True, 1, "")


def test_p1_the_scan_is_on_disk_when_the_barrier_opens(gate: Gate, tmp_path: Path) -> None:
    seen: list[int] = []

    def look(_scan_id: str) -> None:
        other = sqlite3.connect(tmp_path / "journal.db")
        seen.append(other.execute("SELECT count(*) FROM entries").fetchone()[0])
        other.close()

    gate.pin.open = look  # type: ignore[method-assign]
    gate.present(code(1))
    gate.present(code(2))
    assert seen == [1, 2]


def test_a_barrier_that_fails_leaves_the_scan(gate: Gate) -> None:
    def broken(_scan_id: str) -> None:
        raise OSError("no such pin")

    gate.pin.open = broken  # type: ignore[method-assign]
    assert gate.present(code(1)).seq == 1
    assert "no such pin" in gate.lane.health.barrier_fault


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (code(1), "ok"),
        ("TCF24-" + letters(1), "ok"),
        (letters(1).lower(), "ok"),
        (code(99), "unknown"),
        ("GS:OTHER" + letters(1), "wrong_event"),
        ("hello", "unreadable"),
        (code(1)[:-1] + "!", "unreadable"),
        ("x" * 5_000, "unreadable"),
    ],
)
def test_recognition(gate: Gate, text: str, reason: str) -> None:
    assert gate.reason(text) == reason


def test_p10_a_second_entry_is_refused_before_and_after_a_restart(gate: Gate) -> None:
    assert gate.reason(code(1)) == "ok"
    assert gate.reason(code(1)) == "just_scanned"
    gate.clocks.pass_s(301)
    assert gate.reason(code(1)) == "already_inside"
    gate.restart_lane()
    assert gate.reason(code(1)) == "already_inside"
    assert gate.reason(code(1), direction=Direction.EXIT) == "ok"
    gate.clocks.pass_s(301)
    assert gate.reason(code(1)) == "ok"


def test_p7_a_scan_made_while_a_page_is_applied_is_not_forgotten(gate: Gate) -> None:
    gate.present(code(1))
    gate.clocks.pass_s(400)
    # A page that the server made before our upload: it does not know the scan.
    gate.replica.apply_page([lines.presence(1, 11)], lines.page(11))
    assert gate.reason(code(1)) == "already_inside"
    # Acknowledged, visible from 12 on: held until the cursor gets there …
    gate.replica.record_ack(gate.journal.epoch, 2, "g1.12")
    assert gate.reason(code(1)) == "already_inside"
    assert len(gate.lane.facts.own) == 1
    # … and then the row alone counts.
    row = lines.presence(1, 12, inside=False, last_at=None)
    gate.replica.apply_page([row], lines.page(12))
    assert gate.reason(code(1)) == "ok"


def test_own_scans_re_enter_when_the_server_came_back_older(gate: Gate) -> None:
    gate.present(code(1))
    gate.replica.record_ack(gate.journal.epoch, 1, "g1.11")
    inside = lines.presence(1, 11, inside=True, last_at=wire.format_time(lines.NOON_MS))
    gate.replica.apply_page([inside], lines.page(11))
    gate.clocks.pass_s(400)
    assert gate.reason(code(1), dry_run=True) == "already_inside"
    assert len(gate.lane.facts.own) == 0
    rows = [lines.event(), lines.gate(), lines.participant(1, 3), lines.credential(1, 4, digest(1))]
    gate.replica.apply_page(rows, lines.page(4, generation="g2"))
    assert gate.reason(code(1)) == "already_inside"


def test_p4_what_the_replica_knows_bad_does_not_enter(gate: Gate) -> None:
    gate.replica.apply_page(
        [
            lines.credential(1, 11, digest(1), "revoked"),
            lines.participant(2, 12, "blocked"),
            lines.participant(3, 13, "cancelled"),
        ],
        lines.page(13),
    )
    assert [gate.reason(code(n)) for n in (1, 2, 3)] == ["revoked", "blocked", "cancelled"]
    assert gate.pin.opened == []
    # Nobody is locked in.
    assert gate.reason(code(2), direction=Direction.EXIT) == "ok"


def test_changes_of_event_and_gate_count_at_once(gate: Gate) -> None:
    assert gate.reason(code(1)) == "ok"
    gate.replica.apply_page([lines.gate(revision=11, active=False)], lines.page(11))
    assert gate.reason(code(2)) == "gate_closed"
    gate.replica.apply_page(
        [lines.gate(revision=12), lines.event(13, end_date="2026-11-21T10:00:00.000Z")],
        lines.page(13),
    )
    assert gate.reason(code(2)) == "too_late"


def test_direction_at_a_one_way_gate(gate: Gate) -> None:
    gate.replica.apply_page([lines.gate(revision=11, direction="exit")], lines.page(11))
    assert gate.present(code(1)).direction == "exit"
    with pytest.raises(UsageError, match="exit only"):
        gate.present(code(1), direction=Direction.ENTRY)


def test_what_was_set_at_a_gate_for_both_ways_does_not_stop_it_when_it_is_for_one(
    gate: Gate,
) -> None:
    """The device was moved, or the gate was changed at the server: the door may not hang."""
    gate.lane.facts.usual_direction = Direction.EXIT
    assert gate.present(code(1)).direction == "exit"
    gate.replica.apply_page([lines.gate(revision=11, direction="entry")], lines.page(11))
    assert gate.present(code(2)).direction == "entry"


def test_dry_run_records_nothing(gate: Gate) -> None:
    outcome = gate.present(code(1), dry_run=True)
    assert (outcome.decision.admitted, outcome.scan_id, gate.journal.head) == (True, None, 0)
    assert gate.pin.opened == []
    assert gate.reason(code(1)) == "ok"


def test_p12_at_most_ten_unreadable_scans_a_minute_are_recorded(gate: Gate) -> None:
    for _ in range(15):
        gate.present("noise")
    assert (gate.journal.head, gate.lane.health.unreadable_not_recorded) == (10, 5)
    gate.clocks.pass_s(61)
    gate.present("noise")
    assert gate.journal.head == 11


def test_without_a_list_nothing_is_decided(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with pytest.raises(NotReadyError, match="no list yet"):
        gate.present(code(1))
    gate.list()
    assert gate.reason(code(1)) == "ok"
    gate.close()


def test_p8_unsynced_scans_wait_to_be_sealed_and_order_is_kept(tmp_path: Path) -> None:
    gate = Gate(tmp_path, synced=False)
    gate.list()
    gate.present(code(1))
    assert (gate.journal.unsealed_count, gate.journal.entries_from(1, 9)) == (1, [])
    now, boot = gate.clocks.wall, gate.clocks.boot
    gate.time.learn(boot, now, now, boot)
    gate.present(code(2))
    assert gate.journal.unsealed_count == 2  # one waits, so this one waits behind it
    gate.close()


def test_p8_times_sealed_at_once_are_those_that_sealing_gives(gate: Gate) -> None:
    gate.present(code(1))
    gate.clocks.boot -= 5_000  # the server's clock seems to go back: order is kept all the same
    gate.clocks.wall -= 5_000
    gate.present(code(2))
    first, second = gate.journal.entries_from(1, 9)
    stamp = Stamp(2, "boot-1", gate.clocks.boot, gate.clocks.wall)
    [sealed] = gate.time.seal([stamp], wire.parse_time(first["occurredAt"]))
    assert second["occurredAt"] == wire.format_time(sealed.at_ms) == first["occurredAt"]
    assert second["timeErrorMs"] == sealed.error_ms >= 5_000


# --- signed tickets ------------------------------------------------------------------------------

PRIVATE = b"p" * 32
PUBLIC = Ed25519PrivateKey.from_private_bytes(PRIVATE).public_key().public_bytes_raw()


def signed(n: int, *, event: str = "conf", issued_ms: int = lines.NOON_MS, person: int = 50) -> str:
    claims = credentials.Claims(
        key_id=credentials.key_id(PUBLIC),
        event=credentials.event_mark(event),
        participant_id=f"P{person}",
        credential_id=f"C{n}",
        issued_at_s=issued_ms // 1_000,
        valid_from_s=None,
        valid_until_s=None,
        permissions=["attendance"],
        name="김*",
    )
    return credentials.sign_payload("TCF24", letters(n), claims, PRIVATE)


@pytest.fixture
def signing(gate: Gate) -> Gate:
    keys = {credentials.key_id(PUBLIC): b64_encode(PUBLIC)}
    gate.replica.apply_page([lines.event(11, ticket_keys=keys)], lines.page(11))
    return gate


def test_a_late_ticket_is_admitted_on_its_claims_once(signing: Gate) -> None:
    outcome = signing.present(signed(50))
    assert (outcome.decision.admitted, outcome.participant_id, outcome.masked_name) == (
        True,
        "P50",
        "김*",
    )
    [entry] = signing.journal.entries_from(1, 9)
    assert entry["claims"]["participantId"] == "P50"
    assert isinstance(msgspec.convert(entry, wire.JournalEntry), wire.ScanEntry)
    assert signing.reason(signed(50)) == "just_scanned"


def test_a_forged_or_foreign_signature_is_refused(signing: Gate) -> None:
    good = signed(50)
    assert signing.reason(good[:-3] + "000") == "forged"
    assert signing.reason(signed(50, event="other")) == "wrong_event"
    moved = signed(51).partition(":")[2].partition(":")[2]
    assert signing.reason(f"{code(50)}:{moved}") == "forged"


def test_a_ticket_that_the_replica_should_know_is_unknown(signing: Gate) -> None:
    late = lines.NOON_MS + 61_000
    signing.replica.apply_page([], lines.page(11, server_ms=late))
    assert signing.reason(signed(50)) == "unknown"
    assert signing.reason(signed(51, issued_ms=lines.NOON_MS + 10_000)) == "ok"


def test_p4_the_replica_wins_over_claims(signing: Gate) -> None:
    signing.replica.apply_page([lines.participant(50, 12, "blocked")], lines.page(12))
    assert signing.reason(signed(50)) == "blocked"
