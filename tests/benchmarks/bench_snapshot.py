"""A first fetch of 100,000 and of 1,000,000 participants over HTTP: seconds, bytes a row, memory.

The million is written into the server's tables directly: importing it takes minutes.
"""

import argparse
import json
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from shared.compression import decompress
from shared.limits import PAGE_ROWS_DEFAULT
from shared.wire import DIGEST_MODULUS
from tests.benchmarks.rig import Device, peak_memory_mb
from tests.processes.fleet import Server, ending

PAGE_BYTES_MAX = 64 * 1_024 * 1_024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--participants", type=int, default=100_000)
    parser.add_argument("--seeded", type=int, default=900_000, help="added to them at the end")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        began = time.perf_counter()
        server = Server(Path(name), participants=asked.participants)
        print(f"init and import {time.perf_counter() - began:.1f} s")
        print(
            f"{'encoding':<10}{'seconds':>9}{'rows':>11}{'bytes/row':>11}{'rows/s':>10}{'peak MB':>9}"
        )
        with ending(server):
            server.start()
            device = Device(server)
            for encoding in ("identity", "gzip", "zstd"):
                fetch(server, device, encoding)
        if asked.seeded:
            seed(server, asked.seeded)
            with ending(server):
                server.start()
                fetch(server, Device(server), "zstd")


def fetch(server: Server, device: Device, encoding: str) -> None:
    headers = device.headers | {"Accept-Encoding": encoding}
    cursor, more, rows, size, total, digest = "", True, 0, 0, 0, ""
    took_s = 0.0
    while more:
        began = time.perf_counter()
        path = f"/api/v1/sync/changes?limit={PAGE_ROWS_DEFAULT}{cursor}"
        body = device.exchange("GET", path, None, headers)
        took_s += time.perf_counter() - began
        size += len(body)
        packed = encoding != "identity" and not body.startswith(b"{")
        text = decompress(encoding, body, PAGE_BYTES_MAX) if packed else body
        *lines, page = map(json.loads, text.splitlines())
        rows += len(lines)
        total += sum(int(line["hash"], 16) for line in lines)
        cursor, more = f"&cursor={page['cursor']}", page["more"]
        digest = page.get("digest", "")
    assert digest == f"{total % DIGEST_MODULUS:032x}", "the digest is not that of the rows"
    print(
        f"{encoding:<10}{took_s:>9.2f}{rows:>11,}{size / rows:>11.0f}{rows / took_s:>10,.0f}"
        f"{peak_memory_mb(server):>9.0f}",
        flush=True,
    )


def seed(server: Server, count: int) -> None:
    """As many participants more, each with a ticket; hashes that only have to add up."""
    (file,) = server.data.glob("*.db")
    number, hexadecimal = "'seed-' || i", "printf('%032x', i)"
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        head, digest = database.execute("SELECT revision, digest FROM state").fetchone()
        for table, first, own in (
            ("participants", head, {"email_key": hexadecimal}),
            ("credentials", head + count, {"digest": hexadecimal, "credential_id": number}),
        ):
            own |= {"participant_id": number, "hash": hexadecimal, "revision": f"{first} + i"}
            names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            chosen = ", ".join(own.get(name, f'"{name}"') for name in names)
            database.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                f" INSERT INTO {table} SELECT {chosen} FROM n, (SELECT * FROM {table} LIMIT 1)",
                (count,),
            )
        total = (int(digest, 16) + count * (count + 1)) % DIGEST_MODULUS
        database.execute(
            "UPDATE state SET revision = ?, digest = ?", (head + 2 * count, f"{total:032x}")
        )


if __name__ == "__main__":
    main()
