"""An onlooker at each gate, asked at the moment of an admission: could it have known better?

Reads the gate's own files with its own eyes and shares no rule with the product.
"""

from typing import TYPE_CHECKING

from shared import credentials
from tests.simulation import card
from tests.simulation.agent import Agent, Passage
from tests.simulation.server import KEYS

if TYPE_CHECKING:
    from tests.simulation.scenario import Run

TELLABLE_MS = 2_000  # beyond both clocks' errors: an order that a gate can't miss


def _live(agent: Agent) -> str:
    (side,) = agent.looker.execute("SELECT live FROM state").fetchone()
    return str(side)


def learn(run: "Run", agent: Agent) -> None:
    """The gate has read a page: whom it holds for revoked, cancelled or blocked from now on."""
    side = _live(agent)
    cards = dict(agent.looker.execute(f"SELECT credential_id, status FROM credentials_{side}"))
    people = dict(agent.looker.execute(f"SELECT participant_id, status FROM participants_{side}"))
    known = run.knows_bad.setdefault(agent.name, set())
    known -= {name for name in run.lifted if people.get(name) == "registered"}
    known |= {name for name, status in cards.items() if status == "revoked"}
    known |= {name for name, status in people.items() if status != "registered"}


def power_went(run: "Run", agent: Agent) -> None:
    """What it knew is what its card says when it starts again; what it admitted, the card says
    (P1).
    """
    run.knows_bad.pop(agent.name, None)
    held = {(epoch, seq) for epoch, seq, _ in card.entries_of(agent.folder)}
    for passage in agent.mine:
        if (passage.epoch, passage.seq) not in held:
            run.world.blame(f"P1: the power went, and {agent.name} has lost {passage.scan_id}")


def passed(run: "Run", agent: Agent, passage: Passage) -> None:
    if passage.admitted and passage.direction == "entry":
        learn(run, agent)
        _not_known_bad(run, agent, passage)
        _once_inside(run, agent, passage)


def _not_known_bad(run: "Run", agent: Agent, passage: Passage) -> None:
    """P4: neither the person nor the ticket is one that the gate was ever told to refuse."""
    known = run.knows_bad[agent.name]
    code = credentials.parse(passage.payload)
    assert isinstance(code, credentials.TicketCode)
    digest = bytes.fromhex(credentials.ticket_digest(KEYS.digest, code.letters))
    asked = f"SELECT credential_id FROM credentials_{_live(agent)} WHERE digest = ?"
    cards = [name for (name,) in agent.looker.execute(asked, (digest,))]
    if passage.person in known:
        run.world.blame(f"P4: {agent.name} admits {passage.person}, known to be out")
    if cards and all(name in known for name in cards):
        run.world.blame(f"P4: {agent.name} admits on {cards}, known to be revoked")


def _once_inside(run: "Run", agent: Agent, passage: Passage) -> None:
    """P10: what the gate's list says and what it did itself agree that the person is inside."""
    person = passage.person
    if (
        run.plan.settings["allowMultipleCheckins"]
        or person in run.resolved
        or agent.device_id in run.ever_revoked
    ):
        return
    mine = [one for one in agent.mine if one.person == person and one.admitted]
    last = mine[-1] if mine else None
    asked = (
        f"SELECT inside, last_ms, last_error_ms FROM presences_{_live(agent)}"
        " WHERE participant_id = ?"
    )
    row = agent.looker.execute(asked, (person,)).fetchone()
    if row is not None and row[1] is None:
        row = None
    if _surely_inside(last, row):
        since = f"its own {last.scan_id}" if last is not None else "its list"
        run.world.blame(
            f"P10: {agent.name} admits {person} again with {passage.scan_id}, inside by {since}"
        )


def _surely_inside(last: Passage | None, row: tuple[int, int, int] | None) -> bool:
    if last is None:
        return row is not None and bool(row[0])
    entered = last.direction == "entry"
    if row is None:
        return entered
    inside, row_ms, row_error_ms = bool(row[0]), row[1], row[2]
    if entered == inside:
        return inside
    spare_ms = 2 * last.now_error_ms + row_error_ms + TELLABLE_MS
    if entered:
        return last.true_ms - row_ms > spare_ms
    return row_ms - last.true_ms > spare_ms
