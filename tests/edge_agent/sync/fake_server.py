"""A small real server on loopback that keeps scans in memory and misbehaves on request."""

import asyncio
import json
import time
from email.utils import formatdate

import msgspec
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OKPKey

from edge_agent.identity import b64_encode
from shared import wire
from tests.edge_agent.storage import lines

DEVICE, EVENT = "D1", "conf"


class FakeServer:
    """`trouble[path]` is a list of faults, one used up a request: `hang`, `swallow`, `cut`,
    `garbage`, or a status. `ahead_ms`: its clock against this machine's.
    """

    def __init__(self) -> None:
        self.ahead_ms = 0
        self.generation = "g1"
        self.pages = [[lines.event(1), lines.gate("main", 2)], [lines.participant(1, 3)]]
        self.entries = {}
        self.revision = 3
        self.trouble = {"changes": [], "scans": [], "status": [], "token": [], "enrol": []}
        self.asked = {"changes": 0, "scans": 0, "status": 0, "token": 0, "enrol": 0}
        self.statuses = []
        self.batches = []
        self.public_key = None
        private = Ed25519PrivateKey.generate()
        self.key = OKPKey.import_key(private)
        self.key_text = b64_encode(private.public_key().public_bytes_raw())
        self.forged_claims = {}
        self.tokens = set()
        self.skew_s_max = 60
        self.runner = None
        self.port = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/api/v1/devices/enrol", self.enrol)
        app.router.add_post("/api/v1/oauth/token", self.token)
        app.router.add_get("/api/v1/sync/changes", self.changes)
        app.router.add_post("/api/v1/sync/scans", self.scans)
        app.router.add_post("/api/v1/sync/status", self.status)
        self.runner = web.AppRunner(app, shutdown_timeout=0.05)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", self.port)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        await self.runner.cleanup()

    async def _fault(self, name: str) -> str | None:
        self.asked[name] += 1
        fault = self.trouble[name].pop(0) if self.trouble[name] else None
        if fault == "hang":
            await asyncio.sleep(60)
        if isinstance(fault, int):
            code = "device_revoked" if fault == 403 else "planned"
            body = {"error": {"code": code, "message": "as planned", "requestId": "r"}}
            date = formatdate(self.now_ms() / 1_000, usegmt=True)
            raise _status(fault, body, {"Date": date})
        return fault

    async def enrol(self, request: web.Request) -> web.Response:
        await self._fault("enrol")
        asked = await request.json()
        if asked["code"] != "GOOD":
            body = {"error": {"code": "enrolment_code_unknown", "message": "No such code."}}
            raise _status(404, body, {})
        self.public_key = asked["publicKey"]
        answer = {
            "deviceId": DEVICE,
            "gateId": "main",
            "eventId": EVENT,
            "digestKey": b64_encode(lines.KEY),
        }
        claims = {**answer, "publicKey": self.public_key, "iat": self.now_ms() // 1_000}
        claims |= self.forged_claims
        certificate = jwt.encode({"alg": "EdDSA"}, claims, self.key, ["EdDSA"])
        answer |= {"serverKey": self.key_text, "certificate": certificate}
        return web.json_response(answer, status=201)

    async def token(self, request: web.Request) -> web.Response:
        await self._fault("token")
        form = await request.post()
        key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": self.public_key})
        claims = jwt.decode(form["client_assertion"], key, ["EdDSA"]).claims
        now_s = self.now_ms() / 1_000
        good = claims["iss"] == claims["sub"] == DEVICE and claims["aud"] == EVENT
        if not good or not claims["iat"] - 60 <= now_s <= claims["exp"] + 60:
            date = formatdate(now_s, usegmt=True)
            raise _status(401, {"error": "invalid_client"}, {"Date": date})
        token = f"t{len(self.tokens)}"
        self.tokens.add(token)
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": 900})

    def _check(self, request: web.Request) -> None:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            raise _status(401, {"error": {"code": "unauthorized", "message": "who?"}}, {})

    async def changes(self, request: web.Request) -> web.Response:
        fault = await self._fault("changes")
        self._check(request)
        received = self.now_ms()
        after = 0
        if "cursor" in request.query:
            generation, revision = wire.parse_cursor(request.query["cursor"])
            after = revision if generation == self.generation else 0
        wait_s = min(float(request.query["wait"]), 0.2)  # a long poll, but not in a test
        for page in self.pages:
            rows = [line for line in page if line.revision > after]
            if rows:
                break
        else:
            rows = []
            await asyncio.sleep(wait_s)
        reached = rows[-1].revision if rows else max(after, self.revision)
        last = self.pages[-1][-1].revision
        total = sum(int(line.hash, 16) for page in self.pages for line in page)
        end = {
            "type": "page",
            "cursor": f"{self.generation}.{reached}",
            "more": reached < last,
            "serverReceivedAt": wire.format_time(received),
            "serverTime": wire.format_time(self.now_ms()),
        }
        if reached >= last:
            end["digest"] = f"{total % wire.DIGEST_MODULUS:032x}"
        body = (
            b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
            + json.dumps(end).encode()
            + b"\n"
        )
        if fault == "cut":
            body = body[: len(body) // 2]
        if fault == "garbage":
            body = b"<html>a proxy</html>\n"
        response = web.Response(body=body, content_type="application/x-ndjson")
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async def scans(self, request: web.Request) -> web.Response:
        fault = await self._fault("scans")
        self._check(request)
        received = self.now_ms()
        upload = await request.json()
        self.batches.append(len(upload["entries"]))
        epoch = self.entries.setdefault(upload["epoch"], {})
        outcomes = []
        for entry in upload["entries"]:
            known = entry["seq"] in epoch
            good = wire.checksum(entry) == entry["checksum"]
            epoch[entry["seq"]] = entry
            outcome = "known" if known else "stored" if good else "unusable"
            outcomes.append({"seq": entry["seq"], "outcome": outcome})
        for start, end in upload.get("lost", []):
            epoch.update(dict.fromkeys(range(start, end + 1)))
        if fault == "swallow":
            request.transport.abort()
            return web.Response()
        return web.json_response(
            {
                "outcomes": outcomes,
                "contiguousThrough": self.through(upload["epoch"]),
                "holes": [],
                "visibleAt": f"{self.generation}.{self.revision}",
                "serverReceivedAt": wire.format_time(received),
                "serverTime": wire.format_time(self.now_ms()),
            }
        )

    async def status(self, request: web.Request) -> web.Response:
        await self._fault("status")
        self._check(request)
        received = self.now_ms()
        self.statuses.append(await request.json())
        return web.json_response(
            {
                "contiguousThrough": self.through(self.statuses[-1]["epoch"]),
                "serverReceivedAt": wire.format_time(received),
                "serverTime": wire.format_time(self.now_ms()),
            }
        )

    def through(self, epoch: str) -> int:
        held, through = self.entries.get(epoch, {}), 0
        while through + 1 in held:
            through += 1
        return through


def _status(status: int, body: dict, headers: dict) -> web.HTTPException:
    class Planned(web.HTTPException):
        status_code = status

    return Planned(text=json.dumps(body), content_type="application/json", headers=headers)
