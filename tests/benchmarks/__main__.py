"""`make bench`: run each benchmark in a process of its own and print its table.

    python -m tests.benchmarks [NAME …]     # as `camera` for bench_camera.py; all by default

Figures are printed, never asserted: machines differ, ratios tell.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> int:
    names = sys.argv[1:] or sorted(
        path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py")
    )
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    failed = []
    for name in names:
        print(f"\n== {name} ==", flush=True)
        command = [sys.executable, "-m", f"tests.benchmarks.bench_{name}"]
        if subprocess.run(command, cwd=FOLDER.parent.parent, check=False).returncode != 0:
            failed.append(name)
    if failed:
        print(f"\nnot measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
