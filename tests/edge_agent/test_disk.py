"""The gate's disk and its reserve (P1, P12); real full disks are in tests/disasters."""

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from edge_agent.disk import Disk, DiskFault, DiskLimits
from edge_agent.lane import OutOfOrderError
from edge_agent.troubles import TROUBLES, say
from tests.edge_agent.gate import Gate, code

SMALL = DiskLimits(warn_bytes=0, reserve_bytes=1 << 20, slow_ms=100)


@pytest.fixture
def gate(tmp_path: Path):
    made = Gate(tmp_path)
    made.list()
    yield made
    made.close()


def refuse(gate: Gate, monkeypatch, times: int, why: DiskFault | None) -> None:
    """The next writes fail as on a disk in trouble."""
    write, left = gate.journal.append_scan, [times]

    def failing(*args, **more):
        if left[0]:
            left[0] -= 1
            raise sqlite3.OperationalError("database or disk is full")
        return write(*args, **more)

    monkeypatch.setattr(gate.journal, "append_scan", failing)
    if why is not None:
        monkeypatch.setattr(gate.disk, "why", lambda: why)


def test_p12_the_reserve_takes_real_room_and_is_kept_once(tmp_path: Path) -> None:
    disk = Disk(tmp_path, SMALL)
    disk.keep_reserve()
    disk.keep_reserve()
    assert disk.reserve_bytes == 1 << 20
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 1 << 20
    assert disk.free_reserve()
    assert not disk.free_reserve()
    assert disk.troubles() == ["disk_no_reserve"]


def test_p1_a_full_disk_frees_the_reserve_and_the_scan_is_written(gate, monkeypatch) -> None:
    gate.disk.limits = SMALL
    gate.disk.keep_reserve()
    refuse(gate, monkeypatch, 1, DiskFault.FULL)
    assert gate.reason(code(1)) == "ok"
    assert gate.pin.opened == ["scan-1"]
    assert gate.disk.reserve_bytes == 0
    assert gate.lane.health.fault == ""


@pytest.mark.parametrize("why", DiskFault)
def test_p1_where_nothing_can_be_written_nothing_opens_and_it_is_said_why(
    gate, monkeypatch, why
) -> None:
    refuse(gate, monkeypatch, 2, why)
    with pytest.raises(OutOfOrderError):
        gate.present(code(1))
    assert gate.pin.opened == []
    assert gate.lane.health.fault_code == why
    gate.lane.try_disk()  # by itself, once the disk is well again
    assert gate.lane.health.fault_code == ""
    assert gate.journal.head == 0
    monkeypatch.undo()
    assert gate.reason(code(1)) == "ok"


def test_a_slow_disk_is_told(tmp_path: Path) -> None:
    disk = Disk(tmp_path, SMALL)
    disk.keep_reserve()
    for took_ms in (4, 5, 700, 6):  # one slow sync is no slow disk
        disk.committed(took_ms)
    assert disk.troubles() == []
    for _ in range(5):
        disk.committed(520)
    assert disk.troubles() == ["disk_slow"]


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        (errno.ENOSPC, DiskFault.FULL),
        (errno.EROFS, DiskFault.READ_ONLY),
        (errno.EIO, DiskFault.ERROR),
    ],
)
def test_the_disk_itself_says_why(tmp_path: Path, monkeypatch, number, fault) -> None:
    def fails(*_args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    assert Disk(tmp_path, SMALL).why() is fault


def test_p11_every_trouble_is_said_in_two_languages() -> None:
    for code_, words in TROUBLES.items():
        assert words.en, code_
        assert words.ko, code_
    assert set(DiskFault) <= set(TROUBLES)
    assert say("journal_salvaged", lost=60, saved=4940)["en"].endswith(
        "60 entries lost, 4940 saved"
    )
