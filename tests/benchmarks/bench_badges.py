"""How large the gates' table of rotating ids is, and what it costs (DESIGN §7, docs/beacons.md)."""

import secrets
import sys
import tempfile
from pathlib import Path
from time import process_time

import msgspec
import zstandard

from edge_agent.storage.badge_store import BadgeStore, Run
from shared import wire
from shared.wire_beacons import BadgeLine
from sync_server.privacy.vault import Vault
from sync_server.registration.beacons import RotatingBadge
from sync_server.sync.badge_table import HOUR_MS, BadgeTable, Span

HOURS = 6
COMPUTED = 500  # of so many badges; the rest is made up
NOW_MS = 1_800_000_000_000 // HOUR_MS * HOUR_MS


def main() -> int:
    print(
        f"{'badges':>7} {'slot':>6} {'on the wire':>12} {'at the gate':>12} {'server CPU':>14}"
        f" {'again':>8} {'gate, window':>13}"
    )
    for count, exponent in ((1_000, 5), (1_000, 6), (10_000, 5), (10_000, 6)):
        print(_row(count, exponent), flush=True)
    return 0


def _row(count: int, exponent: int) -> str:
    table = BadgeTable(Vault(bytes(32)), secrets.token_bytes(32))
    badges = [
        RotatingBadge(secrets.token_bytes(16), exponent, NOW_MS - n * 1_000)
        for n in range(COMPUTED)
    ]
    span = Span(NOW_MS, NOW_MS + HOURS * HOUR_MS)
    first_s, lines = _timed(table, badges, span)
    again_s, _ = _timed(table, badges, span)
    first_s, again_s = first_s * count / COMPUTED, again_s * count / COMPUTED
    lines += [
        msgspec.structs.replace(
            lines[n % COMPUTED], digest=f"{n:032x}", eids=secrets.token_bytes(len(lines[0].eids))
        )
        for n in range(COMPUTED, count)
    ]
    body = b"\n".join(msgspec.json.encode(line) for line in lines)
    wire_bytes = len(zstandard.compress(body, 3))
    with tempfile.TemporaryDirectory() as folder:
        store = BadgeStore.open(Path(folder) / "badges.db")
        store.replace([_run(line) for line in lines], "g.1")
        held = sum(file.stat().st_size for file in Path(folder).glob("badges.db"))
        held = max(held, store.bytes_held())
        started_s = process_time()
        store.window(NOW_MS + HOUR_MS - 64_000, NOW_MS + HOUR_MS + 79_000)
        window_s = process_time() - started_s
        store.close()
    return (
        f"{count:7,} {1 << exponent:4} s {wire_bytes / 1e6:9.1f} MB {held / 1e6:9.1f} MB"
        f" {first_s:12.1f} s {again_s:6.2f} s {window_s * 1_000:10.0f} ms"
    )


def _timed(
    table: BadgeTable, badges: list[RotatingBadge], span: Span
) -> tuple[float, list[BadgeLine]]:
    started_s = process_time()
    lines = [table.line(f"{n:032x}", badge, span) for n, badge in enumerate(badges)]
    return process_time() - started_s, lines


def _run(line: BadgeLine) -> Run:
    first_ms = wire.parse_time(line.first_slot_at)
    return Run(bytes.fromhex(line.digest), first_ms, line.slot_seconds * 1_000, line.eids)


if __name__ == "__main__":
    sys.exit(main())
