"""The connection to the mail server: opened when needed, used for many mails, never trusted blindly.

What goes wrong before a mail's content is handed over is about the connection (LinkError) or an
answer to this one mail (a Result). Where the connection breaks after that, nobody can know whether
the server took the mail: `uncertain`.
"""

import asyncio
import ssl

import aiosmtplib
from aiosmtplib.errors import (
    SMTPException,
    SMTPNotSupported,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from shared.errors import TransientError
from sync_server.mail.message import Sealed
from sync_server.mail.queue import Result, State
from sync_server.mail.settings import Server
from sync_server.mail.texts import one_line

_PERMANENT = 500
_CLOSING = 421
QUIT_S_MAX = 2.0


class LinkError(TransientError):
    """The mail server can't be reached, or does not let us in; no mail was handed over."""


class Link:
    """One connection at a time."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._client: aiosmtplib.SMTP | None = None

    async def ready(self) -> None:
        """Connected, encrypted as asked, signed in; LinkError says why not."""
        if self._client is not None:
            try:
                await self._client.rset()
                return
            except (SMTPException, OSError):
                self._drop()
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host, port=server.port, timeout=server.timeout_s,
            use_tls=server.security == "tls", start_tls=server.security == "starttls",
            tls_context=_context(server) if server.security != "none" else None,
            username=server.user or None, password=server.password if server.user else None,
        )  # fmt: skip
        try:
            await client.connect()
        except (SMTPException, OSError, ValueError) as error:
            client.close()
            raise LinkError(f"{server.host} port {server.port}: {words_of(error)}") from error
        self._client = client

    async def send(self, mail: Sealed) -> Result:
        """To be called when `ready`; answers whatever happens."""
        client = self._client
        if client is None:
            return Result(State.QUEUED, "There is no connection to the mail server.")
        refused = await self._envelope(client, mail)
        if refused is not None:
            return refused
        try:
            answer = await client.data(mail.content)
        except SMTPResponseException as error:
            return self._answered(error)
        except (SMTPException, OSError) as error:
            self._drop()
            return Result(
                State.UNCERTAIN,
                f"The connection broke while the mail was handed over ({words_of(error)}): "
                "perhaps it was sent.",
            )
        return Result(State.SENT, one_line(f"{answer.code} {answer.message}"))

    async def _envelope(self, client: aiosmtplib.SMTP, mail: Sealed) -> Result | None:
        """Sender and recipient; None if the server takes both."""
        encoding = "utf-8" if mail.utf8 else "ascii"
        options = ["SMTPUTF8"] if mail.utf8 else []
        if mail.utf8 and not client.supports_extension("smtputf8"):
            return Result(
                State.FAILED, "The mail server takes no address with such letters (SMTPUTF8)."
            )
        try:
            await client.mail(mail.sender, options=options, encoding=encoding)
            await client.rcpt(mail.recipient, encoding=encoding)
        except SMTPResponseException as error:
            return self._answered(error)
        except (SMTPServerDisconnected, SMTPTimeoutError, OSError) as error:
            self._drop()
            return Result(
                State.QUEUED, f"The connection to the mail server broke: {words_of(error)}"
            )
        except (SMTPException, UnicodeError, ValueError) as error:
            return Result(State.FAILED, words_of(error))
        return None

    def _answered(self, error: SMTPResponseException) -> Result:
        """The server's own words; 5xx is for good, all else may pass."""
        if error.code == _CLOSING or error.code < 0:
            self._drop()
        said = one_line(f"{error.code} {error.message}")
        return Result(State.FAILED if error.code >= _PERMANENT else State.QUEUED, said)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            async with asyncio.timeout(QUIT_S_MAX):
                await client.quit()
        except (SMTPException, OSError, TimeoutError):
            client.close()

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def _context(server: Server) -> ssl.SSLContext:
    """Certificates are always checked; `smtp_ca_file` names who signs besides the known."""
    try:
        return ssl.create_default_context(cafile=server.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise LinkError(f"smtp_ca_file {server.ca_file}: {error}") from error


def words_of(error: BaseException) -> str:
    """One line that a person can act on."""
    if isinstance(error, SMTPResponseException):
        return one_line(f"{error.code} {error.message}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, SMTPTimeoutError | TimeoutError):
        return "it did not answer in time"
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({cause.verify_message})"
    if isinstance(error, SMTPNotSupported):
        return one_line(str(error))
    return one_line(str(error)) or type(error).__name__
