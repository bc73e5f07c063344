"""Decides as fast as it can until it is killed: `decide_loop.py FOLDER FIRST`; tickets FIRST, …"""

import sys
from pathlib import Path

from edge_agent import system_clock
from edge_agent.config import Config
from edge_agent.folder import FolderLock, GateFolder
from edge_agent.parts import GateParts
from edge_agent.ports import Sighting
from tests.edge_agent.gate import code


def main(folder: Path, first: int) -> None:
    place = GateFolder(folder)
    with FolderLock(place), GateParts.open(place, Config()) as parts:
        number = first
        while True:
            sighting = Sighting("qr", code(number), None, system_clock.boot_ms(), "loop")
            if not parts.lane.present(sighting).decision.admitted:
                raise SystemExit(f"ticket {number} was refused")
            number += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
