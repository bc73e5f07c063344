"""P8 with real processes: boots in 1970 and 2031 without a network, told right once one is there.

Each boot is a time namespace with an uptime of a few seconds, a boot id of its own and a wall clock
by libfaketime. Needs root, `unshare --time` and libfaketime.
"""

import json
import os
import subprocess
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.wire import parse_time
from tests.processes.fleet import BIN, Gate, Server, ending, until

BOOT_ID = "/proc/sys/kernel/random/boot_id"
SINCE_BOOT_S = 1  # what each new boot says that it has been up
LIBRARIES = [*Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")]


def lacking() -> str:
    if os.geteuid() != 0:
        return "root is needed to make time namespaces"
    if not LIBRARIES:
        return "libfaketime is not installed (apt: libfaketime)"
    tried = subprocess.run(
        ["unshare", "--mount", "--time", "--boottime", "-1", "true"],
        capture_output=True,
        check=False,
    )
    return "" if tried.returncode == 0 else f"unshare --time: {tried.stderr.decode().strip()}"


@pytest.fixture(autouse=True)
def _needs():
    if reason := lacking():
        pytest.skip(reason)


def in_a_new_boot(folder: Path, wall: str | None, *command: str) -> list[str]:
    """The command as it would run after a power cut, the wall clock standing at `wall`."""
    boot = folder / f"boot-{uuid.uuid4()}"
    boot.write_text(f"{uuid.uuid4()}\n")
    # What it says it has been up must have passed since the boot before ended, as with a real Pi:
    # else two boots overlap, and the second's entries seem later than they were.
    time.sleep(SINCE_BOOT_S + 1)
    up_s = float(Path("/proc/uptime").read_text().split()[0])
    offset = f"-{max(int(up_s) - SINCE_BOOT_S, 0)}"
    fake = [] if wall is None else [
        f"LD_PRELOAD={LIBRARIES[0]}", f"FAKETIME=@{wall}", "FAKETIME_DONT_FAKE_MONOTONIC=1",
    ]  # fmt: skip
    script = f'mount --bind "{boot}" {BOOT_ID} && exec env "$@"'
    return [
        "unshare", "--mount", "--time", "--boottime", offset,
        "sh", "-c", script, "sh", *fake, str(BIN / command[0]), *command[1:],
    ]  # fmt: skip


def decide(folder: Path, gate: Gate, wall: str, code: str) -> dict[str, object]:
    command = in_a_new_boot(
        folder, wall, "edge-agent", "decide", "--data", str(gate.data), code, "--json"
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return dict(json.loads(done.stdout))


def test_p8_boots_of_1970_and_2031_are_told_within_their_error(tmp_path):
    server = Server(tmp_path)
    with ending(server):
        server.start()
        gate = Gate(tmp_path, server)
        codes = list(server.codes().values())
        server.kill()
        began_ms = time.time_ns() // 1_000_000

        past = decide(tmp_path, gate, "1970-01-01 00:00:40", codes[0])
        assert past["admitted"], past
        assert past["decidedErrorMs"] >= 86_400_000  # a clock proven wrong

        future = decide(tmp_path, gate, "2031-05-05 05:05:05", codes[1])
        assert future["admitted"], future  # nobody stands outside because the clock runs ahead
        assert future["withinError"] == "too_late"
        assert "the clock is sure to" in future["message"]["en"]
        ended_ms = time.time_ns() // 1_000_000

        server.start()
        command = in_a_new_boot(
            tmp_path, None, "edge-agent", "run", "--data", str(gate.data),
            "--camera", "off", "--beacons", "off", "--kiosk-port", "0",
        )  # fmt: skip
        with (tmp_path / "agent.log").open("wb") as log:
            agent = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
            try:
                items = until(
                    lambda: (found := server.attendance()) and len(found) == 2 and found,
                    "both scans arrive",
                )
            finally:
                agent.terminate()
                agent.wait(timeout=20)
        for item in items:
            at_ms = parse_time(item["occurredAt"])
            error_ms = item["timeErrorMs"]
            assert item["timeQuality"] == "bounded", item
            assert began_ms - error_ms <= at_ms <= ended_ms + error_ms, item
        by_seq = sorted(items, key=lambda item: item["seq"])
        assert by_seq[0]["occurredAt"] <= by_seq[1]["occurredAt"]
        assert {datetime.fromisoformat(item["occurredAt"]).year for item in items} == {
            datetime.now(UTC).year
        }
    server.verify()
