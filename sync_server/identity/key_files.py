"""Making and copying a server's keys (`DIR/keys`); reading them is `identity/keys.py`."""

import os
import secrets
from pathlib import Path

from shared.errors import UsageError
from sync_server.identity.keys import KEY_BYTES
from sync_server.storage.paths import DataFolder


def make_keys(folder: DataFolder) -> None:
    """Make the keys that are missing; those that are there stay."""
    folder.keys.mkdir(mode=0o700, exist_ok=True)
    for path in _files(folder):
        if not path.exists():
            _write(path, secrets.token_bytes(KEY_BYTES))


def copy_keys(folder: DataFolder, source: Path) -> None:
    """Take over an earlier server's keys; UsageError if they are not all there and whole."""
    found: dict[Path, bytes] = {}
    for path in _files(folder):
        try:
            found[path] = (source / path.name).read_bytes()
        except OSError as error:
            raise UsageError(f"--keys: {source / path.name}: {error.strerror}") from error
        if len(found[path]) != KEY_BYTES:
            raise UsageError(f"--keys: {source / path.name} is not a key of {KEY_BYTES} bytes")
        if path.exists() and path.read_bytes() != found[path]:
            raise UsageError(f"--keys: {folder.keys} holds other keys already; remove them first")
    folder.keys.mkdir(mode=0o700, exist_ok=True)
    for path, key in found.items():
        if not path.exists():
            _write(path, key)


def _files(folder: DataFolder) -> tuple[Path, ...]:
    return (folder.server_key, folder.digest_key, folder.master_key)


def _write(path: Path, key: bytes) -> None:
    """Whole or not at all: a key that was cut short would lock everybody out."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
