"""The live page: static files only. It reads `/api/v1` like any other caller.

`GET /` answers `static/index.html`, `GET /static/{name}` the other files of the folder, all with
the headers of `PAGE_HEADERS` (aiohttp: `response.headers.update(PAGE_HEADERS)`).
"""

from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parent / "static"

PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
