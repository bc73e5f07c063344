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


def run(data: Path, config: Config) -> int:
    from edge_agent.bootstrap import run_gate

    log_to_stderr(config.log_level)
    try:
        release = version("gatesync")
    except PackageNotFoundError:
        release = ""
    if asyncio.run(run_gate(GateFolder(data), config, release, _say)):
        # A supervisor asked for it. In this process's place, so that it works without systemd too.
        os.execv(sys.executable, [sys.executable, "-m", "edge_agent", *sys.argv[1:]])  # noqa: S606
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
