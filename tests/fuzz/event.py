"""A real server with an event in which something of each kind has happened, and a caller of each kind."""

import json
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OKPKey

from shared.wire import format_time
from sync_server.identity.keys import to_base64url
from tests.processes.fleet import Server, call
from tests.sync_server.builders import scan_entry
from tests.sync_server.http.conftest import ASSERTION_TYPE, AnyAlgorithm

ROLES = ("owner", "operator", "supervisor", "viewer", "service")
PEOPLE = 12


class FuzzedEvent:
    """`keys`: role → bearer; `known`: part of a path → ids that are there; `bodies`: path → a body
    that only this event takes.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.server = Server(folder, participants=PEOPLE).start()
        self.url = self.server.url
        self.keys = {role: self._key(role) for role in ROLES}
        self._post("/gates", {"id": "main-entrance", "name": "Main entrance"})
        self._post("/operators", {"name": "Lee", "role": "supervisor"})
        self.device_id, self._private = self._enrol("g1")
        other_id, _ = self._enrol("g2")
        self._happen()
        self._pair()
        people = self._get("/operators")["items"]
        self.known = {
            "/gates/{id}": ["main-entrance", "g2"],
            "/devices/{id}": [other_id],
            "/participants/{id}": ["P001", "P008"],
            "/scans/{id}": ["scan-1", "scan-3"],
            "/credentials/{id}": self._credentials(),
            "/operators/{id}": [one["operatorId"] for one in people if one["role"] != "owner"],
            "/alerts/{id}": ["1", "2"],
            "/deliveries/{id}": ["1", "2"],
            "/pairings/{id}": [self.pairing_id],
            "/static/{name}": ["live.js", "icon.svg"],
        }
        self.bodies = self._bodies()

    def end(self) -> None:
        self.server.kill()

    def device_key(self) -> str:
        """An access token: for 15 minutes."""
        now_s = int(time.time())
        claims = {"iss": self.device_id, "sub": self.device_id, "aud": "test-event", "iat": now_s,
                  "exp": now_s + 120, "jti": secrets.token_hex(16)}  # fmt: skip
        signed = jwt.encode({"alg": "EdDSA"}, claims, self._private, registry=AnyAlgorithm())
        status, answer = _form_call(
            f"{self.url}/oauth/token",
            {
                "grant_type": "client_credentials",
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": signed,
            },
        )
        assert status == 200, answer
        return str(answer["access_token"])

    def _key(self, role: str) -> str:
        made = self.server.command("api-key", "--name", role, "--role", role, "--json")
        return str(json.loads(made)["key"])

    def _enrol(self, gate_id: str) -> tuple[str, OKPKey]:
        code = json.loads(self.server.command("enrol", "--gate", gate_id, "--json"))["code"]
        private = Ed25519PrivateKey.generate()
        public = to_base64url(private.public_key().public_bytes_raw())
        status, answer = call(
            f"{self.url}/api/v1/devices/enrol", {"code": code, "publicKey": public, "name": gate_id}
        )
        assert status == 201, answer
        return str(answer["deviceId"]), OKPKey.import_key(private)

    def _happen(self) -> None:
        """Entries, a double entry, a refusal, an override, an exit, a walk-in's line, a hole."""
        now_ms = int(datetime.now(UTC).timestamp() * 1_000)
        texts = {"operatorId": "op-1", "text": "=cmd; known to me"}

        def scan(seq: int, person: int, ago_s: int, **more: Any) -> dict[str, Any]:
            at = format_time(now_ms - ago_s * 1_000)
            fixed = {"kind": "person", "digest": None, "participantId": f"P{person:03}"}
            return scan_entry(seq, **{**fixed, "gateId": "g1", "occurredAt": at, **more})

        entries = [
            scan(1, 6, 900),
            scan(2, 2, 880),
            scan(3, 6, 860),
            scan(4, 3, 840, admitted=False, reason="blocked"),
            scan(5, 4, 820, reason="already_inside", method="manual", override=texts),
            scan(6, 2, 100, direction="exit"),
            scan(8, 5, 50),
        ]
        body = {"deviceId": self.device_id, "epoch": "a1b2c3d4e5f60718", "entries": entries}
        token = self.device_key()
        status, answer = call(f"{self.url}/api/v1/sync/scans", body, token=token)
        assert status == 200, answer
        said = {"epoch": "a1b2c3d4e5f60718", "head": 9, "waiting": 1, "clock": {"quality": "wall"}}
        assert call(f"{self.url}/api/v1/sync/status", said, token=token)[0] == 200
        record = {"participantId": "P009", "gateId": "g2", "method": "qr_scan"}
        status, answer = call(
            f"{self.url}/api/v1/attendance/record", record, token=self.keys["service"]
        )
        assert status == 201, answer

    def _bodies(self) -> dict[str, Any]:
        now = format_time(int(time.time() * 1_000))
        entry = scan_entry(9, kind="person", digest=None, participantId="P010", occurredAt=now)
        upload = {"deviceId": self.device_id, "epoch": "a1b2c3d4e5f60718", "entries": [entry]}
        private = Ed25519PrivateKey.generate()
        enrolment = json.loads(self.server.command("enrol", "--gate", "g2", "--json"))
        public = to_base64url(private.public_key().public_bytes_raw())
        secret = {"grant_type": "client_credentials", "client_secret": self.keys["service"]}
        return {
            "/api/v1/sync/scans": upload,
            "/api/v1/devices/enrol": {"code": enrolment["code"], "publicKey": public},
            "/api/v1/tickets/verify": {"token": self.server.codes()["P011"]},
            "/oauth/token": secret,
            "/api/v1/oauth/token": secret,
        }

    def _pair(self) -> None:
        made = self._post("/gates/g1/pairings", {"participantId": "P007"})
        self.pairing_id = str(made["id"])

    def _credentials(self) -> list[str]:
        held = [self._get(f"/participants/P{number:03}") for number in range(3)]
        return [str(one["credentials"][0]["id"]) for one in held]

    def _get(self, path: str) -> Any:
        return self.server.ask("GET", path)

    def _post(self, path: str, body: Any) -> Any:
        return self.server.ask("POST", path, body)


def _form_call(url: str, form: dict[str, str]) -> tuple[int, Any]:
    import urllib.parse
    import urllib.request

    data = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=20) as answer:
        return answer.status, json.loads(answer.read())
