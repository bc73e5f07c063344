"""The questions after the quiet: each a promise of DESIGN §1, asked without the product's own words
where that is possible.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from sync_server.storage import schema
from sync_server.storage.chunks import mappings
from sync_server.storage.revisions import digest
from sync_server.sync.journals import lost_of
from sync_server.verify import verify
from tests.simulation import card
from tests.simulation.agent import Agent
from tests.simulation.scenario import Key, Run

TRUE_MS_SPARE = 3  # what is cut to whole milliseconds on both sides
Rows = dict[str, list[Mapping[str, Any]]]


def check(run: Run) -> None:
    store = run.server.store
    for line in store.read_now(verify):
        if not _named_tail(run, line):
            run.world.blame(f"P3: verify: {line}")
    rows = store.read_now(_load)
    _nothing_lost(run, rows)
    _nothing_twice(run, rows)
    _counted(run, rows)
    _honest_times(run, rows)
    _poison_kept(run, rows)
    _new_epochs(run)
    states = run.server.states()
    for agent in run.agents:
        if states[agent.device_id] == "revoked":
            _wiped(run, agent)
        else:
            _equal_replica(run, agent, rows)


def _named_tail(run: Run, line: str) -> bool:
    """A head that was reported, and whose entries went with a card: named for ever (DESIGN §5)."""
    return "not arrived" in line and any(f"device {name}," in line for name in run.copied)


def _load(conn: Connection) -> Rows:
    return {
        table.name: list(mappings(conn, select(table)))
        for table in (schema.entries, schema.scans, schema.counters, *schema.REPLICATED)
    }


def _nothing_lost(run: Run, rows: Rows) -> None:
    """Each entry on each card is at the server as it stands there (P2)."""
    held = {(r["device_id"], r["epoch"], r["seq"], r["checksum"]): r for r in rows["entries"]}
    for agent in run.agents:
        seen: dict[str, list[int]] = defaultdict(list)
        for epoch, seq, body in card.entries_of(agent.folder):
            seen[epoch].append(seq)
            key = (agent.device_id, epoch, seq)
            if key in run.spoilt:
                _declared_lost(run, key, held)
            elif (*key, json.loads(body).get("checksum")) not in held and key not in run.poison:
                run.world.blame(f"P2: entry {seq} of {agent.name}/{epoch} is not there")
        for epoch, numbers in seen.items():
            if numbers != list(range(1, len(numbers) + 1)):
                run.world.blame(f"P2: gaps on the card of {agent.name}: {epoch} {numbers}")
    here = {row["scan_id"] for row in rows["scans"]}
    for passage in run.passages.values():
        key = (passage.device_id, passage.epoch, passage.seq)
        if passage.scan_id not in here | run.gone and key not in run.spoilt:
            run.world.blame(f"P2: the scan {passage.scan_id} never reached the server")


def _new_epochs(run: Run) -> None:
    """A gate whose card went back behind what the server holds goes on under a new name (P2)."""
    for agent, epoch in run.left_epochs:
        if agent.journal.epoch == epoch and not run.restored:
            run.world.blame(f"P2: {agent.name} goes on under {epoch}, which its card has lost")


def _declared_lost(run: Run, key: Key, held: dict[Any, Any]) -> None:
    if any(name[:3] == key and row["unusable"] is None for name, row in held.items()):
        return  # it went up before its row was spoilt
    lost = run.server.store.read_now(lambda conn: lost_of(conn, *key[:2]))
    if not any(first <= key[2] <= last for first, last in lost):
        run.world.blame(f"P2: the spoilt entry {key} is not named as lost")


def _nothing_twice(run: Run, rows: Rows) -> None:
    """One scan a passage; one who is inside counts once; the server's word is the last in time
    (P2, P3, P10).
    """
    for scan_id, times in Counter(row["scan_id"] for row in rows["scans"]).items():
        passage = run.passages.get(scan_id)
        if passage is None:
            run.world.blame(f"P2: nobody made the scan {scan_id}")
        elif times > 1 and passage.device_id not in run.copied:
            run.world.blame(f"P2: the scan {scan_id} is there {times} times")
    walks: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    order = lambda r: (r["occurred_ms"], r["device_id"], r["epoch"], r["seq"], r["checksum"])
    for row in sorted(rows["scans"], key=order):
        moves = row["admitted"] and row["verdict"] not in {"voided", "refused"}
        if moves and row["participant_id"] is not None:
            walks[row["participant_id"]].append(row)
    for row in rows["presences"]:
        _one_walk(run, row, walks.pop(row["participant_id"], []))
    for person in walks:
        run.world.blame(f"P3: {person} passed, and has no presence")


def _one_walk(run: Run, presence: Mapping[str, Any], walk: list[Mapping[str, Any]]) -> None:
    person, inside = presence["participant_id"], False
    for row in walk:
        counts = row["verdict"] == "confirmed" and row["verdict_kind"] is None
        if row["direction"] == "entry":
            several = run.plan.settings["allowMultipleCheckins"]
            if counts and inside and not several:
                run.world.blame(f"P10: {row['scan_id']} counts, and {person} was inside already")
            if row["verdict_kind"] == "double_entry" and not inside and _may_come_back(run):
                run.world.blame(f"P10: {row['scan_id']} is a double entry of nobody inside")
        inside = row["direction"] == "entry"
    said = {
        "inside": inside,
        "last_ms": walk[-1]["occurred_ms"] if walk else None,
        "last_gate_id": walk[-1]["gate_id"] if walk else None,
        "first_entry_ms": next((r["occurred_ms"] for r in walk if r["direction"] == "entry"), None),
    }
    for name, value in said.items():
        if presence[name] != value:
            run.world.blame(f"P3: {person}: {name} is {presence[name]}, the scans say {value}")


def _may_come_back(run: Run) -> bool:
    """Where a quick return at the same gate is no double entry, and one after an exit neither."""
    settings = run.plan.settings
    return bool(settings["allowReentryAfterExit"]) and settings["duplicateWindowSeconds"] <= 0


def _counted(run: Run, rows: Rows) -> None:
    """The figures, added up without the product (P2)."""
    scans = rows["scans"]
    entries = [r for r in scans if r["direction"] == "entry" and r["verdict"] == "confirmed"]
    true = {
        "scans": len(scans),
        "confirmed": len(entries),
        "conflict": sum(r["verdict"] == "conflict" for r in scans),
        "attended": len({r["participant_id"] for r in entries if r["participant_id"]}),
        "inside": sum(r["inside"] for r in rows["presences"]),
    }
    held = {r["name"]: r["value"] for r in rows["counters"] if r["scope"] == "overall"}
    for name, value in true.items():
        if held.get(name, 0) != value:
            run.world.blame(f"P2: counted {name} {held.get(name, 0):g}, there are {value}")


def _honest_times(run: Run, rows: Rows) -> None:
    """Within the stated error, never a guess, never out of order (P8)."""
    last: dict[tuple[str, str], int] = {}
    for row in sorted(rows["scans"], key=lambda r: (r["device_id"], r["epoch"], r["seq"])):
        passage, name = run.passages.get(row["scan_id"]), row["scan_id"]
        if passage is None:
            continue
        off_ms = abs(row["occurred_ms"] - passage.true_ms)
        if row["time_quality"] == "wall":
            run.world.blame(f"P8: the time of {name} is a guess, and the server was met since")
        if off_ms > row["time_error_ms"] + TRUE_MS_SPARE:
            run.world.blame(f"P8: {name} is {off_ms} ms off and says ±{row['time_error_ms']}")
        journal = (row["device_id"], row["epoch"])
        if row["device_id"] in run.copied:
            continue  # two stories under one name
        if row["occurred_ms"] < last.get(journal, 0):
            run.world.blame(f"P8: {name} is earlier than the scan before it")
        last[journal] = row["occurred_ms"]


def _poison_kept(run: Run, rows: Rows) -> None:
    """What can't be used is kept with a reason, and only that (P6)."""
    kept: set[Key] = set()
    for row in rows["entries"]:
        key = (row["device_id"], row["epoch"], row["seq"])
        kept.add(key)
        if key in run.poison:
            if row["unusable"] is None and row["device_id"] not in run.copied:
                run.world.blame(f"P6: the bad entry {key} passed as usable")
        elif row["unusable"] is not None:
            run.world.blame(f"P6: {key} is unusable: {row['unusable']}")
    on_cards = {
        (agent.device_id, epoch, seq)
        for agent in run.agents
        for epoch, seq, _ in card.entries_of(agent.folder)
    }
    for key in (run.poison & on_cards) - kept:
        run.world.blame(f"P6: the bad entry {key} was not kept")


_KEYS = {
    "participants": "participant_id",
    "credentials": "credential_id",
    "presences": "participant_id",
}


def _equal_replica(run: Run, agent: Agent, rows: Rows) -> None:
    """Row for row, not by the digest alone; and nothing of its own lies over it any more (P3, P7)."""
    who = agent.name
    live, total = agent.looker.execute("SELECT live, sum FROM state").fetchone()
    if total.hex() != run.server.store.read_now(digest):
        run.world.blame(f"P3: the digest of {who}'s replica is not the server's")
    for table, key in _KEYS.items():
        mine = dict(agent.looker.execute(f"SELECT {key}, hash FROM {table}_{live}").fetchall())
        true = {row[key]: bytes.fromhex(row["hash"]) for row in rows[table]}
        if mine != true:
            run.world.blame(f"P3: {table} of {who} differ from the server's")
    agent.lane.facts.refresh()
    agent.look(run.tickets[0])
    # What a full card could not note is offered again after a restart only (`own_failures`).
    if len(agent.lane.facts.own) and who not in run.had_full_card:
        run.world.blame(f"P7: {who} holds {len(agent.lane.facts.own)} scans over a whole replica")
    inside = dict(agent.looker.execute(f"SELECT participant_id, inside FROM presences_{live}"))
    for row in rows["presences"]:
        if bool(inside.get(row["participant_id"])) != row["inside"]:
            run.world.blame(f"P3: {row['participant_id']} is not {row['inside']} at {who}")


def _wiped(run: Run, agent: Agent) -> None:
    """A revoked device holds nobody any more (P9)."""
    for table in _KEYS:
        for side in "ab":
            if agent.looker.execute(f"SELECT count(*) FROM {table}_{side}").fetchone()[0]:
                run.world.blame(f"P9: the revoked {agent.name} still holds {table}")
