"""Lists of participants: looked at, imported, watched, undone (API §2, docs/imports.md)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from aiohttp import web

from shared.limits import (
    IMPORT_AT_ONCE_BYTES_MAX,
    IMPORT_UNDO_AT_ONCE_ROWS_MAX,
    LIST_ITEMS_DEFAULT,
    WORKBOOK_WEIGHT,
)
from sync_server.http.answers import Page
from sync_server.http.answers_imports import (
    ImportAccepted,
    ImportedAnswer,
    ImportItem,
    KeptRow,
    PreviewAnswer,
    UndoAnswer,
)
from sync_server.http.errors import ApiError, invalid, not_found
from sync_server.http.forms import ItemsAtMost, RowCursor
from sync_server.http.review import checked_limit
from sync_server.http.routing import Call, Query, Route, decoded, json_response
from sync_server.http.upload import UNNAMED, Upload, receive_file, spooled
from sync_server.identity.rights import Right
from sync_server.registration import import_store
from sync_server.registration.import_desk import NotUndoableError, Request
from sync_server.registration.rows import ListError
from sync_server.registration.sheet_reader import MAGICS

T = TypeVar("T")
_CSV_BYTES = 256 * 1024  # of the refused rows, a piece
_Mapping = Annotated[dict[str, str | None], msgspec.Meta(max_length=500)]


class FileQuery(Query):
    """`mapping` is JSON: heading → field, null for a column that is not used."""

    mapping: Annotated[str, msgspec.Meta(max_length=65_536)] | None = None
    sheet: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    source: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    reinstate: bool = False


class ImportQuery(FileQuery):
    """`job` asks for a job whatever the file's length."""

    dry_run: bool = False
    job: bool = False


class ImportsQuery(Query):
    cursor: str | None = None
    limit: ItemsAtMost = LIST_ITEMS_DEFAULT


class RefusedRowsQuery(Query):
    cursor: RowCursor | None = None
    limit: ItemsAtMost = LIST_ITEMS_DEFAULT


class RefusedQuery(Query):
    language: Literal["en", "ko"] = "en"


class UndoQuery(Query):
    dry_run: bool = False


async def import_file(call: Call) -> web.StreamResponse:
    """Takes a CSV or a workbook as the body, or as a form's file; a large one becomes a job."""
    query: ImportQuery = call.query
    services = call.services
    with contextlib.ExitStack() as stack:
        file = spooled(services.desk.folder)
        stack.callback(file.close)
        upload = await receive_file(call.request, file)
        request = _request(call, upload, dry_run=query.dry_run)
        if not query.job and _weight(upload) <= IMPORT_AT_ONCE_BYTES_MAX:

            def work() -> dict[str, Any]:
                with contextlib.closing(file):
                    return services.desk.run(upload.stream, request)

            stack.pop_all()  # if the caller leaves, what was begun is finished all the same
            return json_response(await _read(work))
        await _read(lambda: services.desk.check(upload.stream, request))
        upload.file.seek(0)
        import_id = await services.import_jobs.start_import(upload.file, upload.size, request)
        stack.pop_all()  # the job closes the file
    job = await _told(call, import_id)
    return json_response({"job": job | {"url": f"/api/v1/participants/imports/{import_id}"}}, 202)


async def preview(call: Call) -> web.StreamResponse:
    """How a file would be understood, and what its first ten rows would do; nothing changes."""
    desk = call.services.desk
    with contextlib.closing(spooled(desk.folder)) as file:
        upload = await receive_file(call.request, file)
        request = _request(call, upload, dry_run=True)
        return json_response(await _read(lambda: desk.preview(upload.stream, request)))


async def list_imports(call: Call) -> web.StreamResponse:
    query: ImportsQuery = call.query
    limit = checked_limit(query.limit)

    def job(conn: Any) -> dict[str, Any]:
        rows, cursor = import_store.newest(conn, query.cursor, limit)
        return {"items": [import_store.as_json(conn, row) for row in rows], "cursor": cursor}

    return json_response(await call.services.database.read(job))


async def read(call: Call) -> web.StreamResponse:
    return json_response(await _told(call, call.part("id")))


async def refused_rows(call: Call) -> web.StreamResponse:
    query: RefusedRowsQuery = call.query
    limit, after = checked_limit(query.limit), query.cursor or "0"
    if not after.isdecimal():
        raise invalid("cursor", "This is no cursor of this list.")
    desk, import_id = call.services.desk, call.part("id")
    try:
        rows = await asyncio.to_thread(desk.refused_rows, import_id, int(after), limit + 1)
    except LookupError as error:
        raise _none_kept() from error
    items = [
        {
            "line": row.line,
            "outcome": "refused",
            "cells": list(row.cells),
            "errors": [fault.as_json() for fault in row.faults],
        }
        for row in rows[:limit]
    ]
    cursor = str(items[-1]["line"]) if len(rows) > limit else None
    return json_response({"items": items, "cursor": cursor})


async def refused(call: Call) -> web.StreamResponse:
    """The refused rows as a CSV: their own cells, the line, and why; for mending and importing."""
    import_id, query = call.part("id"), call.query
    lines = call.services.desk.refused_csv(import_id, query.language)
    try:
        first = await asyncio.to_thread(next, lines)
    except LookupError as error:
        raise _none_kept() from error
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="refused-{import_id[:8]}.csv"',
        }
    )
    await response.prepare(call.request)
    await response.write(first)
    async for piece in _pieces(lines):
        await response.write(piece)
    await response.write_eof()
    return response


async def undo(call: Call) -> web.StreamResponse:
    """Undo a whole import; `dryRun` tells what that would do. Again is no error."""
    query: UndoQuery = call.query
    services, import_id = call.services, call.part("id")
    effect = await _undoing(lambda: services.desk.effect(import_id))
    if query.dry_run:
        return json_response(effect)
    rows = effect["cancelled"] + effect["restored"] + effect["left"]
    if rows <= IMPORT_UNDO_AT_ONCE_ROWS_MAX:
        return json_response(await _undoing(lambda: services.desk.undo(import_id)))
    await services.import_jobs.start_undo(import_id, rows)
    job = await _told(call, import_id)
    return json_response({"job": job | {"url": f"/api/v1/participants/imports/{import_id}"}}, 202)


def _request(call: Call, upload: Upload, *, dry_run: bool) -> Request:
    query: FileQuery = call.query
    said = upload.parts.get("mapping", query.mapping)
    mapping = (
        decoded(said.encode(), lambda text: msgspec.json.decode(text, type=_Mapping))
        if said
        else {}
    )
    return Request(
        source=query.source or upload.source,
        mapping=mapping,
        sheet=upload.parts.get("sheet", query.sheet) or None,
        dry_run=dry_run,
        reinstate=query.reinstate,
        caller=call.person.name,
    )


def _weight(upload: Upload) -> int:
    """How long a file is, as CSV: a workbook is packed."""
    packed = upload.stream.read(8).startswith(MAGICS)
    return upload.size * (WORKBOOK_WEIGHT if packed else 1)


async def _read(work: Callable[[], T]) -> T:
    """Work with a file on a thread; 400 where it is no list."""
    try:
        return await asyncio.to_thread(work)
    except ListError as error:
        korean = error.korean.replace(UNNAMED, "올린 파일")
        raise ApiError(400, "unreadable_file", str(error), messageKo=korean) from error


async def _undoing(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except LookupError as error:
        raise _no_import() from error
    except NotUndoableError as error:
        raise ApiError(422, "not_undoable", str(error)) from error


async def _told(call: Call, import_id: str) -> dict[str, Any]:
    def job(conn: Any) -> dict[str, Any]:
        row = import_store.find(conn, import_id)
        if row is None:
            raise _no_import()
        return import_store.as_json(conn, row)

    progress = call.services.import_jobs.progress_of(import_id)  # first: it ends after the job
    told = await call.services.database.read(job)
    return told if progress is None else told | {"progress": progress}


async def _pieces(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    def piece() -> bytes:
        gathered = bytearray()
        for line in lines:
            gathered += line
            if len(gathered) >= _CSV_BYTES:
                break
        return bytes(gathered)

    while found := await asyncio.to_thread(piece):
        yield found


def _none_kept() -> ApiError:
    return not_found("no_refused_rows", "No refused rows are kept of this import.")


def _no_import() -> ApiError:
    return not_found("import_not_found", "There is no such import.")


_ONE = "/api/v1/participants/imports/{id}"
ROUTES = (
    Route("POST", "/api/v1/participants/import", Right.OPERATOR, import_file,
          "Import a CSV or a workbook; good rows are kept when others are refused", "imports",
          query=ImportQuery, request=bytes, request_type="text/csv",
          example="name,email\n홍길동,hong@example.com\n", response=ImportedAnswer, accepted=ImportAccepted, statuses=(400, 408, 413, 415)),
    Route("POST", "/api/v1/participants/import/preview", Right.OPERATOR, preview,
          "See how a list would be understood", "imports",
          query=FileQuery, request=bytes, request_type="text/csv",
          example="name,email\n홍길동,hong@example.com\n", response=PreviewAnswer, statuses=(400, 408, 413, 415)),
    Route("GET", "/api/v1/participants/imports", Right.OPERATOR, list_imports,
          "Imports, newest first", "imports",
          query=ImportsQuery, response=Page[ImportItem], statuses=(400,)),
    Route("GET", _ONE, Right.OPERATOR, read,
          "One import, with its progress while it runs", "imports",
          response=ImportItem, statuses=(404,)),
    Route("GET", _ONE + "/refused", Right.OPERATOR, refused_rows,
          "The rows that an import refused, by line", "imports",
          query=RefusedRowsQuery, response=Page[KeptRow], statuses=(400, 404)),
    Route("GET", _ONE + "/refused.csv", Right.OPERATOR, refused,
          "The rows that an import refused, and why", "imports",
          query=RefusedQuery, response_type="text/csv", statuses=(400, 404)),
    Route("POST", _ONE + "/undo", Right.OPERATOR, undo,
          "Undo a whole import", "imports",
          query=UndoQuery, response=UndoAnswer, accepted=ImportAccepted, statuses=(400, 404, 422)),
)  # fmt: skip
