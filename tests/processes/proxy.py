"""A TCP proxy between a gate and its server that cuts, stalls, truncates, delays and swallows.

Faults come by chance from a seed, or one is armed for the next answer to a path. It reads only so
much HTTP as to know which path a connection asked for last.
"""

import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Literal, Self

Fault = Literal["cut", "stall", "truncate", "delay", "swallow"]

CHUNK_BYTES = 65_536
STALL_S = 1.5
DELAY_S_MAX = 0.4
CONNECTIONS_MAX = 64

WILD: Mapping[Fault, float] = {
    "cut": 0.06,
    "stall": 0.02,
    "truncate": 0.06,
    "delay": 0.15,
    "swallow": 0.08,
}
CALM: Mapping[Fault, float] = {}


class Proxy:
    """Listens on a free loopback port; use as a context. `counts` says what it has done."""

    def __init__(self, port: int, *, seed: int = 0) -> None:
        self.counts: Counter[str] = Counter()
        self.chances: Mapping[Fault, float] = CALM
        self._target = ("127.0.0.1", port)
        self._chance = random.Random(seed)
        self._armed: dict[str, Fault] = {}
        self._down = False
        self._guard = threading.Lock()
        self._open: set[socket.socket] = set()
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS_MAX)
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._drop_all()
        self._thread.join(5)

    def arm(self, path: str, fault: Fault) -> None:
        """The next answer to a request whose path holds this meets the fault, once."""
        with self._guard:
            self._armed[path] = fault

    def met(self, fault: Fault) -> int:
        return self.counts[fault]

    def cut_off(self) -> None:
        """No connection stays, none is made, until `mend`."""
        self._down = True
        self._drop_all()

    def mend(self) -> None:
        self._down = False
        self.chances = CALM

    @contextmanager
    def away(self) -> Iterator[None]:
        self.cut_off()
        yield
        self.mend()

    # --- connections ------------------------------------------------------------------------

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        if self._down or self._takes("cut"):
            client.close()
            return
        try:
            server = socket.create_connection(self._target, timeout=5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        with self._guard:
            self._open |= {client, server}
        connection = _Connection(client, server)
        asks = threading.Thread(target=self._ask, args=(connection,), daemon=True)
        asks.start()
        self._answer(connection)
        connection.close()
        asks.join(5)
        with self._guard:
            self._open -= {client, server}

    def _ask(self, connection: "_Connection") -> None:
        with suppress(OSError):
            while data := connection.client.recv(CHUNK_BYTES):
                line, _, _ = data.partition(b"\r\n")
                if line.endswith(b" HTTP/1.1"):
                    connection.path = line.split(b" ")[1].decode("ascii", "replace")
                connection.server.sendall(data)
        connection.close()

    def _answer(self, connection: "_Connection") -> None:
        """What comes back has been done: a commit stands behind it."""
        with suppress(OSError):
            while data := connection.server.recv(CHUNK_BYTES):
                fault = self._fault_for(connection.path)
                if fault == "delay":
                    self._ended.wait(self._chance.uniform(0, DELAY_S_MAX))
                elif fault == "stall":
                    self._ended.wait(STALL_S)
                elif fault == "truncate":
                    connection.client.sendall(data[: self._chance.randrange(len(data))])
                    return
                elif fault in {"cut", "swallow"}:
                    return
                connection.client.sendall(data)

    def _fault_for(self, path: str) -> Fault | None:
        with self._guard:
            for armed in list(self._armed):
                if armed in path:
                    fault = self._armed.pop(armed)
                    self.counts[fault] += 1
                    return fault
        return next((fault for fault in self.chances if self._takes(fault)), None)

    def _takes(self, fault: Fault) -> bool:
        with self._guard:
            taken = self._chance.random() < self.chances.get(fault, 0)
            self.counts[fault] += taken
        return taken

    def _drop_all(self) -> None:
        with self._guard:
            held = list(self._open)
        for end in held:
            _close(end)


class _Connection:
    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.path = ""

    def close(self) -> None:
        _close(self.client)
        _close(self.server)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
