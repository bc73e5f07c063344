"""A real PostgreSQL of the tests: a temporary folder, a unix socket, gone with the session.

Binaries come from the machine (`tools/setup.sh --tests` installs them). PostgreSQL refuses to run
as root, so under root it runs as `postgres` or `nobody`.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import psycopg

from sync_server.storage import schema

MISSING = "PostgreSQL is not installed: tools/setup.sh --tests installs it where apt can be used"
PASSWORD = "only-for-tests"
WAIT_S = 60
ROOM_BYTES = 2 << 30
_numbers = count(1)


@cache
def binaries() -> Path | None:
    """The folder of `initdb` and `pg_ctl`; the newest of Debian's, or what PATH has."""
    found = [
        *Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        *Path("/usr/pgsql").glob("bin/initdb"),
    ]
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path))
    numbered = [path for path in found if (path.parent / "pg_ctl").exists()]
    return max(numbered, key=_version, default=Path()).parent if numbered else None


def _version(initdb: Path) -> int:
    number = initdb.parent.parent.name
    return int(number) if number.isdecimal() else 0


def _unprivileged() -> str | None:
    """Whom to run it as: nobody else but ourselves, unless we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    return "nobody"


class Cluster:
    """One PostgreSQL server in a folder; `url(name)` of a database in it."""

    def __init__(self, folder: Path, bin_folder: Path) -> None:
        self.folder = folder
        self._bin = bin_folder
        self._user = _unprivileged()
        self._data = folder / "data"
        self._clean: list[str] = []

    def make(self, *, durable: bool = False) -> None:
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._run("initdb", "-D", self._data, "-U", "gatesync", "-A", "scram-sha-256",
                  "--pwfile", password, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")  # fmt: skip
        settings = [
            "listen_addresses = ''", f"unix_socket_directories = '{self.folder}'",
            "max_connections = 60", "shared_buffers = 64MB", "logging_collector = off",
        ]  # fmt: skip
        if not durable:  # as fast as it can be: it need not outlive the machine
            settings += ["fsync = off", "full_page_writes = off", "autovacuum = off"]
        with (self._data / "postgresql.conf").open("a") as conf:
            conf.write("\n" + "\n".join(settings) + "\n")

    def start(self) -> None:
        log = self.folder / "log"
        self._run("pg_ctl", "-D", self._data, "-l", log, "-w", "-t", str(WAIT_S), "start")

    def stop(self, mode: str = "fast") -> None:
        """`fast` ends sessions; `immediate` is as a power cut of the database's machine."""
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "-t", str(WAIT_S), "stop")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://gatesync:{PASSWORD}@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """An empty database's URL; making one takes half a second."""
        name = f"test_{next(_numbers)}"
        with psycopg.connect(self.url(), autocommit=True) as conn:
            conn.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
        return self.url(name)

    def lend(self) -> str:
        """A database without rows, which may have the schema already."""
        return self._clean.pop() if self._clean else self.new_database()

    def take_back(self, url: str) -> None:
        """Delete all rows: far faster than another database."""
        with psycopg.connect(url) as conn:
            tables = set(schema.metadata.tables) - {"schema_support"}
            found = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            for name in tables & {row[0] for row in found}:
                conn.execute(f'DELETE FROM "{name}"')  # type: ignore[call-overload]
            conn.execute("SELECT setval(seqrelid, 1, false) FROM pg_sequence")
        self._clean.append(url)

    def _run(self, program: str, *arguments: str | Path) -> None:
        subprocess.run(
            [str(self._bin / program), *map(str, arguments)],
            check=True,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            cwd=self.folder,
            user=self._user,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
        )


@contextmanager
def cluster(*, durable: bool = False) -> Iterator[Cluster]:
    """Starts one; `binaries()` must have found some. `durable`: on a disk and with fsync."""
    bin_folder = binaries()
    assert bin_folder is not None, MISSING
    # Not below pytest's folders: those are closed to other users, and a socket's path is short.
    memory = Path("/dev/shm")
    roomy = not durable and memory.is_dir() and shutil.disk_usage(memory).free > ROOM_BYTES
    folder = Path(tempfile.mkdtemp(prefix="gs-pg-", dir=memory if roomy else None))
    made = Cluster(folder, bin_folder)
    try:
        made.make(durable=durable)
        made.start()
        try:
            yield made
        finally:
            made.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
