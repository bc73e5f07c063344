"""What the product takes from the machine, given by the simulation instead: chance and clocks."""

import secrets
import sqlite3
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import structlog

from edge_agent import system_clock as gate_clock
from edge_agent.storage import sqlite_file
from edge_agent.sync import sealing, session
from sync_server import system_clock as server_clock
from tests.simulation.card import Wire, WiredConnection
from tests.simulation.clockwork import SpinsError
from tests.simulation.world import World


def _heard(world: World) -> Callable[..., Any]:
    """The loop survives what it did not expect and goes on: here that is a finding."""

    def process(_: Any, __: str, said: dict[str, Any]) -> Any:
        what = said.get("event")
        if what in {"sync.unexpected", "request failed"}:
            error = sys.exc_info()[1]
            world.blame(f"{what} in {said.get('channel')}: {type(error).__name__}: {error}")
        elif what == "sync.refetch":
            world.blame("P7: a replica differed from the server's and is fetched anew")
        raise structlog.DropEvent

    return process


def _no_clock(*_: Any) -> Any:
    raise SpinsError("somebody asked a real clock")


@contextmanager
def virtual(
    world: World, wires: dict[Path, Wire], *, status_s: int, seal_rows: int
) -> Iterator[None]:
    real_connect = sqlite_file.connect

    def connect(path: Path, **given: Any) -> sqlite3.Connection:
        conn = real_connect(path, **given)
        wire = wires.get(path.parent)
        wired: Any = conn if wire is None else WiredConnection(conn, wire, path.name)
        return wired

    with ExitStack() as stack:
        for target, name, value in (
            (secrets, "token_hex", lambda size=8: world.token(size)),
            (secrets, "token_bytes", lambda size=32: world.rng.randbytes(size)),
            (secrets, "token_urlsafe", lambda size=32: world.token(size)),
            (uuid, "uuid4", lambda: uuid.UUID(bytes=world.rng.randbytes(16), version=4)),
            (gate_clock, "monotonic_s", world.loop.time),
            (gate_clock, "sleep_s", _no_clock),
            (server_clock, "now_ms", lambda: world.true_ms),
            (server_clock, "monotonic_s", world.loop.time),
            (sqlite_file, "connect", connect),
            (session, "STATUS_INTERVAL_S", status_s),
            (sealing, "SEAL_ROWS_MAX", seal_rows),
        ):
            stack.enter_context(patch.object(target, name, value))
        structlog.configure(processors=[_heard(world)])
        stack.callback(structlog.reset_defaults)
        yield
