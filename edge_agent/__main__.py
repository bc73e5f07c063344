"""The command line of a gate: `edge-agent COMMAND` (API §1). Heavy modules are imported late."""

import argparse
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from shared.errors import GatesyncError, RefusedError
from shared.model import Direction

EXIT_FINE, EXIT_REFUSED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


class _Parser(argparse.ArgumentParser):
    """One line on standard error that says what is wrong and where help is."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(EXIT_USAGE)


def parser() -> argparse.ArgumentParser:
    root = _Parser(prog="edge-agent", description="A gate of Gatesync.")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    enrol = commands.add_parser("enrol", help="exchange a one-use code for this gate's identity")
    _data(enrol)
    enrol.add_argument("--server", required=True, metavar="URL")
    enrol.add_argument("--code", required=True)
    enrol.add_argument(
        "--again", action="store_true", help="at a new server or gate; the journal is kept"
    )

    run = commands.add_parser("run", help="run the gate")
    _data(run)
    run.add_argument(
        "--camera", metavar="SOURCE", help="number, device, pi, stream, video, folder or off"
    )
    run.add_argument("--scanner", metavar="DEVICES", help="hand scanners: auto, devices, names")
    run.add_argument("--beacons", metavar="ADAPTER", help="Bluetooth adapter as hci0, auto or off")
    run.add_argument("--kiosk-port", type=int, metavar="PORT", help="default 8081")
    run.add_argument("--config", type=Path, metavar="FILE", help="settings as TOML")

    decide = commands.add_parser("decide", help="decide on one code")
    _data(decide)
    decide.add_argument("code", metavar="CODE")
    decide.add_argument("--direction", choices=[str(one) for one in Direction])
    decide.add_argument("--dry-run", action="store_true", help="record nothing")
    decide.add_argument("--json", action="store_true")

    barrier = commands.add_parser(
        "barrier", help="leave the barrier as the settings say; for after a crash"
    )
    barrier.add_argument("what", choices=["leave"], metavar="leave")
    barrier.add_argument("--config", type=Path, metavar="FILE", help="settings as TOML")

    status = commands.add_parser("status", help="how the gate stands")
    _data(status)
    status.add_argument("--json", action="store_true")

    check = commands.add_parser("check-readers", help="say what of camera, scanners … works")
    check.add_argument("--data", type=Path, metavar="DIR", help="asks the agent that runs there")
    check.add_argument("--camera", metavar="SOURCE", help="as of run")
    check.add_argument("--beacons", metavar="ADAPTER", help="as of run")
    check.add_argument("--scanner", metavar="DEVICES", help="auto, devices, names or off")
    check.add_argument("--config", type=Path, metavar="FILE", help="settings as TOML")
    check.add_argument("--json", action="store_true")

    read = commands.add_parser("read", help="run the camera reader alone")
    read.add_argument("source", metavar="SOURCE")
    read.add_argument("--any", action="store_true", help="also codes that are not ours")
    read.add_argument("--json", action="store_true")

    replay = commands.add_parser("replay-beacons", help="recorded adverts through the filter")
    replay.add_argument("file", type=Path, metavar="FILE.ndjson")
    replay.add_argument("--measured-power", type=int, metavar="DBM", help="at 1 m, as -59")
    replay.add_argument("--json", action="store_true", help="one JSON object a line")
    return root


def _data(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, required=True, metavar="DIR")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code as in API §1; an error for a person is one line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # names are Korean whatever the locale says
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    given = parser().parse_args(arguments)
    try:
        code = _dispatch(given)
        sys.stdout.flush()
        return code
    except GatesyncError as error:
        line = " ".join(str(error).split())
        print(f"edge-agent {given.command}: {line}", file=sys.stderr)
        return EXIT_REFUSED if isinstance(error, RefusedError) else EXIT_USAGE
    except BrokenPipeError:
        # Who read our output has left, as in `… | head`: no failure of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FINE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _dispatch(given: argparse.Namespace) -> int:
    if given.command == "read":
        from edge_agent.commands.read import read

        return read(given.source, any_code=given.any, as_json=given.json, out=sys.stdout)
    if given.command == "replay-beacons":
        from edge_agent.commands.replay_beacons import replay_beacons

        return replay_beacons(
            given.file, measured_power=given.measured_power, as_json=given.json, out=sys.stdout
        )
    if given.command == "enrol":
        from edge_agent.commands.enrol import enrol

        return enrol(given.data, given.server, given.code, again=given.again)
    from edge_agent.config import load_config

    if given.command == "run":
        from edge_agent.commands.run import run

        config = load_config(
            given.config,
            os.environ,
            camera=given.camera,
            scanner=given.scanner,
            beacons=given.beacons,
            kiosk_port=given.kiosk_port,
        )
        return run(given.data, config)
    if given.command == "check-readers":
        from edge_agent.commands.check_readers import check_readers

        config = load_config(
            given.config,
            os.environ,
            camera=given.camera,
            beacons=given.beacons,
            scanner=given.scanner,
        )
        return check_readers(given.data, config, as_json=given.json)
    if given.command == "barrier":
        from edge_agent.hardware.barrier import leave_as_set

        leave_as_set(load_config(given.config, os.environ))
        return EXIT_FINE
    config = load_config(None, os.environ)
    if given.command == "decide":
        from edge_agent.commands.decide import decide

        direction = Direction(given.direction) if given.direction else None
        return decide(
            given.data,
            config,
            given.code,
            direction=direction,
            dry_run=given.dry_run,
            as_json=given.json,
        )
    from edge_agent.commands.status import status

    return status(given.data, config, as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
