"""The pages' files: public, since they hold no data; their data come by the API.

Which pages there are stands in one table, `static/pages.json`: the address, the file, the lowest
role that it is for, the words of its link. The shell reads the same table.
"""

from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec
from aiohttp import web

from sync_server.http.errors import not_found
from sync_server.http.routing import Call, Handler, Query, Route
from sync_server.identity.rights import Right, Role

_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".png": "image/png",
    ".woff2": "font/woff2",
}


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of `pages.json`."""

    address: str
    file: str
    role: Role
    en: str
    ko: str


class PageQuery(Query):
    """What the pages themselves read of their address. `wall=1`: the live page for a wall display."""

    wall: int = 0


def static_folder() -> Traversable:
    return files("sync_server.dashboard") / "static"


def vendor_folder() -> Traversable:
    """Scripts that are not ours, fetched at set-up (ADR 36); empty where that could not be."""
    return files("sync_server.dashboard") / "vendor"


def file_response(name: str) -> web.Response:
    """A file of the two folders themselves, of a known kind; anything else is not there."""
    suffix = name[name.rfind(".") :] if "." in name else ""
    if "/" in name or name.startswith(".") or suffix not in _TYPES:
        raise not_found("not_found", "There is no such file here.")
    found = (folder / name for folder in (static_folder(), vendor_folder()))
    file = next((file for file in found if file.is_file()), None)
    if file is None:
        raise not_found("not_found", "There is no such file here.")
    text = suffix in {".html", ".css", ".js", ".svg"}
    return web.Response(
        body=file.read_bytes(), content_type=_TYPES[suffix], charset="utf-8" if text else None
    )


async def static(call: Call) -> web.StreamResponse:
    return file_response(call.part("name"))


def _page(file: str) -> Handler:
    async def page(_call: Call) -> web.StreamResponse:
        return file_response(file)

    return page


PAGES = msgspec.json.decode((static_folder() / "pages.json").read_bytes(), type=tuple[Page, ...])
ROUTES = (
    *(
        Route("GET", page.address, Right.ANYONE, _page(page.file), f"The page: {page.en}", "pages",
              query=PageQuery, response_type="text/html", statuses=(400,))
        for page in PAGES
    ),
    Route("GET", "/static/{name}", Right.ANYONE, static, "A file of the pages", "pages",
          response_type="*/*", statuses=(404,)),
)  # fmt: skip
