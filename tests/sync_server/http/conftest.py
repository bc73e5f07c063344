"""A real server on a free loopback port, and callers of each kind."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import argon2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from shared.model import Event
from sync_server import system_clock
from sync_server.bootstrap import listening
from sync_server.config import Config
from sync_server.http.services import Services
from sync_server.identity import devices, people, services
from sync_server.identity.key_files import make_keys
from sync_server.identity.keys import to_base64url
from sync_server.identity.sessions import open_session
from sync_server.privacy.vault import Vault
from sync_server.registration.event_store import load_event, row_of_event
from sync_server.registration.tickets import issue_ticket
from sync_server.storage import revisions, schema
from sync_server.storage.database import Database
from sync_server.storage.paths import DataFolder
from tests.sync_server.builders import GENERATION, gate_row, participant_row
from tests.sync_server.http.conformance import check_answer

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PASSWORD = "correct horse battery"
HOUR_MS = 3_600_000
# The cheapest argon2 there is: these tests sign in often.
PASSWORD_HASH = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)


class AnyAlgorithm(JWSRegistry):
    """Whatever a test wants to try, without joserfc's advice."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


@dataclass
class Device:
    """An enrolled device as a test plays it."""

    device_id: str
    gate_id: str
    private: Ed25519PrivateKey
    token: str = ""

    def assertion(
        self, audience: str, *, alg: str = "EdDSA", key: Any = None, **claims: Any
    ) -> str:
        now_s = system_clock.now_ms() // 1_000
        content = {
            "iss": self.device_id,
            "sub": self.device_id,
            "aud": audience,
            "iat": now_s,
            "exp": now_s + 120,
            "jti": secrets.token_hex(16),
        } | claims
        signing = key or OKPKey.import_key(self.private)
        return jwt.encode({"alg": alg}, content, signing, registry=AnyAlgorithm())


@dataclass
class Server:
    services: Services
    http: aiohttp.ClientSession
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.services.listening_url

    @property
    def database(self) -> Database:
        return self.services.database

    async def call(
        self, method: str, path: str, *, key: str | None = None, **more: Any
    ) -> tuple[int, Any]:
        headers = dict(more.pop("headers", {}))
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        async with self.http.request(method, self.url + path, headers=headers, **more) as answer:
            self.last = answer
            body = await answer.read()
            said: Any = body
            if "json" in answer.content_type and "ndjson" not in answer.content_type:
                said = await answer.json()
            check_answer(method, path, answer.status, answer.content_type, said)
            return answer.status, said

    async def api(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        return await self.call(method, "/api/v1" + path, **more)

    async def enrol(self, gate_id: str = "north", name: str = "gate pi") -> Device:
        code = secrets.token_hex(6)
        now_ms = system_clock.now_ms()
        await self.database.write(
            lambda conn: devices.create_enrolment(conn, gate_id, code, now_ms)
        )
        private = Ed25519PrivateKey.generate()
        public = to_base64url(private.public_key().public_bytes_raw())
        status, answer = await self.api(
            "POST", "/devices/enrol", json={"code": code, "publicKey": public, "name": name}
        )
        assert status == 201, answer
        device = Device(answer["deviceId"], answer["gateId"], private)
        status, answer = await self.token(device.assertion("demo"))
        assert status == 200, answer
        device.token = answer["access_token"]
        return device

    async def token(self, assertion: str) -> tuple[int, Any]:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        return await self.api("POST", "/oauth/token", data=form)


def begin(database: Database, folder: DataFolder, people_count: int) -> None:
    """An event that goes on now, three gates, some people with real tickets, an owner."""
    keys = make_and_load(folder)
    now_ms = system_clock.now_ms()
    event = Event("demo", "DEMO", "Demo", now_ms - HOUR_MS, now_ms + 8 * HOUR_MS, "Asia/Seoul")

    def job(conn: Any) -> None:
        revisions.initialise(conn, GENERATION)
        revisions.upsert(conn, schema.events, row_of_event(event, keys))
        revisions.upsert_many(
            conn, schema.gates, [gate_row(gate_id) for gate_id in ("north", "south", "vip")]
        )
        revisions.upsert_many(
            conn, schema.participants, [participant_row(n) for n in range(people_count)]
        )
        for number in range(people_count):
            issue_ticket(conn, f"P{number:06}", Vault(keys.master), keys, now_ms)
        people.create_owner(conn, "boss", PASSWORD_HASH)
        for role in ("viewer", "supervisor", "operator"):
            revisions.upsert(
                conn,
                schema.people,
                {
                    "operator_id": f"id-{role}",
                    "name": role,
                    "role": role,
                    "password_hash": PASSWORD_HASH,
                    "active": True,
                },
            )
        assert load_event(conn).event_id == "demo"

    database.write_now(job)


def make_and_load(folder: DataFolder) -> Any:
    from sync_server.identity.keys import load_keys

    make_keys(folder)
    return load_keys(folder)


NewServer = Callable[..., Any]


@pytest.fixture
async def new_server(tmp_path: Path) -> AsyncIterator[NewServer]:
    async with AsyncExitStack() as stack:

        async def make(people_count: int = 5, **settings: Any) -> Server:
            folder = DataFolder(tmp_path)
            database = Database.open(folder.database_url)
            stack.callback(database.close)
            begin(database, folder, people_count)
            config = Config(port=0, **settings)
            running = await stack.enter_async_context(listening(database, folder, config))
            http = await stack.enter_async_context(
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
            )
            server = Server(running, http)
            now_ms = system_clock.now_ms()

            def job(conn: Any) -> None:
                for role in ("viewer", "supervisor", "operator"):
                    token = f"gss_{role}"
                    open_session(conn, f"id-{role}", token, now_ms)
                    server.keys[role] = token
                for role in ("service", "owner"):
                    server.keys[role] = services.create_api_key(conn, role, role, now_ms)

            await database.write(job)
            return server

        yield make


@pytest.fixture
async def server(new_server: NewServer) -> Server:
    return await new_server()
