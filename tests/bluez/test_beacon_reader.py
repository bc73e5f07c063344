"""The beacon reader on bleak's real BlueZ backend, with a bluetoothd that the test plays.

Issue 4: flags, adapter off and gone, bluetoothd restarted, InProgress, silence, strangers.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from edge_agent.ports import Badge, Sighting
from edge_agent.readers.adverts import EDDYSTONE, Identity
from edge_agent.readers.beacons import BeaconReader
from edge_agent.readers.bluetooth import Bluetooth, Heard, Pace
from shared.beacon_settings import BeaconAdmit, BeaconSettings
from shared.limits import PAIRING_UNKNOWN_MAX
from tests.bluez.mock_bluez import DAEMON, IN_PROGRESS, MockBluez, PrivateBus

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(DAEMON is None, reason="there is no dbus-daemon here: apt install dbus"),
]

PACE = Pace(look=0.05, silence_max=60, again_min=0.05, again_max=0.2, steady=60)
ANY = BeaconSettings(beacon_admit=BeaconAdmit.ANY, enter_dwell_seconds=0, window_seconds=1)


def ibeacon(number: int) -> dict[int, bytes]:
    return {0x4C: b"\x02\x15" + bytes(16) + number.to_bytes(4) + b"\xc5"}


def name_of(number: int) -> str:
    data = number.to_bytes(4).hex()
    return f"ibeacon:{'00' * 16}:{data[:4]}:{data[4:]}"


class FewBadges:
    """iBeacons below 100 are this event's. Stands in for the gate's book."""

    replayed = 0
    clock_unsure = False
    settings_fault = ""
    rotating_known = 0

    def __init__(self, settings: BeaconSettings = ANY) -> None:
        self.settings = settings

    def refresh(self) -> BeaconSettings:
        return self.settings

    def renew(self) -> None: ...

    def fixed(self, canonical: str) -> Badge | None:
        known = {name_of(number) for number in range(100)}
        return Badge(f"digest of {canonical}", rotating=False) if canonical in known else None

    def rotating(self, canonical: str) -> Badge | None:
        return None


@pytest.fixture
async def bluez(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MockBluez]:
    bus = PrivateBus(tmp_path)
    await bus.start()
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
    mock = MockBluez(bus.address)
    await mock.start()
    yield mock
    await mock.stop()
    await bus.stop()


def made(
    adapter: str = "hci0", *, pace: Pace = PACE, settings: BeaconSettings = ANY
) -> BeaconReader:
    bluetooth = Bluetooth(adapter, pace=pace, recover=recovered)
    return BeaconReader(adapter, FewBadges(settings), bluetooth=bluetooth)


RESETS: list[tuple[int, str]] = []


async def recovered(number: int, address: str) -> bool:
    """Stands in for bluetooth-auto-recovery, which would reset the machine's own adapter."""
    RESETS.append((number, address))
    return False


@asynccontextmanager
async def running(reader: BeaconReader) -> AsyncIterator[list[Sighting]]:
    seen: list[Sighting] = []
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reader.run(seen.append))
        try:
            yield seen
        finally:
            task.cancel()


async def until(condition: Callable[[], object], act: Callable[[], object] = int) -> None:
    """`act` again and again, as a badge that goes on sending."""
    async with asyncio.timeout(20):
        while not condition():
            act()
            await asyncio.sleep(0.01)


def test_a_gate_without_beacons_says_so() -> None:
    assert BeaconReader("off").health().state == "off"


async def test_a_badge_at_the_gate_is_one_sighting(bluez: MockBluez) -> None:
    reader = made("auto")
    async with running(reader) as seen:
        await until(lambda: seen, lambda: bluez.advertise("C0:00:00:00:00:01", -50, ibeacon(1)))
        for _ in range(8):
            for _ in range(25):
                bluez.advertise("C0:00:00:00:00:01", -50, ibeacon(1))
            await bluez.drained()
        await until(lambda: reader.health().figures["adverts"] > 100)
        (sighting,) = seen
        assert (sighting.kind, sighting.payload) == ("beacon", name_of(1))
        assert sighting.digest == f"digest of {name_of(1)}"
        assert sighting.strength == -50
        assert reader.health().state == "running"


async def test_the_scan_holds_no_advert_back(bluez: MockBluez) -> None:
    """FINDINGS §2: without DuplicateData 45 of 46 are lost."""
    reader = made()
    async with running(reader):
        await until(lambda: bluez.scanning)
        assert bluez.filters["DuplicateData"] is True
        assert bluez.filters["RSSI"] == -100
        assert bluez.filters["Transport"] == "le"


async def test_an_adapter_switched_off_is_switched_on_again(bluez: MockBluez) -> None:
    reader = made()
    async with running(reader) as seen:
        await until(lambda: bluez.scanning)
        bluez.power(on=False)
        await until(lambda: "Set" in bluez.calls)
        await until(lambda: seen, lambda: bluez.advertise("C0:00:00:00:00:01", -50, ibeacon(1)))


async def test_an_adapter_that_stays_off_is_said_plainly_and_waited_for(bluez: MockBluez) -> None:
    bluez.stuck_power = True
    reader = made()
    async with running(reader):
        await until(lambda: bluez.scanning)
        bluez.power(on=False)
        await until(lambda: "stays so" in reader.health().detail)
        health = reader.health()
        assert health.state == "failed"
        assert "rfkill" in health.advice
        bluez.power(on=True)
        await until(lambda: bluez.scanning and reader.health().state == "running")


async def test_a_bluetoothd_that_was_restarted_is_scanned_with_anew(bluez: MockBluez) -> None:
    """FINDINGS §2: the old scanner is silent for good, and its stop fails."""
    reader = made()
    async with running(reader) as seen:
        await until(lambda: seen, lambda: bluez.advertise("C0:00:00:00:00:01", -50, ibeacon(1)))
        await bluez.restart()
        await until(
            lambda: len(seen) == 2, lambda: bluez.advertise("C0:00:00:00:00:02", -50, ibeacon(2))
        )
        assert reader.health().figures["restarts"] >= 1


async def test_in_progress_is_tried_again_until_it_goes(bluez: MockBluez) -> None:
    bluez.errors["StartDiscovery"] = [(IN_PROGRESS, "Operation already in progress")] * 3
    reader = made()
    async with running(reader) as seen:
        await until(lambda: "in progress" in reader.health().detail)
        assert reader.health().state == "failed"
        await until(lambda: seen, lambda: bluez.advertise("C0:00:00:00:00:01", -50, ibeacon(1)))
        assert "Set" in bluez.calls, "the adapter was switched off and on in between"


async def test_an_adapter_that_is_gone_comes_back(bluez: MockBluez) -> None:
    reader = made()
    async with running(reader) as seen:
        await until(lambda: bluez.scanning)
        bluez.unplug()
        await until(lambda: reader.health().state == "missing")
        assert reader.health().advice
        bluez.plug()
        await until(lambda: seen, lambda: bluez.advertise("C0:00:00:00:00:01", -50, ibeacon(1)))


async def test_silence_is_ended_by_a_new_scan(bluez: MockBluez) -> None:
    """Firmware that hangs: BlueZ believes that it scans, and nothing comes."""
    reader = made(pace=Pace(look=0.05, silence_max=0.3, again_min=0.05, again_max=0.1))
    RESETS.clear()
    async with running(reader):
        await until(lambda: bluez.calls.count("StartDiscovery") >= 5)
        assert reader.health().figures["resets"] >= 1
    assert set(RESETS) == {(0, "00:AA:01:00:00:42")}, "from the third time on"


async def test_another_adapters_name_is_said_with_those_that_are_there(bluez: MockBluez) -> None:
    reader = made("hci7")
    async with running(reader):
        await until(lambda: reader.health().detail.startswith("There is no Bluetooth adapter hci7"))
        assert "hci0" in reader.health().detail


async def test_without_any_bluetooth_the_reader_says_so_and_goes_on_trying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'none'}")
    reader = made()
    async with running(reader):
        await until(lambda: reader.health().figures["restarts"] >= 3)
        health = reader.health()
        assert health.state == "missing"
        assert "Tickets and typed codes work as ever." in health.detail


async def test_ten_thousand_strangers_leave_nothing_behind(
    bluez: MockBluez, capsys: pytest.CaptureFixture[str]
) -> None:
    """P9, P12: no address, no id of a stranger in memory, health or log; the badge is still seen."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory())
    reader = made()
    async with running(reader) as seen:
        await until(lambda: bluez.scanning)
        for number in range(10_000):
            sender = "5A:" + ":".join(f"{b:02X}" for b in number.to_bytes(5))
            if number % 5:  # the bus is slow: four of five come in behind bleak
                reader._hear(Heard(sender, -60, ibeacon(1_000 + number), {}), seen.append)
                continue
            bluez.advertise(sender, -60, ibeacon(1_000 + number))
            bluez.forget(sender)
            if number % 100 == 0:
                await bluez.drained()
        await until(lambda: reader.health().figures["strangers_frames"] >= 10_000)
        await until(lambda: seen, lambda: bluez.advertise("C0:00:00:00:00:01", -50, ibeacon(1)))
        assert len(reader._senders) == 1
        assert len(reader._presence) == 1
        assert reader.nearest.nearest() is None
        said = f"{reader.health()} {capsys.readouterr()}"
    assert "5A:" not in said
    assert name_of(1_500) not in said


async def test_fixed_ids_are_not_taken_unless_the_gate_says_any(bluez: MockBluez) -> None:
    """DESIGN §7: the default takes rotating ids only; anyone can copy the others."""
    reader = made(settings=BeaconSettings())
    async with running(reader) as seen:
        await until(
            lambda: reader.health().figures["fixed_not_taken"] > 20,
            lambda: bluez.advertise("C0:00:00:00:00:01", -50, ibeacon(1)),
        )
        assert not seen
        assert "rotating ones only" in reader.health().detail
        assert "beaconAdmit" in reader.health().advice


async def test_a_badges_battery_shows_in_health_and_a_strangers_does_not(bluez: MockBluez) -> None:
    def tlm(millivolts: int) -> dict[str, bytes]:
        return {EDDYSTONE: b"\x20\x00" + millivolts.to_bytes(2) + bytes(10)}

    reader = made()
    async with running(reader):
        await until(lambda: bluez.scanning)

        def both() -> None:
            bluez.advertise("C0:00:00:00:00:01", -50, ibeacon(1), tlm(2_100))
            bluez.advertise("5A:00:00:00:00:01", -50, ibeacon(5_000), tlm(1_000))

        await until(lambda: "battery_mv_lowest" in reader.health().figures, both)
        figures = reader.health().figures
        assert (figures["battery_mv_lowest"], figures["batteries_low"]) == (2_100, 1)
        assert "battery" in reader.health().detail


async def test_while_a_badge_is_paired_the_nearest_unknown_one_is_named(bluez: MockBluez) -> None:
    from edge_agent import system_clock

    reader = made()
    async with running(reader):
        await until(lambda: bluez.scanning)
        reader.nearest.open(system_clock.boot_ms() + 60_000)

        def room() -> None:
            bluez.advertise("C0:00:00:00:00:01", -30, ibeacon(1))  # known already
            bluez.advertise("5A:00:00:00:00:01", -45, ibeacon(5_000))
            bluez.advertise("5A:00:00:00:00:02", -75, ibeacon(5_001))

        await until(reader.nearest.nearest, room)
        await until(lambda: reader.health().figures["strangers_frames"] > 20, room)
        found = reader.nearest.nearest()
        assert found is not None
        assert found.canonical == name_of(5_000)
        for number in range(3 * PAIRING_UNKNOWN_MAX):
            reader.nearest.heard(Identity(name_of(9_000 + number), -59), -90)
        assert len(reader.nearest._found) <= PAIRING_UNKNOWN_MAX
        reader.nearest.open(0)
        assert reader.nearest.nearest() is None
