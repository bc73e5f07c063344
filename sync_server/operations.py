"""What commands have done to a data folder: by the running server, or by themselves.

Each operation is a function of the deployment, its parameters (JSON), a stream and a callback for
progress, and answers JSON. One table serves the control socket and the commands.
"""

from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Connection

from shared import wire
from shared.errors import UsageError
from shared.limits import LIST_ITEMS_DEFAULT
from sync_server import system_clock
from sync_server.backups import back_up
from sync_server.deployment import Deployment
from sync_server.exports import Exports
from sync_server.identity import devices, services
from sync_server.identity.enrolment_codes import enrolment_url, make_code
from sync_server.identity.people import create_owner
from sync_server.mail.choosing import queue_tickets
from sync_server.mail_operations import MAIL_OPERATIONS
from sync_server.registration import import_store
from sync_server.registration.beacon_import import import_beacons
from sync_server.registration.event_store import check_same_event
from sync_server.registration.import_desk import ImportDesk, NotUndoableError, Request
from sync_server.registration.tickets import ticket_rows

Progress = Callable[[int], None]
_REFUSED_ROWS = 20_000  # a piece
Operation = Callable[[Deployment, Mapping[str, Any], BinaryIO, Progress], Any]


def run_operation(
    deployment: Deployment,
    name: str,
    parameters: Mapping[str, Any],
    body: BinaryIO,
    progress: Progress,
) -> Any:
    return OPERATIONS[name](deployment, parameters, body, progress)


def _desk(deployment: Deployment) -> ImportDesk:
    return ImportDesk(
        deployment.database,
        deployment.vault,
        deployment.keys,
        deployment.folder.imports,
        system_clock.now_ms,
        queue_tickets if deployment.mails_imports else None,
    )


def _import(
    deployment: Deployment, parameters: Mapping[str, Any], body: BinaryIO, progress: Progress
) -> Any:
    request = Request(
        source=str(parameters["source"]),
        mapping=parameters.get("mapping") or {},
        sheet=parameters.get("sheet"),
        dry_run=bool(parameters.get("dryRun")),
        reinstate=bool(parameters.get("reinstate")),
    )
    result = _desk(deployment).run(body, request, progress)
    return {"result": result, "ignored": result["ignored"]}


def _import_refused(
    deployment: Deployment, parameters: Mapping[str, Any], _body: BinaryIO, _progress: Progress
) -> Any:
    """A piece of the refused rows' CSV, from row `from` on; empty at its end."""
    lines = _desk(deployment).refused_csv(str(parameters["importId"]), parameters["language"])
    start = int(parameters["from"])
    try:
        piece = b"".join(islice(lines, start, start + _REFUSED_ROWS))
    except LookupError:
        return {"text": "", "rows": 0}
    return {"text": piece.decode(), "rows": _REFUSED_ROWS}


def _undo_import(
    deployment: Deployment, parameters: Mapping[str, Any], _body: BinaryIO, progress: Progress
) -> Any:
    desk, import_id = _desk(deployment), str(parameters["importId"])
    try:
        if parameters.get("dryRun"):
            return desk.effect(import_id)
        return desk.undo(import_id, progress)
    except LookupError as error:
        raise UsageError(f"there is no import {import_id}; --list names them") from error
    except NotUndoableError as error:
        raise UsageError(str(error)) from error


def _imports(
    deployment: Deployment, _parameters: Mapping[str, Any], _body: BinaryIO, _progress: Progress
) -> Any:
    def job(conn: Connection) -> list[dict[str, Any]]:
        rows, _ = import_store.newest(conn, None, LIST_ITEMS_DEFAULT)
        return [import_store.as_json(conn, row) for row in rows]

    return deployment.database.read_now(job)


def _import_beacons(
    deployment: Deployment, parameters: Mapping[str, Any], body: BinaryIO, _progress: Progress
) -> Any:
    return import_beacons(
        body,
        str(parameters["source"]),
        deployment.database,
        deployment.vault,
        deployment.keys,
        system_clock.now_ms,
    )


def _tickets(
    deployment: Deployment, _parameters: Mapping[str, Any], _body: BinaryIO, _progress: Progress
) -> Any:
    return deployment.database.read_now(lambda conn: ticket_rows(conn, deployment.vault))


def _enrol(
    deployment: Deployment, parameters: Mapping[str, Any], _body: BinaryIO, _progress: Progress
) -> Any:
    code, gate_id = make_code(), str(parameters["gateId"])
    now_ms = system_clock.now_ms()
    try:
        expires_ms = deployment.database.write_now(
            lambda conn: devices.create_enrolment(conn, gate_id, code, now_ms)
        )
    except LookupError as error:
        raise UsageError(f"{error.args[0]}; the event file and the page list the gates") from error
    base_url = str(parameters.get("url") or deployment.base_url)
    return {
        "code": code,
        "url": enrolment_url(base_url, code, deployment.keys),
        "expiresAt": wire.format_time(expires_ms),
    }


def _api_key(
    deployment: Deployment, parameters: Mapping[str, Any], _body: BinaryIO, _progress: Progress
) -> Any:
    name, role, now_ms = parameters["name"], parameters["role"], system_clock.now_ms()
    key = deployment.database.write_now(
        lambda conn: services.create_api_key(conn, name, role, now_ms)
    )
    return {"key": key}


def _verify(
    deployment: Deployment, _parameters: Mapping[str, Any], _body: BinaryIO, _progress: Progress
) -> Any:
    from sync_server.verify import verify

    return deployment.database.read_now(verify)


def _backup(
    deployment: Deployment, parameters: Mapping[str, Any], _body: BinaryIO, _progress: Progress
) -> Any:
    file = back_up(
        deployment.folder,
        deployment.database_url,
        Path(parameters["to"]),
        keep=int(parameters.get("keep", 0)),
        with_keys=bool(parameters.get("withKeys")),
    )
    return {"to": str(file)}


def _export(
    deployment: Deployment, parameters: Mapping[str, Any], _body: BinaryIO, _progress: Progress
) -> Any:
    exports = Exports(deployment.folder, deployment.database_url, deployment.vault)
    personal = bool(parameters.get("personal", True))
    return exports.write(Path(parameters["to"]), system_clock.now_ms(), personal=personal)


def _init(
    deployment: Deployment, parameters: Mapping[str, Any], _body: BinaryIO, _progress: Progress
) -> Any:
    """What a second `init` may still do while the server runs: make the first owner."""
    owner = parameters.get("owner")

    def job(conn: Connection) -> bool:
        check_same_event(conn, parameters["eventId"])
        return owner is not None and create_owner(conn, owner[0], owner[1])

    return {"ownerCreated": deployment.database.write_now(job)}


OPERATIONS: dict[str, Operation] = {
    **MAIL_OPERATIONS,
    "import": _import,
    "imports": _imports,
    "import-refused": _import_refused,
    "undo-import": _undo_import,
    "import-beacons": _import_beacons,
    "tickets": _tickets,
    "enrol": _enrol,
    "api-key": _api_key,
    "verify": _verify,
    "backup": _backup,
    "export": _export,
    "init": _init,
}
