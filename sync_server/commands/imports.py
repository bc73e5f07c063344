"""`sync-server import`: take a list in, name the imports, take one back."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, BinaryIO

from shared.errors import UsageError
from sync_server.commands.working import Progress, perform
from sync_server.config import Config
from sync_server.storage.paths import DataFolder

PARTLY_DONE = 3
_SHOWN_MAX = 20


def run_import(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    if arguments.undo is not None:
        return _undo(folder, config, arguments)
    if arguments.list:
        return _list(folder, config, as_json=arguments.json)
    parameters = {
        "source": "standard input" if arguments.file == "-" else Path(arguments.file).name,
        "mapping": _mapping(arguments.map),
        "sheet": arguments.sheet,
        "dryRun": arguments.dry_run,
        "reinstate": arguments.reinstate,
    }
    progress = Progress("rows")
    with opened_file(arguments.file) as stream:
        answer = perform(folder, config, "import", parameters, stream, progress)
    progress.end()
    result = answer["result"]
    if arguments.refused is not None:
        _write_refused(folder, config, result["importId"], arguments)
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        if result["export"]:
            print(f"read as an export of {result['export']}", file=sys.stderr)
        show_result(result, answer["ignored"], dry_run=arguments.dry_run)
        if not arguments.dry_run and result["created"] + result["updated"]:
            print(f"to take it back: import --undo {result['importId']}", file=sys.stderr)
    return PARTLY_DONE if result["refused"] else 0


def _write_refused(
    folder: DataFolder, config: Config, import_id: str, arguments: argparse.Namespace
) -> None:
    """The refused rows, a piece at a time; an empty file where there are none."""
    try:
        with arguments.refused.open("wb") as file:
            rows = 0
            while True:
                asked = {"importId": import_id, "language": arguments.language, "from": rows}
                piece = perform(folder, config, "import-refused", asked)
                file.write(piece["text"].encode())
                rows += piece["rows"]
                if not piece["text"]:
                    return
    except OSError as error:
        raise UsageError(
            f"the list is imported, but {arguments.refused}: {error.strerror}"
        ) from error


def _undo(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    progress = Progress("participants")
    parameters = {"importId": arguments.undo, "dryRun": arguments.dry_run}
    result = perform(folder, config, "undo-import", parameters, None, progress)
    progress.end()
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        would = "would be: " if arguments.dry_run else ""
        print(
            f"{would}{result['cancelled']:,} cancelled, {result['restored']:,} restored, "
            f"{result['left']:,} left as they are"
        )
        for row in result["rows"][:_SHOWN_MAX]:
            print(f"{row['participantId']}: {row['message']}", file=sys.stderr)
        if result["left"] > _SHOWN_MAX:
            more = result["left"] - _SHOWN_MAX
            print(f"… and {more:,} more; --json lists up to 1,000", file=sys.stderr)
    return PARTLY_DONE if result["left"] else 0


def _list(folder: DataFolder, config: Config, *, as_json: bool) -> int:
    imports = perform(folder, config, "imports")
    if as_json:
        print(json.dumps(imports, ensure_ascii=False))
        return 0
    for one in imports:
        counts = one["result"] or {}
        told = ", ".join(
            f"{counts[name]:,} {name}"
            for name in ("created", "updated", "unchanged", "refused")
            if name in counts
        )
        print(f"{one['importId']}  {one['startedAt']}  {one['state']}  {one['source']}  {told}")
    return 0


def opened_file(name: str) -> BinaryIO:
    if name == "-":
        return sys.stdin.buffer
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from error


def _mapping(pairs: list[str]) -> dict[str, str | None]:
    mapping: dict[str, str | None] = {}
    for pair in pairs:
        heading, equals, field = pair.rpartition("=")
        if not equals:
            raise UsageError(f"--map {pair!r}: write it as HEADING=FIELD")
        mapping[heading] = field.strip() or None
    return mapping


def show_result(result: dict[str, Any], ignored: list[str], *, dry_run: bool) -> None:
    counts = ", ".join(
        f"{result[name]:,} {name}" for name in ("created", "updated", "unchanged", "refused")
    )
    print(f"{'would be: ' if dry_run else ''}{counts}")
    if ignored:
        print(f"columns not used: {', '.join(ignored)}", file=sys.stderr)
    for row in result["rows"][:_SHOWN_MAX]:
        words = " ".join(error["message"] for error in row["errors"])
        print(f"line {row['line']}: {words}", file=sys.stderr)
    if result["refused"] > _SHOWN_MAX:
        print(
            f"… and {result['refused'] - _SHOWN_MAX:,} more; --json lists up to 1,000",
            file=sys.stderr,
        )
