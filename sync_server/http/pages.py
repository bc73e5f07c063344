"""The live page's files: public, since they hold no data; their data come by the API."""

from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import web

from sync_server.http.errors import not_found
from sync_server.http.routing import Call, Route
from sync_server.identity.rights import Right

_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".png": "image/png",
    ".woff2": "font/woff2",
}


def static_folder() -> Traversable:
    return files("sync_server.dashboard") / "static"


def file_response(name: str) -> web.Response:
    """A file of the folder itself, of a known kind; anything else is not there."""
    suffix = name[name.rfind(".") :] if "." in name else ""
    file = static_folder() / name
    if "/" in name or name.startswith(".") or suffix not in _TYPES or not file.is_file():
        raise not_found("not_found", "There is no such file here.")
    text = suffix in {".html", ".css", ".js", ".svg"}
    return web.Response(
        body=file.read_bytes(), content_type=_TYPES[suffix], charset="utf-8" if text else None
    )


async def page(_call: Call) -> web.StreamResponse:
    return file_response("index.html")


async def static(call: Call) -> web.StreamResponse:
    return file_response(call.part("name"))


ROUTES = (
    Route("GET", "/", Right.ANYONE, page, "The live page", "pages", response_type="text/html"),
    Route("GET", "/static/{name}", Right.ANYONE, static, "A file of the pages", "pages",
          response_type="application/octet-stream", statuses=(404,)),
)  # fmt: skip
