"""P8 at the gate: anchors over restarts and reboots, and entries sealed by them."""

import pytest

from edge_agent.storage.journal import Journal
from edge_agent.sync.sealing import renew_epoch, seal_some
from edge_agent.timekeeper import BOOTS_KEPT_MAX, SAVE_INTERVAL_MS, Timekeeper
from shared import wire
from tests.edge_agent.gate import Clocks

SERVER_MS = wire.parse_time("2026-11-21T12:00:00.000Z")


def meet(time, clocks, server_ms):
    time.learn(clocks.boot, server_ms, server_ms, clocks.boot)


def scan(journal, clocks, n):
    body = {
        "scanId": f"s{n}",
        "bootId": clocks.boot_name,
        "bootMs": clocks.boot,
        "wallAt": wire.format_time(clocks.wall),
    }
    journal.append_scan(body, at_ms=clocks.wall)


@pytest.fixture
def journal(tmp_path):
    opened = Journal.open(tmp_path / "journal.db", new_epoch=lambda: "e1")
    yield opened
    opened.close()


def test_p8_an_anchor_outlives_the_process_but_not_the_boot(tmp_path):
    clocks = Clocks(boot=5_000, wall=7_000)
    first = Timekeeper(clocks, tmp_path / "clock.json")
    assert not first.synced
    assert first.offset_ms() is None
    meet(first, clocks, SERVER_MS)
    first.save()
    clocks.pass_s(60)
    again = Timekeeper(clocks, tmp_path / "clock.json")
    moment, quality = again.now()
    assert quality == "synced"
    assert abs(moment.at_ms - (SERVER_MS + 60_000)) <= moment.error_ms
    clocks.boot_name, clocks.boot, clocks.wall = "boot-2", 3_000, 9_000  # 1970, once more
    rebooted = Timekeeper(clocks, tmp_path / "clock.json")
    moment, quality = rebooted.now()
    assert quality == "wall"
    assert moment.at_ms >= SERVER_MS - 10


def test_a_damaged_clock_file_is_no_more_than_a_lost_hint(tmp_path):
    (tmp_path / "clock.json").write_bytes(b"\x00\xff")
    assert not Timekeeper(Clocks(), tmp_path / "clock.json").synced


def test_p12_anchors_are_saved_once_a_minute_and_few_are_kept(tmp_path):
    clocks, path = Clocks(), tmp_path / "clock.json"
    for boot in range(BOOTS_KEPT_MAX + 5):
        clocks.boot_name = f"boot-{boot}"
        time = Timekeeper(clocks, path)
        meet(time, clocks, SERVER_MS)
        time.save()
    saved = path.read_bytes()
    assert saved.count(b"boot_ms") == BOOTS_KEPT_MAX
    clocks.pass_s(1)
    meet(time, clocks, SERVER_MS + 1_000)
    time.save()
    assert path.read_bytes() == saved
    clocks.pass_s(SAVE_INTERVAL_MS / 1_000)
    time.save()
    assert path.read_bytes() != saved


def test_p8_scans_of_a_boot_that_never_synced_are_bounded(tmp_path, journal):
    """A scan in 1970, a reboot, then the server: the scan lies between enrolment and this boot."""
    clocks = Clocks(boot=10_000, wall=20_000)
    scan(journal, clocks, 1)
    clocks.boot_name, clocks.boot = "boot-2", 30_000
    time = Timekeeper(clocks, enrolled_at_ms=SERVER_MS - 3_600_000)
    scan(journal, clocks, 2)
    meet(time, clocks, SERVER_MS)
    assert seal_some(journal, time) == 2
    assert seal_some(journal, time) == 0
    old, new = journal.entries_from(1, 10)
    assert (old["timeQuality"], new["timeQuality"]) == ("bounded", "synced")
    at_ms, error_ms = wire.parse_time(old["occurredAt"]), old["timeErrorMs"]
    assert at_ms - error_ms <= SERVER_MS - 3_600_000
    assert at_ms + error_ms >= SERVER_MS - 30_000
    assert old["occurredAt"] <= new["occurredAt"]
    assert all(wire.checksum(entry) == entry["checksum"] for entry in (old, new))


def test_p8_a_time_that_had_to_move_far_starts_a_new_epoch(journal):
    clocks = Clocks()
    time = Timekeeper(clocks)
    meet(time, clocks, SERVER_MS)
    scan(journal, clocks, 1)
    seal_some(journal, time)
    clocks.pass_s(10)
    meet(time, clocks, SERVER_MS - 3_600_000)  # the server's clock was an hour ahead before
    scan(journal, clocks, 2)
    seal_some(journal, time)
    moved = journal.entries_from(2, 1, "e1")[0]
    assert moved["occurredAt"] == wire.format_time(SERVER_MS)
    assert moved["timeErrorMs"] >= 3_600_000 - 10_000
    assert journal.epoch != "e1"
    assert journal.head == 0


def test_p2_an_epoch_with_unsealed_entries_is_not_left(journal):
    scan(journal, Clocks(), 1)
    assert not renew_epoch(journal, "e1", "mismatch")
    assert journal.epoch == "e1"
