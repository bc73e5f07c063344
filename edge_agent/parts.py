"""The parts of a gate that decide, joined: identity, clock, journal, replica, lane.

`run` puts readers, kiosk and sync around them; `decide` uses them alone. Whoever opens them holds
the folder's lock.
"""

import secrets
import sqlite3
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import uuid_utils

from edge_agent import system_clock
from edge_agent.config import Config
from edge_agent.disk import MIB, Disk, DiskLimits
from edge_agent.facts import FactSource, Place
from edge_agent.folder import GateFolder
from edge_agent.hardware.backlight import Backlight
from edge_agent.hardware.barrier import make_hardware
from edge_agent.identity import Identity, load_identity
from edge_agent.lane import Lane
from edge_agent.manual.gate_settings import load_settings
from edge_agent.ports import Barrier, Clock, Indicator
from edge_agent.storage.journal import Journal
from edge_agent.storage.replica import Replica
from edge_agent.storage.replica_reader import ReplicaReader
from edge_agent.timekeeper import Timekeeper
from shared.errors import UsageError

_CLOCK: Clock = system_clock


@dataclass(slots=True)
class GateParts:
    folder: GateFolder
    identity: Identity
    time: Timekeeper
    journal: Journal
    replica: Replica
    reader: ReplicaReader  # the lane's own
    lane: Lane
    disk: Disk
    barrier: Barrier
    indicator: Indicator
    backlight: Backlight

    @classmethod
    def open(cls, folder: GateFolder, config: Config) -> "GateParts":
        """UsageError, one line, where the folder is not enrolled, newer or not to be read."""
        identity = load_identity(folder.path)
        time = Timekeeper(_CLOCK, folder.clock, enrolled_at_ms=identity.enrolled_at_ms)
        try:
            disk = Disk(folder.path, _limits(config))
            replica = Replica.open(folder.replica)
            received = replica.acknowledged()
            journal = Journal.open(folder.journal, new_epoch=new_epoch, received=received)
        except (sqlite3.Error, OSError) as error:
            raise UsageError(f"the data in {folder.path} can't be opened: {error}") from error
        barrier, indicator = make_hardware(config, folder.barrier_log)
        place = Place(identity.device_id, identity.gate_id, identity.digest_key_bytes())
        reader = _sound_reader(replica)
        lane = Lane(
            FactSource(place, reader, journal),
            journal,
            barrier,
            time,
            disk,
            new_scan_id=new_scan_id,
        )
        set_here = load_settings(folder.gate_settings)  # `decide` alone obeys it too
        lane.facts.usual_direction = config.direction
        lane.facts.closed = set_here.mode != "open"
        light = Backlight(config.backlight)
        return cls(
            folder, identity, time, journal, replica, reader, lane, disk, barrier, indicator, light
        )

    def close(self) -> None:
        self.barrier.close()
        self.reader.close()
        self.replica.close()
        self.journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def new_epoch() -> str:
    """A random 64-bit id as 16 hex digits."""
    return secrets.token_hex(8)


def new_scan_id() -> str:
    return str(uuid_utils.uuid7())


def _sound_reader(replica: Replica) -> ReplicaReader:
    """A list whose very first rows can't be read is put aside before the gate asks it."""
    reader = replica.reader()
    try:
        reader.reference()
    except Exception:
        if not replica.look():
            raise
        reader.reference()
    return reader


def _limits(config: Config) -> DiskLimits:
    return DiskLimits(
        warn_bytes=config.disk_warn_mib * MIB,
        reserve_bytes=config.disk_reserve_mib * MIB,
        slow_ms=config.disk_slow_ms,
    )
