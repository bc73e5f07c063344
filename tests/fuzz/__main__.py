"""`make fuzz`: the long walk (EXAMPLES of each operation, for each kind of caller; SEED to replay)."""

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

from tests.fuzz import walk
from tests.fuzz.event import FuzzedEvent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--examples", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else secrets.randbelow(2**31)
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        event = FuzzedEvent(folder / "event")
        try:
            for one in walk.long(asked.examples):
                done = walk.run(event, one, folder, seed)
                failed += done.returncode != 0
                print(f"{one.caller}: {walk.figures(done.stdout)} (seed {seed})", flush=True)
                if done.returncode:
                    print(done.stdout, done.stderr, flush=True)
        finally:
            event.end()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
