"""The page's own files, read once: a gate serves them from memory."""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web

STATIC: Final = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True)
class Pages:
    """`version` changes with any file; a page left open reloads itself when it does."""

    files: dict[str, bytes]
    version: str

    @classmethod
    def read(cls, folder: Path = STATIC) -> "Pages":
        files = {
            path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()
        }
        digest = hashlib.sha256()
        for name, content in files.items():
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return cls(files, digest.hexdigest()[:16])

    async def answer_index(self, _request: web.Request) -> web.Response:
        return self._answer("index.html")

    async def answer_file(self, request: web.Request) -> web.Response:
        return self._answer(request.match_info["name"])

    def _answer(self, name: str) -> web.Response:
        content = self.files.get(name)
        if content is None:
            raise web.HTTPNotFound
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        text = kind.startswith("text/")
        return web.Response(body=content, content_type=kind, charset="utf-8" if text else None)
