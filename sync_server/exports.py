"""Complete exports of a deployment: on a connection of their own, one at a time, into a file first.

A file first, because a slow reader of the answer would hold one state of the database for as long
as it reads.
"""

import asyncio
import os
import tempfile
import threading
from contextlib import closing
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from shared.errors import TransientError, UsageError
from sync_server.privacy.vault import Vault
from sync_server.report.export import write_export
from sync_server.storage.connections import make_engine, parse_url
from sync_server.storage.link import Link
from sync_server.storage.paths import DataFolder

_one_at_a_time = threading.Lock()


class Exports:
    """Of one data folder; files that wait to be read lie there, without a name."""

    def __init__(self, folder: DataFolder, database_url: str, vault: Vault) -> None:
        self._folder, self._url, self._vault = folder, database_url, vault

    async def make(self, now_ms: int, *, personal: bool) -> IO[bytes]:
        """The whole export, at its beginning; whoever closes it removes it."""
        return await asyncio.to_thread(self._make, now_ms, personal=personal)

    def write(self, to: Path, now_ms: int, *, personal: bool) -> dict[str, Any]:
        """The whole export as a file, whole or not there at all. Returns its manifest."""
        new = to.with_name(f".{to.name}.new")
        try:
            with os.fdopen(os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                manifest = self._fill(file, now_ms, personal=personal)
                file.flush()
                os.fsync(file.fileno())
            new.replace(to)
        except OSError as error:
            raise UsageError(f"{to}: the export can't be written ({error.strerror})") from error
        finally:
            new.unlink(missing_ok=True)
        return manifest

    def _make(self, now_ms: int, *, personal: bool) -> IO[bytes]:
        file: IO[bytes] = tempfile.TemporaryFile(dir=self._folder.path)  # noqa: SIM115 - handed on
        try:
            self._fill(cast(BinaryIO, file), now_ms, personal=personal)
            file.seek(0)
        except OSError as error:
            file.close()
            raise TransientError(f"No room for the export here: {error.strerror}.") from error
        except BaseException:
            file.close()
            raise
        return file

    def _fill(self, file: BinaryIO, now_ms: int, *, personal: bool) -> dict[str, Any]:
        if not _one_at_a_time.acquire(blocking=False):
            raise TransientError("Another export is being made: try again in a minute.")
        engine = make_engine(parse_url(self._url), writes=False)
        try:
            with closing(Link(engine, writes=False)) as link:

                def job(conn: Any) -> dict[str, Any]:
                    file.seek(0)
                    file.truncate()  # a lost connection runs it again from the start
                    return write_export(conn, self._vault, file, now_ms, personal=personal)

                return link.run(job)
        finally:
            engine.dispose()
            _one_at_a_time.release()
