"""The beacon reader: adverts in, sightings of this event's badges out. Implements `ports.Reader`.

Strangers' devices are counted and forgotten: no address and no id of theirs is kept, logged or
stored. Only while an operator pairs a badge at this gate is the strongest unknown one named.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import NamedTuple

import structlog

from edge_agent import system_clock
from edge_agent.ports import Badge, Badges, Emit, ReaderHealth, Sighting
from edge_agent.readers.adverts import Identity, Telemetry, frames
from edge_agent.readers.bluetooth import Bluetooth, Heard
from edge_agent.readers.pairing import NearestUnknown
from edge_agent.readers.presence_filter import PresenceFilter, PresenceSettings
from shared.beacon_settings import BeaconAdmit, BeaconSettings
from shared.limits import BADGE_SENDERS_MAX

log = structlog.get_logger(__name__)

_TICK_S = 1.0
BATTERY_LOW_MV = 2_400
"""Of a CR2032, as most badges have: at 2.4 V a tenth is left (its usual discharge curve)."""


class _Sender(NamedTuple):
    """What a badge's sender said of itself; only badges of this event are kept."""

    digest: str
    battery_mv: int | None


class BeaconReader:
    """`badges` is None where there is no gate, as for an installer: then it hears only."""

    def __init__(
        self,
        adapter: str,
        badges: Badges | None = None,
        *,
        bluetooth: Bluetooth | None = None,
        nearest: NearestUnknown | None = None,
        name: str = "beacons",
    ) -> None:
        self.name = name
        self.nearest = nearest or NearestUnknown()
        self._off = adapter == "off"
        self._badges = badges
        self._bluetooth = bluetooth or Bluetooth(adapter)
        self._settings = BeaconSettings()
        self._presence: PresenceFilter[str] = PresenceFilter()
        self._senders: OrderedDict[str, _Sender] = OrderedDict()
        self._frames = 0
        self._strangers = 0
        self._fixed_not_taken = 0
        self._sightings = 0
        self._last_badge_ms: int | None = None

    async def run(self, emit: Emit) -> None:
        if self._off:
            await asyncio.Event().wait()
        self._refresh()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tick())
            await self._bluetooth.run(lambda heard: self._hear(heard, emit))

    def health(self) -> ReaderHealth:
        if self._off:
            return ReaderHealth(self.name, "off", "Beacons are switched off.", {})
        trouble = self._bluetooth.trouble
        if trouble is not None:
            more = " Tickets and typed codes work as ever."
            detail = trouble.detail + more
            return ReaderHealth(self.name, trouble.state, detail, self._figures(), trouble.advice)
        detail, advice = self._described()
        return ReaderHealth(self.name, "running", detail, self._figures(), advice)

    # --- on the reader's own loop ---------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            if self._badges is not None:
                await asyncio.to_thread(self._badges.renew)
            await asyncio.sleep(_TICK_S)
            self._refresh()
            self._presence.passed(system_clock.boot_ms())

    def _refresh(self) -> None:
        if self._badges is None:
            return
        settings = self._badges.refresh()
        if settings != self._settings:
            self._settings = settings
            self._presence.settings = PresenceSettings.of(settings)

    def _hear(self, heard: Heard, emit: Emit) -> None:
        for frame in frames(heard.manufacturer_data, heard.service_data):
            self._frames += 1
            if isinstance(frame, Telemetry):
                self._take_telemetry(heard.sender, frame)
            else:
                self._take_identity(frame, heard, emit)

    def _take_identity(self, frame: Identity, heard: Heard, emit: Emit) -> None:
        badge = self._known(frame)
        if badge is None:
            self._strangers += 1
            self.nearest.heard(frame, heard.rssi)
            return
        at_ms = system_clock.boot_ms()
        self._last_badge_ms = at_ms
        self._remember_sender(heard.sender, badge)
        if not self._taken(badge):
            self._fixed_not_taken += not badge.rotating
            return
        power_dbm = self._settings.measured_power or frame.power_dbm
        for change in self._presence.heard(badge.digest, heard.rssi, at_ms, power_dbm):
            if change.event == "enter" and change.key == badge.digest:
                self._sightings += 1
                emit(
                    Sighting("beacon", frame.canonical, change.rssi, at_ms, self.name, badge.digest)
                )

    def _known(self, frame: Identity) -> Badge | None:
        if self._badges is None:
            return None
        if frame.rotating:
            return self._badges.rotating(frame.canonical)
        return self._badges.fixed(frame.canonical)

    def _taken(self, badge: Badge) -> bool:
        admit = self._settings.beacon_admit
        return admit is BeaconAdmit.ANY or (admit is BeaconAdmit.ROTATING and badge.rotating)

    def _remember_sender(self, sender: str, badge: Badge) -> None:
        known = self._senders.pop(sender, None)
        battery_mv = known.battery_mv if known is not None else None
        self._senders[sender] = _Sender(badge.digest, battery_mv)
        if len(self._senders) > BADGE_SENDERS_MAX:
            self._senders.popitem(last=False)

    def _take_telemetry(self, sender: str, frame: Telemetry) -> None:
        known = self._senders.get(sender)
        if known is not None and frame.battery_mv is not None:
            self._senders[sender] = known._replace(battery_mv=frame.battery_mv)

    # --- health ----------------------------------------------------------------------------------

    def _batteries(self) -> dict[str, int]:
        """By badge: its address may change, its battery does not."""
        senders = list(self._senders.values())
        return {one.digest: one.battery_mv for one in senders if one.battery_mv is not None}

    def _described(self) -> tuple[str, str]:
        words = [f"Listening on {self._bluetooth.adapter}."]
        advice = ""
        admit = self._settings.beacon_admit
        if self._badges is None:
            return " ".join(words), advice
        if admit is BeaconAdmit.OFF:
            words.append("This gate's setting lets no badge in.")
        if self._badges.clock_unsure:
            words.append("The clock is too unsure for badges with rotating ids.")
            advice = "Connect the gate to its server once."
        if admit is BeaconAdmit.ROTATING and self._fixed_not_taken:
            words.append("Badges with fixed ids were heard; this gate takes rotating ones only.")
            advice = advice or "To take them, set beaconAdmit of the gate to any."
        low = sum(mv < BATTERY_LOW_MV for mv in self._batteries().values())
        if low:
            words.append(f"{low} badges have a battery that is nearly empty.")
            advice = advice or "Change the batteries of those badges."
        if self._badges.settings_fault:
            words.append("The gate's beacon settings can't be used; the defaults stand in.")
            advice = advice or "Set the gate's beacon settings anew."
        return " ".join(words), advice

    def _figures(self) -> dict[str, float]:
        batteries = self._batteries()
        figures = {
            "adverts": float(self._bluetooth.adverts),
            "beacon_frames": float(self._frames),
            "strangers_frames": float(self._strangers),
            "badges_near": float(len(self._presence)),
            "sightings": float(self._sightings),
            "fixed_not_taken": float(self._fixed_not_taken),
            "restarts": float(self._bluetooth.restarts),
            "resets": float(self._bluetooth.resets),
        }
        if self._badges is not None:
            figures["recordings_refused"] = float(self._badges.replayed)
            figures["rotating_badges_known"] = float(self._badges.rotating_known)
        if batteries:
            figures["batteries_heard"] = float(len(batteries))
            figures["battery_mv_lowest"] = float(min(batteries.values()))
            figures["batteries_low"] = float(sum(mv < BATTERY_LOW_MV for mv in batteries.values()))
        if self._last_badge_ms is not None:
            figures["last_badge_s_ago"] = (system_clock.boot_ms() - self._last_badge_ms) / 1_000
        return figures
