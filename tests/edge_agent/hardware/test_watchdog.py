"""The heartbeat as systemd hears it."""

import socket
from pathlib import Path

from edge_agent.hardware.watchdog import BEAT_S_DEFAULT, Watchdog


def test_systemd_hears_ready_and_each_beat(tmp_path: Path) -> None:
    device = tmp_path / "watchdog"
    device.touch()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        said = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "6000000"}
        dog = Watchdog(said, str(device))
        dog.ready()
        dog.beat()
        dog.stopping()
        heard = [systemd.recv(100) for _ in range(3)]
    assert heard == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]
    assert dog.beat_s == 2
    assert device.read_bytes() == b"\nV", "the magic close comes last"


def test_without_systemd_nothing_is_said() -> None:
    dog = Watchdog({})
    dog.ready()
    dog.beat()
    dog.stopping()
    assert dog.beat_s == BEAT_S_DEFAULT
