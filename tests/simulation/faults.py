"""What happens to a fleet by chance: faults of machines, and words of people."""

from collections.abc import Callable

from shared.model import Direction
from tests.simulation import card, organisers
from tests.simulation.agent import Agent
from tests.simulation.scenario import GATES, Run, keep_what_stands, roll_back
from tests.simulation.world import EPOCH_MS


def _someone(run: Run) -> Agent | None:
    alive = [agent for agent in run.agents if agent.alive]
    return run.world.rng.choice(alive) if alive else None


# --- machines -----------------------------------------------------------------------------------


def power_cut(run: Run) -> None:
    """Now, or right after somebody has passed: what opened a barrier must be on the card (P1)."""
    if (agent := _someone(run)) is None:
        return
    if run.world.chance(0.4):
        agent.lose_power()
    else:
        run.cut_after_passage.add(agent.name)


def power_cut_within(run: Run) -> None:
    """Before some statement that is still to come, whoever makes it."""
    if (agent := _someone(run)) is not None:
        agent.wire.cut_in = run.world.rng.randint(1, 60)
        agent.tell(f"will lose power in {agent.wire.cut_in} statements")


def partition(run: Run) -> None:
    if (agent := _someone(run)) is None:
        return
    agent.tell("is cut off")
    run.network.cut_off.add(agent.name)

    def over() -> None:
        agent.tell("is connected again")
        run.network.cut_off.discard(agent.name)

    run.world.after(run.world.rng.expovariate(1 / 40_000), over)


def rebooted_alone(run: Run) -> None:
    """A boot that works before it meets the server's clock, its own clock anywhere (P8)."""
    if (agent := _someone(run)) is None:
        return
    rng = run.world.rng
    agent.tell("is cut off, and boots anew")
    run.network.cut_off.add(agent.name)
    agent.lose_power(reboot=True)
    agent.clocks.wall_off_ms = int(rng.gauss(0, 3e8))
    agent.start()
    for _ in range(rng.randint(1, 4)):
        ticket, direction = rng.choice(run.tickets), rng.choice(list(Direction))
        run.world.after(
            rng.uniform(100, 20_000),
            lambda t=ticket, d=direction: agent.present(t, d),  # type: ignore[misc]
        )
    over = lambda: run.network.cut_off.discard(agent.name)
    run.world.after(rng.uniform(5_000, 60_000), over)


def clock_jump(run: Run) -> None:
    """Somebody, or NTP, sets the wall clock."""
    if (agent := _someone(run)) is not None:
        agent.clocks.wall_off_ms = int(run.world.rng.gauss(0, 4e6))
        agent.tell(f"its wall clock is set, off by {agent.clocks.wall_off_ms} ms")


def slow_disk(run: Run) -> None:
    if (agent := _someone(run)) is not None:
        agent.disk_ms = 500.0
        agent.tell("its disk takes half a second")


def full_card(run: Run) -> None:
    if (agent := _someone(run)) is None:
        return
    wire = agent.wire
    wire.full = True
    run.had_full_card.add(agent.name)
    agent.tell("its card is full")
    run.world.after(run.world.rng.expovariate(1 / 15_000), lambda: setattr(wire, "full", False))


def decide_within_page(run: Run) -> None:
    """A sighting between two statements of the sync (P7)."""
    if (agent := _someone(run)) is not None:
        agent.wire.between = run.sight


def spoilt_row(run: Run) -> None:
    """A bit of the journal flips while the gate is off."""
    if (agent := _someone(run)) is None:
        return
    agent.lose_power()
    found = card.spoil_row(agent.folder, run.world.rng.randrange)
    if found is None:
        return
    epoch, seq = found
    agent.tell(f"a bit of its entry {seq} flips")
    run.spoilt.add((agent.device_id, epoch, seq))
    agent.mine = [one for one in agent.mine if (one.epoch, one.seq) != found]


def spoilt_replica(run: Run) -> None:
    if (agent := _someone(run)) is not None:
        agent.lose_power()
        card.spoil_replica(agent.folder)
        agent.tell("its replica is garbage")


def copied_card(run: Run) -> None:
    """Somebody makes an image of a card; perhaps somebody puts it in later."""
    if (agent := _someone(run)) is not None:
        to = run.folder / f"image-{len(run.cards)}"
        card.copy(agent.folder, to)
        run.cards.append((agent, to))
        agent.tell("its card is copied")
        if run.world.chance(0.8):
            what = rolled_back_card if run.world.chance(0.6) else cloned_card
            run.world.after(run.world.rng.uniform(100, 60_000), lambda: what(run))


def rolled_back_card(run: Run) -> None:
    agent, old = run.cards[-1]
    if run.healed or not agent.alive:
        return
    run.copied.add(agent.device_id)
    roll_back(run, agent, old)


def cloned_card(run: Run) -> None:
    """Two machines take themselves for one device."""
    agent, old = run.cards[-1]
    if run.healed:
        return
    run.copied.add(agent.device_id)
    twin = run.add_agent(f"twin-{len(run.agents)}", agent.device_id, agent.gate_id)
    card.copy(old, twin.folder)
    twin.mine = list(agent.mine)
    gone = set(run.gone)
    keep_what_stands(run, twin)
    run.gone = gone  # the first card still has them
    twin.start()


def server_killed(run: Run) -> None:
    server = run.server
    if server.alive:
        run.world.tell("server", "is killed")
        server.stop()
        server.start_later()


def server_killed_within(run: Run) -> None:
    if run.server.alive:
        run.server.store.cut_power_in(run.world.rng.randint(1, 120))
        run.world.tell("server", "will be killed within a transaction")


def slow_server(run: Run) -> None:
    run.server.disk_ms = run.server.store.disk_ms = run.world.rng.choice((20.0, 500.0, 3_000.0))
    run.world.tell("server", f"its disk takes {run.server.disk_ms:.0f} ms")


def backup(run: Run) -> None:
    """A copy while serving; most are put back later, when more has come."""
    to = run.folder / f"backup-{len(run.backups)}.db"
    run.server.back_up(to)
    run.backups.append(to)
    run.world.tell("server", "is backed up")
    if run.world.chance(0.5):  # what the desk says now, the backup does not know
        run.world.after(100, lambda: None if run.healed else person_out(run))
    if run.world.chance(0.8):
        run.world.after(run.world.rng.uniform(100, 60_000), lambda: restore(run))


def restore(run: Run) -> None:
    if run.healed:
        return
    run.world.tell("server", "is restored from a backup")
    run.server.restore(run.backups[-1])
    run.restored = True


# --- people -------------------------------------------------------------------------------------


def _say(run: Run, what: str) -> None:
    run.world.tell("desk", what)


def _person(run: Run) -> str:
    return run.world.rng.choice(run.people)


def person_out(run: Run) -> None:
    """Cancelled or barred; half of them are taken in again later."""
    if not run.server.alive:
        return
    person, status = _person(run), run.world.rng.choice(("cancelled", "blocked"))
    now_ms = run.world.true_ms
    run.server.store.write_now(
        lambda conn: organisers.change_person(conn, person, {"status": status}, now_ms)
    )
    run.lifted.discard(person)
    _say(run, f"{person} is {status}")
    if run.world.chance(0.5):
        run.world.after(run.world.rng.uniform(1_000, 60_000), lambda: _person_in(run, person))


def _person_in(run: Run, person: str) -> None:
    if not run.server.alive:
        return
    now_ms = run.world.true_ms
    run.server.store.write_now(
        lambda conn: organisers.change_person(conn, person, {"status": "registered"}, now_ms)
    )
    run.lifted.add(person)
    _say(run, f"{person} is taken in again")


def permissions_changed(run: Run) -> None:
    """The gate `vip` asks for a permission from now on, and somebody gets it."""
    if not run.server.alive:
        return
    person, now_ms = _person(run), run.world.true_ms
    asked = run.world.rng.choice(("vip", None))
    cells: dict[str, str | None] = {"permissions": "attendance;vip"}
    run.server.store.write_now(
        lambda conn: (
            organisers.set_gate(conn, "vip", {"required_permission": asked}, now_ms),
            organisers.change_person(conn, person, cells, now_ms),
        )
    )
    run.lifted.add(person)  # a newer row of that person
    _say(run, f"gate vip asks for {asked}; {person} may pass it")


def ticket_reissued(run: Run) -> None:
    if not run.server.alive:
        return
    person, now_ms = _person(run), run.world.true_ms
    ticket = run.server.store.write_now(lambda conn: organisers.reissue(conn, person, now_ms))
    if ticket is not None:
        run.tickets.append(ticket)
    _say(run, f"{person} gets another ticket")


def ticket_revoked(run: Run) -> None:
    if run.server.alive:
        person, now_ms = _person(run), run.world.true_ms
        run.server.store.write_now(lambda conn: organisers.revoke_ticket(conn, person, now_ms))
        _say(run, f"a ticket of {person} is revoked")


def late_registration(run: Run) -> None:
    if run.server.alive:
        number, now_ms = len(run.tickets), run.world.true_ms
        ticket = run.server.store.write_now(lambda conn: organisers.register(conn, number, now_ms))
        run.tickets.append(ticket)
        _say(run, f"late {number} registers")


def gate_closed(run: Run) -> None:
    """For a while."""
    if not run.server.alive:
        return
    gate_id = run.world.rng.choice(GATES)

    def put(active: bool) -> None:
        if run.server.alive:
            now_ms = run.world.true_ms
            run.server.store.write_now(
                lambda conn: organisers.set_gate(conn, gate_id, {"active": active}, now_ms)
            )
            _say(run, f"gate {gate_id} is {'open' if active else 'closed'}")

    put(False)
    run.world.after(run.world.rng.uniform(1_000, 30_000), lambda: put(True))


def event_changed(run: Run) -> None:
    """Its end comes nearer, and goes again."""
    if not run.server.alive:
        return

    def put(end_ms: int) -> None:
        if run.server.alive:
            now_ms = run.world.true_ms
            run.server.store.write_now(
                lambda conn: organisers.set_event(conn, {"end_ms": end_ms}, now_ms)
            )
            _say(run, f"the event ends at {end_ms}")

    put(EPOCH_MS - 3_600_000 + run.world.rng.randint(-10_000, 120_000))
    run.world.after(run.world.rng.uniform(1_000, 30_000), lambda: put(EPOCH_MS + 36_000_000))


def device_moved(run: Run) -> None:
    if not run.server.alive:
        return
    agent, gate_id = run.world.rng.choice(run.agents), run.world.rng.choice(GATES)
    now_ms = run.world.true_ms
    run.server.store.write_now(
        lambda conn: organisers.move_device(conn, agent.device_id, gate_id, now_ms)
    )
    run.moves.append((agent.device_id, gate_id))
    _say(run, f"{agent.device_id} moves to {gate_id}")


def device_revoked(run: Run) -> None:
    """Stolen; half of them are found again."""
    if not run.server.alive:
        return
    device_id, now_ms = run.world.rng.choice(run.agents).device_id, run.world.true_ms
    run.ever_revoked.add(device_id)
    run.server.store.write_now(lambda conn: organisers.revoke_device(conn, device_id, now_ms))
    _say(run, f"{device_id} is revoked")

    def accept() -> None:
        if run.server.alive:
            now_ms = run.world.true_ms
            run.server.store.write_now(
                lambda conn: organisers.accept_device(conn, device_id, now_ms)
            )
            _say(run, f"{device_id} is accepted")

    if run.world.chance(0.5):
        run.world.after(run.world.rng.uniform(1_000, 60_000), accept)


def resolved_at_desk(run: Run) -> None:
    if not run.server.alive:
        return
    found = run.server.store.read_now(organisers.scan_ids)
    if not found:
        return
    scan_id, action = run.world.rng.choice(found), run.world.rng.choice(("accept", "void"))
    name, now_ms = f"res-{run.world.token(4)}", run.world.true_ms
    _touched(run, scan_id)
    run.server.store.write_now(lambda conn: organisers.resolve(conn, scan_id, action, name, now_ms))
    _say(run, f"{action}s {scan_id}")


def resolved_at_gate(run: Run) -> None:
    agent = _someone(run)
    if agent is None or not agent.mine:
        return
    scan_id = run.world.rng.choice(agent.mine).scan_id
    _touched(run, scan_id)
    agent.resolve(scan_id, run.world.rng.choice(("accept", "void", "void")))


def _touched(run: Run, scan_id: str) -> None:
    person = run.passages[scan_id].person if scan_id in run.passages else None
    if person is not None:
        run.resolved.add(person)


_POISON = (
    {"note": "n" * 5_000},
    {"note": "zero \x00"},
    {"note": 7},
    {"nothing": "known"},
    {"note": "more", "surplus": {"a": [1, 2]}},
)


def poison(run: Run) -> None:
    """A bug of the gate writes what the server can't use (P6)."""
    if (agent := _someone(run)) is not None:
        body = run.world.rng.choice(_POISON)
        if (key := agent.write_poison(body)) is not None:
            run.poison.add(key)
            agent.tell(f"writes nonsense as entry {key[2]}")


KINDS: dict[str, Callable[[Run], None]] = {
    do.__name__: do
    for do in (
        power_cut, power_cut_within, partition, rebooted_alone, clock_jump, slow_disk, full_card,
        decide_within_page, spoilt_row, spoilt_replica, copied_card, server_killed,
        server_killed_within, slow_server, backup, person_out, permissions_changed,
        ticket_reissued, ticket_revoked, late_registration, gate_closed, event_changed,
        device_moved, device_revoked, resolved_at_desk, resolved_at_gate, poison,
    )
}  # fmt: skip
