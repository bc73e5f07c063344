"""`edge-agent enrol`: the device's keys, a one-use code exchanged, the first replica fetched."""

import asyncio
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from urllib.parse import parse_qs, urlsplit

from edge_agent import system_clock
from edge_agent.folder import FolderLock, GateFolder
from edge_agent.identity import (
    CertificateError,
    DeviceKey,
    Identity,
    check_certificate,
    is_enrolled,
    key_matches,
    load_identity,
    save_identity,
)
from edge_agent.parts import new_epoch
from edge_agent.storage.journal import Journal
from edge_agent.storage.replica import Replica
from edge_agent.sync.pages import apply_body
from edge_agent.sync.tokens import TokenSource
from edge_agent.sync.transport import (
    AnsweredError,
    HttpTransport,
    Transport,
    UnreachableError,
)
from edge_agent.timekeeper import Timekeeper
from shared import wire
from shared.errors import PermanentError, RefusedError, UsageError

EXIT_FINE, EXIT_PARTLY = 0, 3
TRIES_MAX = 5
CODE_CHARS_MAX = 200
_REFUSED = frozenset({400, 403, 404, 409, 410, 422})


class EnrolmentRefusedError(RefusedError):
    """The server refused to enrol this gate."""


@dataclass(frozen=True, slots=True)
class Code:
    """A one-use code; `key` is the fingerprint of the server's key where its URL was given."""

    code: str
    key: str | None


def enrol(
    data: Path, server: str, code: str, out: TextIO = sys.stdout, *, again: bool = False
) -> int:
    """The exit code: 0 enrolled, 3 enrolled but the list is not here yet. Run again after being
    cut short, it goes on where it stopped.

    `again`: at another server, or another gate, with the same key; the journal and the list are
    kept, and the whole journal is offered to that server.
    """
    url, given = parse_server(server), parse_code(code)
    replica_path = data / "replica.db"
    if again:
        load_identity(data)  # the line that helps, before a wrong folder is touched
        with FolderLock(GateFolder(data)):
            return asyncio.run(_enrol_again(data, url, given, out))
    if is_enrolled(data) and _has_list(replica_path):
        identity = load_identity(data)
        raise UsageError(
            f"{data} is already enrolled as gate {identity.gate_id} at {identity.server_url}: "
            "use another folder, `edge-agent run`, or --again to take this gate and its journal "
            "to another server"
        )
    return asyncio.run(_enrol(data, url, given, out))


async def enrol_here(data: Path, url: str, code: Code, out: TextIO, *, again: bool = False) -> int:
    """The same for the kiosk, which holds the folder's lock already."""
    if again:
        return await _enrol_again(data, url, code, out)
    return await _enrol(data, url, code, out)


def gate_name_of(data: Path, identity: Identity) -> str:
    replica = Replica.open(data / "replica.db")
    try:
        return _gate_name(replica, identity)
    finally:
        replica.close()


def parse_code(text: str) -> Code:
    """A bare code, or the URL that the server printed: `…/enrol#code=…&key=…`, `?` for `#` too."""
    text = text.strip()
    if not text or len(text) > CODE_CHARS_MAX + len("https://") + 253:
        raise UsageError("--code takes the code or the URL that `sync-server enrol` printed")
    if "://" not in text:
        return Code(text, None)
    parts = urlsplit(text)
    members = parse_qs(parts.fragment) or parse_qs(parts.query)
    codes, keys = members.get("code"), members.get("key")
    if not codes:
        raise UsageError("this URL holds no code: copy all of what `sync-server enrol` printed")
    return Code(codes[0], keys[0] if keys else None)


async def _enrol_again(data: Path, url: str, code: Code, out: TextIO) -> int:
    earlier, key = load_identity(data), DeviceKey.load(data)
    async with HttpTransport(url, system_clock.boot_ms) as transport:
        identity = await _exchange(url, code, key, transport, earlier)
        if identity.event_id != earlier.event_id:
            raise UsageError(
                f"{data} holds the journal of the event {earlier.event_id}, and {url} serves "
                f"{identity.event_id}: enrol into another folder"
            )
        await asyncio.to_thread(_keep_journal, data, identity, earlier, out)
        return await _fetch_list(data, identity, transport, out)


def _keep_journal(data: Path, identity: Identity, earlier: Identity, out: TextIO) -> None:
    """First nothing counts as acknowledged, then the new identity: cut short, it is run again."""
    replica = Replica.open(data / "replica.db")
    try:
        replica.forget_acks()
    finally:
        replica.close()
    save_identity(data, identity)
    journal = Journal.open(data / "journal.db", new_epoch=new_epoch)
    entries = sum(head for _, head in journal.epochs())
    journal.close()
    print(f"The journal is kept: its {entries} entries will be offered to this server.", file=out)
    if identity.digest_key != earlier.digest_key:
        print(
            "This server has other keys than the earlier one: tickets that are out will not be "
            "known, unless it is made anew with `sync-server init --keys`.",
            file=sys.stderr,
        )


async def _enrol(data: Path, url: str, code: Code, out: TextIO) -> int:
    async with HttpTransport(url, system_clock.boot_ms) as transport:
        if is_enrolled(data):
            identity = load_identity(data)
        else:
            key = await asyncio.to_thread(_prepare_folder, data)
            identity = await _exchange(url, code, key, transport)
            await asyncio.to_thread(save_identity, data, identity)
        return await _fetch_list(data, identity, transport, out)


async def _fetch_list(data: Path, identity: Identity, transport: Transport, out: TextIO) -> int:
    replica = await asyncio.to_thread(Replica.open, data / "replica.db")
    try:
        await _first_fetch(data, identity, replica, transport, out)
    except (UnreachableError, AnsweredError) as error:
        print(
            f"Enrolled as gate {identity.gate_id}, but its list could not be fetched yet "
            f"({error}): `edge-agent run --data {data}` fetches it when the server answers.",
            file=sys.stderr,
        )
        return EXIT_PARTLY
    finally:
        replica.close()
    gate = await asyncio.to_thread(_gate_name, replica, identity)
    print(f"Enrolled as gate {gate} ({identity.gate_id}), device {identity.device_id}.", file=out)
    return EXIT_FINE


async def _exchange(
    url: str, code: Code, key: DeviceKey, transport: Transport, earlier: Identity | None = None
) -> Identity:
    """Spend the code. The key is durable before, so that nothing that was granted gets lost: asked
    again with the same key, the server gives the same answer.
    """
    name = socket.gethostname()
    request = wire.EnrolRequest(
        code=code.code,
        public_key=key.public_text,
        name=name,
        certificate="" if earlier is None else earlier.certificate,
    )
    try:
        answer = await transport.enrol(request)
    except UnreachableError as error:
        raise UsageError(
            f"nothing was enrolled: {error}; check the address and that `sync-server serve` runs, "
            "then run this again with the same code"
        ) from error
    except AnsweredError as error:
        raise _refusal(url, error) from error
    return _checked(answer, key, code, url, name)


def _prepare_folder(data: Path) -> DeviceKey:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        return DeviceKey.load_or_make(data)
    except OSError as error:
        raise UsageError(
            f"{data} can't be written ({error.strerror}): name a folder that this user may write"
        ) from error


def _refusal(url: str, error: AnsweredError) -> PermanentError:
    failure = error.failure
    if failure.status in _REFUSED and failure.code is not None:
        return EnrolmentRefusedError(
            f"{url} refused the code: {failure.detail} "
            "`sync-server enrol --gate GATE_ID` makes another."
        )
    if failure.code is None:
        return UsageError(
            f"{url} answers, but not as a sync server ({failure.status}): check the address"
        )
    return EnrolmentRefusedError(f"{url} can't enrol this gate now: {failure.detail}")


def _checked(answer: wire.EnrolAnswer, key: DeviceKey, code: Code, url: str, name: str) -> Identity:
    """Believe the answer only as far as the server's key signed it."""
    try:
        if code.key is not None and not key_matches(answer.server_key, code.key):
            raise CertificateError(
                "The server that answered has another key than the code names: someone may stand "
                "between this gate and the server"
            )
    except ValueError as error:
        raise CertificateError("The server's key is no key") from error
    expected = {
        "deviceId": answer.device_id,
        "publicKey": key.public_text,
        "gateId": answer.gate_id,
        "eventId": answer.event_id,
        "digestKey": answer.digest_key,
    }
    enrolled_at_ms = check_certificate(answer.certificate, answer.server_key, expected)
    return Identity(
        device_id=answer.device_id,
        gate_id=answer.gate_id,
        event_id=answer.event_id,
        server_url=url,
        server_key=answer.server_key,
        digest_key=answer.digest_key,
        certificate=answer.certificate,
        name=name,
        enrolled_at_ms=enrolled_at_ms,
    )


async def _first_fetch(
    data: Path, identity: Identity, replica: Replica, transport: Transport, out: TextIO
) -> None:
    timekeeper = Timekeeper(
        system_clock, data / "clock.json", enrolled_at_ms=identity.enrolled_at_ms
    )
    tokens = TokenSource(identity, DeviceKey.load(data), timekeeper, transport)
    await tokens.renew()
    rows, failures, more = 0, 0, True
    while more:
        cursor = await asyncio.to_thread(replica.cursor)
        try:
            body = await transport.changes(tokens.token, cursor, 0)
        except UnreachableError:
            failures += 1
            if failures >= TRIES_MAX:
                raise
            await asyncio.sleep(0.2 * 2**failures)
            continue
        applied = await asyncio.to_thread(apply_body, replica, body, identity.device_id, cursor)
        rows, more = rows + applied.rows, applied.page.more
        _learn(timekeeper, applied.page, body.timed.sent_ms, body.timed.received_ms)
        if out.isatty():
            print(f"\rFetching the list: {rows:,} rows", end="", file=out, flush=True)
    if out.isatty():
        print(file=out)
    await asyncio.to_thread(timekeeper.save)


def _learn(timekeeper: Timekeeper, page: wire.PageLine, sent_ms: int, received_ms: int) -> None:
    t2_ms, t3_ms = wire.parse_time(page.server_received_at), wire.parse_time(page.server_time)
    timekeeper.learn(sent_ms, t2_ms, t3_ms, received_ms)


def _gate_name(replica: Replica, identity: Identity) -> str:
    reader = replica.reader()
    try:
        gate = reader.reference().gates.get(identity.gate_id)
        return identity.gate_id if gate is None else gate.name
    finally:
        reader.close()


def _has_list(path: Path) -> bool:
    if not path.exists():
        return False
    replica = Replica.open(path)
    try:
        return replica.live_cursor() is not None
    finally:
        replica.close()


def parse_server(text: str) -> str:
    """`http(s)://host[:port]`, without a slash at the end."""
    try:
        parts = urlsplit(text.strip())
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"--server {text!r} is no address: write it as https://gates.example:8080")
    return text.strip().rstrip("/")
