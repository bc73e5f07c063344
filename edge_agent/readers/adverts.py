"""Beacon frames in BLE advertisements: bytes in, frames out. Pure, and strict on what is malformed.

Layouts as bleak hands them on, length and type already stripped (FINDINGS §2): iBeacon and
AltBeacon in the manufacturer's data, Eddystone in the service data of 0xFEAA. A frame of another
length, an unknown frame type or an encrypted TLM is no frame of ours: counted by nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from shared import beacons

APPLE = 0x004C
EDDYSTONE = "0000feaa-0000-1000-8000-00805f9b34fb"
POWER_0M_TO_1M_DB = 41
"""Eddystone states the power at 0 m; over the first metre 41 dB are lost (its specification)."""
POWER_DBM_MIN, POWER_DBM_MAX = -90, -30
"""A measured power at 1 m outside of this is a misconfigured badge, or one that wants to be taken
for near from far away: the gate's own figure stands in."""
_IBEACON_BYTES, _ALTBEACON_BYTES = 23, 24
_UID_BYTES, _TLM_BYTES, _EID_BYTES = 20, 14, 10
_NO_TEMPERATURE = -0x8000


class Identity(msgspec.Struct, frozen=True):
    """A frame that says who sends it. `power_dbm` is its measured power at 1 m, if plausible."""

    canonical: str
    power_dbm: int | None
    eid: bytes | None = None  # of a rotating id

    @property
    def rotating(self) -> bool:
        return self.eid is not None


class Telemetry(msgspec.Struct, frozen=True):
    """Eddystone-TLM: it does not say of which badge; its sender's other frames do."""

    battery_mv: int | None  # None: not measured, as on mains
    temperature_c: float | None
    adverts: int
    uptime_s: float


Frame = Identity | Telemetry


def frames(
    manufacturer_data: Mapping[int, bytes], service_data: Mapping[str, bytes]
) -> list[Frame]:
    """All frames of one advertisement that are whole; mostly none."""
    found: list[Frame] = []
    for company, data in manufacturer_data.items():
        frame: Frame | None = _ibeacon(data) if company == APPLE else None
        frame = frame or _altbeacon(data)
        if frame is not None:
            found.append(frame)
    eddystone = service_data.get(EDDYSTONE)
    if eddystone is not None:
        frame = _eddystone(eddystone)
        if frame is not None:
            found.append(frame)
    return found


def identities(found: Iterable[Frame]) -> list[Identity]:
    return [frame for frame in found if isinstance(frame, Identity)]


def _ibeacon(data: bytes) -> Identity | None:
    if len(data) != _IBEACON_BYTES or data[:2] != b"\x02\x15":
        return None
    major, minor = int.from_bytes(data[18:20]), int.from_bytes(data[20:22])
    return Identity(beacons.ibeacon(data[2:18], major, minor), _power(data[22:23]))


def _altbeacon(data: bytes) -> Identity | None:
    if len(data) != _ALTBEACON_BYTES or data[:2] != b"\xbe\xac":
        return None
    return Identity(beacons.altbeacon(data[2:22]), _power(data[22:23]))


def _eddystone(data: bytes) -> Frame | None:
    kind = data[:1]
    if kind == b"\x00" and len(data) == _UID_BYTES:
        canonical = beacons.eddystone_uid(data[2:12], data[12:18])
        return Identity(canonical, _power(data[1:2], POWER_0M_TO_1M_DB))
    if kind == b"\x30" and len(data) == _EID_BYTES:
        eid = data[2:10]
        return Identity(beacons.eddystone_eid(eid), _power(data[1:2], POWER_0M_TO_1M_DB), eid)
    if data[:2] == b"\x20\x00" and len(data) == _TLM_BYTES:
        return _telemetry(data)
    return None


def _telemetry(data: bytes) -> Telemetry:
    temperature = int.from_bytes(data[4:6], signed=True)
    return Telemetry(
        battery_mv=int.from_bytes(data[2:4]) or None,
        temperature_c=None if temperature == _NO_TEMPERATURE else temperature / 256,
        adverts=int.from_bytes(data[6:10]),
        uptime_s=int.from_bytes(data[10:14]) / 10,
    )


def _power(byte: bytes, lost_db: int = 0) -> int | None:
    power_dbm = int.from_bytes(byte, signed=True) - lost_db
    return power_dbm if POWER_DBM_MIN <= power_dbm <= POWER_DBM_MAX else None
