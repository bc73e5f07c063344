"""`sync-server import`, `import-beacons` and `tickets`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, BinaryIO

from shared.errors import UsageError
from sync_server.commands.working import Progress, perform
from sync_server.config import Config
from sync_server.registration.printing import write_tickets
from sync_server.registration.tickets import Ticket
from sync_server.storage.paths import DataFolder

PARTLY_DONE = 3
_REFUSED_SHOWN_MAX = 20


def run_import(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    parameters = {
        "source": "standard input" if arguments.file == "-" else Path(arguments.file).name,
        "mapping": _mapping(arguments.map),
        "dryRun": arguments.dry_run,
        "reinstate": arguments.reinstate,
    }
    progress = Progress("rows")
    with _opened(arguments.file) as stream:
        answer = perform(folder, config, "import", parameters, stream, progress)
    progress.end()
    result = answer["result"]
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        _show(result, answer["ignored"], dry_run=arguments.dry_run)
    return PARTLY_DONE if result["refused"] else 0


def run_import_beacons(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    name = "standard input" if arguments.file == "-" else Path(arguments.file).name
    with _opened(arguments.file) as stream:
        result = perform(folder, config, "import-beacons", {"source": name}, stream)
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        _show(result, [], dry_run=False)
    return PARTLY_DONE if result["refused"] else 0


def _opened(name: str) -> BinaryIO:
    if name == "-":
        return sys.stdin.buffer
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from error


def _mapping(pairs: list[str]) -> dict[str, str]:
    mapping: dict[str, str] = {}
    for pair in pairs:
        heading, equals, field = pair.rpartition("=")
        if not equals:
            raise UsageError(f"--map {pair!r}: write it as HEADING=FIELD")
        mapping[heading] = field.strip()
    return mapping


def _show(result: dict[str, Any], ignored: list[str], *, dry_run: bool) -> None:
    counts = ", ".join(
        f"{result[name]:,} {name}" for name in ("created", "updated", "unchanged", "refused")
    )
    print(f"{'would be: ' if dry_run else ''}{counts}")
    if ignored:
        print(f"columns not used: {', '.join(ignored)}", file=sys.stderr)
    for row in result["rows"][:_REFUSED_SHOWN_MAX]:
        words = " ".join(error["message"] for error in row["errors"])
        print(f"line {row['line']}: {words}", file=sys.stderr)
    if result["refused"] > _REFUSED_SHOWN_MAX:
        print(
            f"… and {result['refused'] - _REFUSED_SHOWN_MAX:,} more; --json lists up to 1,000",
            file=sys.stderr,
        )


def run_tickets(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    tickets = [Ticket(**row) for row in perform(folder, config, "tickets")]
    progress = Progress("tickets")
    try:
        write_tickets(arguments.out, tickets, arguments.format, progress)
    except OSError as error:
        raise UsageError(f"{error.filename or arguments.out}: {error.strerror}") from error
    progress.end()
    print(f"{len(tickets):,} tickets written to {arguments.out}")
    return 0
