"""A real server and real gates on loopback, driven by their public commands and routes alone."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
DATABASE_URL = "GATESYNC_DATABASE_URL"
PASSWORD = "correct horse battery"
WAIT_S = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(
    *command: str,
    stdin: str = "",
    timeout_s: float = 60,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """One command of ours to its end, as a person would type it."""
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={**os.environ, **(environment or {})},
    )


def ok(*command: str, stdin: str = "", environment: Mapping[str, str] | None = None) -> str:
    done = run(*command, stdin=stdin, environment=environment)
    assert done.returncode == 0, (command, done.returncode, done.stdout, done.stderr)
    return done.stdout


def until(holds: Callable[[], Any], what: str, wait_s: float = WAIT_S) -> Any:
    """Poll until `holds()` is true; the last value tells when it never was."""
    deadline = time.monotonic() + wait_s
    value = holds()
    while not value:
        assert time.monotonic() < deadline, f"{what}: not within {wait_s} s"
        time.sleep(0.05)
        value = holds()
    return value


def call(
    url: str, body: Any = None, *, token: str | None = None, method: str | None = None
) -> tuple[int, Any]:
    """An HTTP request with JSON both ways: (status, body)."""
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


class Process:
    """A long-running command; ready once it prints its JSON line."""

    def __init__(
        self,
        *command: str,
        log: Path,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [str(BIN / command[0]), *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, **(environment or {})},
            cwd=cwd,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"{command} ended before it was ready: {log.read_text()[-2_000:]}"
        self.ready: dict[str, Any] = json.loads(line)

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL, as a power plug kicked out."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        if self._process.poll() is None:
            self._process.send_signal(how)
        status = self._process.wait(timeout=10)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()
        return status


class Server:
    """A sync server on its own folder and port, with an event that runs right now.

    `database_url`: its data in that database (PostgreSQL) instead of the folder's SQLite file.
    """

    def __init__(
        self, folder: Path, participants: int = 20, *, database_url: str | None = None
    ) -> None:
        self.data = folder / "server"
        self.environment = {} if database_url is None else {DATABASE_URL: database_url}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: Process | None = None
        self._folder = folder
        self._token: str | None = None
        now = datetime.now(UTC)
        event = {
            "eventId": "test-event",
            "tag": "TST",
            "eventName": "Test event",
            "startDate": (now - timedelta(hours=1)).isoformat(),
            "endDate": (now + timedelta(hours=8)).isoformat(),
            "timeZone": "Asia/Seoul",
            "gates": [{"id": "g1", "name": "Gate 1", "direction": "both"}, "g2"],
        }
        (folder / "event.json").write_text(json.dumps(event))
        rows = "".join(f"P{n:03},Person Number{n},p{n}@example.com\n" for n in range(participants))
        (folder / "people.csv").write_text("id,name,email\n" + rows)
        self.init()
        self.command("import", str(folder / "people.csv"))

    def init(self, *rest: str) -> None:
        event = str(self._folder / "event.json")
        self.command(
            "init", "--event", event, "--admin", "owner", "--password-stdin", *rest, stdin=PASSWORD
        )

    def command(self, name: str, *rest: str, stdin: str = "") -> str:
        data = str(self.data)
        return ok(
            "sync-server", name, "--data", data, *rest, stdin=stdin, environment=self.environment
        )

    def start(self) -> "Server":
        self.process = Process(
            "sync-server",
            "serve",
            "--data",
            str(self.data),
            "--port",
            str(self.port),
            log=self._folder / "server.log",
            environment=self.environment,
        )
        return self

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process = None

    def codes(self) -> dict[str, str]:
        """Participant id → what the QR holds."""
        out = self._folder / "tickets"
        self.command("tickets", "--out", str(out), "--format", "csv")
        lines = (out / "tickets.csv").read_text(encoding="utf-8-sig").splitlines()
        cells = [line.split(",") for line in lines[1:]]
        return {row[0]: row[2] for row in cells}

    def sign_in(self) -> str:
        status, body = call(f"{self.url}/api/v1/session", {"name": "owner", "password": PASSWORD})
        assert status in {200, 201}, body
        return str(body["token"])

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Any route, as the owner; the answer's body."""
        status, answer = self._call(method, path, body)
        if status == 401:  # the first time, or the session is not in what was restored
            self._token = self.sign_in()
            status, answer = self._call(method, path, body)
        assert status < 300, (method, path, status, answer)
        return answer

    def _call(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        return call(f"{self.url}/api/v1{path}", body, token=self._token, method=method)

    def attendance(self) -> list[dict[str, Any]]:
        """Every merged scan, page by page."""
        items: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.get(f"/attendance?limit=1000{cursor}")
            items += page["items"]
            if page["cursor"] is None:
                return items
            cursor = f"&cursor={page['cursor']}"

    def device(self, gate: "Gate") -> dict[str, Any]:
        device_id = gate.identity()["deviceId"]
        items = self.get("/devices")["items"]
        return next((dict(item) for item in items if item["deviceId"] == device_id), {})

    def verify(self) -> None:
        done = run("sync-server", "verify", "--data", str(self.data), environment=self.environment)
        assert done.returncode == 0, done.stdout + done.stderr


class Gate:
    """An edge agent enrolled at one gate of a server; its camera off, codes come by the kiosk."""

    def __init__(
        self, folder: Path, server: Server, gate_id: str = "g1", *, through: str | None = None
    ) -> None:
        """`through`: the address of a proxy before the server."""
        self.data = folder / f"agent-{gate_id}"
        self._log = folder / f"agent-{gate_id}.log"
        self.process: Process | None = None
        made = json.loads(server.command("enrol", "--gate", gate_id, "--json"))
        ok(
            "edge-agent",
            "enrol",
            "--data",
            str(self.data),
            "--server",
            through or server.url,
            "--code",
            made["code"],
        )

    def identity(self) -> dict[str, Any]:
        return dict(json.loads((self.data / "identity.json").read_text()))

    def openings(self) -> list[str]:
        """Ids of the scans that opened the barrier; a line that a kill cut short opened nothing."""
        log = self.data / "barrier.log"
        if not log.exists():
            return []
        whole = log.read_text().rpartition("\n")[0]
        return [line.split()[1] for line in whole.splitlines()]

    def would(self, code: str) -> str:
        """The reason of a decision that is not recorded."""
        done = run("edge-agent", "decide", "--data", str(self.data), code, "--dry-run", "--json")
        return str(json.loads(done.stdout)["reason"])

    def start(self, *options: str) -> "Gate":
        self.process = Process(
            "edge-agent",
            "run",
            "--data",
            str(self.data),
            "--camera",
            "off",
            "--kiosk-port",
            str(free_port()),
            *options,
            log=self._log,
        )
        return self

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process = None

    def stop(self) -> None:
        if self.process is not None:
            assert self.process.stop() == 0
            self.process = None

    def present(self, code: str, direction: str | None = None) -> dict[str, Any]:
        assert self.process is not None
        body = {"code": code} | ({"direction": direction} if direction else {})
        status, answer = call(f"{self.process.ready['kiosk'].rstrip('/')}/api/present", body)
        assert status == 200, answer
        return dict(answer)

    def status(self) -> dict[str, Any]:
        return dict(json.loads(ok("edge-agent", "status", "--data", str(self.data), "--json")))

    def state(self) -> dict[str, Any]:
        """What the kiosk page is told: much cheaper to ask than `status`."""
        assert self.process is not None
        status, answer = call(f"{self.process.ready['kiosk'].rstrip('/')}/api/state")
        assert status == 200, answer
        return dict(answer)

    def uploaded(self) -> bool:
        return bool(self.state()["waiting"] == 0)


@contextmanager
def ending(*parts: Server | Gate) -> Iterator[None]:
    """Whatever happens, no process outlives its test."""
    try:
        yield
    finally:
        for part in parts:
            if part.process is not None:
                part.process.stop()
                part.process = None


def hanging_server(port: int) -> socket.socket:
    """A server that accepts and never answers."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    return listener


@contextmanager
def hangs_after(seconds: float) -> Iterator[None]:
    """Fail if the block is still at it after so long."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds, f"took longer than {seconds} s: something waited"


def pids_of(data: Path) -> list[int]:
    """Processes whose command line names this data folder (to see that none is left)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if str(data).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue  # it ended while we looked
    return found
