"""A first fetch of 100,000 participants over HTTP: seconds, bytes a row, peak memory."""

import gzip
import json
import tempfile
import time
from pathlib import Path

from shared.limits import PAGE_ROWS_DEFAULT
from shared.wire import DIGEST_MODULUS
from tests.benchmarks.rig import Device, peak_memory_mb
from tests.processes.fleet import Server, ending

PARTICIPANTS = 100_000


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        began = time.perf_counter()
        server = Server(Path(name), participants=PARTICIPANTS)
        import_s = time.perf_counter() - began
        with ending(server):
            began = time.perf_counter()
            server.start()
            ready_s = time.perf_counter() - began
            device = Device(server)
            idle_mb = peak_memory_mb(server)
            print(f"init and import {import_s:.1f} s; listening after {ready_s:.2f} s")
            print(f"{'encoding':<10}{'seconds':>9}{'rows':>10}{'bytes/row':>11}{'rows/s':>10}")
            for encoding in ("identity", "gzip"):
                fetch(device, encoding)
            peak_mb = peak_memory_mb(server)
    print(f"server's memory {idle_mb:.0f} MB before, at most {peak_mb:.0f} MB")


def fetch(device: Device, encoding: str) -> None:
    headers = device.headers | {"Accept-Encoding": encoding}
    cursor, more, rows, size, total, digest = "", True, 0, 0, 0, ""
    took_s = 0.0
    while more:
        began = time.perf_counter()
        path = f"/api/v1/sync/changes?limit={PAGE_ROWS_DEFAULT}{cursor}"
        body = device.exchange("GET", path, None, headers)
        took_s += time.perf_counter() - began
        size += len(body)
        text = gzip.decompress(body) if encoding == "gzip" else body
        *lines, page = map(json.loads, text.splitlines())
        rows += len(lines)
        total += sum(int(line["hash"], 16) for line in lines)
        cursor, more = f"&cursor={page['cursor']}", page["more"]
        digest = page.get("digest", "")
    assert digest == f"{total % DIGEST_MODULUS:032x}", "the digest is not that of the rows"
    print(f"{encoding:<10}{took_s:>9.2f}{rows:>10,}{size / rows:>11.0f}{rows / took_s:>10,.0f}")


if __name__ == "__main__":
    main()
