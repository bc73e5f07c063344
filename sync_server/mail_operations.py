"""What `sync-server mail` has done to a data folder (see `operations`)."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from sync_server import system_clock
from sync_server.deployment import Deployment
from sync_server.mail import bounces, choosing, queue
from sync_server.mail.choosing import Chosen, Progress
from sync_server.mail.letters import sample, texts_of
from sync_server.mail.queue import State
from sync_server.registration.event_store import load_event

Tell = Callable[[int], None]


def _send(
    deployment: Deployment, parameters: Mapping[str, Any], _body: BinaryIO, tell: Tell
) -> Any:
    ids, dry_run = parameters.get("ids"), bool(parameters.get("dryRun"))
    chosen = Chosen(
        parameters.get("group"),
        None if ids is None else tuple(ids),
        str(uuid.uuid4()) if parameters.get("again") else None,
    )
    now_ms, progress = system_clock.now_ms(), Progress()
    run = deployment.database.read_now if dry_run else deployment.database.write_now
    while progress.after is not None:
        before = progress
        progress = run(
            lambda conn, at=before: choosing.step(conn, chosen, at, now_ms, dry_run=dry_run)  # type: ignore[misc]
        )
        tell(progress.sums.chosen)
    return progress.sums.as_json()


def _status(deployment: Deployment, *_: Any) -> Any:
    return deployment.database.read_now(queue.counts)


def _retry(deployment: Deployment, parameters: Mapping[str, Any], *_: Any) -> Any:
    state, now_ms = State(parameters["state"]), system_clock.now_ms()
    return {"queued": deployment.database.write_now(lambda c: queue.retry_all(c, state, now_ms))}


def _bounces(deployment: Deployment, _parameters: Any, body: BinaryIO, _tell: Tell) -> Any:
    reports = bounces.read_all(body.read())
    now_ms = system_clock.now_ms()
    outcome = deployment.database.write_now(
        lambda conn: bounces.take(conn, deployment.vault, reports, now_ms)
    )
    return outcome.as_json()


def _sample(deployment: Deployment, parameters: Mapping[str, Any], *_: Any) -> Any:
    """What a test mail says; the command itself sends it."""
    language = str(parameters["language"])
    letter = deployment.database.read_now(
        lambda conn: sample(load_event(conn), texts_of(conn, language), language)
    )
    ticket = letter.ticket
    return {
        "name": letter.to_name,
        "event": letter.event,
        "list": letter.list_name,
        "subject": letter.texts.subject,
        "body": letter.texts.body,
        "code": ticket.code if ticket else "",
        "payload": ticket.payload if ticket else "",
    }


MAIL_OPERATIONS = {
    "mail-send": _send,
    "mail-status": _status,
    "mail-retry": _retry,
    "mail-bounces": _bounces,
    "mail-sample": _sample,
}
