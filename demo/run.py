"""`make demo`: a server, one gate and a simulated camera, until Ctrl-C.

This is an outside program: it uses only the commands and routes that anyone may use.
Its data stay in var/demo, so that the next run goes on with them; remove the folder to begin anew.
"""

import argparse
import csv
import json
import secrets
import shutil
import signal
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from api import Organiser
from people import write_event, write_participants
from processes import Child, DemoError, run, say
from visitors import FRAMES_PER_SHOWING, SHOWINGS_MAX, Queue, Showing, queue_up

ROOT = Path(__file__).resolve().parent.parent
SHOWINGS_MIN = 200  # ten minutes of visitors
FRAME_S = 1.0
SAVE_EVERY_S = 5.0


class Demo:
    def __init__(self, data: Path, port: int, kiosk_port: int, showings_max: int) -> None:
        self.showings_max = showings_max
        self.port = port
        self.kiosk_port = kiosk_port
        self.data = data
        self.server_data = data / "server"
        self.gate_data = data / "gate"
        self.url = f"http://127.0.0.1:{port}"
        self.bin = Path(sys.executable).parent
        self.queue = Queue(data / "queue.json", data / "camera" / "frames")
        self.watching_since: float | None = None
        self.counted = 0
        self.in_folder = 0
        self.password = ""
        self.server = Child(
            "server",
            [*self.sync_server("serve"), "--host", "127.0.0.1", "--port", str(port)],
            data / "logs" / "server.log",
            while_down="the gate goes on without it",
        )
        self.gate = Child(
            "gate",
            [*self.edge_agent("run"), "--camera", str(self.queue.folder),
             "--beacons", "off", "--kiosk-port", str(kiosk_port)],
            data / "logs" / "gate.log",
            while_down="nobody passes",
            before_start=self.fill_camera,
        )  # fmt: skip

    def sync_server(self, command: str) -> list[str]:
        return [str(self.bin / "sync-server"), command, "--data", str(self.server_data)]

    def edge_agent(self, command: str) -> list[str]:
        return [str(self.bin / "edge-agent"), command, "--data", str(self.gate_data)]

    # --- making things ready

    def prepare(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        self.forget_an_old_event()
        self.init_server()
        self.server.start()
        self.server.wait_ready()
        self.enrol_gate()
        if len(self.queue.waiting) < SHOWINGS_MIN:
            self.next_batch()
        self.gate.start()
        self.gate.wait_ready()
        self.watching_since = time.monotonic()

    def forget_an_old_event(self) -> None:
        file = self.data / "event.json"
        if file.exists():
            end = datetime.fromisoformat(json.loads(file.read_text("utf-8"))["endDate"])
            if end < datetime.now(UTC):
                say("the sample event is over; beginning a new one")
                shutil.rmtree(self.data)
                self.data.mkdir(parents=True)
                self.queue = Queue(self.data / "queue.json", self.queue.folder)

    def init_server(self) -> None:
        sign_in = self.data / "sign-in.json"
        if sign_in.exists():
            self.password = json.loads(sign_in.read_text("utf-8"))["password"]
            return
        say("making the sample event")
        self.password = "-".join(secrets.token_hex(2) for _ in range(3))
        write_event(self.data / "event.json", datetime.now(UTC))
        run(
            [*self.sync_server("init"), "--event", str(self.data / "event.json"),
             "--admin", "demo", "--password-stdin"],
            stdin=self.password + "\n",
        )  # fmt: skip
        sign_in.touch(mode=0o600)
        sign_in.write_text(json.dumps({"name": "demo", "password": self.password}), "utf-8")

    def enrol_gate(self) -> None:
        """Once; and again when the server has moved to another port."""
        file = self.data / "enrolled.json"
        if file.exists() and json.loads(file.read_text("utf-8")) == self.url:
            return
        printed = run([*self.sync_server("enrol"), "--gate", "main-entrance", "--json"])
        code = json.loads(printed)["code"]
        run([*self.edge_agent("enrol"), "--server", self.url, "--code", code])
        file.write_text(json.dumps(self.url), "utf-8")

    def next_batch(self) -> None:
        batch = self.queue.batch + 1
        say(f"importing participants (batch {batch}) and making their tickets")
        sheet = self.data / f"participants-{batch}.csv"
        write_participants(sheet, batch)
        run([*self.sync_server("import"), str(sheet), "--json"], accept=(0, 3))
        mine = f"P{batch}"
        first = self.tickets()
        people = sorted(person for person in first if person.startswith(mine) and len(person) == 5)
        special = self.specials(people[-9:], first)
        good = [first[person] for person in people[:-9]]
        self.queue.extend(queue_up(good, special, batch))

    def tickets(self) -> dict[str, str]:
        """What each participant's QR holds."""
        folder = self.data / "tickets"
        run([*self.sync_server("tickets"), "--out", str(folder), "--format", "csv"])
        with (folder / "tickets.csv").open(encoding="utf-8-sig", newline="") as file:
            return {row["participantId"]: row["payload"] for row in csv.DictReader(file)}

    def specials(self, people: list[str], tickets: dict[str, str]) -> list[Showing]:
        """Nine people with whom something is the matter, and a ticket of another event."""
        organiser = Organiser(self.url, "demo", self.password)
        reissued, cancelled, blocked, late = people[:3], people[3:5], people[5:6], people[6:]
        for person in reissued + late:
            organiser.call("POST", f"/participants/{person}/credentials", {"kind": "ticket"})
        for person in cancelled:
            organiser.call("DELETE", f"/participants/{person}")
        for person in blocked:
            organiser.call("PATCH", f"/participants/{person}", {"status": "blocked"})
        # Issued while the event is live, so these are signed.
        signed = self.tickets()
        showings = [Showing(tickets[reissued[0]], "phone", "revoked: reissued since")]
        showings += [Showing(break_signature(signed[late[0]]), "phone", "forged")]
        showings += [Showing(self.foreign_ticket(), "paper", "of another event")]
        showings += [Showing(tickets[cancelled[0]], "paper", "cancelled")]
        showings += [Showing(signed[late[1]], "phone", "good: issued late, signed")]
        showings += [Showing(tickets[blocked[0]], "rotated", "blocked")]
        showings += [Showing(tickets[reissued[1]], "dark", "revoked: reissued since")]
        showings += [Showing(signed[reissued[1]], "phone", "good: the new ticket")]
        showings += [Showing(tickets[cancelled[1]], "phone", "cancelled")]
        showings += [Showing(signed[late[2]], "paper", "good: issued late, signed")]
        return showings

    def foreign_ticket(self) -> str:
        """A good ticket, but of another event: made by a second server of our own."""
        other = self.data / "other-event"
        shutil.rmtree(other, ignore_errors=True)
        other.mkdir()
        write_event(other / "event.json", datetime.now(UTC), tag="OTHER", name="Another event")
        sheet = other / "participants.csv"
        sheet.write_text("id,name,email\nX1,Sam Other,sam.other@example.com\n", "utf-8")
        command = str(self.bin / "sync-server")
        data = ["--data", str(other / "server")]
        run([command, "init", *data, "--event", str(other / "event.json")])
        run([command, "import", *data, str(sheet), "--json"])
        run([command, "tickets", *data, "--out", str(other), "--format", "csv"])
        with (other / "tickets.csv").open(encoding="utf-8-sig", newline="") as file:
            return next(csv.DictReader(file))["payload"]

    # --- the camera

    def fill_camera(self) -> None:
        """Before the gate starts: what it has not seen yet."""
        self.count_shown()
        self.watching_since = None
        self.counted = 0
        say("rendering what the camera will see")
        self.in_folder = self.queue.render(self.showings_max)

    def count_shown(self) -> None:
        """The camera shows one frame a second, so the time tells how far it is."""
        if self.watching_since is None:
            return
        frames = (time.monotonic() - self.watching_since) / FRAME_S
        shown = min(int(frames / FRAMES_PER_SHOWING), self.in_folder)
        if shown > self.counted:
            self.queue.drop(shown - self.counted)
            self.counted = shown
            if shown == self.in_folder:
                say("everybody in line has passed; Ctrl-C, then `make demo` brings more")

    # --- running

    def watch(self) -> None:
        saved_at = time.monotonic()
        while True:
            time.sleep(0.2)
            now = time.monotonic()
            self.server.watch(now)
            self.gate.watch(now)
            if self.watching_since is None and self.gate.is_up():
                self.watching_since = now
            if now - saved_at > SAVE_EVERY_S and self.gate.is_up():
                saved_at = now
                self.count_shown()

    def greet(self) -> None:
        kiosk = self.gate.ready_line.get("kiosk", f"http://127.0.0.1:{self.kiosk_port}/")
        print(
            f"\n  live page  {self.server.ready_line.get('url', self.url)}\n"
            f"  sign-in    demo  /  {self.password}\n"
            f"  kiosk      {kiosk}\n\n"
            f"  Pull the server's plug:  kill -KILL {self.server.pid}   (it comes back in 10 s)\n"
            f"  Data and logs are in {self.data}; Ctrl-C ends the demo.\n",
            flush=True,
        )

    def stop(self) -> None:
        self.count_shown()
        self.gate.stop()
        self.server.stop()


def break_signature(payload: str) -> str:
    """One letter near the end of a signed ticket changed for another of its alphabet."""
    place = len(payload) - 10
    letter = "B" if payload[place] != "B" else "C"
    return payload[:place] + letter + payload[place + 1 :]


def check_port(port: int, setting: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(
                f"port {port} can't be used ({error.strerror}); "
                f"choose another: make demo {setting}={port + 10}"
            ) from error


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--kiosk-port", type=int, default=8081)
    parser.add_argument("--data", type=Path, default=ROOT / "var" / "demo")
    parser.add_argument(
        "--visitors", type=int, default=SHOWINGS_MAX, help="how many are rendered at a time"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    demo = None
    try:
        check_port(options.port, "DEMO_PORT")
        check_port(options.kiosk_port, "KIOSK_PORT")
        data = options.data.resolve()
        demo = Demo(data, options.port, options.kiosk_port, options.visitors)
        demo.prepare()
        demo.greet()
        demo.watch()
    except KeyboardInterrupt:
        print(flush=True)
        say("ending")
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if demo is not None:
            demo.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
