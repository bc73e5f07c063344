"""`edge-agent run`: runs the gate."""

import asyncio
import logging
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import structlog

from edge_agent.config import Config
from edge_agent.folder import GateFolder
from edge_agent.identity import is_enrolled


def run(data: Path, config: Config) -> int:
    from edge_agent.bootstrap import run_gate
    from edge_agent.commands.unenrolled import wait_for_enrolment

    log_to_stderr(config.log_level)
    try:
        release = version("gatesync")
    except PackageNotFoundError:
        release = ""
    folder = GateFolder(data)
    if not is_enrolled(data):
        enrolled = wait_for_enrolment(folder, config, _say)
        if enrolled is None:
            return 0
        config = enrolled
    while (again := asyncio.run(run_gate(folder, config, release, _say))) is not None:
        if not again:
            # A supervisor asked for it. In this process's place: it works without systemd too.
            # Our own interpreter and the words that started us: nothing here comes from outside.
            os.execv(sys.executable, [sys.executable, "-m", "edge_agent", *sys.argv[1:]])  # noqa: S606
        enrolled = wait_for_enrolment(folder, config, _say, again=again)
        if enrolled is None:
            break
        config = enrolled
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def log_to_stderr(level: str) -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
