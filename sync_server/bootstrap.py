"""The one place where the server's parts are made and joined (DESIGN §3, law 3)."""

import asyncio
import contextlib
import errno
import json
import signal
from collections.abc import AsyncIterator, Callable

from aiohttp import web
from sqlalchemy import Connection, select

from shared.errors import UsageError
from sync_server import system_clock
from sync_server.backups import Backups
from sync_server.config import Config
from sync_server.deployment import database_url
from sync_server.exports import Exports
from sync_server.http.app import Runner, make_app
from sync_server.http.routes import all_routes
from sync_server.http.services import Services
from sync_server.http.webhooks import webhook_of
from sync_server.identity.keys import load_keys
from sync_server.identity.tokens import AccessTokens
from sync_server.insight.alert_rules import Thresholds
from sync_server.mail.alert_mail import AlertMail
from sync_server.mail.choosing import queue_tickets
from sync_server.mail.sender import MailRoom
from sync_server.mail.settings import IMPORTED, mail_settings, queues
from sync_server.privacy.vault import Vault
from sync_server.readiness import Readiness, disk_free
from sync_server.registration.import_desk import ImportDesk
from sync_server.registration.import_jobs import ImportJobs
from sync_server.registration.search import ParticipantSearch
from sync_server.registration.search_marks import SearchMarks
from sync_server.storage import schema
from sync_server.storage.database import Database
from sync_server.storage.paths import DataFolder
from sync_server.stream.alert_watch import AlertWatch
from sync_server.stream.handlers import Handler, Stream
from sync_server.stream.head_watch import HeadWatch
from sync_server.stream.lifecycle_watch import LifecycleWatch
from sync_server.stream.live_hub import LiveHub
from sync_server.sync.badge_table import BadgeTable
from sync_server.sync.feed import ChangesFeed


def event_id_of(conn: Connection) -> str:
    event_id = conn.execute(select(schema.events.c.event_id)).scalar()
    if event_id is None:
        raise UsageError("there is no event yet: run `sync-server init --event FILE.json` first")
    return str(event_id)


def make_services(database: Database, folder: DataFolder, config: Config) -> Services:
    """All that the handlers work with; to be called on the running loop."""
    keys = load_keys(folder)
    event_id = database.read_now(event_id_of)
    heads = HeadWatch(asyncio.get_running_loop())
    database.on_commit(heads.notify)
    vault = Vault(keys.master)
    past_share = config.past_attendance_percent / 100 or None
    mail = MailRoom(
        database, vault, mail_settings(config), system_clock.now_ms, system_clock.monotonic_s
    )
    registered = queue_tickets if queues(config, IMPORTED) else None
    desk = ImportDesk(database, vault, keys, folder.imports, system_clock.now_ms, registered)
    return Services(
        database=database,
        backups=Backups(folder, database_url(folder, config), config),
        exports=Exports(folder, database_url(folder, config), vault),
        readiness=Readiness(database, heads, disk_free(folder.path)),
        keys=keys,
        tokens=AccessTokens(keys, event_id),
        vault=vault,
        desk=desk,
        import_jobs=ImportJobs(desk),
        mail=mail,
        badges=BadgeTable(vault, keys.digest),
        search=ParticipantSearch(database, heads, vault),
        beacon_horizon_ms=config.beacon_horizon_hours * 3_600_000,
        event_id=event_id,
        heads=heads,
        feed=ChangesFeed(database, heads),
        live=LiveHub(database, heads, system_clock.now_ms, past_share),
        now_ms=system_clock.now_ms,
        monotonic_s=system_clock.monotonic_s,
        past_attendance_share=past_share,
    )


def make_stream(services: Services, config: Config, watch: AlertWatch) -> Stream:
    """Who is told of what happens, as the settings say."""
    webhooks = webhook_of(config.webhook_url, config.webhook_secret, config.webhook_types)
    handlers: list[Handler] = [watch, *webhooks]
    mail, to = services.mail, services.mail.settings.alerts_to
    if to:
        handlers.append(
            AlertMail(services.database, services.vault, to, services.now_ms, mail.wake)
        )
    services.handlers = tuple(handler.name for handler in handlers)
    return Stream(
        services.database,
        services.heads,
        handlers,
        source=f"gatesync/{services.event_id}",
        now_ms=services.now_ms,
    )


def thresholds(config: Config) -> Thresholds:
    return Thresholds(
        gate_load_percent=config.alert_gate_load_percent,
        attendance_percent=config.alert_attendance_percent,
        offline_s=config.alert_offline_s,
        waiting_scans=config.alert_waiting_scans,
        clock_off_ms=config.alert_clock_off_ms,
        disk_free_mb=config.alert_disk_free_mb,
    )


@contextlib.asynccontextmanager
async def listening(
    database: Database, folder: DataFolder, config: Config
) -> AsyncIterator[Services]:
    """The server, serving, until the block is left: then within a second it is gone.

    `services.base_url` names the address. UsageError: the port is taken.
    """
    services = make_services(database, folder, config)
    await services.import_jobs.begin()
    runner = Runner(make_app(services, all_routes()))
    await runner.setup()
    try:
        site = web.TCPSite(runner, config.host, config.port, backlog=512)
        await _start(site, config.host, config.port)
        services.listening_url = _url_of(runner, config.host)
        services.base_url = config.public_url.rstrip("/") or services.listening_url
        watch = AlertWatch(
            database, thresholds(config), services.now_ms, services.mail.problem_words
        )
        stream = make_stream(services, config, watch)
        await stream.begin()
        life = LifecycleWatch(database, folder.reports, services.now_ms)
        marks = SearchMarks(database, services.vault, services.keys.digest)
        jobs = services.import_jobs
        parts = (
            services.live,
            stream,
            watch,
            life,
            services.backups,
            services.search,
            services.mail,
            jobs,
            marks,
        )
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(part.run()) for part in parts]
            try:
                yield services
            finally:
                await site.stop()
                services.heads.close()
                await services.mail.finish()
                await services.live.close()
                for task in running:
                    task.cancel()
    finally:
        services.heads.close()
        await runner.cleanup()


async def serve(
    database: Database,
    folder: DataFolder,
    config: Config,
    *,
    announce: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT; `announce` gets the JSON line that says where (API §1).

    The caller holds the folder's lock. UsageError where the port can't be had.
    """
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with listening(database, folder, config) as services:
        announce(json.dumps({"event": "listening", "url": services.listening_url}))
        await ended.wait()


async def _start(site: web.TCPSite, host: str, port: int) -> None:
    try:
        await site.start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"port {port} is in use: stop what listens there, or choose another with --port"
            ) from error
        raise UsageError(f"can't listen on {host} port {port}: {error.strerror}") from error


def _url_of(runner: Runner, host: str) -> str:
    port = runner.addresses[0][1]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"
