"""The command line of `sync-server` (API §1)."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from shared.errors import UsageError
from sync_server.identity.rights import Role

ROLES = [role.value for role in Role if role is not Role.DEVICE]


class _Parser(argparse.ArgumentParser):
    """One line for wrong use, and no usage text around it."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def make_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="sync-server", description="The server of one event.", allow_abbrev=False)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help_text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help_text, description=help_text, allow_abbrev=False)
        made.add_argument("--data", type=Path, required=True, metavar="DIR", help="data folder")
        made.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML)")
        made.add_argument("--debug", action="store_true", default=argparse.SUPPRESS,
                          help="show tracebacks")  # fmt: skip
        return made

    serve = command("serve", "run the server")
    serve.add_argument("--host", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=int, help="port (8080)")

    init = command("init", "create the event, the first owner and the keys")
    init.add_argument("--event", type=Path, required=True, metavar="FILE.json")
    init.add_argument("--admin", metavar="NAME", help="the first owner, who may do everything")
    init.add_argument("--password-stdin", action="store_true", help="read the owner's password")
    init.add_argument("--keys", type=Path, metavar="FOLDER", help="an earlier server's keys")

    _take_import(command("import", "import participants from a CSV or a workbook; undo an import"))

    badges = command("import-beacons", "give participants the beacons of a CSV")
    badges.add_argument("file", metavar="FILE.csv", help="- reads standard input")
    badges.add_argument("--json", action="store_true", help="print the result as JSON")

    tickets = command("tickets", "write every registered participant's ticket")
    tickets.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    tickets.add_argument("--format", choices=["png", "svg", "pdf", "csv"], default="png")

    _add_mail(command)

    enrol = command("enrol", "print a one-use code for a gate's device")
    enrol.add_argument("--gate", required=True, metavar="GATE_ID")
    enrol.add_argument("--url", help="how the gate reaches the server, if the settings don't say")
    enrol.add_argument("--json", action="store_true")

    key = command("api-key", "create a service's key and print it once")
    key.add_argument("--name", required=True)
    key.add_argument("--role", required=True, choices=ROLES)
    key.add_argument("--json", action="store_true")

    backup = command("backup", "copy the data, also while serving")
    backup.add_argument("--to", type=Path, required=True, metavar="FILE",
                        help="the file; with --every a folder")  # fmt: skip
    backup.add_argument("--every", type=int, metavar="SECONDS",
                        help="one after the other, until ended")  # fmt: skip
    backup.add_argument("--keep", type=int, metavar="N", help="newest kept with --every (24)")
    backup.add_argument("--with-keys", action="store_true", help="put the keys in as well")

    export = command("export", "write everything of the event as CSV and NDJSON into one ZIP")
    export.add_argument("--to", type=Path, required=True, metavar="FILE.zip")
    export.add_argument("--without-personal", action="store_true",
                        help="leave out e-mails, phones and birth dates, and mask names")  # fmt: skip

    restore = command("restore", "put a backup in place; begins a new generation")
    restore.add_argument("--from", dest="source", type=Path, required=True, metavar="FILE")
    restore.add_argument("--keys", type=Path, metavar="FOLDER", help="an earlier server's keys")

    verify = command("verify", "check that what is stored follows from the scans")
    verify.add_argument("--json", action="store_true")
    return parser


def _take_import(imported: argparse.ArgumentParser) -> None:
    what = imported.add_mutually_exclusive_group(required=True)
    what.add_argument("file", metavar="FILE.csv", nargs="?", help="- reads standard input")
    what.add_argument(
        "--undo",
        metavar="IMPORT_ID",
        help="take a whole import back; with --dry-run only say what that does",
    )
    what.add_argument("--list", action="store_true", help="name the last imports")  # fmt: skip
    imported.add_argument("--json", action="store_true", help="print the result as JSON")
    imported.add_argument("--sheet", metavar="NAME", help="of a workbook; else its first")
    imported.add_argument(
        "--refused",
        type=Path,
        metavar="FILE.csv",
        help="write the refused rows there, with a column that says why",
    )
    imported.add_argument("--language", choices=["en", "ko"], default="en",
                          help="of that column")  # fmt: skip
    imported.add_argument("--dry-run", action="store_true", help="say what would happen")
    imported.add_argument("--reinstate", action="store_true",
                          help="let rows lift blocked and cancelled")  # fmt: skip
    imported.add_argument("--map", action="append", default=[], metavar="HEADING=FIELD",
                          help="a column with another heading (no FIELD: not used); may be repeated")  # fmt: skip


def _add_mail(command: Callable[[str, str], argparse.ArgumentParser]) -> None:
    mail = command("mail", "mail tickets, and see what became of them")
    mail.add_argument("what", choices=["send", "status", "retry", "bounces", "test"],
                      help="send: queue tickets of those who have not had theirs; status: how many "
                      "wait, were sent, failed; retry: queue all of one state again; bounces: read "
                      "delivery reports that came back; test: a sample to an address")  # fmt: skip
    mail.add_argument("target", nargs="?", metavar="FILE|ADDRESS",
                      help="bounces: an .eml or mbox, - reads standard input; test: the address")  # fmt: skip
    mail.add_argument("--group", help="send: only to this group")
    mail.add_argument("--participant", action="append", metavar="ID",
                      help="send: only to this one; may be repeated")  # fmt: skip
    mail.add_argument("--again", action="store_true", help="send: also to those who had theirs")
    mail.add_argument("--dry-run", action="store_true", help="send: only say how many")
    mail.add_argument("--state", choices=["failed", "bounced", "uncertain"], default="failed",
                      help="retry: which (failed)")  # fmt: skip
    mail.add_argument("--language", choices=["ko", "en"], default="ko", help="test: which (ko)")
    mail.add_argument("--json", action="store_true", help="print the result as JSON")
