"""From a request's headers to a caller with the right that the route asks for, or 401, or 403."""

import ipaddress
from dataclasses import replace
from urllib.parse import urlsplit

from aiohttp import web

from sync_server.http.errors import ApiError, unauthenticated
from sync_server.http.services import Services
from sync_server.identity import callers
from sync_server.identity.rights import Caller, Right, Role, allows
from sync_server.identity.tokens import InvalidTokenError

COOKIE = "gatesync_session"
_BEARER_CHARS_MAX = 4_096
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


async def admit(request: web.Request, services: Services, right: Right) -> Caller | None:
    """The caller, who has this right; None only where the right needs nobody."""
    if right is Right.ANYONE or (right is Right.PROBE and on_loopback(request)):
        return None
    caller = await identify(request, services)
    if not allows(right, caller.role):
        needs = "an enrolled device" if right is Right.DEVICE else f"the right {right.value!r}"
        raise ApiError(403, "forbidden", f"This needs {needs}; you have {caller.role.value!r}.")
    return caller


async def identify(request: web.Request, services: Services) -> Caller:
    bearer = _bearer(request)
    if bearer is not None:
        return await _by_bearer(bearer, services)
    cookie = request.cookies.get(COOKIE)
    if cookie is None:
        raise unauthenticated("Sign in, or send Authorization: Bearer with a token or a key.")
    if request.method not in _SAFE_METHODS or _is_upgrade(request):
        check_same_origin(request)
    now_ms = services.now_ms()
    caller = await services.database.read(lambda conn: callers.holder_of(conn, cookie, now_ms))
    if caller is None or caller.role is Role.SERVICE:
        raise unauthenticated("The session is over: sign in again.", "session_over")
    return replace(caller, by_cookie=True)


def session_token(request: web.Request) -> str | None:
    return _bearer(request) or request.cookies.get(COOKIE)


async def _by_bearer(bearer: str, services: Services) -> Caller:
    now_ms = services.now_ms()
    if bearer.count(".") == 2:
        try:
            subject = services.tokens.subject_of(bearer, now_ms)
        except InvalidTokenError as error:
            raise unauthenticated(str(error), "invalid_token") from error
        caller = await services.database.read(lambda conn: callers.subject_of_token(conn, subject))
    else:
        caller = await services.database.read(lambda conn: callers.holder_of(conn, bearer, now_ms))
    if caller is None:
        raise unauthenticated("This token or key is not known, or no longer.", "invalid_token")
    return caller


def _bearer(request: web.Request) -> str | None:
    header = request.headers.get("Authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(token.strip()) <= _BEARER_CHARS_MAX:
            raise unauthenticated("Authorization must be `Bearer` and a token or a key.")
        return token.strip()
    if _is_upgrade(request):  # a browser's WebSocket can set no header but this one
        for offered in request.headers.get("Sec-WebSocket-Protocol", "").split(","):
            if offered.strip().startswith("bearer."):
                return offered.strip().removeprefix("bearer.")
    return None


def _is_upgrade(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def check_same_origin(request: web.Request) -> None:
    """A cookie comes along by itself, so what it may change must come from our own page."""
    origin = request.headers.get("Origin")
    if origin is None:
        if request.headers.get("Sec-Fetch-Site") == "same-origin":
            return
        raise ApiError(403, "foreign_origin", "Send Origin with the cookie, or use a bearer.")
    if urlsplit(origin).netloc != request.host:
        raise ApiError(403, "foreign_origin", f"{origin} is not this server's page.")


_FORWARDED = ("Forwarded", "X-Forwarded-For", "Via")


def on_loopback(request: web.Request) -> bool:
    """From this machine itself; not by a proxy on it that speaks for somebody elsewhere."""
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False
