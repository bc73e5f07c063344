"""`sync-server import-beacons` and `tickets`."""

import argparse
import json
from pathlib import Path

from shared.errors import UsageError
from sync_server.commands.imports import PARTLY_DONE, opened_file, show_result
from sync_server.commands.working import Progress, perform
from sync_server.config import Config
from sync_server.registration.printing import write_tickets
from sync_server.registration.tickets import Ticket
from sync_server.storage.paths import DataFolder


def run_import_beacons(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    name = "standard input" if arguments.file == "-" else Path(arguments.file).name
    with opened_file(arguments.file) as stream:
        result = perform(folder, config, "import-beacons", {"source": name}, stream)
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        show_result(result, [], dry_run=False)
    return PARTLY_DONE if result["refused"] else 0


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
