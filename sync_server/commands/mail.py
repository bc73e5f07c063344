"""`sync-server mail`: tickets by mail, and what became of them."""

import argparse
import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from shared.errors import RefusedError, UsageError
from sync_server.commands.working import Progress, perform
from sync_server.config import Config
from sync_server.storage.paths import DataFolder

_SENT = {
    "queued": "mails queued",
    "failedBefore": "of them failed before",
    "waiting": "wait already",
    "hadIt": "had theirs (--again sends it once more)",
    "withoutTicket": "have no ticket that admits",
}
_CAME_BACK = {
    "bounced": "mails came back",
    "known": "were known already",
    "unmatched": "reports are of no mail of ours",
    "others": "reports tell of no failure",
}


def run(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    takes_target = arguments.what in {"bounces", "test"}
    if takes_target != (arguments.target is not None):
        wanted = "needs a FILE or an ADDRESS" if takes_target else "takes no FILE or ADDRESS"
        raise UsageError(f"mail {arguments.what} {wanted} (see sync-server mail --help)")
    do = {"send": _send, "status": _status, "retry": _retry, "bounces": _bounces, "test": _test}
    return do[arguments.what](folder, config, arguments)


def _send(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    if arguments.group is not None and arguments.participant:
        raise UsageError("mail send: name a group or participants, not both")
    progress = Progress("people")
    parameters = {
        "group": arguments.group,
        "ids": arguments.participant,
        "again": arguments.again,
        "dryRun": arguments.dry_run,
    }
    result = perform(folder, config, "mail-send", parameters, progress=progress)
    progress.end()
    _show(result, _SENT, arguments, "would be: " if arguments.dry_run else "")
    return 0


def _status(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    result = perform(folder, config, "mail-status")
    _show(result, {name: name for name in result}, arguments, nothing="no mails yet")
    return 0


def _retry(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    result = perform(folder, config, "mail-retry", {"state": arguments.state})
    _show(result, {"queued": "mails queued again"}, arguments)
    return 0


def _bounces(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    with _opened(arguments.target) as stream:
        result = perform(folder, config, "mail-bounces", {}, stream)
    _show(result, _CAME_BACK, arguments)
    return 0


def _test(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    """By these settings (--config, GATESYNC_…), past the queue."""
    from sync_server.mail.letters import Letter
    from sync_server.mail.sender import send_test
    from sync_server.mail.settings import mail_settings
    from sync_server.mail.texts import Texts
    from sync_server.registration.tickets import Ticket

    settings = mail_settings(config)
    said = perform(folder, config, "mail-sample", {"language": arguments.language})
    ticket = Ticket("P0001", said["name"], said["code"], said["payload"])
    letter = Letter(
        "", said["name"], arguments.language, said["event"], said["list"],
        Texts(said["subject"], said["body"]), ticket, None,
    )  # fmt: skip
    result = asyncio.run(send_test(settings, replace(letter, to=arguments.target)))
    if result.state != "sent":
        raise RefusedError(f"the mail server did not take it: {result.reason}")
    if arguments.json:
        print(json.dumps({"sent": True, "message": result.reason}, ensure_ascii=False))
    else:
        print(f"sent to {arguments.target}: {result.reason}")
    return 0


def _opened(name: str) -> BinaryIO:
    if name == "-":
        return sys.stdin.buffer
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from error


def _show(
    result: dict[str, Any],
    words: dict[str, str],
    arguments: argparse.Namespace,
    before: str = "",
    nothing: str = "nothing to do",
) -> None:
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
        return
    told = [f"{result[name]:,} {said}" for name, said in words.items() if result[name]]
    print(before + (", ".join(told) or nothing))
