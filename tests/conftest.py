"""What every test stands on: no network beyond loopback, no settings from outside."""

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests import postgres

_real_connect = socket.socket.connect
_real_connect_ex = socket.socket.connect_ex


def _refuse_beyond_loopback(sock: socket.socket, address: Any) -> None:
    if sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    host = address[0]
    if host == "localhost" or ipaddress.ip_address(host).is_loopback:
        return
    raise AssertionError(f"a test reached for {host}: tests stay on loopback")


def _connect(sock: socket.socket, address: Any) -> None:
    _refuse_beyond_loopback(sock, address)
    _real_connect(sock, address)


def _connect_ex(sock: socket.socket, address: Any) -> int:
    _refuse_beyond_loopback(sock, address)
    return _real_connect_ex(sock, address)


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", _connect)
    patch.setattr(socket.socket, "connect_ex", _connect_ex)
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GATESYNC_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _logs_as_found() -> Iterator[None]:
    """A command under test configures the logs for its own standard error; that ends with it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[postgres.Cluster]:
    """A real PostgreSQL for the session, started by the first test that asks for it."""
    if postgres.binaries() is None:
        pytest.skip(postgres.MISSING)
    with postgres.cluster() as cluster:
        yield cluster


DATABASES = ("sqlite", "postgresql")


@pytest.fixture
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Of a database without rows: SQLite, or what the parameter says."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield lambda name: f"sqlite:///{tmp_path / name}.db"
        return
    cluster: postgres.Cluster = request.getfixturevalue("postgres_cluster")
    lent: dict[str, str] = {}

    def lend(name: str) -> str:
        return lent.get(name) or lent.setdefault(name, cluster.lend())

    yield lend
    for url in lent.values():
        cluster.take_back(url)


@pytest.fixture
def postgresql_url(new_url: Callable[[str], str]) -> str | None:
    """For a server process: None where the test's database is SQLite in the data folder."""
    url = new_url("sync")
    return url if url.startswith("postgresql") else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`ON_EACH_DATABASE`: True, or names of the module's tests that run on PostgreSQL as well."""
    wanted = getattr(metafunc.module, "ON_EACH_DATABASE", ())
    name = metafunc.function.__name__
    if "new_url" in metafunc.fixturenames and (wanted is True or (wanted and name in wanted)):
        metafunc.parametrize("new_url", DATABASES, indirect=True)
