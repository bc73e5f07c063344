"""Who may speak to the kiosk's server, and how it says no."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from shared.errors import TransientError, UsageError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "Cross-Origin-Resource-Policy": "same-origin",
}
CODES: Final = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}

log = structlog.get_logger(__name__)


def error_answer(status: int, code: str, message: str, field: str | None = None) -> web.Response:
    """An error as API §2 has it, in JSON."""
    error: dict[str, Any] = {"code": code, "message": message}
    if field is not None:
        error["field"] = field
    error["requestId"] = secrets.token_hex(8)
    answer = web.Response(
        status=status, body=msgspec.json.encode({"error": error}), content_type="application/json"
    )
    if status == 503:
        answer.headers["Retry-After"] = "1"
    return answer


def guard(port: Callable[[], int]) -> Middleware:
    """Lets in only what names this machine as Host and comes from this page as Origin."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        hosts = _own_hosts(port())
        if request.headers.get("Host", "").lower() not in hosts:
            return error_answer(403, "foreign_host", "Open the kiosk page by http://127.0.0.1.")
        origin = request.headers.get("Origin")
        if origin is not None and origin.lower() not in {f"http://{host}" for host in hosts}:
            return error_answer(403, "foreign_origin", "Only the kiosk's own page may call this.")
        return await handler(request)

    return check


def _own_hosts(port: int) -> set[str]:
    names = ("localhost", "127.0.0.1", "[::1]")
    with_port = {f"{name}:{port}" for name in names}
    return with_port | set(names) if port == 80 else with_port


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Never HTML, never a stack trace; and the page's headers on every answer."""
    try:
        answer = await handler(request)
    except web.HTTPException as problem:
        code = CODES.get(problem.status, "bad_request")
        answer = error_answer(problem.status, code, f"{request.method} {request.path}: {code}.")
    except TransientError as problem:
        answer = error_answer(503, "busy", str(problem))
    except UsageError as problem:
        answer = error_answer(400, "invalid_request", str(problem))
    except web.RequestPayloadError as problem:
        answer = error_answer(400, "invalid_request", f"The body can't be read: {problem}")
    except Exception:
        log.exception("kiosk_request_failed", method=request.method, path=request.path)
        answer = error_answer(500, "internal", "The gate could not answer; its log says why.")
    if not answer.prepared:
        answer.headers.update(HEADERS)
    return answer
