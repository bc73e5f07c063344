"""`sync-server init`: the event, the first owner, the keys."""

import argparse
import os
import sys

from shared.errors import UsageError
from sync_server.config import Config
from sync_server.control_client import ask_server, server_answers
from sync_server.deployment import database_url
from sync_server.folder_lock import locked
from sync_server.identity.key_files import copy_keys, make_keys
from sync_server.identity.keys import load_keys
from sync_server.identity.people import create_owner, hash_password
from sync_server.registration.event_file import EventFile, parse_event_file
from sync_server.registration.event_store import create_event, event_row
from sync_server.storage.database import Database
from sync_server.storage.paths import DataFolder

EVENT_FILE_BYTES_MAX = 4 * 1024 * 1024


def run(folder: DataFolder, config: Config, arguments: argparse.Namespace) -> int:
    event_file = _read(arguments)
    if arguments.password_stdin and not arguments.admin:
        raise UsageError("--password-stdin needs --admin NAME")
    if arguments.admin and not arguments.password_stdin:
        raise UsageError("--admin needs --password-stdin: give the password on standard input")
    owner = (arguments.admin, hash_password(_password())) if arguments.admin else None
    try:
        folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder.path}: can't make the folder ({error.strerror})") from error
    if server_answers(folder):  # then the event is there, and little is left to do
        if arguments.keys is not None:
            copy_keys(folder, arguments.keys)
        parameters = {"eventId": event_file.event.event_id, "owner": owner}
        made, named = False, ask_server(folder, "init", parameters)["ownerCreated"]
    else:
        with locked(folder):
            made, named = _create(folder, config, arguments, event_file, owner)
    event = event_file.event
    print(
        f"{event.event_id}: {'created' if made else 'was there already, unchanged'}, "
        f"tag {event.tag}, {len(event_file.gates)} gates"
        + (f"; owner {arguments.admin} created" if named else "")
        + ("; there is an owner already, unchanged" if owner and not named else "")
    )
    return 0


def _create(
    folder: DataFolder,
    config: Config,
    arguments: argparse.Namespace,
    event_file: EventFile,
    owner: tuple[str, str] | None,
) -> tuple[bool, bool]:
    """(event made, owner made). The keys come first: an event without keys could not be served."""
    before = os.umask(0o077)
    try:
        new = not folder.database.exists()
        database = Database.open(database_url(folder, config)) if config.database_url else None
        try:
            if database is not None:
                new = database.read_now(event_row) is None
            if arguments.keys is not None:
                copy_keys(folder, arguments.keys)
            if new:
                make_keys(folder)
            keys = load_keys(folder)
            database = database or Database.open(folder.database_url)
            made = database.write_now(lambda conn: create_event(conn, event_file, keys))
            named = owner is not None and database.write_now(
                lambda conn: create_owner(conn, *owner)
            )
        finally:
            if database is not None:
                database.close()
    finally:
        os.umask(before)
    return made, named


def _read(arguments: argparse.Namespace) -> EventFile:
    try:
        with arguments.event.open("rb") as file:
            data = file.read(EVENT_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"{arguments.event}: {error.strerror}") from error
    if len(data) > EVENT_FILE_BYTES_MAX:
        raise UsageError(f"{arguments.event} is too large for an event file")
    return parse_event_file(data, str(arguments.event))


def _password() -> str:
    try:
        return sys.stdin.readline().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UsageError("the password on standard input is not UTF-8 text") from error
