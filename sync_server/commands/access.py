"""`sync-server enrol`, `api-key` and `verify`."""

import argparse
import json
import sys

import segno

from sync_server.commands.working import perform
from sync_server.config import Config
from sync_server.storage.paths import DataFolder


def run_enrol(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    parameters = {"gateId": arguments.gate, "url": arguments.url or config.public_url}
    answer = perform(folder, config, "enrol", parameters)
    if arguments.json:
        print(json.dumps(answer))
        return 0
    print(f"code     {answer['code']}\nurl      {answer['url']}\nexpires  {answer['expiresAt']}")
    if sys.stdout.isatty():
        segno.make(answer["url"], error="m", micro=False).terminal(compact=True)
    return 0


def run_api_key(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    parameters = {"name": arguments.name, "role": arguments.role}
    answer = perform(folder, config, "api-key", parameters)
    print(json.dumps(answer) if arguments.json else answer["key"])
    return 0


def run_export(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    to = arguments.to.absolute()
    personal = not arguments.without_personal
    manifest = perform(folder, config, "export", {"to": str(to), "personal": personal})
    rows = sum(one["rows"] for one in manifest["files"] if one["name"].endswith(".ndjson"))
    print(f"wrote {to}: {rows} rows" + (", personal fields among them" if personal else ""))
    return 0


def run_verify(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    differences = perform(folder, config, "verify")
    if arguments.json:
        answer = {"ok": not differences, "differences": differences}
        print(json.dumps(answer, ensure_ascii=False))
    elif differences:
        print("\n".join(differences))
    else:
        print("all is as it should be")
    return 1 if differences else 0
