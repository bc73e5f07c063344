"""Errors as API §2 writes them: `{"error":{"code","message","field"?,"requestId"}}`, never HTML."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from shared.errors import GatesyncError


class ApiError(GatesyncError):
    """An answer that is not a success. `more` are further members of `error`."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.field, self.headers, self.more = field, dict(headers or {}), more


def invalid(field: str | None, message: str, code: str = "invalid_request") -> ApiError:
    return ApiError(400, code, message, field=field)


def not_found(code: str, message: str) -> ApiError:
    return ApiError(404, code, message)


def unauthenticated(message: str, code: str = "not_authenticated") -> ApiError:
    headers = {"WWW-Authenticate": 'Bearer realm="gatesync"'}
    return ApiError(401, code, message, headers=headers)


def too_many(message: str, retry_after_s: int) -> ApiError:
    headers = {"Retry-After": str(max(1, retry_after_s))}
    return ApiError(429, "too_many_requests", message, headers=headers)


def busy(message: str) -> ApiError:
    return ApiError(503, "busy", message, headers={"Retry-After": "1"})


def not_ready(code: str, message: str) -> ApiError:
    return ApiError(503, code, message, headers={"Retry-After": "5"})


def from_validation(error: msgspec.ValidationError) -> ApiError:
    """Msgspec says ``Expected `str`, got `int` - at `$.gateId` ``: split what from where."""
    message, _, where = str(error).partition(" - at ")
    path = where.strip("`").removeprefix("$").removeprefix(".")
    code = "unknown_member" if "unknown field" in message else "invalid_request"
    if code == "unknown_member" and (name := message.rpartition("unknown field `")[2].strip("`")):
        path = f"{path}.{name}" if path else name
    return invalid(path or None, message, code)


_CODES = {
    400: ("malformed_request", "The request could not be understood."),
    403: ("forbidden", "You may not do this."),
    404: ("not_found", "There is no such address here."),
    405: ("method_not_allowed", "This address does not take this method."),
    408: ("too_slow", "The request took too long to arrive."),
    411: ("length_required", "The request must say its length."),
    413: ("too_large", "The request is too large."),
    414: ("too_large", "The address is too long."),
    415: ("unsupported_media_type", "This content type is not taken here."),
    431: ("too_large", "The request's headers are too large."),
}


def from_http(error: web.HTTPException) -> ApiError:
    """Aiohttp's own refusals (unknown route, wrong method, body too large) in our form."""
    code, message = _CODES.get(error.status, ("malformed_request", error.reason))
    headers = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
    return ApiError(error.status, code, message, headers=headers)


def body_of(error: ApiError, request_id: str) -> dict[str, Any]:
    content: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.field is not None:
        content["field"] = error.field
    return {"error": {**content, **error.more, "requestId": request_id}}


def as_response(error: ApiError, request_id: str) -> web.Response:
    return web.Response(
        status=error.status,
        body=msgspec.json.encode(body_of(error, request_id)),
        content_type="application/json",
        headers=error.headers,
    )
