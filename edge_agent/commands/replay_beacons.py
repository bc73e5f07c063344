"""`edge-agent replay-beacons FILE`: recorded adverts through parser and presence filter (API §1).

For calibrating a site: walk with a badge, record, and see when the gate would have taken note.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import msgspec

from edge_agent.readers.adverts import frames, identities
from edge_agent.readers.presence_filter import Change, PresenceFilter
from shared.errors import UsageError

EXIT_FINE = 0
_LINE_BYTES_MAX = 64 * 1024
_RSSI_MIN, _RSSI_MAX = -127, 20
_COMPANY_MAX = 0xFFFF


class Advert(msgspec.Struct, rename="camel"):
    """One line: `t` in seconds, data in hex. Other members are left alone."""

    t: float
    rssi: float
    manufacturer_data: dict[str, str] = {}
    service_data: dict[str, str] = {}


def replay_beacons(file: Path, *, measured_power: int | None, as_json: bool, out: TextIO) -> int:
    """`measured_power` stands in for what the badges say of themselves."""
    try:
        with file.open("rb") as lines:
            for change in _changes(_adverts(lines, file), measured_power, file):
                print(_line(change, as_json=as_json), file=out, flush=True)
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}") from error
    return EXIT_FINE


def _adverts(lines: Iterable[bytes], file: Path) -> Iterator[tuple[int, Advert]]:
    decoder = msgspec.json.Decoder(Advert)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            if len(line) > _LINE_BYTES_MAX:
                raise ValueError(f"it is longer than {_LINE_BYTES_MAX} bytes")
            advert = decoder.decode(line.removeprefix(b"\xef\xbb\xbf"))
            if not _RSSI_MIN <= advert.rssi <= _RSSI_MAX:
                raise ValueError(f"rssi {advert.rssi} is no signal strength in dBm")
        except (msgspec.DecodeError, ValueError) as error:
            raise UsageError(f"{file}, line {number}: {error}") from error
        yield number, advert


def _changes(
    adverts: Iterable[tuple[int, Advert]], measured_power: int | None, file: Path
) -> Iterator[Change[str]]:
    presence: PresenceFilter[str] = PresenceFilter()
    now_ms: int | None = None
    for number, advert in adverts:
        at_ms = round(advert.t * 1_000)
        # Recordings of several receivers are merged by hand: a step back of a moment is no fault.
        now_ms = at_ms if now_ms is None else max(now_ms, at_ms)
        yield from presence.passed(now_ms)
        try:
            manufacturer = {_company(key): bytes.fromhex(value)
                            for key, value in advert.manufacturer_data.items()}  # fmt: skip
            service = {k.lower(): bytes.fromhex(v) for k, v in advert.service_data.items()}
        except ValueError as error:
            raise UsageError(f"{file}, line {number}: {error}") from error
        for seen in identities(frames(manufacturer, service)):
            power_dbm = seen.power_dbm if measured_power is None else measured_power
            yield from presence.heard(seen.canonical, advert.rssi, now_ms, power_dbm)
    # Nobody knows what came after the recording: who was there then has not left in it.


def _company(text: str) -> int:
    number = int(text)
    if not 0 <= number <= _COMPANY_MAX:
        raise ValueError(f"{number} is no company id")
    return number


def _line(change: Change[str], *, as_json: bool) -> str:
    t = round(change.at_ms / 1_000, 3)
    if as_json:
        found = {"t": t, "beacon": change.key, "event": change.event, "rssi": change.rssi}
        return json.dumps(found, separators=(",", ":"))
    word = "came" if change.event == "enter" else "left"
    return f"{t:9.2f} s  {word}  {change.key}  {change.rssi:.1f} dBm"
