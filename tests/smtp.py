"""Starts `tests.smtp_process`, and reads what arrived there."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from tests.smtp_process import HOST, make_authority

ROOT = Path(__file__).parent.parent
SENDER = "Demo Event <tickets@event.example.org>"


@dataclass
class Arrived:
    message: EmailMessage
    envelope: dict[str, Any]

    @property
    def to(self) -> str:
        (address,) = self.envelope["to"]
        return str(address)


class MailServer:
    """A process; `stop` it and `start` it again at the same port."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self._options = folder / "arrived", options
        self.folder.mkdir(parents=True)
        self.ca_file, self._chain = make_authority(folder)
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.smtp_process", str(self.folder),
             "--chain", str(self._chain), "--port", str(self.port), *self._options],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the mail server did not start"
        self.port = json.loads(line)["port"]

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def arrived(self) -> list[Arrived]:
        """In the order of arrival; a file's envelope is written before it."""
        return [
            Arrived(
                message_from_bytes(path.read_bytes(), policy=policy.default),  # type: ignore[arg-type]
                json.loads(path.with_suffix(".json").read_text()),
            )
            for path in sorted(self.folder.glob("*.eml"))
        ]

    def settings(self, **more: Any) -> dict[str, Any]:
        """For a `Config`."""
        return {
            "smtp_host": HOST, "smtp_port": self.port, "smtp_ca_file": str(self.ca_file),
            "mail_from": SENDER, "mail_per_minute": 60_000, "mail_pause_s": 0,
            "mail_timeout_s": 20, "mail_language": "ko", **more,
        }  # fmt: skip


@contextmanager
def mail_server(folder: Path, *options: str) -> Iterator[MailServer]:
    made = MailServer(folder, *options)
    made.start()
    try:
        yield made
    finally:
        made.stop()
