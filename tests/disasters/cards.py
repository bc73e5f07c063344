"""Cards that fail, made of loop devices and tmpfs; what needs root says so and is skipped."""

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes.fleet import Gate, call

_EXT4_IOC_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2
_SBIN = "/usr/sbin:/sbin"


def _run(*command: str | Path) -> str:
    path = f"{os.environ.get('PATH', '')}:{_SBIN}"
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode:
        raise OSError(f"{command[0]}: {done.stderr.strip()}")
    return done.stdout


def _tool(name: str) -> bool:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_SBIN}") is not None


def need_root(*tools: str) -> None:
    """Skip with a word where this machine can't make the disaster."""
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts a file system of its own")
    missing = [tool for tool in tools if not _tool(tool)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: tools/setup.sh --tests installs them")


class Card:
    """A small ext4 in a file, mounted: a card that can be cut off, or turn read-only."""

    def __init__(self, folder: Path, mib: int = 48) -> None:
        need_root("mkfs.ext4", "mount", "umount")
        self.image = folder / "card.img"
        self.path = folder / "card"
        self.path.mkdir()
        self._mounted = False
        with self.image.open("wb") as file:
            file.truncate(mib << 20)
        _run("mkfs.ext4", "-q", "-F", self.image)
        self.mount()

    def mount(self) -> None:
        try:
            _run("mount", "-o", "loop,errors=remount-ro", self.image, self.path)
        except OSError as error:
            pytest.skip(f"this machine mounts no loop device: {error}")
        self._mounted = True

    def unmount(self) -> None:
        if self._mounted:
            _run("umount", self.path)
            self._mounted = False

    def cut_power(self) -> None:
        """From here on nothing reaches the card: what was not synced is gone."""
        handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _EXT4_IOC_SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(handle)

    def turn_read_only(self) -> None:
        """As a worn card does: the kernel meets an error and writes nothing more."""
        device = _run("findmnt", "-no", "SOURCE", self.path).strip()
        Path(f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error").write_text("worn out")

    def bytes_written(self) -> int:
        """To the device since it was made, by the kernel's own count."""
        device = _run("findmnt", "-no", "SOURCE", self.path).strip()
        sectors = Path(f"/sys/block/{Path(device).name}/stat").read_text().split()[6]
        return int(sectors) * 512


@contextlib.contextmanager
def card(folder: Path, mib: int = 48) -> Iterator[Card]:
    made = Card(folder, mib)
    try:
        yield made
    finally:
        with contextlib.suppress(OSError):
            made.unmount()


@contextlib.contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[Path]:
    """A disk that is soon full."""
    need_root("mount", "umount")
    path = folder / "disk"
    path.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", path)
    except OSError as error:
        pytest.skip(f"this machine mounts no tmpfs: {error}")
    try:
        yield path
    finally:
        _run("umount", "-l", path)


def state(gate: Gate) -> dict[str, Any]:
    """What the kiosk is told: asked by HTTP, a hundred times cheaper than the `status` command."""
    assert gate.process is not None
    return dict(call(f"{gate.process.ready['kiosk'].rstrip('/')}/api/state")[1])


def sent(gate: Gate) -> bool:
    return state(gate)["waiting"] == 0


def troubles(gate: Gate) -> dict[str, str]:
    return {one["code"]: one["en"] for one in state(gate)["troubles"]}
