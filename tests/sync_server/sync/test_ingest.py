"""The uplink: every entry answered, every entry kept, each counted once."""

import itertools
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from shared.errors import WireError
from shared.wire import UploadRequest
from sync_server.attendance.merge_store import refold, refold_device, refold_gate
from sync_server.storage import revisions, schema
from sync_server.storage.history import record_change
from sync_server.sync.ingest import ingest
from sync_server.verify import verify
from tests.sync_server.builders import (
    EPOCH,
    NOW_MS,
    START_MS,
    add_people,
    credential_row,
    gate_row,
    merged_state,
    note_entry,
    resolution_entry,
    scan_entry,
    sealed,
    upload,
)

ON_EACH_DATABASE = {
    "test_p6_no_value_anywhere_in_an_entry_stops_the_rest",
    "test_a_device_in_quarantine_moves_nobody_until_it_is_accepted",
    "test_a_dated_change_folds_again_whom_it_touches",
}


def outcomes(answer):
    return [
        (outcome.seq, outcome.outcome, outcome.code or outcome.verdict)
        for outcome in answer.outcomes
    ]


def verdict_of(database, scan_id):
    asked = select(schema.scans.c.verdict, schema.scans.c.verdict_kind).where(
        schema.scans.c.scan_id == scan_id
    )
    return tuple(database.read_now(lambda conn: conn.execute(asked).one()))


def count(database, table):
    return database.read_now(
        lambda conn: conn.execute(select(func.count()).select_from(table)).scalar_one()
    )


def presence(database, participant_id):
    asked = select(schema.presences).where(schema.presences.c.participant_id == participant_id)
    return database.read_now(lambda conn: conn.execute(asked).mappings().one())


def test_p2_an_upload_sent_twice_counts_once(database):
    entries = [scan_entry(1), scan_entry(2), note_entry(3)]
    first = upload(database, entries)
    assert outcomes(first) == [
        (1, "stored", "confirmed"),
        (2, "stored", "confirmed"),
        (3, "stored", None),
    ]
    before = merged_state(database)
    again = upload(database, entries)
    assert outcomes(again) == [
        (1, "known", "confirmed"),
        (2, "known", "confirmed"),
        (3, "known", None),
    ]
    assert again.contiguous_through == 3
    assert merged_state(database) == before
    assert database.read_now(verify) == []


def test_p2_a_number_that_is_missing_is_named(database):
    answer = upload(database, [scan_entry(n) for n in (1, 2, 5, 6, 9)])
    assert answer.contiguous_through == 2
    assert answer.holes == [(3, 4), (7, 8)]
    found = database.read_now(verify)
    assert any("entries 3-4 have not arrived" in line for line in found)
    late = upload(database, [scan_entry(3), scan_entry(4)])
    assert (late.contiguous_through, late.holes) == (6, [(7, 8)])
    lost = upload(database, [], lost=[(7, 8)])
    assert (lost.contiguous_through, lost.holes) == (9, [])
    assert database.read_now(verify) == []


def test_a_lost_range_without_sense_stops_nothing(database):
    answer = upload(database, [scan_entry(1)], lost=[(5, 2), (0, 1), (-1, 2**70)])
    assert outcomes(answer) == [(1, "stored", "confirmed")]
    assert answer.holes == []


POISON = {
    "bad_checksum": scan_entry(2) | {"checksum": "0" * 16},
    "unknown_type": sealed({"type": "sneeze", "seq": 2}),
    "malformed": scan_entry(2, surprise=1),
    "bad_time": scan_entry(2, occurredAt="yesterday"),
    "foreign_gate": scan_entry(2, gateId="vip"),
    "unknown_reason": scan_entry(2, reason="because"),
    "text_too_long": scan_entry(2, scanId="x" * 65),
    "bad_time_error": scan_entry(2, timeErrorMs=-1),
    "no_scan_id": scan_entry(2, scanId=""),
}


@pytest.mark.parametrize("code", POISON)
def test_p6_what_cannot_be_used_is_kept_and_acknowledged(database, code):
    entries = [scan_entry(1), POISON[code], scan_entry(3)]
    for _ in range(2):
        answer = upload(database, entries)
        assert answer.contiguous_through == 3
        assert (2, "unusable", code) in outcomes(answer)
    assert count(database, schema.entries) == 3
    assert count(database, schema.scans) == 2
    assert database.read_now(verify) == []


def test_p6_after_a_bad_checksum_the_good_entry_is_stored(database):
    upload(database, [POISON["bad_checksum"]])
    assert outcomes(upload(database, [scan_entry(2)])) == [(2, "stored", "confirmed")]


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"seq": None},
        {"seq": True},
        {"seq": 2**80, "type": "scan"},
        {"seq": -1, "type": ["scan"]},
        {"seq": 1.5, "x": {"y": [None]}},
        {"type": "note", "seq": 1, "note": "\x00"},
        {"type": "note", "seq": 1, "note": "\ud800"},
        {"type": "\ud800", "seq": 1},
        {"type": "scan", "seq": 1, "occurredAt": 5},
    ],
)
def test_p6_an_entry_without_a_usable_number_is_kept_too(database, raw):
    for entry in (raw, sealed(raw)):
        answer = upload(database, [entry, scan_entry(2)])
        assert answer.outcomes[0].outcome == "unusable"
        assert answer.outcomes[1].outcome in {"stored", "known"}
    assert count(database, schema.scans) == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.dictionaries(st.sampled_from(sorted(scan_entry(1))), json_values, max_size=3))
def test_p6_no_value_anywhere_in_an_entry_stops_the_rest(database, changes):
    poison = scan_entry(1) | changes
    answer = upload(database, [sealed(poison), poison, note_entry(7)], epoch="ee")
    assert answer.outcomes[2].outcome in {"stored", "known"}


def test_two_contents_under_one_number_are_both_kept_and_named(database):
    upload(database, [scan_entry(1)])
    answer = upload(database, [scan_entry(1, person=5, scanId="other")])
    assert outcomes(answer) == [(1, "mismatch", "confirmed")]
    assert count(database, schema.scans) == 2
    types = database.read_now(
        lambda conn: set(conn.execute(select(schema.outbox.c.type)).scalars())
    )
    assert "journal.mismatch" in types


def test_a_scan_keeps_its_gate_after_its_device_moved(database):
    database.write_now(
        lambda conn: revisions.upsert(
            conn, schema.devices, {"device_id": "dev-north", "gate_id": "vip"}
        )
    )
    answer = upload(database, [scan_entry(1), scan_entry(2, gateId="vip")])
    assert {outcome.outcome for outcome in answer.outcomes} == {"stored"}


def test_p12_a_batch_has_a_limit(database):
    with pytest.raises(WireError, match="at most 500"):
        upload(database, [note_entry(n) for n in range(1, 502)])


def test_p10_of_two_entries_the_earlier_counts_and_the_other_is_named(database):
    upload(database, [scan_entry(1, person=3, minute=30)])
    assert verdict_of(database, "scan-1") == ("confirmed", None)
    south = scan_entry(1, person=3, minute=10, scanId="south-1", gateId="south")
    upload(database, [south], device_id="dev-south")
    assert verdict_of(database, "south-1") == ("confirmed", None)
    assert verdict_of(database, "scan-1") == ("conflict", "double_entry")
    row = presence(database, "P000003")
    assert (row["inside"], row["conflict"], row["first_entry_ms"]) == (
        True,
        True,
        START_MS + 600_000,
    )
    assert database.read_now(verify) == []


def test_a_resolution_from_a_gate_folds_in(database):
    upload(database, [scan_entry(1, person=3), scan_entry(2, person=3, minute=20)])
    assert verdict_of(database, "scan-2") == ("conflict", "double_entry")
    upload(database, [resolution_entry(3, "scan-2", "accept")])
    assert verdict_of(database, "scan-2") == ("confirmed", "double_entry")
    upload(database, [resolution_entry(4, "scan-2", "void", minute=51)])
    assert verdict_of(database, "scan-2")[0] == "voided"
    upload(database, [resolution_entry(5, "nobody's scan", "void")])
    assert database.read_now(verify) == []


def test_a_resolution_of_a_strangers_scan_folds_in(database):
    upload(database, [scan_entry(1, person=777)])
    assert verdict_of(database, "scan-1") == ("conflict", "unknown_participant")
    upload(database, [resolution_entry(2, "scan-1", "void")])
    assert verdict_of(database, "scan-1") == ("voided", None)
    assert database.read_now(verify) == []


def test_a_scan_finds_its_owner_when_the_credential_appears(database):
    person = scan_entry(2, kind="person", participantId="P000031", digest=None)
    upload(database, [scan_entry(1, person=30), person])
    assert verdict_of(database, "scan-1") == ("conflict", "unknown_participant")

    def register(conn):
        add_people(conn, range(30, 32))
        return refold(conn, ["P000030", "P000031"], NOW_MS, digests=[credential_row(30)["digest"]])

    assert set(database.write_now(register)) == {"scan-1", "scan-2"}
    assert verdict_of(database, "scan-1") == ("confirmed", None)
    assert presence(database, "P000031")["attended"]
    assert database.read_now(verify) == []


def test_claims_count_only_for_a_credential_of_ours(database):
    claims = {"participantId": "P000003"}
    upload(
        database,
        [
            scan_entry(1, person=900, credentialId="C000003", claims=claims),
            scan_entry(2, person=901, credentialId="C-stranger", participantId="P000004"),
            scan_entry(3, digest=None, kind="walk_in", walkIn={"name": "Kim"}),
        ],
    )
    assert verdict_of(database, "scan-1") == ("confirmed", None)
    assert verdict_of(database, "scan-2") == ("conflict", "unknown_participant")
    assert verdict_of(database, "scan-3") == ("conflict", "unknown_participant")


def test_a_device_in_quarantine_moves_nobody_until_it_is_accepted(database):
    def quarantine(value):
        def job(conn):
            conn.execute(update(schema.devices).values(quarantined=value))
            refold_device(conn, "dev-north", NOW_MS)

        return job

    upload(database, [scan_entry(1), scan_entry(2, person=777), resolution_entry(3, "s-1", "void")])
    upload(database, [scan_entry(1, person=5, scanId="s-1", gateId="south")], device_id="dev-south")
    before = merged_state(database)
    database.write_now(quarantine(True))
    assert verdict_of(database, "scan-1") == ("refused", "quarantined")
    assert verdict_of(database, "scan-2") == ("refused", "quarantined")
    assert not presence(database, "P000001")["inside"]
    database.write_now(quarantine(False))
    assert merged_state(database) == before
    assert database.read_now(verify) == []


def test_what_came_before_a_device_was_revoked_stays(database):
    upload(database, [scan_entry(1), resolution_entry(2, "scan-1", "accept")])

    def revoke(conn):
        changes = {"device_id": "dev-north", "state": "revoked", "quarantined": True}
        revisions.upsert(conn, schema.devices, changes)
        record_change(conn, "device", "dev-north", {"quarantined": False}, changes, NOW_MS + 1)
        refold_device(conn, "dev-north", NOW_MS + 1)

    database.write_now(revoke)
    late = UploadRequest(
        device_id="dev-north",
        epoch=EPOCH,
        entries=[scan_entry(3, minute=0), resolution_entry(4, "scan-1", "void")],
    )
    database.write_now(lambda conn: ingest(conn, "dev-north", late, NOW_MS + 2))
    assert verdict_of(database, "scan-1") == ("confirmed", None)
    assert verdict_of(database, "scan-3") == ("refused", "quarantined")
    assert database.read_now(verify) == []


def test_a_dated_change_folds_again_whom_it_touches(database):
    upload(database, [scan_entry(1), scan_entry(2, minute=30)])

    def close_gate(conn):
        before, after = gate_row("north"), gate_row("north", active=False)
        revisions.upsert(conn, schema.gates, after)
        record_change(conn, "gate", "north", before, after, START_MS + 20 * 60_000)
        return refold_gate(conn, "north", NOW_MS)

    assert database.write_now(close_gate) == ["scan-2"]
    assert verdict_of(database, "scan-1") == ("confirmed", None)
    assert verdict_of(database, "scan-2") == ("conflict", "gate_closed")
    assert database.read_now(verify) == []


# --- P3: the stored rows depend on the set of what came, not on how it came --------------------


def a_busy_hour(seed):
    """Two journals of entries, exits, doubles, strangers, resolutions and twins."""
    rng = random.Random(seed)
    journals = {}
    for device_id, gate_id in (("dev-north", "north"), ("dev-south", "south")):
        entries = []
        for seq in range(1, 13):
            made = scan_entry(
                seq,
                person=rng.choice([1, 2, 3, 99]),
                minute=rng.randrange(0, 60),
                scanId=f"{gate_id}-{seq}",
                gateId=gate_id,
                direction=rng.choice(["entry", "entry", "exit"]),
                timeErrorMs=rng.choice([0, 0, 90_000]),
                admitted=rng.random() < 0.85,
                processingMs=rng.random() * 40,
            )
            if seq > 1 and rng.random() < 0.2:
                target = f"{rng.choice(['north', 'south'])}-{rng.randrange(1, seq)}"
                made = resolution_entry(seq, target, rng.choice(["accept", "void"]), minute=seq)
            entries.append(made)
        entries.append(scan_entry(4, person=2, scanId=f"{gate_id}-twin", gateId=gate_id))
        journals[device_id] = entries
    return journals


def deliver(database, journals, rng):
    """Permuted, doubled and split at random."""
    pieces = [(device_id, entry) for device_id, entries in journals.items() for entry in entries]
    pieces += rng.sample(pieces, len(pieces) // 3)
    rng.shuffle(pieces)
    while pieces:
        cut = rng.randrange(1, 9)
        batch, pieces = pieces[:cut], pieces[cut:]
        for device_id, group in itertools.groupby(batch, key=lambda piece: piece[0]):
            upload(database, [entry for _, entry in group], device_id=device_id)


@pytest.mark.parametrize("seed", range(6))
def test_p3_permuted_doubled_and_split_uploads_give_equal_rows(new_database, seed):
    journals = a_busy_hour(seed)
    whole = new_database("whole")
    for device_id, entries in journals.items():
        upload(whole, entries, device_id=device_id)
    expected = merged_state(whole)
    assert whole.read_now(verify) == []
    for turn in range(3):
        other = new_database(f"other-{turn}")
        deliver(other, journals, random.Random(seed * 100 + turn))
        assert merged_state(other) == expected, f"seed {seed}, delivery {turn}"
        assert other.read_now(verify) == []


def test_many_devices_can_hold_the_same_scan_id(database):
    upload(database, [scan_entry(1, person=1, scanId="same")])
    upload(
        database,
        [scan_entry(1, person=2, scanId="same", gateId="south")],
        device_id="dev-south",
    )
    upload(database, [resolution_entry(2, "same", "void")])
    assert database.read_now(verify) == []


def test_an_upload_that_fails_midway_leaves_nothing(database, monkeypatch):
    request = UploadRequest(device_id="dev-north", epoch="aa", entries=[scan_entry(1)])

    def broken(conn):
        ingest(conn, "dev-north", request, NOW_MS)
        raise OSError("disk full")

    before = database.read_now(revisions.head)
    with pytest.raises(OSError, match="disk full"):
        database.write_now(broken)
    assert count(database, schema.entries) == 0
    assert database.read_now(revisions.head) == before
