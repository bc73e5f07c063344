"""A gate on a temporary folder, with clocks that a test moves."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_agent import system_clock
from edge_agent.disk import Disk, DiskLimits
from edge_agent.facts import FactSource, Place
from edge_agent.hardware.barrier import FakePin
from edge_agent.identity import DeviceKey, Identity, b64_encode, save_identity
from edge_agent.lane import Lane
from edge_agent.ports import Outcome, Sighting
from edge_agent.storage.journal import Journal
from edge_agent.storage.replica import Replica
from edge_agent.timekeeper import Timekeeper
from shared import credentials, wire
from tests.edge_agent.storage import lines

KEY = lines.KEY


def letters(n: int) -> str:
    return credentials.make_letters(n.to_bytes(10))


def code(n: int) -> str:
    return credentials.payload("TCF24", letters(n))


def digest(n: int) -> str:
    return credentials.ticket_digest(KEY, letters(n))


@dataclass
class Clocks:
    boot: int = 1_000_000
    wall: int = lines.NOON_MS
    boot_name: str = "boot-1"

    def boot_ms(self) -> int:
        return self.boot

    def wall_ms(self) -> int:
        return self.wall

    def boot_id(self) -> str:
        return self.boot_name

    def pass_s(self, seconds: float) -> None:
        self.boot += int(seconds * 1_000)
        self.wall += int(seconds * 1_000)


class Gate:
    """Everything of a gate but readers, kiosk and network."""

    def __init__(self, folder: Path, *, synced: bool = True, epoch: str = "00000000000000aa"):
        self.clocks = Clocks()
        self.time = Timekeeper(self.clocks)
        if synced:
            now, boot = self.clocks.wall, self.clocks.boot
            self.time.learn(boot, now, now, boot)
        self.journal = Journal.open(folder / "journal.db", new_epoch=lambda: epoch)
        self.replica = Replica.open(folder / "replica.db")
        self.disk = Disk(folder, DiskLimits())
        self.pin = FakePin()
        self.reader = self.replica.reader()
        self.number = self.journal.head
        self.lane = self._lane()

    def _lane(self) -> Lane:
        place = Place("D1", "main", KEY)
        facts = FactSource(place, self.reader, self.journal)
        return Lane(facts, self.journal, self.pin, self.time, self.disk, new_scan_id=self._next_id)

    def restart_lane(self) -> None:
        self.lane = self._lane()

    def _next_id(self) -> str:
        self.number += 1
        return f"scan-{self.number}"

    def list(self, *extra: Any, people: int = 3) -> None:
        """A first list: event, gate `main`, people P1… with tickets."""
        rows: list[Any] = [lines.event(), lines.gate()]
        for n in range(1, people + 1):
            rows += [lines.participant(n, 2 + n), lines.credential(n, 2 + n, digest(n))]
        self.replica.apply_page([*rows, *extra], lines.page(10))

    def present(self, text: str, **more: Any) -> Outcome:
        sighting = Sighting("qr", text, None, self.clocks.boot, "camera")
        return self.lane.present(sighting, **more)

    def reason(self, text: str, **more: Any) -> str:
        return self.present(text, **more).decision.reason.label

    def close(self) -> None:
        self.reader.close()
        self.replica.close()
        self.journal.close()


def enrolled_folder(folder: Path, *, people: int = 3, server: str = "http://127.0.0.1:9") -> Path:
    """A data folder as `enrol` leaves it, of an event that is on now; tickets `code(1)` …"""
    folder.mkdir(exist_ok=True)
    identity = Identity("D1", "main", "conf", server, "", b64_encode(KEY), "", "Main", None)
    save_identity(folder, identity)
    DeviceKey.load_or_make(folder)
    now = system_clock.wall_ms()
    rows: list[Any] = [
        lines.event(
            start_date=wire.format_time(now - 3_600_000), end_date=wire.format_time(now + 3_600_000)
        ),
        lines.gate(),
    ]
    for n in range(1, people + 1):
        rows += [lines.participant(n, 2 + n), lines.credential(n, 2 + n, digest(n))]
    replica = Replica.open(folder / "replica.db")
    replica.apply_page(rows, lines.page(10, server_ms=now))
    replica.close()
    return folder
