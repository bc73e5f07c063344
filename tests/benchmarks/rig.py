"""A real server process with one enrolled device, for benchmarks over HTTP on loopback."""

import http.client
import json
import time
import urllib.parse
import uuid
from pathlib import Path
from typing import Any

from edge_agent.identity import DeviceKey
from shared.credentials import parse, ticket_digest
from tests.processes.fleet import Server, call, pids_of


class Device:
    """A device at gate g1: its token and one kept connection."""

    def __init__(self, server: Server, number: int = 0) -> None:
        made = json.loads(server.command("enrol", "--gate", "g1", "--json"))
        key = DeviceKey(bytes(range(number, number + 32)))
        status, said = call(
            f"{server.url}/api/v1/devices/enrol",
            {"code": made["code"], "publicKey": key.public_text, "name": "bench"},
        )
        assert status == 201, said
        self.device_id = said["deviceId"]
        now_s = int(time.time())
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": key.assertion(
                self.device_id, said["eventId"], now_s, lives_s=60, jti=str(uuid.uuid4())
            ),
        }
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        content = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urllib.parse.urlencode(form).encode()
        answer = json.loads(self.exchange("POST", "/api/v1/oauth/token", body, content))
        self.headers = {
            "Authorization": f"Bearer {answer['access_token']}",
            "Content-Type": "application/json",
        }

    def close(self) -> None:
        self._connection.close()

    def exchange(
        self, method: str, path: str, body: bytes | None = None, headers: Any = None
    ) -> bytes:
        said = self.headers if headers is None else headers
        try:
            self._connection.request(method, path, body, said)
        except (BrokenPipeError, ConnectionResetError):  # it stood idle for too long
            self._connection.close()
            self._connection.request(method, path, body, said)
        answer = self._connection.getresponse()
        text = answer.read()
        assert answer.status < 300, (answer.status, text[:500])
        return text


def digests(server: Server) -> list[str]:
    """What gates hold of the participants' tickets."""
    key = (server.data / "keys" / "digest.key").read_bytes()
    found = []
    for text in server.codes().values():
        code = parse(text)
        found.append(ticket_digest(key, code.letters))  # type: ignore[union-attr]
    return found


def peak_memory_mb(server: Server) -> float:
    return _status_mb(server, "VmHWM")


def memory_mb(server: Server) -> float:
    return _status_mb(server, "VmRSS")


def _status_mb(server: Server, member: str) -> float:
    (pid,) = pids_of(server.data)
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(member):
            return int(line.split()[1]) / 1_024
    return float("nan")
