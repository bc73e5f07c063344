"""`edge-agent status`: how the gate stands, whether or not it runs."""

import json
from pathlib import Path
from typing import Any

from edge_agent.commands.decide import by_agent_or_alone
from edge_agent.config import Config
from edge_agent.control import AskStatus, ask
from edge_agent.folder import GateFolder
from edge_agent.health import Health, NoSync
from edge_agent.identity import load_identity
from edge_agent.parts import GateParts


def status(data: Path, config: Config, *, as_json: bool) -> int:
    folder = GateFolder(data)
    load_identity(folder.path)
    answer = by_agent_or_alone(
        folder,
        lambda: ask(folder.control_socket, AskStatus()),
        lambda: _alone(folder, config),
    )
    print(json.dumps(answer, ensure_ascii=False) if as_json else _for_people(answer))
    return 0


def _alone(folder: GateFolder, config: Config) -> dict[str, Any]:
    with GateParts.open(folder, config) as parts:
        health = Health(parts)
        try:
            return health.status(NoSync())
        finally:
            health.close()


def _for_people(answer: dict[str, Any]) -> str:
    clock, age_s = answer["clock"], answer["replicaAgeS"]
    line = "online" if answer["online"] else "offline"
    age = "none yet" if age_s is None else f"{age_s} s old"
    lines = [
        f"device        {answer['deviceId']} at gate {answer['gateId']}",
        f"line          {line}, last heard of {answer['lastSyncAt'] or 'never'}",
        f"list          {answer['participants']} participants, {age}",
        f"journal       {answer['head']} entries, {answer['waiting']} waiting",
        f"clock         {clock['quality']}, ±{clock['errorMs']} ms",
        f"disk          {answer['disk']['freeBytes'] // 2**20} MiB free",
    ]
    lines += [f"{r['name']:<13} {r['state']} {r['detail']}" for r in answer["readers"]]
    lines += [
        f"conflict      {c['kind']} of {c['participantId']} {c['maskedName'] or ''}: here {c['at']},"
        f" {c['otherGateName'] or 'no other gate'} {c['otherAt'] or ''}".rstrip()
        for c in answer.get("conflicts", ())
    ]
    lines += [f"trouble       {one['en']}" for one in answer["disk"]["troubles"]]
    lines += [f"fault         {part}: {what}" for part, what in answer["faults"].items()]
    return "\n".join(lines)
