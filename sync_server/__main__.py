"""`sync-server`: reads the command line, runs a command, turns every failure into one line."""

import os
import sys
import traceback
from collections.abc import Callable, Sequence

from shared.errors import GatesyncError, UsageError
from sync_server.commands.parser import make_parser
from sync_server.config import load_config
from sync_server.storage.paths import DataFolder


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status: 0 fine, 1 failed, 2 wrong use or unreadable input, 3 partly done."""
    given = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names are Korean whatever the locale says
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        status = _run(given)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Who read our output has left, as in `… | head`; that is no failure of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except UsageError as error:
        return _fail(error, 2, given)
    except GatesyncError as error:
        return _fail(error, 1, given)
    except Exception as error:  # noqa: BLE001 — a person gets one line, --debug the rest
        return _fail(error, 1, given)


def _run(given: list[str]) -> int:
    arguments = make_parser().parse_args(given)
    folder = DataFolder(arguments.data)
    if folder.path.exists() and not folder.path.is_dir():
        raise UsageError(f"--data {folder.path} is not a folder")
    if not folder.path.exists() and arguments.command not in {"init", "restore"}:
        raise UsageError(f"--data {folder.path} does not exist: run `sync-server init` first")
    return _find(arguments.command)(folder, load_config(arguments.config), arguments)


def _find(name: str) -> Callable[..., int]:
    """Commands are imported when they run: `verify` needs no web server."""
    from sync_server.commands import access, backup, imports, init, mail, participants, serve

    commands: dict[str, Callable[..., int]] = {
        "serve": serve.run,
        "init": init.run,
        "import": imports.run_import,
        "import-beacons": participants.run_import_beacons,
        "tickets": participants.run_tickets,
        "mail": mail.run,
        "enrol": access.run_enrol,
        "api-key": access.run_api_key,
        "backup": backup.run_backup,
        "export": access.run_export,
        "restore": backup.run_restore,
        "verify": access.run_verify,
    }
    return commands[name]


def _fail(error: Exception, status: int, given: list[str]) -> int:
    words = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        words = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif not isinstance(error, GatesyncError):
        words = f"{type(error).__name__}: {words} (--debug shows where)"
    print(f"sync-server: {words}", file=sys.stderr)
    if "--debug" in given:
        traceback.print_exception(error)
    return status


if __name__ == "__main__":
    sys.exit(main())
