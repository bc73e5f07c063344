"""One run: a fleet at work, faults by chance, then healing, quiet, and the questions."""

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from shared.model import Direction
from tests.simulation import card, oracles, organisers
from tests.simulation.agent import Agent, Clocks, Passage
from tests.simulation.card import Wire
from tests.simulation.clockwork import SpinsError, VirtualLoop
from tests.simulation.network import Network, Weather
from tests.simulation.patches import virtual
from tests.simulation.plan import Plan
from tests.simulation.server import SimServer
from tests.simulation.world import EPOCH_MS, World

GATES = ["north", "south", "vip"]
QUIET_MS_MAX = 1_200_000
HOUR_MS = 3_600_000

Key = tuple[str, str, int]  # device, epoch, sequence number
Kinds = Mapping[str, Callable[["Run"], None]]


class Run:
    """The fleet of one seed, and what an onlooker remembers of it."""

    def __init__(
        self, world: World, kinds: "Kinds", folder: Path, events: Mapping[str, int] | None
    ):
        self.world = world
        self.folder = folder
        self.kinds = kinds
        self.plan = Plan.draw(world, kinds)
        if events is not None:
            self.plan.events = dict(events)
        self.server = SimServer(world, folder / "server", page_rows=self.plan.page_rows)
        self.server.refusals = self.plan.refusals
        self.network = Network(world, self.plan.weather, self.server)
        self.wires: dict[Path, Wire] = {}
        self.agents: list[Agent] = []
        self.passages: dict[str, Passage] = {}
        self.tickets = [organisers.payload(n) for n in range(self.plan.people)]
        self.people = [organisers.person_id(n) for n in range(self.plan.people)]
        self.poison: set[Key] = set()
        self.spoilt: set[Key] = set()
        self.gone: set[str] = set()  # scans whose card went back: they may be lost with it
        self.copied: set[str] = set()  # devices of which a card was copied
        self.resolved: set[str] = set()  # people about whose scans somebody said a word
        self.ever_revoked: set[str] = set()
        self.moves: list[tuple[str, str]] = []  # devices, and the gates that the desk gave them
        self.backups: list[Path] = []
        self.cards: list[tuple[Agent, Path]] = []
        self.knows_bad: dict[str, set[str]] = {}
        self.lifted: set[str] = set()
        self.left_epochs: list[tuple[Agent, str]] = []  # of cards that went back behind the server
        self.cut_after_passage: set[str] = set()
        self.had_full_card: set[str] = set()
        self.healed = False
        self.restored = False

    # --- setting up -------------------------------------------------------------------------

    def set_up(self) -> None:
        world, plan = self.world, self.plan
        names = [f"dev-{n}" for n in range(plan.agents)]
        at = {name: world.rng.choice(GATES) for name in names}
        generation = world.token()
        self.server.store.write_now(
            lambda conn: organisers.populate(
                conn,
                generation=generation,
                start_ms=EPOCH_MS - HOUR_MS,
                settings=plan.settings,
                gates=GATES,
                devices=at,
                people=plan.people,
            )
        )
        for name in names:
            agent = self.add_agent(name, name, at[name])
            if world.chance(0.3):
                agent.clocks.wall_off_ms = int(world.rng.uniform(-4e8, 4e8))
            world.after(world.rng.uniform(0, 3_000), agent.start)

    def add_agent(self, name: str, device_id: str, gate_id: str) -> Agent:
        world = self.world
        folder = self.folder / f"{name}-0"
        folder.mkdir()
        clocks = Clocks(world, world.rng.uniform(-45, 45), f"boot-{world.token(3)}", world.now_ms)
        agent = Agent(
            world,
            self.network,
            name,
            device_id,
            gate_id,
            folder,
            clocks,
            EPOCH_MS - 60_000,
            self.wires,
            disk_ms=world.rng.choice((0.5, 2.0, 20.0)),
            batch_max=self.plan.batch_max,
        )
        agent.on_passage.append(self._passed)
        agent.on_replica.append(lambda one: oracles.learn(self, one))
        agent.on_power_lost.append(self._restart_later)
        self.agents.append(agent)
        return agent

    def schedule(self) -> None:
        world, plan = self.world, self.plan
        span_ms = plan.minutes * 60_000
        world.tell("plan", repr(plan))
        for _ in range(plan.sightings):
            world.after(world.rng.uniform(1_000, span_ms), self.sight)
        for kind, times in plan.events.items():
            for _ in range(times):
                at_ms = world.rng.uniform(3_000, span_ms)
                world.after(at_ms, lambda kind=kind: self._happen(kind))  # type: ignore[misc]

    def _happen(self, kind: str) -> None:
        if not self.healed:
            self.kinds[kind](self)

    def sight(self) -> None:
        """Somebody comes with a ticket; sometimes again, or somebody else with the same."""
        rng = self.world.rng
        agent, ticket = rng.choice(self.agents), rng.choice(self.tickets)
        direction = Direction.EXIT if self.world.chance(0.35) else Direction.ENTRY
        agent.present(ticket, direction)
        if self.world.chance(0.15):
            other = rng.choice((agent, rng.choice(self.agents)))
            self.world.after(rng.uniform(0, 20_000), lambda: other.present(ticket, direction))

    def _restart_later(self, agent: Agent) -> None:
        oracles.power_went(self, agent)
        delay_ms = 10 if self.healed else self.world.rng.uniform(10, 30_000)
        self.world.after(delay_ms, lambda: None if agent.alive else agent.start())

    def _passed(self, agent: Agent, passage: Passage) -> None:
        oracles.passed(self, agent, passage)
        self.passages[passage.scan_id] = passage
        if agent.name in self.cut_after_passage and not self.healed:
            self.cut_after_passage.discard(agent.name)
            delay_ms = self.world.rng.choice((0, 30, 500))
            self.world.after(delay_ms, lambda: agent.lose_power(reboot=True))

    # --- the end ----------------------------------------------------------------------------

    def heal(self) -> None:
        """No more faults; everyone is up and connected."""
        self.healed = True
        self.world.tell("world", "heals")
        self.network.weather = Weather(latency_ms=5.0)
        self.network.cut_off.clear()
        self.server.refusals = 0.0
        if not self.server.alive:
            self.server.start()
        self.server.store.disk_ms = 1.0
        self.server.store.cut_power_in(-1)
        for agent in self.agents:
            agent.disk_ms = 1.0
            if not agent.alive:
                agent.start()
            agent.wire.cut_in = None
            agent.wire.full = False
        if self.restored:
            self._move_again()

    def _move_again(self) -> None:
        """A backup forgets later moves: the desk repeats them, as docs/disasters.md says; until
        then what was scanned at those gates waits as `foreign_gate`.
        """
        now_ms = self.world.true_ms
        for device_id, gate_id in self.moves:
            self.server.store.write_now(
                lambda conn, device=device_id, gate=gate_id: (  # type: ignore[misc]
                    organisers.move_device(conn, device, gate, now_ms)
                )
            )
            self.world.tell("desk", f"moves {device_id} to {gate_id} again")

    async def settle(self) -> bool:
        end_ms = self.world.now_ms + QUIET_MS_MAX
        while self.world.now_ms < end_ms:
            await asyncio.sleep(2)
            states = self.server.states()
            if all(self.quiet(agent, states) for agent in self.agents):
                return True
        return False

    def quiet(self, agent: Agent, states: dict[str, str]) -> bool:
        if not agent.alive or agent.sync.state().waiting:
            return False
        if agent.journal.unsealed_epoch() is not None:  # a damaged row waits for no time
            return False
        if states.get(agent.device_id) == "revoked":
            return agent.replica.generation is None
        return agent.replica.cursor() == agent.replica.live_cursor() == self.server.head()

    def who_waits(self) -> str:
        states = self.server.states()
        said = []
        for agent in self.agents:
            if not self.quiet(agent, states):
                state = agent.sync.state()
                said.append(
                    f"{agent.name} waits with {state.waiting}, unsealed "
                    f"{agent.journal.unsealed_count}, at {agent.replica.cursor()} of "
                    f"{self.server.head()}: {state.last_error}"
                )
        return "; ".join(said)


@dataclass(slots=True)
class Result:
    seed: int
    broken: list[str]
    story: list[tuple[int, str, str]]


@lru_cache(maxsize=1)
def _place() -> Path:
    """One a process: the server's engine is kept over runs and knows its file by name."""
    base = "/dev/shm" if Path("/dev/shm").is_dir() else None
    above = Path(tempfile.mkdtemp(prefix="gatesync-sim-", dir=base))
    atexit.register(shutil.rmtree, above, ignore_errors=True)
    return above / "run"


def simulate(
    seed: int,
    kinds: Kinds,
    check: Callable[[Run], None],
    events: Mapping[str, int] | None = None,
) -> Result:
    """One seed from beginning to end; `events` in place of those that the seed draws."""
    folder = _place()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    loop = VirtualLoop()
    world = World(seed, loop)
    try:
        loop.run_until_complete(_live(world, check, lambda: Run(world, kinds, folder, events)))
    except SpinsError as error:
        world.blame(f"P12: {error}")
    finally:
        loop.close()
        shutil.rmtree(folder, ignore_errors=True)
    return Result(seed, world.broken, world.story)


async def _live(world: World, check: Callable[[Run], None], make: Callable[[], Run]) -> None:
    run = make()
    plan = run.plan
    with virtual(world, run.wires, status_s=plan.status_s, seal_rows=plan.seal_rows):
        try:
            run.set_up()
            run.schedule()
            await asyncio.sleep(plan.minutes * 60)
            run.heal()
            if await run.settle():
                check(run)
            else:
                world.blame(f"P2: it does not come to rest: {run.who_waits()}")
        finally:
            for agent in run.agents:
                agent.shut()
            if run.server.alive:
                run.server.stop()
            await asyncio.sleep(0.001)


def roll_back(run: Run, agent: Agent, old: Path) -> None:
    """The gate's machine starts again from an old copy of its card."""
    agent.lose_power(reboot=True)
    target = agent.folder.with_name(f"{agent.folder.name}-back")
    card.copy(old, target)
    agent.folder = target
    if (newest := card.entries_of(target)[-1:]) and run.server.alive:
        epoch, head, _ = newest[0]
        asked = "SELECT max(seq) FROM entries WHERE device_id = ? AND epoch = ?"
        if (run.server.store.look(asked, (agent.device_id, epoch))[0][0] or 0) > head:
            run.left_epochs.append((agent, epoch))
    keep_what_stands(run, agent)
    agent.tell("goes on with an old copy of its card")


def keep_what_stands(run: Run, agent: Agent) -> None:
    """What is not on its card any more, the gate can't know, and nobody can send again."""
    held = {(epoch, seq) for epoch, seq, _ in card.entries_of(agent.folder)}
    for passage in agent.mine:
        if (passage.epoch, passage.seq) not in held:
            run.gone.add(passage.scan_id)
    agent.mine = [one for one in agent.mine if (one.epoch, one.seq) in held]
