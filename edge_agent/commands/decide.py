"""`edge-agent decide`: one decision on a code given as text, recorded as any other scan."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from edge_agent import outcomes, system_clock
from edge_agent.config import Config
from edge_agent.control import AskDecide, NobodyThereError, ask
from edge_agent.folder import FolderBusyError, FolderLock, GateFolder
from edge_agent.identity import load_identity
from edge_agent.parts import GateParts
from edge_agent.readers.typed import TypedReader
from shared.limits import CODE_CHARS_MAX
from shared.model import Direction

T = TypeVar("T")
EXIT_ADMITTED, EXIT_REFUSED = 0, 1
_PATIENCE_S = 5.0  # for an agent that is just starting, or another `decide`
_PAUSE_S = 0.05


def decide(
    data: Path,
    config: Config,
    code: str,
    *,
    direction: Direction | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    folder = GateFolder(data)
    code = _as_text(code)
    load_identity(folder.path)  # the line that helps, before anything is made in a wrong folder
    answer = by_agent_or_alone(
        folder,
        lambda: ask(folder.control_socket, AskDecide(code, direction, dry_run)),
        lambda: _alone(folder, config, code, direction, dry_run=dry_run),
    )
    if as_json:
        print(json.dumps(answer, ensure_ascii=False, separators=(",", ":")))
    else:
        print(_for_people(answer))
    return EXIT_ADMITTED if answer["admitted"] else EXIT_REFUSED


def _as_text(argument: str) -> str:
    """Bytes that are no UTF-8 and endless codes are unreadable; they need not travel to be so."""
    return argument.encode("utf-8", "replace").decode()[: CODE_CHARS_MAX + 1]


def by_agent_or_alone(folder: GateFolder, asking: Callable[[], T], alone: Callable[[], T]) -> T:
    """Through the running agent if there is one, else by ourselves under the folder's lock."""
    end_s = system_clock.monotonic_s() + _PATIENCE_S
    while True:
        try:
            return asking()
        except NobodyThereError:
            pass
        try:
            with FolderLock(folder):
                return alone()
        except FolderBusyError:
            if system_clock.monotonic_s() > end_s:
                raise
            system_clock.sleep_s(_PAUSE_S)


def _alone(
    folder: GateFolder, config: Config, code: str, direction: Direction | None, *, dry_run: bool
) -> dict[str, Any]:
    with GateParts.open(folder, config) as parts:
        sighting = TypedReader().take(code)
        return outcomes.as_json(parts.lane.present(sighting, direction, dry_run=dry_run))


def _for_people(answer: dict[str, Any]) -> str:
    words = answer["message"]
    head = "admitted" if answer["admitted"] else f"refused ({answer['reason']})"
    name = f", {answer['maskedName']}" if "maskedName" in answer else ""
    return f"{head}{name}: {words['en']} {words['ko']}"
