"""Decides as fast as it can; each opening is one line on standard output, which no power cut takes.

`opening_loop.py FOLDER FIRST`
"""

import sys
from pathlib import Path

from edge_agent import system_clock
from edge_agent.config import Config
from edge_agent.folder import FolderLock, GateFolder
from edge_agent.parts import GateParts
from edge_agent.ports import Sighting
from tests.edge_agent.gate import code


class Said:
    """A barrier whose log lies beyond the card."""

    def open(self, scan_id: str) -> None:
        sys.stdout.write(f"{scan_id}\n")
        sys.stdout.flush()


def main(folder: Path, first: int) -> None:
    place = GateFolder(folder)
    with FolderLock(place), GateParts.open(place, Config()) as parts:
        parts.lane._barrier = Said()
        number = first
        while True:
            sighting = Sighting("typed", code(number), None, system_clock.boot_ms(), "typed")
            parts.lane.present(sighting)
            if number % 50 == 0:
                parts.lane.idle()  # a checkpoint now and then, as at a real gate
            number += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
