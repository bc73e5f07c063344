"""Backup while serving and restore, with 100,000 participants and 300,000 scans, on each database.

The promise is a restore within 5 minutes. Scans are written as rows, not folded one by one: what is
measured is how many bytes and rows move. `verify` is not run; tests do that on small ones.
"""

import argparse
import json
import secrets
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from shared import wire
from shared.merge import Presence
from shared.wire import format_time
from sync_server.attendance.merge_store import presence_row
from sync_server.storage import revisions, schema
from sync_server.storage.chunks import insert_rows
from sync_server.storage.database import Database
from sync_server.sync.entry_check import scan_row
from tests import postgres
from tests.benchmarks.bench_upload import backlog
from tests.benchmarks.rig import Device, digests
from tests.processes.fleet import Server, ending, run
from tests.sync_server.builders import credential_row, participant_row, scan_entry

PIECE = 5_000


def fill(database: Database, participants: int, scans: int) -> None:
    """Rows as the server writes them: participants, tickets, presences, entries, scans, outbox."""
    for start in range(0, participants, PIECE):
        numbers = range(start, min(start + PIECE, participants))
        database.write_now(lambda conn, numbers=numbers: _people(conn, numbers))
    for start in range(0, scans, PIECE):
        numbers = range(start, min(start + PIECE, scans))
        database.write_now(lambda conn, numbers=numbers: _scans(conn, numbers, participants))


def _people(conn: Connection, numbers: range) -> None:
    sealed = secrets.token_urlsafe(60)  # as long as what the vault makes, and as hard to compress
    rows = [
        participant_row(n + 1_000_000, name=sealed + str(n), email=sealed[::-1] + str(n))
        for n in numbers
    ]
    revisions.upsert_many(conn, schema.participants, rows)
    cards = [credential_row(n + 1_000_000, code=secrets.token_urlsafe(60)) for n in numbers]
    revisions.upsert_many(conn, schema.credentials, cards)
    nowhere = Presence()
    places = [presence_row(f"P{n + 1_000_000:06}", nowhere, attended=False) for n in numbers]
    revisions.upsert_many(conn, schema.presences, places)


def _scans(conn: Connection, numbers: range, participants: int) -> None:
    entries: list[dict[str, Any]] = []
    scans: list[dict[str, Any]] = []
    outbox: list[dict[str, Any]] = []
    for n in numbers:
        raw = scan_entry(n + 1, n % participants + 1_000_000, minute=n / 1_000)
        entry = msgspec.convert(raw, wire.JournalEntry)
        common = {"device_id": "bench", "epoch": "b" * 16, "seq": n + 1}
        entries.append(
            {**common, "checksum": raw["checksum"], "type": "scan", "received_ms": n,
             "unusable": None, "body": json.dumps(raw)}
        )  # fmt: skip
        assert isinstance(entry, wire.ScanEntry)
        row = scan_row("bench", "b" * 16, entry, n, n)
        scans.append(
            {**row, "verdict": "confirmed", "verdict_kind": None, "against": None,
             "participant_id": f"P{n % participants + 1_000_000:06}", "credential_id": None}
        )  # fmt: skip
        outbox.append({"type": "scan.merged", "at_ms": n, "data": {**raw, "at": format_time(n)}})
    insert_rows(conn, schema.entries, entries)
    insert_rows(conn, schema.scans, scans)
    insert_rows(conn, schema.outbox, outbox[: PIECE // 3])


def timed(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def command(server: Server, *words: str) -> None:
    name, *rest = words
    done = run("sync-server", name, "--data", str(server.data), *rest,
               environment=server.environment, timeout_s=600)  # fmt: skip
    assert done.returncode == 0, done.stderr


def measure(folder: Path, url: str | None, participants: int, scans: int) -> dict[str, float]:
    folder.mkdir()
    server = Server(folder, participants=50, database_url=url)
    held = digests(server)
    database = Database.open(url or f"sqlite:///{server.data}/sync.db")
    filled_s = timed(lambda: fill(database, participants, scans))
    database.close()
    file = folder / "a.backup"
    with ending(server):
        server.start()
        device = Device(server)
        uploads = backlog(device.device_id, f"{1:016x}", held, int(time.time() * 1_000) - 1_500_000)
        ended = Event()
        slowest: list[float] = [0.0]

        def upload() -> None:
            for body in uploads:
                if ended.is_set():
                    return
                took = timed(lambda body=body: device.exchange("POST", "/api/v1/sync/scans", body))
                slowest[0] = max(slowest[0], took)

        writing = Thread(target=upload)
        writing.start()
        backup_s = timed(lambda: command(server, "backup", "--to", str(file), "--with-keys"))
        ended.set()
        writing.join()
    restore_s = timed(lambda: command(server, "restore", "--from", str(file)))
    again = Database.open(url or f"sqlite:///{server.data}/sync.db")
    count = again.read_now(
        lambda conn: conn.execute(select(func.count()).select_from(schema.scans)).scalar_one()
    )
    again.close()
    assert count >= scans
    return {
        "fill s": filled_s, "backup s": backup_s, "slowest upload s": slowest[0],
        "restore s": restore_s, "file MB": file.stat().st_size / 1e6,
    }  # fmt: skip


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("--participants", type=int, default=100_000)
    given.add_argument("--scans", type=int, default=300_000)
    given.add_argument("--on", choices=["sqlite", "postgresql", "both"], default="both")
    chosen = given.parse_args()
    print(f"{chosen.participants:,} participants, {chosen.scans:,} scans; uploads of 500 meanwhile")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if chosen.on != "postgresql":
            tell("SQLite", measure(folder / "a", None, chosen.participants, chosen.scans))
        if chosen.on == "sqlite":
            return
        if postgres.binaries() is None:
            print(postgres.MISSING)
            return
        url = stack.enter_context(postgres.cluster(durable=True)).new_database()
        tell("PostgreSQL", measure(folder / "b", url, chosen.participants, chosen.scans))


def tell(kind: str, found: dict[str, float]) -> None:
    print(f"{kind:<12}" + "; ".join(f"{name} {value:.1f}" for name, value in found.items()))


if __name__ == "__main__":
    main()
