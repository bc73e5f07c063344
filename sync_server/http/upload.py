"""Files that come as a body, or as a part of a form: kept beside the database, never in memory."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO, cast
from urllib.parse import unquote

from aiohttp import BodyPartReader, web

from shared.limits import IMPORT_BYTES_MAX, IMPORT_UPLOAD_S_MAX
from sync_server.http.encoding import encoding_of
from sync_server.http.errors import ApiError, invalid

_MEMORY_BYTES = 1024 * 1024  # a larger upload waits on disk
_PART_BYTES_MAX = 64 * 1024  # of what stands beside the file in a form
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TYPES = frozenset({
    "text/csv",
    "text/plain",
    "text/tab-separated-values",
    "application/csv",
    "application/octet-stream",
    "application/vnd.ms-excel",
    "application/vnd.oasis.opendocument.spreadsheet",
    _SHEET,
})  # fmt: skip
UNNAMED = "the uploaded file"


@dataclass(slots=True)
class Upload:
    """`parts` are the other parts of the form, by name."""

    file: IO[bytes]
    source: str = UNNAMED
    size: int = 0
    parts: dict[str, str] = field(default_factory=dict)

    @property
    def stream(self) -> BinaryIO:
        """The file from its beginning."""
        self.file.seek(0)
        return cast(BinaryIO, self.file)


def spooled(folder: Path | None = None) -> IO[bytes]:
    """A file without a name, to be closed: nothing is left of it, however the server ends."""
    if folder is not None:
        folder.mkdir(mode=0o700, exist_ok=True)
    place = None if folder is None else str(folder)
    return tempfile.SpooledTemporaryFile(_MEMORY_BYTES, dir=place)


async def receive_file(request: web.Request, file: IO[bytes]) -> Upload:
    """Store the upload and tell of it; 413 beyond the limit, 415 where it is no file."""
    if encoding_of(request) is not None:
        raise ApiError(415, "unsupported_encoding", "Send the file as it is, not compressed.")
    length = request.content_length
    if length is not None and length > IMPORT_BYTES_MAX + _PART_BYTES_MAX:
        raise _too_large()
    upload = Upload(file)
    try:
        async with asyncio.timeout(IMPORT_UPLOAD_S_MAX):
            await _receive(request, upload)
    except TimeoutError as error:
        message = f"A file must have arrived within {IMPORT_UPLOAD_S_MAX} s."
        raise ApiError(408, "too_slow", message) from error
    return upload


async def _receive(request: web.Request, upload: Upload) -> None:
    if request.content_type == "multipart/form-data":
        await _receive_form(request, upload)
        return
    if request.content_type not in TYPES:
        raise ApiError(
            415, "unsupported_media_type", "Send the file as text/csv or multipart/form-data."
        )
    await _store(request.content.iter_chunked(65_536), upload)


async def _receive_form(request: web.Request, upload: Upload) -> None:
    found = False
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                continue
            if part.filename is not None and not found:
                found = True
                upload.source = unquote(part.filename)[:200] or upload.source
                await _store(_pieces(part), upload)
            elif part.filename is None and part.name:
                upload.parts[part.name] = await _text_of(part)
    except ValueError as error:  # aiohttp's word for a form without its boundary
        raise invalid(None, "The body is not a whole form.", "malformed_body") from error
    if not found:
        raise invalid(None, "The form holds no file: send the CSV as one of its parts.")


async def _text_of(part: BodyPartReader) -> str:
    text = b""
    async for piece in _pieces(part):
        text += piece
        if len(text) > _PART_BYTES_MAX:
            raise ApiError(413, "too_large", f"A part may have {_PART_BYTES_MAX} bytes.")
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise invalid(part.name, f"{part.name} is not UTF-8.", "malformed_body") from error


async def _pieces(part: BodyPartReader) -> AsyncIterator[bytes]:
    while piece := await part.read_chunk(65_536):
        yield bytes(piece)


async def _store(pieces: AsyncIterator[Any], upload: Upload) -> None:
    async for piece in pieces:
        upload.size += len(piece)
        if upload.size > IMPORT_BYTES_MAX:
            raise _too_large()
        upload.file.write(piece)


def _too_large() -> ApiError:
    return ApiError(413, "too_large", f"At most {IMPORT_BYTES_MAX} bytes are taken.")
