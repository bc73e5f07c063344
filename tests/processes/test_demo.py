"""The demo as a person runs it: it comes up, visitors pass, the server dies and returns, it ends."""

import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
START_TIMEOUT_S = 90
MERGE_TIMEOUT_S = 30
STOP_TIMEOUT_S = 12

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunningDemo:
    """`demo/run.py` with few visitors, its lines as they come."""

    def __init__(self, data: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "demo" / "run.py"), "--data", str(data),
             "--port", str(free_port()), "--kiosk-port", str(free_port()), "--visitors", "40"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        self.said: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line)

    def wait_for(self, pattern: str, timeout_s: float = START_TIMEOUT_S) -> re.Match[str]:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                line = self._lines.get(timeout=0.2)
            except queue.Empty:
                if self.process.poll() is not None and self._lines.empty():
                    break
                continue
            self.said.append(line)
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"the demo never said {pattern!r}; it said {''.join(self.said)}")

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_TIMEOUT_S)


def call(url: str, path: str, token: str = "", body: Any = None) -> Any:
    request = urllib.request.Request(f"{url.rstrip('/')}/api/v1{path}")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    data = None
    if body is not None:
        data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, data, 10) as answer:
        return json.loads(answer.read())


def attended(url: str, token: str) -> int:
    return int(call(url, "/stats/overall", token)["attendedParticipants"])


def wait_until_more_attended(url: str, token: str, than: int) -> int:
    deadline = time.monotonic() + MERGE_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            count = attended(url, token)
        except OSError:
            count = -1
        if count > than:
            return count
        time.sleep(0.5)
    raise AssertionError(f"no more than {than} have attended after {MERGE_TIMEOUT_S} s")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "demo"


@pytest.fixture
def demo(data: Path) -> Iterator[RunningDemo]:
    running = RunningDemo(data)
    yield running
    if running.process.poll() is None:
        running.process.terminate()
        running.process.wait(STOP_TIMEOUT_S)


def test_p2_p5_visitors_pass_while_the_server_is_dead_and_all_arrive(
    demo: RunningDemo, data: Path
) -> None:
    url = demo.wait_for(r"live page +(http\S+)").group(1)
    password = demo.wait_for(r"sign-in +demo +/ +(\S+)").group(1)
    server = int(demo.wait_for(r"kill -KILL (\d+)").group(1))
    token = call(url, "/session", body={"name": "demo", "password": password})["token"]
    assert call(url, "/stats/overall", token)["totalParticipants"] > 290
    before = wait_until_more_attended(url, token, 1)

    os.kill(server, signal.SIGKILL)
    demo.wait_for(r"the server is gone \(SIGKILL\)", 5)
    demo.wait_for(r"starting the server again", 20)
    # About three visitors came while it was away; they arrive within seconds.
    assert wait_until_more_attended(url, token, before + 1)

    assert demo.interrupt() == 0
    verify = [Path(sys.executable).parent / "sync-server", "verify", "--data", data / "server"]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_taken_port_is_one_line_and_exit_2(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, str(ROOT / "demo" / "run.py"), "--data", str(data),
             "--port", str(port)],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert f"port {port}" in done.stderr
