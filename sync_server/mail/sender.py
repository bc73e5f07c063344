"""Takes mails from the queue and hands them to the mail server, one after the other.

Order of one mail: connect; `sending` is committed; the server hears of it; the outcome is committed.
A crash in between leaves `sending`, which the next start turns into `uncertain` (see `queue`).
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection

from shared.errors import TransientError, UsageError
from shared.wire import format_time
from sync_server import system_clock
from sync_server.mail import message, queue
from sync_server.mail.choosing import key_of
from sync_server.mail.letters import Letter, NoLetter, letter_for, sample, texts_of
from sync_server.mail.link import Link, LinkError
from sync_server.mail.message import Attachment, Draft, Sealed
from sync_server.mail.queue import Result, Row, State
from sync_server.mail.settings import ATTEMPTS_MAX, PAUSE_FACTOR, MailSettings
from sync_server.mail.texts import TextError, Texts
from sync_server.ports import Store
from sync_server.privacy.vault import Vault
from sync_server.registration import printing
from sync_server.registration.event_store import load_event
from sync_server.registration.ticket_pdf import Layout, sheets, single

log = structlog.get_logger("mail")

LOOK_S = 5.0  # a mail that another process queued waits at most so long
FINISH_S_MAX = 3.0  # how long a stopping server lets the mail under way end
TOKEN_BYTES = 8


class MailRoom:
    """Sends what is queued while `run` runs; says how that goes."""

    def __init__(
        self, database: Store, vault: Vault, settings: MailSettings, now_ms: Callable[[], int],
        monotonic_s: Callable[[], float],
    ) -> None:  # fmt: skip
        self.settings = settings
        self._database, self._vault = database, vault
        self._now_ms, self._monotonic_s = now_ms, monotonic_s
        self._woken = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._ending = asyncio.Event()
        self._next_at_s = 0.0  # by the rate, or after a failed connection
        self._link_failures = 0
        self._problem: dict[str, str] | None = None

    @property
    def problem(self) -> dict[str, str] | None:
        """`{"message","since"}` while the mail server can't be reached."""
        return self._problem

    def problem_words(self) -> str | None:
        """Also asked from other threads."""
        problem = self._problem
        return problem["message"] if problem else None

    def wake(self) -> None:
        """Something was queued."""
        self._woken.set()

    async def finish(self) -> None:
        """Take no further mail; wait a little for the one under way."""
        self._ending.set()
        self._woken.set()
        try:
            async with asyncio.timeout(FINISH_S_MAX):
                await self._idle.wait()
        except TimeoutError:
            log.warning("a mail was cut off; it is listed as perhaps sent")

    async def run(self) -> None:
        """Until cancelled. Without a mail server nothing is done."""
        if self.settings.server is None:
            return
        link = Link(self.settings.server)
        try:
            await self._recover()
            while not self._ending.is_set():
                self._woken.clear()
                try:
                    busy = await self._step(link)
                except TransientError as error:
                    log.warning("the mail queue was not read", why=str(error))
                    busy = False
                except Exception:  # a mistake here must not end the server: gates hang on it
                    log.exception("a mail was not sent")
                    busy = False
                if not busy:
                    await self._rest(link)
        finally:
            await link.close()

    async def _recover(self) -> None:
        while True:
            try:
                left = await self._database.write(lambda c: queue.interrupted(c, self._now_ms()))
            except TransientError:
                await asyncio.sleep(LOOK_S)
                continue
            if left:
                log.warning("mails were under way when the server ended", mails=left)
            return

    async def _rest(self, link: Link) -> None:
        """Nothing is due: the connection is not held open for it."""
        await link.close()
        try:
            next_ms = await self._database.read(queue.earliest_ms)
        except TransientError:
            next_ms = None
        left_s = LOOK_S if next_ms is None else (next_ms - self._now_ms()) / 1_000
        await _within(self._woken, min(max(left_s, 0.0), LOOK_S))

    async def _step(self, link: Link) -> bool:
        """One mail, if one is due."""
        row = await self._database.read(lambda conn: queue.next_due(conn, self._now_ms()))
        if row is None:
            return False
        await self._pace()
        if self._ending.is_set():
            return False
        self._idle.clear()
        try:
            return await self._deliver(link, row)
        finally:
            self._idle.set()

    async def _pace(self) -> None:
        """Until the rate, or the pause after a failed connection, allows another."""
        left_s = self._next_at_s - self._monotonic_s()
        if left_s > 0:
            await _within(self._ending, left_s)

    async def _deliver(self, link: Link, row: Row) -> bool:
        mail_id, language = row["mail_id"], self.settings.language
        letter = await self._database.read(lambda c: letter_for(c, self._vault, row, language))
        message_id = row["message_id"] or message.new_message_id(
            self.settings, secrets.token_hex(TOKEN_BYTES), mail_id
        )
        if isinstance(letter, NoLetter):
            await self._write(partial(queue.cancel, mail_id=mail_id, reason=letter.reason))
            return True
        try:
            sealed = await asyncio.to_thread(
                _sealed, letter, self.settings, message_id, self._now_ms()
            )
        except (ValueError, TextError) as error:
            await self._write(partial(queue.cancel, mail_id=mail_id, reason=str(error)))
            return True
        if not await self._connected(link, mail_id):
            return True
        self._next_at_s = self._monotonic_s() + 60 / self.settings.per_minute
        if not await self._write(
            partial(self._begin, row=row, letter=letter, message_id=message_id)
        ):
            return True  # it changed meanwhile: looked at anew
        result = await link.send(sealed)
        await self._settle(mail_id, result)
        return True

    async def _connected(self, link: Link, mail_id: int) -> bool:
        """Where the server can't be reached this mail has had an attempt, and all of them wait."""
        try:
            await link.ready()
        except LinkError as error:
            words = str(error)
            self._link_failures += 1
            pause_ms = self.settings.pause_ms * min(2 ** (self._link_failures - 1), PAUSE_FACTOR)
            self._next_at_s = self._monotonic_s() + pause_ms / 1_000
            self._problem = self._problem or {"since": format_time(self._now_ms()), "message": ""}
            self._problem["message"] = words
            log.warning("the mail server can't be reached", why=words)
            await self._write(
                partial(queue.charge, mail_id=mail_id, reason=words, pause_ms=self._pauses())
            )
            return False
        self._link_failures, self._problem = 0, None
        return True

    def _begin(
        self, conn: Connection, now_ms: int, row: Row, letter: Letter, message_id: str
    ) -> bool:
        """Part of one job: nothing that the mail says may have changed since it was made."""
        if letter_for(conn, self._vault, row, self.settings.language) != letter:
            return False
        held, ticket = row["credential_id"], letter.credential_id
        if ticket is not None and ticket != held:
            key = key_of(ticket) if row["key"] == key_of(held) else None
            queue.adopt(conn, row["mail_id"], ticket, key)
        return queue.begin(conn, row["mail_id"], message_id, letter.language, now_ms)

    async def _settle(self, mail_id: int, result: Result) -> None:
        """The outcome must be kept: while the database is away, it is tried again."""
        done = partial(queue.finish, mail_id=mail_id, result=result, pause_ms=self._pauses())
        while True:
            try:
                await self._write(done)
                return
            except TransientError as error:
                log.warning("a mail's outcome waits for the database", why=str(error))
                await asyncio.sleep(1.0)

    def _pauses(self) -> tuple[int, ...]:
        return tuple(self.settings.pause_after_ms(n) for n in range(1, ATTEMPTS_MAX))

    async def _write(self, job: Callable[..., Any]) -> Any:
        now_ms = self._now_ms()
        return await self._database.write(lambda conn: job(conn, now_ms=now_ms))

    async def test(self, to: str, language: str, texts: Texts | None = None) -> Result:
        """A sample to this address at once, past the queue: what the mail server says to it."""

        def job(conn: Connection) -> Letter:
            return sample(load_event(conn), texts or texts_of(conn, language), language)

        letter = replace(await self._database.read(job), to=to)
        return await send_test(self.settings, letter)


async def send_test(settings: MailSettings, letter: Letter) -> Result:
    """This letter at once, over a connection of its own. UsageError: no server, or no address."""
    if settings.server is None:
        raise UsageError("no mail server is named: set smtp_host and mail_from (docs/mail.md)")
    message_id = message.new_message_id(settings, secrets.token_hex(TOKEN_BYTES), "test")
    named = replace(letter, to_name="")
    try:
        sealed = await asyncio.to_thread(
            _sealed, named, settings, message_id, system_clock.now_ms()
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    link = Link(settings.server)
    try:
        await link.ready()
        return await link.send(sealed)
    except LinkError as error:
        return Result(State.FAILED, str(error))
    finally:
        await link.close()


def _sealed(letter: Letter, settings: MailSettings, message_id: str, now_ms: int) -> Sealed:
    return message.seal(draft_of(letter), settings, message_id, letter.list_name, now_ms)


async def _within(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def draft_of(letter: Letter) -> Draft:
    """Slow where names are Korean: for a thread."""
    ticket, attached = letter.ticket, []
    if ticket is not None:
        try:
            event = letter.occasion
            made = single(ticket, event) if event else sheets([ticket], Layout())
            attached.append(Attachment("ticket.pdf", "application/pdf", made.pdf))
        except UsageError as error:  # the picture inside is enough to pass
            log.warning("no PDF was attached", why=str(error))
    return Draft(
        to=letter.to, to_name=letter.to_name, language=letter.language, heading=letter.event,
        subject=letter.texts.subject, body=letter.texts.body,
        code=ticket.code if ticket else "", picture=printing.png(ticket) if ticket else None,
        attached=attached,
    )  # fmt: skip
