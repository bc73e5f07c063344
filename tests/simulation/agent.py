"""One gate of a run: the real lane, journal, replica, session and loop, on a card that suffers."""

import asyncio
import contextvars
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from edge_agent import parts
from edge_agent.config import Config
from edge_agent.facts import NotReadyError
from edge_agent.folder import GateFolder
from edge_agent.hardware.barrier import NoIndicator
from edge_agent.identity import Identity, b64_encode
from edge_agent.lane import OutOfOrderError
from edge_agent.ports import Outcome, Sighting
from edge_agent.sync.loop import SyncLoop
from shared.model import Direction
from shared.wire import format_time
from tests.simulation import card
from tests.simulation.card import Wire
from tests.simulation.clockwork import PowerCutError, machine
from tests.simulation.network import Network, SimTransport
from tests.simulation.server import KEYS
from tests.simulation.world import EPOCH_MS, World

TIDY_MS = 7_000


@dataclass(slots=True)
class Clocks:
    """A crystal that drifts, and a wall clock that may say anything."""

    world: World
    ppm: float
    boot_name: str
    booted_at_ms: float = 0.0  # when it reads 1 s
    wall_off_ms: int = 0

    def boot_ms(self) -> int:
        return int((self.world.now_ms - self.booted_at_ms) * (1 + self.ppm / 1e6)) + 1_000

    def wall_ms(self) -> int:
        return max(EPOCH_MS + int(self.world.now_ms) + self.wall_off_ms, 0)

    def boot_id(self) -> str:
        return self.boot_name


class Passage(NamedTuple):
    """What truly happened at a gate, as the run remembers it; no gate can forget it."""

    scan_id: str
    who: str
    device_id: str
    epoch: str
    seq: int
    person: str | None
    payload: str
    direction: str
    admitted: bool
    true_ms: int
    now_error_ms: int


class _Key:
    """Signs nothing: cryptography is not what is simulated."""

    def assertion(self, *_: Any, **__: Any) -> str:
        return "assertion"


@dataclass
class Agent:
    """Survives its lives: the card's folder, the clocks, and what an onlooker saw.

    `name` is the machine, `device_id` whom it takes itself for: a cloned card makes two of one.
    """

    world: World
    network: Network
    name: str
    device_id: str
    gate_id: str
    folder: Path
    clocks: Clocks
    enrolled_ms: int
    wires: dict[Path, Wire]
    disk_ms: float = 2.0
    batch_max: int = 500
    alive: bool = False
    lives: int = 0
    mine: list[Passage] = field(default_factory=list)  # what stands on its card
    payload: str = ""
    on_passage: list[Callable[["Agent", Passage], None]] = field(default_factory=list)
    on_replica: list[Callable[["Agent"], None]] = field(default_factory=list)
    on_power_lost: list[Callable[["Agent"], None]] = field(default_factory=list)

    @property
    def identity(self) -> Identity:
        key = b64_encode(KEYS.digest)
        return Identity(
            self.device_id, self.gate_id, "demo", "", "", key, "", enrolled_at_ms=self.enrolled_ms
        )

    # --- life and death ---------------------------------------------------------------------

    def start(self) -> None:
        world, folder = self.world, self.folder
        self.lives += 1
        self.alive = True
        self.wire = self.wires[folder] = Wire()
        with ExitStack() as stack:
            for name, value in (
                ("_CLOCK", self.clocks),
                ("load_identity", lambda _: self.identity),
                ("make_hardware", lambda *_: (self, NoIndicator())),
                ("new_scan_id", lambda: f"scan-{world.token(5)}"),
            ):
                stack.enter_context(patch.object(parts, name, value))
            self.parts = parts.GateParts.open(GateFolder(folder), Config())
        self.time, self.journal, self.lane = self.parts.time, self.parts.journal, self.parts.lane
        self.replica = self.parts.replica
        self.onlooker = sqlite3.connect(folder / "journal.db", isolation_level=None)
        self.looker = sqlite3.connect(folder / "replica.db", isolation_level=None)
        self.lane.on_outcome.append(self._decided)
        self.sync = SyncLoop(
            identity=self.identity,
            key=_Key(),  # type: ignore[arg-type]
            journal=self.journal,
            replica=self.replica,
            timekeeper=self.time,
            transport=SimTransport(self.name, self.device_id, self.network, self.clocks.boot_ms),
            on_lane=self._on_lane,
            monotonic_s=world.loop.time,
            on_change=self._changed,
            jitter=world.rng.random,
        )
        self.sync._session._batch_max = self.batch_max
        self.tell(f"starts, journal {self.journal.epoch[:4]} at {self.journal.head}")
        context = contextvars.copy_context()
        context.run(machine.set, _Life(self, self.lives))
        self._task = context.run(world.loop.create_task, self._live())

    async def _live(self) -> None:
        """What `bootstrap.Running` does around the lane, without readers and kiosk."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.sync.run())
                while True:
                    await asyncio.sleep(TIDY_MS / 1_000)
                    await loop.run_in_executor(None, self.lane.idle)
        except asyncio.CancelledError:
            raise
        except BaseExceptionGroup as group_error:
            self.world.blame(f"the sync of {self.name} ended: {group_error.exceptions!r}")

    def stop(self) -> None:
        """Nothing of its memory stays; the files are as they are."""
        self.alive = False
        self.wire.dead = True
        self._task.cancel()

    def lose_power(self, *, reboot: bool | None = None) -> None:
        """Memory is gone; the card keeps what was synced."""
        if not self.alive:
            return
        world = self.world
        reboot = world.chance(0.6) if reboot is None else reboot
        self.tell("loses power" if reboot else "is killed")
        self.stop()
        target = self.folder.with_name(f"{self.name}-{self.lives}")
        card.copy(self.folder, target)
        if reboot:
            lost = card.lose_unsynced(self.folder, target, self.wire.synchronous, world.rng.randint)
            if lost:
                self.tell(f"lost what was not synced of {', '.join(lost)}")
            self.reboot_clocks()
        self._close_files()
        self.folder = target
        for one in self.on_power_lost:
            one(self)

    def reboot_clocks(self) -> None:
        world = self.world
        self.clocks.boot_name = f"boot-{world.token(3)}"
        # It reads 1 s then: its zero must not lie before the power went.
        self.clocks.booted_at_ms = world.now_ms + 1_000
        if world.chance(0.5):  # no battery: it may say anything
            self.clocks.wall_off_ms = int(world.rng.choice((-1, 1)) * world.rng.expovariate(1e-7))

    def _close_files(self) -> None:
        self.onlooker.close()
        self.looker.close()
        self.parts.reader.close()
        self.replica.close()
        self.journal.close()

    def shut(self) -> None:
        """At the end of the run."""
        if self.alive:
            self.stop()
            self._close_files()

    # --- at the gate ------------------------------------------------------------------------

    def present(self, payload: str, direction: Direction) -> None:
        """Somebody holds a ticket before the reader."""
        if not self.alive:
            return
        self.payload = payload
        try:
            self.lane.present(self._sighting(payload), direction)
        except NotReadyError:
            self.tell("has no list yet")
        except OutOfOrderError:
            self.tell("can't write, opens for nobody")
        except PowerCutError:
            self.lose_power()

    def look(self, payload: str) -> Outcome:
        return self.lane.present(self._sighting(payload), Direction.ENTRY, dry_run=True)

    def _sighting(self, payload: str) -> Sighting:
        return Sighting("qr", payload, None, self.clocks.boot_ms(), "camera")

    def open(self, scan_id: str) -> None:
        """The barrier. What opens it must stand on the card (P1)."""
        row = self.onlooker.execute("SELECT body FROM entries ORDER BY id DESC LIMIT 1").fetchone()
        if row is None or f'"scanId":"{scan_id}"' not in row[0]:
            self.world.blame(f"P1: {self.name} opens for {scan_id}, which is not on its card")

    def resolve(self, scan_id: str, action: str) -> None:
        """A supervisor's word on one of the gate's scans, as the kiosk writes one."""
        moment, _ = self.time.now()
        at_ms = max(moment.at_ms, 0)
        body: dict[str, Any] = {
            "scanId": scan_id,
            "action": action,
            "operatorId": "op-1",
            "at": format_time(at_ms),
            "text": "seen",
        }
        try:
            done = self.journal.append_resolution(body, at_ms=at_ms)
        except PowerCutError:
            self.lose_power()
            return
        except sqlite3.Error:
            return
        said = {**body, "type": "resolution", "seq": done.seq}
        self.lane.facts.own.take(self.journal.epoch, done.seq, said, at_ms)
        self.sync.wake()
        self.tell(f"{action}s {scan_id}")

    def write_poison(self, body: dict[str, Any]) -> tuple[str, str, int] | None:
        """An entry that the server can't use, as a bug of the gate would write one."""
        moment, _ = self.time.now()
        try:
            done = self.journal.append_note(body, at_ms=max(moment.at_ms, 0))
        except PowerCutError:
            self.lose_power()
            return None
        except sqlite3.Error:
            return None
        self.sync.wake()
        return self.device_id, self.journal.epoch, done.seq

    def _decided(self, outcome: Outcome) -> None:
        word = "admits" if outcome.decision.admitted else "refuses"
        self.tell(
            f"{word} {outcome.participant_id} {outcome.direction}: "
            f"{outcome.decision.reason.label} ({outcome.scan_id})"
        )
        if outcome.scan_id is not None and outcome.epoch is not None and outcome.seq is not None:
            passage = Passage(
                scan_id=outcome.scan_id,
                who=self.name,
                device_id=self.device_id,
                epoch=outcome.epoch,
                seq=outcome.seq,
                person=outcome.participant_id,
                payload=self.payload,
                direction=outcome.direction,
                admitted=outcome.decision.admitted,
                true_ms=self.world.true_ms,
                now_error_ms=outcome.moment.error_ms,
            )
            for one in self.on_passage:
                one(self, passage)
            self.mine.append(passage)
        self.sync.wake()

    def _changed(self) -> None:
        for one in self.on_replica:
            one(self)

    async def _on_lane(self, job: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, job)

    def tell(self, what: str) -> None:
        self.world.tell(self.name, what)


class _Life:
    """From a start of a gate to its end: work that an ended life left behind never happens."""

    def __init__(self, agent: Agent, number: int) -> None:
        self._agent = agent
        self._number = number

    @property
    def alive(self) -> bool:
        return self._agent.alive and self._agent.lives == self._number

    def slowness_s(self) -> float:
        return self._agent.world.rng.uniform(0.1, 2.0) * self._agent.disk_ms / 1_000

    def power_lost(self) -> None:
        self._agent.lose_power()
