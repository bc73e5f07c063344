"""`sync-server serve`: the server itself, holding the data folder's lock."""

import argparse
import asyncio
import gc
import json
import logging
import sys
from contextlib import ExitStack
from dataclasses import replace

from shared.errors import UsageError
from sync_server.config import Config, check_port
from sync_server.deployment import Deployment, check_initialised, opened
from sync_server.folder_lock import FolderBusyError, locked
from sync_server.storage.paths import DataFolder

GARBAGE_THRESHOLDS = (20_000, 20, 20)


def run(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    if arguments.host is not None:
        config = replace(config, host=arguments.host)
    if arguments.port is not None:
        config = replace(config, port=check_port(arguments.port, "--port"))
    _configure_logs(config.log_level)
    check_initialised(folder, config)
    with ExitStack() as held:
        try:
            held.enter_context(locked(folder))
        except FolderBusyError as error:  # a second server never ends well: mend it, don't wait
            raise UsageError(
                f"another process, a server or a command, works on {folder.path}; "
                "stop it, or serve another folder"
            ) from error
        deployment = held.enter_context(opened(folder, config.public_url, config))
        asyncio.run(_serve(deployment, config))
    return 0


async def _serve(deployment: Deployment, config: Config) -> None:
    # The web server's libraries load slowly, and other commands need none of them.
    from sync_server.bootstrap import serve
    from sync_server.control_server import ControlServer

    control = ControlServer(deployment)

    def announce(line: str) -> None:
        # What was loaded so far stays: without this each collection walks it, an eighth of the time
        # of an upload, whose own rows hold no cycles.
        gc.freeze()
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        control.listening_at(config.public_url or json.loads(line)["url"])
        print(line, flush=True)

    await control.start()
    try:
        await serve(deployment.database, deployment.folder, config, announce=announce)
    finally:
        await control.stop()


def _configure_logs(level: str) -> None:
    """Everything that is logged goes to standard error: standard output is for programs."""
    import structlog

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Tracebacks without local values: those hold tokens, names and keys.
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
