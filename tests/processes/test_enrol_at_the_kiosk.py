"""An installer at a fresh gate: the code held to its camera or typed, and plain answers to wrong ones."""

import json
from pathlib import Path
from typing import Any

import pytest
import segno

from tests.processes.fleet import Process, Server, call, ending, free_port, until

pytestmark = pytest.mark.process


class Fresh:
    """`edge-agent run` on an empty folder, its camera a folder of pictures."""

    def __init__(self, folder: Path) -> None:
        self.pictures = folder / "pictures"
        self.pictures.mkdir()
        self.data = folder / "fresh"
        self.process: Process | None = Process(
            "edge-agent", "run", "--data", str(self.data), "--camera", str(self.pictures),
            "--kiosk-port", str(free_port()), log=folder / "fresh.log",
        )  # fmt: skip
        assert self.process.ready["event"] == "not_enrolled"
        self.kiosk = self.process.ready["kiosk"].rstrip("/")

    def state(self) -> dict[str, Any]:
        try:
            return dict(call(f"{self.kiosk}/api/state")[1])
        except OSError:
            return {}  # between the two pages

    def type(self, text: str) -> None:
        assert call(f"{self.kiosk}/api/present", {"code": text})[0] == 200

    def problem(self) -> str:
        said = self.state()["enrolment"]["problem"]
        return "" if said is None else str(said["en"])

    def hold(self, text: str) -> None:
        """A whole picture appears at once, as a camera's does."""
        name = f"{len(list(self.pictures.iterdir()))}.png"
        segno.make(text, error="m").save(str(self.data / name), scale=8, border=6)
        (self.data / name).rename(self.pictures / name)


def made(server: Server, gate: str) -> dict[str, Any]:
    return dict(json.loads(server.command("enrol", "--gate", gate, "--json")))


def test_a_fresh_gate_is_enrolled_by_its_own_camera(tmp_path: Path) -> None:
    server = Server(tmp_path, participants=3).start()
    fresh = Fresh(tmp_path)
    with ending(server, fresh):  # type: ignore[arg-type]
        assert fresh.state()["enrolment"]["state"] == "not_enrolled"
        assert fresh.state()["enrolment"]["address"]
        fresh.type("hello")
        until(lambda: "Type the server" in fresh.problem(), "a bare word is no code")
        fresh.type(f"{server.url} WRONG-CODE")
        until(lambda: "does not know this code" in fresh.problem(), "a wrong code is told")
        url = made(server, "g2")["url"]
        fresh.type(url[: url.index("key=")] + "key=0123456789abcdef")
        until(lambda: "Another server" in fresh.problem(), "a wrong fingerprint is told")
        fresh.hold(made(server, "g1")["url"])
        until(lambda: fresh.state().get("gate"), "it goes on as a gate, on the same page")
        assert fresh.state()["gate"]["name"] == "Gate 1"
        code = next(iter(server.codes().values()))
        status, answer = call(f"{fresh.kiosk}/api/present", {"code": code})
        assert (status, answer["admitted"]) == (200, True)
