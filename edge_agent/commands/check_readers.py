"""`edge-agent check-readers`: for the installer. What works, what does not, and what to do."""

import json
import logging
from pathlib import Path
from typing import Any

import structlog

from edge_agent import system_clock
from edge_agent.config import Config
from edge_agent.control import AskStatus, NobodyThereError, ask
from edge_agent.folder import GateFolder
from edge_agent.ports import ReaderHealth, Sighting
from edge_agent.readers.plugins import PLUGINS, Readers, make_readers

EXIT_WORKS, EXIT_DOES_NOT = 0, 1
_LOOK_S_MIN, _LOOK_S_MAX = 5.0, 18.0
"""Long enough to tell a frozen picture; a camera that does not open is given up within."""
_STEP_S = 0.1
_WORDS = {"running": "works", "waiting": "works", "off": "off"}


def check_readers(data: Path | None, config: Config, *, as_json: bool) -> int:
    """Ask the agent that runs on this folder, else run the readers ourselves for a few seconds."""
    answer = _by_agent(data) or _by_ourselves(config)
    rows = [_row(plain) for plain in answer["readers"]]
    used = [row for row in rows if row["state"] != "off" and row["name"] != "typed"]
    works = bool(used) and all(row["works"] for row in used)
    if as_json:
        print(json.dumps({**answer, "readers": rows, "works": works}, ensure_ascii=False))
    else:
        print(_for_people(rows, works=works, any_used=bool(used), by=answer["by"]))
    return EXIT_WORKS if works else EXIT_DOES_NOT


def _by_agent(data: Path | None) -> dict[str, Any] | None:
    if data is None or not data.is_dir():
        return None
    try:
        status = ask(GateFolder(data).control_socket, AskStatus())
    except NobodyThereError:
        return None
    return {"by": "agent", "readers": status["readers"]}


def _by_ourselves(config: Config) -> dict[str, Any]:
    # A reader that fails says so in its health; its log would only hide the answer.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    seen: list[Sighting] = []
    readers = Readers(make_readers(config), seen.append)
    readers.start()
    try:
        started_s = system_clock.monotonic_s()
        while not _settled(readers.health(), system_clock.monotonic_s() - started_s):
            system_clock.sleep_s(_STEP_S)
        healths = readers.health()
    finally:
        readers.stop()
    codes = {one.name: sum(s.source == one.name for s in seen) for one in healths}
    found = {plugin.name: plugin.found for plugin in PLUGINS}
    return {
        "by": "this command",
        "readers": [
            {
                "name": one.name,
                "state": one.state,
                "detail": one.detail,
                "figures": {**one.figures, "read_now": float(codes[one.name])},
                "advice": one.advice or (found[one.name]() if one.state == "off" else ""),
            }
            for one in healths
        ],
    }


def _settled(healths: list[ReaderHealth], passed_s: float) -> bool:
    if all(one.state == "off" for one in healths):
        return True
    opening = any(one.state == "waiting" and not one.figures.get("frames") for one in healths)
    return passed_s >= (_LOOK_S_MAX if opening else _LOOK_S_MIN)


def _row(plain: dict[str, Any]) -> dict[str, Any]:
    return {**plain, "works": plain["state"] in {"running", "waiting"}}


def _for_people(rows: list[dict[str, Any]], *, works: bool, any_used: bool, by: str) -> str:
    lines = [] if by == "this command" else ["The agent runs; this is what it says."]
    for row in rows:
        word = _WORDS.get(row["state"], "DOES NOT WORK")
        lines.append(f"{row['name']:<9} {word:<14} {row['detail']}".rstrip())
        if row["advice"]:
            lines.append(f"{'':<24} → {row['advice']}")
    if not any_used:
        lines.append('No reader is switched on: name one, as in --camera 0 or `camera = "0"`.')
    elif works:
        lines.append("All readers that are switched on work.")
    else:
        lines.append("Mend what does not work, then run this again.")
    return "\n".join(lines)
