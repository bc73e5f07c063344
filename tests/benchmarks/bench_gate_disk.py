"""What a gate costs its card: bytes written for a scan, decisions a second with a 20 ms fsync, and
what a long journal costs at start.

The bytes are the kernel's own count of the loop device that the journal lies on (root needed); the
20 ms are put into fdatasync by strace. Without root both are left out, and it is said.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from edge_agent.own_scans import OwnScans
from edge_agent.storage.journal import Journal
from tests.disasters.cards import card
from tests.edge_agent.gate import enrolled_folder

ROOT = Path(__file__).parents[2]
LOOP = ROOT / "tests" / "disasters" / "opening_loop.py"
MIB = 1 << 20


def decide(folder: Path, scans: int, *before: str) -> float:
    """Let a lane decide so often; scans a second, without its start."""
    loop = subprocess.Popen(
        [*before, sys.executable, LOOP, folder, "1"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert loop.stdout is not None
    loop.stdout.readline()
    began = time.perf_counter()
    for _ in range(scans - 1):
        loop.stdout.readline()
    took = time.perf_counter() - began
    loop.kill()
    loop.stdout.close()
    loop.wait(10)
    return (scans - 1) / took


def bytes_a_scan(folder: Path, scans: int) -> tuple[float, float]:
    """On the device with its file system's own writing, and as the process asked for it."""
    with card(folder, 64) as sd:
        gate = enrolled_folder(sd.path / "gate", people=scans + 200)
        os.sync()
        before = sd.bytes_written()
        decide(gate, scans)
        os.sync()
        on_device = sd.bytes_written() - before
        journal = Journal.open(gate / "journal.db", new_epoch=lambda: "none")
        head = journal.head
        journal.close()
        kept = (gate / "journal.db").stat().st_size
    return on_device / head, kept / head


def long_journal(folder: Path, entries: int) -> tuple[float, float, float]:
    """MiB of the file, seconds and MiB of memory to open it and lay nothing over the list."""
    path = folder / "journal.db"
    journal = Journal.open(path, new_epoch=lambda: "00000000000000aa")
    body = {"note": "x" * 430}
    journal._conn.execute("PRAGMA synchronous=OFF")
    journal._conn.execute("BEGIN")
    for _ in range(entries - 1):
        journal.append_note(body, at_ms=1)
    journal.append_scan({"occurredAt": "2026-11-21T09:00:00.000Z"}, at_ms=1, sealed=True)
    journal._conn.execute("COMMIT")
    journal.close()
    before = psutil.Process().memory_info().rss
    took = []
    for _ in range(5):
        began = time.perf_counter()
        journal = Journal.open(path, new_epoch=lambda: "none")
        took.append(time.perf_counter() - began)
        journal.epochs()
        resident = psutil.Process().memory_info().rss
        journal.close()
    return path.stat().st_size / MIB, statistics.median(took), (resident - before) / MIB


def overlay(folder: Path, scans: int) -> tuple[float, float]:
    """Seconds and MiB to lay so many own scans over the list: all that no server answered for."""
    journal = Journal.open(folder / "journal.db", new_epoch=lambda: "00000000000000aa")
    journal._conn.execute("PRAGMA synchronous=OFF")
    journal._conn.execute("BEGIN")
    for n in range(scans):
        body = {
            "scanId": f"019ab9c6-0000-7000-8000-{n:012}",
            "participantId": f"P{n:06}",
            "admitted": True,
            "direction": "entry",
            "reason": "ok",
            "kind": "ticket",
            "gateId": "main",
            "digest": f"{n:032x}",
            "bootId": "0" * 36,
            "wallAt": "2026-11-21T09:00:00.000Z",
        }
        journal.append_scan(body, at_ms=n)
    journal._conn.execute("COMMIT")
    before = psutil.Process().memory_info().rss
    own = OwnScans("D1")
    began = time.perf_counter()
    for row in journal.scans_after(journal.epoch, 0):
        own.take(journal.epoch, row.seq, row.body, row.at_ms)
    took = time.perf_counter() - began
    resident = psutil.Process().memory_info().rss
    journal.close()
    return took, (resident - before) / MIB


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=1_000)
    parser.add_argument("--entries", type=int, default=1_000_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if os.geteuid() == 0:
            written, kept = bytes_a_scan(folder, asked.scans)
            print(f"bytes written to the card a scan {written:>12,.0f}")
            print(f"bytes that stay in the journal   {kept:>12,.0f}")
            print(f"written of kept                  {written / kept:>12.1f}")
        else:
            print("bytes a scan: needs root")
        fast = enrolled_folder(folder / "fast", people=asked.scans + 200)
        plain = decide(fast, asked.scans)
        print(f"decisions a second, this disk    {plain:>12.0f}")
        if shutil.which("strace") and os.geteuid() == 0:
            slow = enrolled_folder(folder / "slow", people=400)
            inject = ("-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=20000")
            rate = decide(slow, 100, "strace", "-D", "-f", "-qq", "-o", "/dev/null", *inject)
            print(f"… with a 20 ms fsync             {rate:>12.1f}")
            print(f"  of what that disk can sync     {rate / 50:>12.2f}")
        else:
            print("20 ms fsync: needs root and strace")
        if asked.entries:
            (folder / "long").mkdir()
            mib, seconds, memory = long_journal(folder / "long", asked.entries)
            label = f"{asked.entries:,} entries"
            print(f"{label}: {mib:,.0f} MiB, opened in {seconds:.3f} s, {memory:.0f} MiB of memory")
            (folder / "own").mkdir()
            scans = asked.entries // 10
            seconds, memory = overlay(folder / "own", scans)
            print(f"{scans:,} own scans laid over the list: {seconds:.2f} s, {memory:.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
