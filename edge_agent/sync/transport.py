"""The server over HTTP: one method an exchange, bounded in bytes and time (API.md §2, §3.4–3.6).

Every failure leaves here as `UnreachableError` or `AnsweredError`, with the library's error as its cause.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import httpx
import msgspec

from edge_agent.sync.backoff import Failure, FailureKind
from shared import compression, wire
from shared.compression import COMPRESSED_BYTES_MIN
from shared.errors import GatesyncError, PermanentError, TransientError
from shared.limits import BODY_BYTES_MAX
from shared.search_wire import SearchAnswer, SearchRequest
from shared.wire_beacons import BeaconHeard

CONNECT_S = 5.0
READ_SPARE_S = 10.0  # beyond the wait that was asked for
UPLOAD_READ_S = 30.0  # a batch waits for the server's disk
EXCHANGE_SPARE_S = 60.0  # a server that drips keeps no exchange longer
PAGE_BYTES_MAX = 64 * 1024 * 1024
ERROR_BYTES_MAX = 64 * 1024
_TRANSIENT = frozenset({401, 408, 409, 410, 425, 429})

A = TypeVar("A")


class UnreachableError(TransientError):
    """The server could not be reached."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


class AnsweredError(GatesyncError):
    """The server answered no. `date_ms`: what its Date header says, epoch milliseconds."""

    def __init__(self, failure: Failure, date_ms: int | None = None) -> None:
        super().__init__(failure.detail)
        self.failure = failure
        self.date_ms = date_ms


class TransientAnswerError(AnsweredError, TransientError):
    """The server answered no, for now."""


class PermanentAnswerError(AnsweredError, PermanentError):
    """The server answered no."""


@dataclass(frozen=True, slots=True)
class Timed:
    """When an exchange left and came back, in ms since boot."""

    sent_ms: int
    received_ms: int


@dataclass(frozen=True, slots=True)
class PageBody:
    """A page as it came: not yet looked into. `lines` end with the page line."""

    lines: list[bytes]
    timed: Timed


class Transport(Protocol):
    """One exchange a call. Raises UnreachableError or AnsweredError, never a library's error."""

    async def token(self, assertion: str, certificate: str | None) -> wire.TokenAnswer: ...

    async def changes(
        self, token: str, cursor: str | None, wait_s: int, limit: int | None = None
    ) -> PageBody: ...

    async def scans(
        self, token: str, request: wire.UploadRequest
    ) -> tuple[wire.UploadAnswer, Timed]: ...

    async def status(
        self, token: str, request: wire.StatusRequest
    ) -> tuple[wire.StatusAnswer, Timed]: ...

    async def search(self, token: str, request: SearchRequest) -> SearchAnswer: ...

    async def enrol(self, request: wire.EnrolRequest) -> wire.EnrolAnswer: ...

    async def aclose(self) -> None: ...


class HttpTransport:
    """`Transport` over httpx. `boot_ms` stamps each exchange; proxies of the environment are not
    used: a gate speaks to its server and to nobody else.
    """

    def __init__(self, server_url: str, boot_ms: Callable[[], int]) -> None:
        self._boot_ms = boot_ms
        self._client = httpx.AsyncClient(
            base_url=server_url.rstrip("/") + "/api/v1/",
            timeout=httpx.Timeout(READ_SPARE_S, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=8, max_keepalive_connections=4),
            headers={"Accept-Encoding": compression.ACCEPTED},
            follow_redirects=False,
            trust_env=False,
        )
        self._server_takes: str | None = None  # the encoding that its answers named (RFC 7694)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._client.aclose()

    async def token(self, assertion: str, certificate: str | None = None) -> wire.TokenAnswer:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
        }
        if certificate is not None:
            form["certificate"] = certificate
        body, _ = await self._exchange("POST", "oauth/token", data=form)
        return _decode(body, wire.TokenAnswer)

    async def changes(
        self, token: str, cursor: str | None, wait_s: int, limit: int | None = None
    ) -> PageBody:
        """One page. A body without its last line is an interrupted page: UnreachableError (P7)."""
        query = {"wait": str(wait_s)}
        if cursor is not None:
            query["cursor"] = cursor
        if limit is not None:
            query["limit"] = str(limit)
        body, timed = await self._exchange(
            "GET",
            "sync/changes",
            token=token,
            params=query,
            read_s=wait_s + READ_SPARE_S,
            bytes_max=PAGE_BYTES_MAX,
        )
        return PageBody(_whole_lines(body, "changes"), timed)

    async def badges(self, token: str, query: dict[str, str]) -> list[bytes]:
        """Coming ids of rotating badges, a line each, the page line last."""
        body, _ = await self._exchange(
            "GET", "sync/beacons", token=token, params=query, bytes_max=PAGE_BYTES_MAX
        )
        return _whole_lines(body, "badges")

    async def beacon_heard(self, token: str, report: BeaconHeard) -> None:
        content = msgspec.json.encode(report)
        await self._exchange("POST", "sync/pairing", token=token, content=content)

    async def scans(
        self, token: str, request: wire.UploadRequest
    ) -> tuple[wire.UploadAnswer, Timed]:
        body, timed = await self._exchange(
            "POST",
            "sync/scans",
            token=token,
            content=_encode(request),
            read_s=UPLOAD_READ_S,
        )
        answer = _decode(body, wire.UploadAnswer)
        _check_covers(answer, request)
        return answer, timed

    async def status(
        self, token: str, request: wire.StatusRequest
    ) -> tuple[wire.StatusAnswer, Timed]:
        body, timed = await self._exchange(
            "POST", "sync/status", token=token, content=msgspec.json.encode(request)
        )
        return _decode(body, wire.StatusAnswer), timed

    async def search(self, token: str, request: SearchRequest) -> SearchAnswer:
        body, _ = await self._exchange(
            "POST", "sync/search", token=token, content=msgspec.json.encode(request)
        )
        return _decode(body, SearchAnswer)

    async def enrol(self, request: wire.EnrolRequest) -> wire.EnrolAnswer:
        body, _ = await self._exchange(
            "POST", "devices/enrol", content=msgspec.json.encode(request)
        )
        return _decode(body, wire.EnrolAnswer)

    async def _exchange(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        content: bytes | None = None,
        data: dict[str, str] | None = None,
        params: dict[str, str] | None = None,
        read_s: float = READ_SPARE_S,
        bytes_max: int = BODY_BYTES_MAX,
    ) -> tuple[bytes, Timed]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        if content is not None:
            headers["Content-Type"] = "application/json"
            if self._server_takes is not None and len(content) >= COMPRESSED_BYTES_MIN:
                headers["Content-Encoding"] = self._server_takes
                content = compression.compress(self._server_takes, content)
        timeout = httpx.Timeout(read_s, connect=CONNECT_S)
        request = self._client.build_request(
            method,
            path,
            content=content,
            data=data,
            params=params,
            headers=headers,
            timeout=timeout,
        )
        sent_ms = self._boot_ms()
        async with self._sent(request, read_s + EXCHANGE_SPARE_S) as response:
            self._note_encodings(request, response)
            if response.is_success:
                body = await _read(response, bytes_max)
                return body, Timed(sent_ms, self._boot_ms())
            raise _answered(response, await _read(response, ERROR_BYTES_MAX))

    def _note_encodings(self, request: httpx.Request, response: httpx.Response) -> None:
        """What the server takes; nothing more once it has refused a packed body."""
        if "Accept-Encoding" in response.headers:
            self._server_takes = compression.best(response.headers["Accept-Encoding"])
        elif response.status_code in {400, 415} and "Content-Encoding" in request.headers:
            self._server_takes = None

    @asynccontextmanager
    async def _sent(
        self, request: httpx.Request, deadline_s: float
    ) -> AsyncIterator[httpx.Response]:
        where = str(request.url.copy_with(query=None))
        try:
            async with asyncio.timeout(deadline_s):
                response = await self._client.send(request, stream=True)
                try:
                    yield response
                finally:
                    await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            hung = isinstance(error, httpx.ConnectTimeout)
            kind = FailureKind.TIMED_OUT if hung else FailureKind.REFUSED
            raise UnreachableError(
                Failure(kind, f"{where} can't be reached: {_why(error)}")
            ) from error
        except (httpx.TimeoutException, TimeoutError) as error:
            failure = Failure(FailureKind.TIMED_OUT, f"{where} did not answer in time")
            raise UnreachableError(failure) from error
        except httpx.HTTPError as error:
            failure = Failure(FailureKind.INTERRUPTED, f"{where} broke off: {_why(error)}")
            raise UnreachableError(failure) from error
        except httpx.InvalidURL as error:
            raise UnreachableError(Failure(FailureKind.LOCAL, f"{where}: {error}")) from error


def _whole_lines(body: bytes, what: str) -> list[bytes]:
    lines = body.splitlines()
    # A line cut short has no end; only the last one says that nothing is missing.
    if not lines or not body.endswith(b"\n") or b'"page"' not in lines[-1]:
        raise UnreachableError(Failure(FailureKind.INTERRUPTED, f"a page of {what} broke off"))
    return lines


async def _read(response: httpx.Response, bytes_max: int) -> bytes:
    """The whole body, decompressed here: httpx would do so without a bound."""
    raw = bytearray()
    async for chunk in response.aiter_raw():
        raw += chunk
        if len(raw) > bytes_max:
            raise _too_large(bytes_max)
    try:
        encoding = compression.named(response.headers.get("Content-Encoding"))
        return (
            bytes(raw)
            if encoding is None
            else compression.decompress(encoding, bytes(raw), bytes_max)
        )
    except compression.CompressedTooLargeError as error:
        raise _too_large(bytes_max) from error
    except (LookupError, ValueError) as error:
        failure = Failure(FailureKind.INTERRUPTED, f"an answer that can't be unpacked: {error}")
        raise UnreachableError(failure) from error


def _too_large(bytes_max: int) -> UnreachableError:
    return UnreachableError(
        Failure(FailureKind.LOCAL, f"an answer of more than {bytes_max} bytes was given up")
    )


def _answered(response: httpx.Response, body: bytes) -> AnsweredError:
    status = response.status_code
    code, message = _error_of(body)
    failure = Failure(
        FailureKind.ANSWERED,
        message or f"the server answered {status}",
        status=status,
        code=code,
        retry_after_s=_retry_after_s(response.headers),
    )
    transient = status >= 500 or status in _TRANSIENT
    kind = TransientAnswerError if transient else PermanentAnswerError
    return kind(failure, _date_ms(response.headers.get("Date")))


def _error_of(body: bytes) -> tuple[str | None, str | None]:
    """Code and message of API §2's error body; a proxy's page has neither."""
    try:
        answer: Any = json.loads(body)
    except ValueError:
        return None, None
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, str):  # RFC 6749 writes it so at the token's route
        return error, answer.get("error_description")
    if not isinstance(error, dict):
        return None, None
    return error.get("code"), error.get("message")


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """In seconds, or a date: told against the answer's own Date, for no clock here is trusted."""
    text = headers.get("Retry-After")
    if text is None or text.isdecimal():
        return None if text is None else float(text)
    until_ms, now_ms = _date_ms(text), _date_ms(headers.get("Date"))
    return None if until_ms is None or now_ms is None else max(until_ms - now_ms, 0) / 1_000


def _date_ms(text: str | None) -> int | None:
    try:
        return None if text is None else int(parsedate_to_datetime(text).timestamp() * 1_000)
    except ValueError:
        return None


def _encode(request: wire.UploadRequest) -> bytes:
    """Entries byte for byte as the journal's checksum saw them; empty members left out."""
    return msgspec.json.encode(request)


def _decode(body: bytes, kind: type[A]) -> A:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        failure = Failure(FailureKind.LOCAL, f"the server's answer can't be understood: {error}")
        raise UnreachableError(failure) from error


def _check_covers(answer: wire.UploadAnswer, request: wire.UploadRequest) -> None:
    """One outcome an entry and a cursor: what says less has not taken the batch (P2)."""
    try:
        wire.parse_cursor(answer.visible_at)
        told = sorted(outcome.seq for outcome in answer.outcomes)
        if told != sorted(entry["seq"] for entry in request.entries):
            raise ValueError("it does not name each entry's outcome")
    except ValueError as error:
        failure = Failure(FailureKind.LOCAL, f"the server's answer can't be believed: {error}")
        raise UnreachableError(failure) from error


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
