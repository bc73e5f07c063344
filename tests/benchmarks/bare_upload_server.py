"""The least that an upload can cost: decode the batch, insert its entries, commit durably.

python -m tests.benchmarks.bare_upload_server PORT FILE
"""

import asyncio
import sqlite3
import sys

import msgspec
from aiohttp import web

_decode = msgspec.json.Decoder().decode


def application(path: str) -> web.Application:
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(
        "CREATE TABLE entries (device_id, epoch, seq, checksum, body,"
        " UNIQUE (device_id, epoch, seq, checksum))"
    )

    def insert(batch: dict) -> None:
        database.execute("BEGIN IMMEDIATE")
        database.executemany(
            "INSERT INTO entries VALUES (?, ?, ?, ?, ?)",
            [
                (
                    batch["deviceId"],
                    batch["epoch"],
                    entry["seq"],
                    entry["checksum"],
                    msgspec.json.encode(entry),
                )
                for entry in batch["entries"]
            ],
        )
        database.execute("COMMIT")

    async def scans(request: web.Request) -> web.Response:
        batch = _decode(await request.read())
        await asyncio.to_thread(insert, batch)
        return web.json_response({"contiguousThrough": batch["entries"][-1]["seq"]})

    app = web.Application(client_max_size=4 * 1_024 * 1_024)
    app.router.add_post("/api/v1/sync/scans", scans)
    return app


def _say_ready(*_said: object) -> None:
    print("ready", flush=True)


if __name__ == "__main__":
    web.run_app(application(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), print=_say_ready)
