"""The sync server of a run: the real handlers of the device routes on a real SQLite file.

What is left out is the socket and the signature of the token; everything from `Call` inwards is
the product's.
"""

import asyncio
import contextvars
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from shared import wire
from shared.errors import TransientError
from sync_server.backups import Backups
from sync_server.config import Config
from sync_server.exports import Exports
from sync_server.http import devices as routes
from sync_server.http import errors
from sync_server.http.routing import Call, read_query
from sync_server.http.services import Services
from sync_server.identity import callers
from sync_server.identity.keys import ServerKeys
from sync_server.identity.tokens import AccessTokens
from sync_server.mail.sender import MailRoom
from sync_server.mail.settings import mail_settings
from sync_server.privacy.vault import Vault
from sync_server.readiness import Readiness
from sync_server.registration.import_desk import ImportDesk
from sync_server.registration.import_jobs import ImportJobs
from sync_server.registration.search import ParticipantSearch
from sync_server.storage.backup import write_backup
from sync_server.storage.paths import DataFolder
from sync_server.storage.restore import restore_backup
from sync_server.stream.head_watch import HeadWatch
from sync_server.stream.live_hub import LiveHub
from sync_server.sync.badge_table import BadgeTable
from sync_server.sync.feed import ChangesFeed
from tests.simulation.clockwork import machine
from tests.simulation.store import SimStore, make_empty
from tests.simulation.world import World

T = TypeVar("T")
KEYS = ServerKeys(private=b"p" * 32, digest=b"k" * 32, master=b"m" * 32)
VAULT = Vault(KEYS.master)
TOKENS = AccessTokens(KEYS, "demo")
_ROUTES = {(route.method, route.path.removeprefix("/api/v1/")): route for route in routes.ROUTES}


class Request(NamedTuple):
    device_id: str
    method: str
    path: str
    body: bytes
    params: dict[str, str]


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]


class _HttpRequest:
    """What a handler reads of an aiohttp request."""

    content_type = "application/json"
    remote = "192.0.2.1"
    headers: dict[str, str] = {}  # noqa: RUF012 — nobody writes it

    def __init__(self, body: bytes, query: dict[str, str]) -> None:
        self._body = body
        self.query = query
        self.content_length = len(body)

    async def read(self) -> bytes:
        return self._body


class SimServer:
    """`alive` and the rest of `clockwork.Machine`, and one exchange at a time by `take`."""

    def __init__(self, world: World, folder: Path, *, page_rows: int) -> None:
        self.world = world
        self.alive = False
        self.page_rows = page_rows
        self.refusals = 0.0
        self.disk_ms = 1.0
        self.folder = DataFolder(folder)
        self._tasks: dict[asyncio.Task[Answer | None], None] = {}  # in order: a set has none
        folder.mkdir()
        make_empty(self.folder.database)
        self.folder.keys.mkdir()
        for path, key in (
            (self.folder.server_key, KEYS.private),
            (self.folder.digest_key, KEYS.digest),
            (self.folder.master_key, KEYS.master),
        ):
            path.write_bytes(key)
        self._context = contextvars.copy_context()
        self._context.run(machine.set, self)
        self.start()

    # --- its life ---------------------------------------------------------------------------

    def start(self) -> None:
        world, loop = self.world, self.world.loop
        self.alive = True
        self.store = SimStore(world, self.folder.database_url, self.power_lost)
        self.store.disk_ms = self.disk_ms
        heads = HeadWatch(loop)
        self.store.on_commit(heads.notify)
        desk = ImportDesk(self.store, VAULT, KEYS, self.folder.imports, lambda: world.true_ms, None)
        self.services = Services(
            database=self.store,
            desk=desk,
            import_jobs=ImportJobs(desk),
            keys=KEYS,
            tokens=TOKENS,
            vault=VAULT,
            backups=Backups(self.folder, self.folder.database_url, Config()),
            exports=Exports(self.folder, self.folder.database_url, VAULT),
            readiness=Readiness(self.store, heads, lambda: 1 << 40),
            event_id="demo",
            heads=heads,
            feed=ChangesFeed(self.store, heads),
            badges=BadgeTable(VAULT, KEYS.digest),
            search=ParticipantSearch(self.store, heads, VAULT),
            live=LiveHub(self.store, heads, lambda: world.true_ms),
            mail=MailRoom(
                self.store, VAULT, mail_settings(Config()), lambda: world.true_ms, loop.time
            ),
            now_ms=lambda: world.true_ms,
            monotonic_s=loop.time,
        )

    def stop(self) -> None:
        """What was committed stays; whoever waits hears nothing."""
        self.alive = False
        for task in list(self._tasks):
            task.cancel()
        self.store.close()

    def power_lost(self) -> None:
        self.world.tell("server", "is killed within a transaction")
        self.stop()
        self.start_later()

    def start_later(self) -> None:
        def start() -> None:
            if not self.alive:
                self.world.tell("server", "starts")
                self.start()

        self.world.after(self.world.rng.expovariate(1 / 10_000), start)

    def slowness_s(self) -> float:
        return 0.001

    def back_up(self, to: Path) -> None:
        write_backup(self.folder.database_url, to, self.world.true_ms)

    def restore(self, source: Path) -> None:
        if self.alive:
            self.stop()
        restore_backup(self.folder, self.folder.database_url, source, self.world.true_ms)
        self.start()

    def head(self) -> str:
        return wire.cursor_text(*self.store.look("SELECT generation, revision FROM state")[0])

    def states(self) -> dict[str, str]:
        return dict(self.store.look("SELECT device_id, state FROM devices"))

    # --- exchanges --------------------------------------------------------------------------

    def take(self, request: Request) -> "asyncio.Future[Answer | None] | None":
        """None where nobody listens; an answer of None where the server dies over it. A caller who
        goes away does not stop it.
        """
        if not self.alive:
            return None
        done: asyncio.Future[Answer | None] = self.world.loop.create_future()
        coroutine = self._answer(request)
        task: asyncio.Task[Answer | None] = self._context.run(
            self.world.loop.create_task, coroutine
        )
        self._tasks[task] = None

        def finished(ended: asyncio.Task[Answer | None]) -> None:
            self._tasks.pop(ended, None)
            if ended.cancelled() or done.done():
                answer = None
            elif (error := ended.exception()) is not None:
                self.world.blame(f"the server: {type(error).__name__}: {error}")
                answer = Answer(500, b"", {})
            else:
                answer = ended.result()
            if not done.done():
                done.set_result(answer)

        task.add_done_callback(finished)
        return done

    async def _answer(self, request: Request) -> Answer | None:
        world = self.world
        if world.chance(self.refusals):
            status = world.rng.choice((401, 429, 500, 503))
            world.tell("server", f"answers {status} to {request.path} of {request.device_id}")
            return Answer(status, b"", {"Retry-After": "1"} if status in {429, 503} else {})
        if request.path == "oauth/token":
            said = {"access_token": "t", "token_type": "Bearer", "expires_in": 900}
            return Answer(200, msgspec.json.encode(said), {})
        try:
            return await self._handle(request)
        except errors.ApiError as error:
            response = errors.as_response(error, "0" * 16)
        except TransientError as error:
            response = errors.as_response(errors.busy(str(error)), "0" * 16)
        body = response.body
        assert isinstance(body, bytes)
        world.tell("server", f"refuses {request.path} of {request.device_id}: {response.status}")
        return Answer(response.status, body, dict(response.headers))

    async def _handle(self, request: Request) -> Answer:
        route, services = _ROUTES[request.method, request.path], self.services
        received_ms = services.now_ms()
        subject = request.device_id
        caller = await self.store.read(lambda conn: callers.subject_of_token(conn, subject))
        if caller is None:
            raise errors.unauthenticated("This token is not known.", "invalid_token")
        params = dict(request.params)
        if request.path == "sync/changes":
            params["limit"] = str(self.page_rows)
        asked: Any = _HttpRequest(request.body, params)
        query = read_query(asked, route.query)
        response: Any = await route.handler(
            Call(asked, services, route, caller, query, received_ms)
        )
        if request.path == "sync/scans":
            self._look_at(request, response.body)
        return Answer(response.status, response.body, {})

    # --- an onlooker ------------------------------------------------------------------------

    def _look_at(self, request: Request, body: bytes) -> None:
        """What the answer says of the journal, counted anew without the product's arithmetic of
        holes (P2).
        """
        upload = msgspec.json.decode(request.body)
        answer = msgspec.json.decode(body)
        epoch, through = upload["epoch"], answer["contiguousThrough"]
        self.world.tell(
            "server",
            f"takes {len(upload['entries'])} of {request.device_id}/{epoch[:4]}, "
            f"through {through}, visible at {answer['visibleAt']}",
        )
        journal = (request.device_id, epoch)
        of = "WHERE device_id = ? AND epoch = ?"
        held = {seq for (seq,) in self.store.look(f"SELECT seq FROM entries {of}", journal)}
        lost = self.store.look(f"SELECT from_seq, to_seq FROM lost_ranges {of}", journal)
        for first, last in lost:
            held |= set(range(first, last + 1))
        gapless = 0
        while gapless + 1 in held:
            gapless += 1
        if gapless < through:
            self.world.blame(
                f"P2: the server says it has {epoch[:4]} of {request.device_id} through {through}, "
                f"and has it through {gapless}"
            )
