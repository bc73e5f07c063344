"""What every test stands on: no network beyond loopback, no settings from outside."""

import ipaddress
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

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
