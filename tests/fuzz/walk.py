"""Schemathesis over the OpenAPI document of a real server, as each kind of caller."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.event import FuzzedEvent
from tests.fuzz.hooks import KNOWN

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ST = str(Path(sys.executable).parent / "st")
# What would take the ground from under the rest of a walk comes last, by itself.
LAST = ("POST /api/v1/event/status", "DELETE /api/v1/session")


@dataclass(frozen=True, slots=True)
class Walk:
    """One run of Schemathesis: who calls, and how much."""

    caller: str
    options: Sequence[str]

    @property
    def name(self) -> str:
        return f"{self.caller} {' '.join(self.options)}"


def short() -> Iterator[Walk]:
    """All operations' edges as the owner, the gates' as a device; a taste of all as the others."""
    rest = [part for name in LAST for part in ("--exclude-name", name)]
    yield Walk("owner", ["--phases", "examples,coverage", *rest])
    yield Walk(
        "device", ["--phases", "examples,coverage,fuzzing", "-n", "5", "--include-tag", "sync"]
    )
    for caller in ("operator", "supervisor", "viewer", "service", "nobody"):
        yield Walk(caller, ["--phases", "fuzzing", "-n", "2", *rest])
    yield from _last()


def long(examples: int) -> Iterator[Walk]:
    rest = [part for name in LAST for part in ("--exclude-name", name)]
    for caller in ("owner", "operator", "supervisor", "viewer", "service", "device", "nobody"):
        of = ["--include-tag", "sync"] if caller == "device" else rest
        yield Walk(
            caller, ["--phases", "examples,coverage,fuzzing,stateful", "-n", str(examples), *of]
        )
    yield from _last()


def _last() -> Iterator[Walk]:
    only = [part for name in LAST for part in ("--include-name", name)]
    yield Walk("operator", ["--phases", "examples,coverage", *only])


def run(
    event: FuzzedEvent, walk: Walk, folder: Path, seed: int
) -> subprocess.CompletedProcess[str]:
    """Exit 0: nothing found. What was found is on standard output, with a curl for each."""
    known = folder / "known.json"
    known.write_text(json.dumps({"ids": event.known, "bodies": event.bodies}))
    key = event.device_key() if walk.caller == "device" else event.keys.get(walk.caller)
    signed = [] if key is None else ["-H", f"Authorization: Bearer {key}"]
    command = [
        ST, "--config-file", str(HERE / "schemathesis.toml"), "run", f"{event.url}/api/v1/openapi.json", *signed,
        "--seed", str(seed), "--no-shrink", "--continue-on-failure", "--no-color", *walk.options,
    ]  # fmt: skip
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), KNOWN: str(known)},
    )


def figures(said: str) -> str:
    """How many cases a walk made, in its own words."""
    found = re.search(r"Test cases:\n\s*(.+)", said)
    return found.group(1) if found else "no cases"
