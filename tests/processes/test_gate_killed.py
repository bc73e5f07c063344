"""A gate killed at any moment, alone, beside a hanging server, next to a second one."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from edge_agent.storage.journal import Journal
from tests.edge_agent.gate import code, enrolled_folder

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
KILLS = 8

pytestmark = pytest.mark.process


def start_loop(folder: Path, first: int) -> "subprocess.Popen[bytes]":
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    loop = str(ROOT / "tests" / "processes" / "decide_loop.py")
    return subprocess.Popen([sys.executable, loop, str(folder), str(first)], env=here)


def openings(folder: Path) -> list[str]:
    """Scan ids of the barrier's log; a line cut short by the kill never opened anything whole."""
    log = folder / "barrier.log"
    return [line.split()[1] for line in log.read_text().splitlines()] if log.exists() else []


def test_p1_p2_sigkill_at_any_moment_loses_no_opening_and_no_number(tmp_path: Path) -> None:
    folder = enrolled_folder(tmp_path / "gate", people=60_000)
    chance = random.Random(20261121)
    first = 1
    for _ in range(KILLS):
        before = len(openings(folder))
        loop = start_loop(folder, first)
        while len(openings(folder)) == before:
            assert loop.poll() is None
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.15))
        loop.send_signal(signal.SIGKILL)
        loop.wait()
        journal = Journal.open(folder / "journal.db", new_epoch=lambda: "never")
        rows = list(journal.scans_after(journal.epoch, 0))
        journal.close()
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        written = [row.body["scanId"] for row in rows]
        opened = openings(folder)
        assert set(opened) <= set(written)
        assert len(set(opened)) == len(opened)
        # At most the one scan that was on disk when the kill came had not opened yet, per kill.
        assert len(written) - len(opened) <= KILLS
        first = len(rows) + 1
    assert first > KILLS


class Agent:
    """`edge-agent run` with its camera off."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [BIN / "edge-agent", "run", "--data", folder, "--kiosk-port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        self.ready: dict[str, Any] = json.loads(self.process.stdout.readline())

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        code = self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def edge_agent(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [BIN / "edge-agent", *arguments], capture_output=True, text=True, timeout=30, check=False
    )


def decide(folder: Path, text: str, *options: str) -> dict[str, Any]:
    done = edge_agent("decide", "--data", folder, text, "--json", *options)
    answer: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if answer["admitted"] else 1)
    return answer


def test_decide_goes_through_the_running_agent_and_past_a_dead_ones_socket(tmp_path: Path) -> None:
    folder = enrolled_folder(tmp_path / "gate")
    assert decide(folder, code(1))["seq"] == 1
    agent = Agent(folder)
    assert decide(folder, code(2))["seq"] == 2
    assert decide(folder, code(3), "--dry-run").get("seq") is None
    assert decide(folder, code(1))["reason"] in {"just_scanned", "already_inside"}
    assert (folder / "control.sock").stat().st_mode & 0o777 == 0o600
    second = edge_agent("run", "--data", folder, "--kiosk-port", "0")
    assert (second.returncode, len(second.stderr.strip().splitlines())) == (2, 1)
    agent.end(signal.SIGKILL)
    assert (folder / "control.sock").exists()
    assert decide(folder, code(3))["seq"] == 4
    agent = Agent(folder)
    status = json.loads(edge_agent("status", "--data", folder, "--json").stdout)
    assert (status["head"], status["waiting"], status["online"]) == (4, 4, False)
    assert agent.end(signal.SIGTERM) == 0


def test_a_kiosk_port_in_use_is_one_line(tmp_path: Path) -> None:
    folder = enrolled_folder(tmp_path / "gate")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = edge_agent("run", "--data", folder, "--kiosk-port", str(taken.getsockname()[1]))
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1)


def test_p5_a_hanging_server_slows_no_decision(tmp_path: Path) -> None:
    """More decisions than requests given up: a decision that waited would cost a time-out each."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as hanging:
        url = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        folder = enrolled_folder(tmp_path / "gate", people=20, server=url)
        agent = Agent(folder)
        try:
            hanging.settimeout(20)
            asked = [hanging.accept()[0]]  # the sync hangs by now
            for n in range(1, 6):
                assert decide(folder, code(n))["admitted"]
            hanging.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                while True:
                    asked.append(hanging.accept()[0])
            assert sum(given_up(connection) for connection in asked) < 5
        finally:
            assert agent.end(signal.SIGTERM) == 0
            for connection in asked:
                connection.close()


def given_up(connection: socket.socket) -> bool:
    """Whether the other side has closed it."""
    connection.settimeout(0)
    try:
        while connection.recv(65_536):
            pass
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    return True


def test_a_newer_data_folder_is_one_line(tmp_path: Path) -> None:
    import sqlite3

    folder = enrolled_folder(tmp_path / "gate")
    decide(folder, code(1))
    conn = sqlite3.connect(folder / "journal.db")
    conn.execute("PRAGMA user_version=99")
    conn.close()
    for command in (("decide", "--data", folder, code(1)), ("run", "--data", folder)):
        done = edge_agent(*command)
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1
        assert "newer" in done.stderr
