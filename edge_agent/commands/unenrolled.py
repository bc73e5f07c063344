"""A gate without an identity: its kiosk says so, and an enrolment code held to its own camera, or
typed, makes it one. Also for a device that was revoked: its journal is kept.
"""

import asyncio
import io
import json
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from edge_agent.commands import enrol
from edge_agent.config import Config
from edge_agent.folder import FolderLock, GateFolder
from edge_agent.identity import CertificateError, is_enrolled, load_identity
from edge_agent.kiosk.catalogue import words
from edge_agent.kiosk.preview_web import PreviewWeb
from edge_agent.kiosk.web import KioskWeb
from edge_agent.ports import Reader, Sighting
from edge_agent.readers.camera import CameraReader
from edge_agent.readers.plugins import Readers
from edge_agent.storage.replica import Replica
from edge_agent.sync.transport import AnsweredError
from shared.credentials import looks_like_enrolment
from shared.errors import GatesyncError, UsageError
from shared.limits import QUEUE_SIGHTINGS_MAX
from shared.model import Direction

log = structlog.get_logger(__name__)
MARK = "/enrol"
ENROLLED_SHOWN_S = 3.0
_PROGRESS_S = 0.5
_PROBLEMS = {
    "enrolment_code_unknown": "enrol.unknown",
    "enrolment_code_used": "enrol.used",
    "enrolment_code_expired": "enrol.expired",
    "too_many_requests": "enrol.too_many",
}


@dataclass(frozen=True, slots=True)
class Given:
    """A server and a code, from a QR or as typed."""

    server: str
    code: enrol.Code


def given_of(text: str, known_server: str) -> Given:
    """`http://server:8080/enrol#code=…&key=…`, or `http://server:8080 CODE`, or a bare code where
    the server is known. UsageError where it is none of these.
    """
    text = text.strip()
    first, _, rest = text.partition(" ")
    if "://" in first and rest.strip():
        return Given(enrol.parse_server(first), enrol.parse_code(rest))
    code = enrol.parse_code(text)
    if "://" in text:
        base = text.partition("#")[0].partition("?")[0].removesuffix(MARK)
        return Given(enrol.parse_server(base), code)
    if not known_server:
        raise UsageError("no server")
    return Given(enrol.parse_server(known_server), code)


class WaitingRoom:
    """Runs until the gate is enrolled (`run` returns true) or is to end."""

    def __init__(self, folder: GateFolder, config: Config, *, again: str | None) -> None:
        self._folder = folder
        self._config = config
        self._again = again is not None
        self._loop = asyncio.get_running_loop()
        self._codes: asyncio.Queue[str] = asyncio.Queue(QUEUE_SIGHTINGS_MAX)
        self._state: dict[str, Any] = {
            "state": "not_enrolled" if again is None else "revoked",
            "address": own_address(),
            "rows": 0,
            "gate": None,
            "problem": None,
        }
        if again:
            self._codes.put_nowait(again)
        self._camera = CameraReader(config.camera, accept=looks_like_enrolment)
        readers: list[Reader] = [self._camera]
        self._readers = Readers(readers, self._from_thread)
        self._kiosk = KioskWeb(
            config.kiosk_port,
            self._typed,
            self._health,
            config.kiosk_host,
            [("GET", "/api/preview.mjpeg", PreviewWeb(self._readers.picture).get)],
        )

    async def run(self, say: Callable[[str], None]) -> str:
        """The kiosk's address, once enrolled: the page finds the gate there."""
        address = await self._kiosk.start()
        self._readers.start()
        try:
            say(json.dumps({"event": "not_enrolled", "kiosk": address}))
            while not await self._try(await self._codes.get()):
                pass
            await asyncio.sleep(ENROLLED_SHOWN_S)  # the installer reads which gate this is now
            return address
        finally:
            await asyncio.to_thread(self._readers.stop)
            await self._kiosk.stop()

    async def _try(self, text: str) -> bool:
        try:
            given = given_of(text, self._config.server)
        except UsageError as error:
            key = "enrol.no_server" if str(error) == "no server" else "enrol.no_code"
            return self._failed(key)
        self._tell(state="enrolling", rows=0, problem=None)
        problem: str | None = None
        try:
            async with asyncio.TaskGroup() as group:
                progress = group.create_task(self._follow_progress())
                await enrol.enrol_here(
                    self._folder.path, given.server, given.code, io.StringIO(), again=self._again
                )
                progress.cancel()
        except* GatesyncError as group_of:
            problem = _key_of(group_of.exceptions[0])
        if problem is not None:
            return self._failed(problem)
        identity = load_identity(self._folder.path)
        gate = await asyncio.to_thread(enrol.gate_name_of, self._folder.path, identity)
        log.info("enrolled", gate=identity.gate_id, server=identity.server_url)
        self._tell(state="enrolled", gate=gate)
        return True

    async def _follow_progress(self) -> None:
        while True:
            await asyncio.sleep(_PROGRESS_S)
            if self._folder.replica.exists():
                rows = await asyncio.to_thread(_rows, self._folder)
                self._tell(rows=rows)

    def _failed(self, key: str) -> bool:
        log.warning("not_enrolled", why=key)
        state = "revoked" if self._again else "not_enrolled"
        self._tell(state=state, problem=words(key).as_json())
        return False

    def _tell(self, **changes: Any) -> None:
        self._state |= changes
        self._kiosk.publish("health", self._health())

    def _health(self) -> dict[str, Any]:
        seen = self._readers.health()
        return {
            "enrolment": self._state,
            "device": {"id": "", "name": socket.gethostname()},
            "online": False,
            "readers": [{"name": r.name, "state": r.state, "detail": r.detail} for r in seen],
        }

    async def _typed(self, text: str, _direction: Direction | None) -> dict[str, Any]:
        self._put(text)
        return {"enrolment": self._state}

    def _from_thread(self, sighting: Sighting) -> None:
        with suppress(RuntimeError):  # the loop has closed: the agent is ending
            self._loop.call_soon_threadsafe(self._put, sighting.payload)

    def _put(self, text: str) -> None:
        if self._state["state"] != "enrolling" and not self._codes.full():
            self._codes.put_nowait(text)


def _key_of(error: BaseException) -> str:
    """Which of the catalogue's plain answers fits."""
    if isinstance(error, CertificateError):
        return "enrol.other_server"
    cause = error.__cause__
    if isinstance(cause, AnsweredError):
        return _PROBLEMS.get(cause.failure.code or "", "enrol.refused")
    log.warning("enrolment_failed", error=str(error))
    return "enrol.unreachable"


def _rows(folder: GateFolder) -> int:
    replica = Replica.open(folder.replica)
    try:
        return replica.rows_so_far()
    finally:
        replica.close()


def own_address() -> str:
    """The name and the network address of this device, for an installer; nothing is sent."""
    name = socket.gethostname()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET: only the route to it is asked for
            return f"{name} · {probe.getsockname()[0]}"
        except OSError:
            return f"{name} · –"


def wait_for_enrolment(
    folder: GateFolder, config: Config, say: Callable[[str], None], *, again: str | None = None
) -> Config | None:
    """Until enrolled: the settings to go on with (the kiosk keeps its port). None: told to end.

    `again`: the code that a revoked device was shown.
    """
    try:
        folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{folder.path} can't be written ({error.strerror}): name a folder that this user may write"
        ) from error
    with FolderLock(folder):
        if is_enrolled(folder.path) and again is None:
            return config
        return asyncio.run(_wait(folder, config, say, again=again))


async def _wait(
    folder: GateFolder, config: Config, say: Callable[[str], None], *, again: str | None
) -> Config | None:
    task = asyncio.current_task()
    assert task is not None
    stopped = threading.Event()

    def stop() -> None:
        stopped.set()
        task.cancel()

    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop)
    try:
        address = await WaitingRoom(folder, config, again=again).run(say)
    except asyncio.CancelledError:
        if not stopped.is_set():
            raise
        return None
    port = int(address.rstrip("/").rsplit(":", 1)[1])
    return msgspec.structs.replace(config, kiosk_port=port)
