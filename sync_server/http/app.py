"""The aiohttp application: the route table, errors as JSON, security headers."""

import secrets
from collections.abc import Iterable

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler as AioHandler
from aiohttp.web_protocol import RequestHandler

from shared.errors import TransientError, UsageError
from shared.limits import BODY_BYTES_MAX
from sync_server.http import errors
from sync_server.http.authentication import admit
from sync_server.http.routing import Call, Route, read_query
from sync_server.http.services import SERVICES, Services

log = structlog.get_logger("http")

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_CSP_OF_PAGES = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_CSP_OF_DATA = "default-src 'none'; frame-ancestors 'none'"
_PAGES = frozenset({"text/html", "text/css", "text/javascript", "application/javascript"})


def make_app(services: Services, routes: Iterable[Route]) -> web.Application:
    app = web.Application(middlewares=[_answer_errors], client_max_size=BODY_BYTES_MAX)
    app[SERVICES] = services
    for route in routes:
        app.router.add_route(route.method, route.path, _endpoint(route))
    app.on_response_prepare.append(_add_headers)
    return app


def _endpoint(route: Route) -> AioHandler:
    async def endpoint(request: web.Request) -> web.StreamResponse:
        services = request.app[SERVICES]
        received_ms = services.now_ms()
        caller = await admit(request, services, route.right)
        query = read_query(request, route.query)
        return await route.handler(Call(request, services, route, caller, query, received_ms))

    return endpoint


@web.middleware
async def _answer_errors(request: web.Request, handler: AioHandler) -> web.StreamResponse:
    request_id = secrets.token_hex(8)
    try:
        response = await handler(request)
    except errors.ApiError as error:
        return errors.as_response(error, request_id)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return errors.as_response(errors.from_http(error), request_id)
    except TransientError as error:
        return errors.as_response(errors.busy(str(error)), request_id)
    except UsageError as error:
        return errors.as_response(errors.invalid(None, str(error)), request_id)
    except web.RequestPayloadError as error:
        refusal = errors.invalid(None, f"The body can't be read: {error}", "malformed_body")
        return errors.as_response(refusal, request_id)
    except ConnectionError:
        raise  # the caller has gone: nobody is left to answer
    except Exception:
        log.exception("request failed", request_id=request_id, path=request.path)
        message = "Something went wrong here; the log has more under this requestId."
        return errors.as_response(errors.ApiError(500, "internal", message), request_id)
    return response


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
    page = response.content_type in _PAGES
    response.headers["Content-Security-Policy"] = _CSP_OF_PAGES if page else _CSP_OF_DATA
    response.headers.setdefault("Cache-Control", "no-cache" if page else "no-store")
    response.headers["Server"] = "gatesync"


class _Protocol(RequestHandler):
    """Answers what is no HTTP at all (aiohttp's own errors) as JSON too."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's words, in no form of ours
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        request_id = secrets.token_hex(8)
        if status >= 500:
            log.error("connection failed", request_id=request_id, exc_info=exc)
        code = "internal" if status >= 500 else "malformed_request"
        words = "Something went wrong here." if status >= 500 else "This is not a good request."
        response = errors.as_response(errors.ApiError(status, code, words), request_id)
        response.force_close()
        return response


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs the application without an access log; ends open requests within a second."""

    def __init__(self, app: web.Application) -> None:
        super().__init__(
            app,
            access_log=None,
            handle_signals=False,
            handler_cancellation=True,
            auto_decompress=False,  # bodies are bounded in both sizes: see encoding.py
            shutdown_timeout=1.0,
            keepalive_timeout=75.0,
            lingering_time=5.0,
        )

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=made._loop,  # noqa: SLF001 - aiohttp has no public way to a protocol of one's own
            **made._kwargs,  # noqa: SLF001
        )
