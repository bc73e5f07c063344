"""True frames over virtual controllers (google/bumble, pure Python): a badge's link layer sends, the
gate's host hears, and bleak's scanner hands it on. No radio, no BlueZ, no root (FINDINGS §2).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from bleak import BleakScanner
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData
from bumble.device import Advertisement, AdvertisingType, Device
from bumble.host import Host
from bumble.link import LocalLink

from edge_agent.ports import Badge, Sighting
from edge_agent.readers import bluez
from edge_agent.readers.adverts import EDDYSTONE
from edge_agent.readers.beacons import BeaconReader
from edge_agent.readers.bluetooth import Bluetooth, Pace
from edge_agent.readers.bluez import Adapter
from shared import beacons
from shared.beacon_settings import BeaconAdmit, BeaconSettings

IBEACON = b"\x02\x15" + bytes(range(16)) + b"\x00\x01\x00\x02" + b"\xc5"
EID = b"\x30\xee" + b"\x5a" * 8


class KnowsAll:
    """Every beacon is a badge of this event; whatever its strength it is near."""

    replayed = rotating_known = 0
    clock_unsure = False
    settings_fault = ""

    def refresh(self) -> BeaconSettings:
        return BeaconSettings(beacon_admit=BeaconAdmit.ANY, enter_db=40, leave_db=40)

    def renew(self) -> None: ...

    def fixed(self, canonical: str) -> Badge | None:
        return Badge(canonical, rotating=False)

    def rotating(self, canonical: str) -> Badge | None:
        return Badge(canonical, rotating=True)


def virtual_device(link: LocalLink, name: str, address: str) -> Device:
    controller = Controller(name, link=link, public_address=address)
    host = Host(controller, controller)
    return Device(name=name, address=address, host=host)


def backend_on(device: Device) -> type[BaseBleakScanner]:
    """bleak's scanner interface over a bumble host."""

    class Backend(BaseBleakScanner):
        def __init__(self, callback: Any, uuids: Any, _mode: str, **_options: Any) -> None:
            super().__init__(callback, uuids)

        async def start(self) -> None:
            device.on(device.EVENT_ADVERTISEMENT, self._heard)
            await device.start_scanning(legacy=True, filter_duplicates=False)

        async def stop(self) -> None:
            device.remove_listener(device.EVENT_ADVERTISEMENT, self._heard)
            await device.stop_scanning(legacy=True)

        def _heard(self, heard: Advertisement) -> None:
            manufacturer: dict[int, bytes] = {}
            service: dict[str, bytes] = {}
            for kind, data in heard.data.ad_structures:
                if kind == AdvertisingData.MANUFACTURER_SPECIFIC_DATA:
                    manufacturer[int.from_bytes(data[:2], "little")] = bytes(data[2:])
                elif kind == AdvertisingData.SERVICE_DATA_16_BIT_UUID:
                    service[EDDYSTONE] = bytes(data[2:])
            advert = AdvertisementData(None, manufacturer, service, [], None, heard.rssi, ())
            address = str(heard.address)
            found = self.create_or_update_device(address, address, None, None, advert)
            self.call_detection_callbacks(found, advert)

    return Backend


@asynccontextmanager
async def heard_by_the_gate(frame: bytes) -> AsyncIterator[list[Sighting]]:
    """A badge that sends `frame`, non-connectable, and a gate's reader near it."""
    link = LocalLink()
    badge = virtual_device(link, "badge", "C0:00:00:00:00:01")
    gate = virtual_device(link, "gate", "C0:00:00:00:00:02")
    await badge.power_on()
    await gate.power_on()
    await badge.start_advertising(
        advertising_type=AdvertisingType.UNDIRECTED,
        advertising_data=frame,
        advertising_interval_min=20,
        advertising_interval_max=20,
    )

    def scanner(callback: Callable[..., None], **options: Any) -> BleakScanner:
        return BleakScanner(callback, backend=backend_on(gate), **options)

    bluetooth = Bluetooth("auto", pace=Pace(look=0.1), scanner=scanner)
    reader = BeaconReader("auto", KnowsAll(), bluetooth=bluetooth)
    seen: list[Sighting] = []
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reader.run(seen.append))
        try:
            yield seen
        finally:
            task.cancel()
            await badge.stop_advertising()


@pytest.mark.parametrize(
    ("structures", "name"),
    [
        (
            [(AdvertisingData.MANUFACTURER_SPECIFIC_DATA, b"\x4c\x00" + IBEACON)],
            beacons.ibeacon(bytes(range(16)), 1, 2),
        ),
        (
            [
                (
                    AdvertisingData.SERVICE_DATA_16_BIT_UUID,
                    bytes(UUID.from_16_bits(0xFEAA)) + EID,
                )
            ],
            beacons.eddystone_eid(b"\x5a" * 8),
        ),
    ],
)
async def test_a_frame_from_a_virtual_radio_is_a_sighting(
    structures: list[tuple[int, bytes]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def one_adapter() -> list[Adapter]:
        return [Adapter("hci0", "C0:00:00:00:00:02", powered=True, discovering=True)]

    monkeypatch.setattr(bluez, "adapters", one_adapter)
    async with heard_by_the_gate(bytes(AdvertisingData(structures))) as seen:
        async with asyncio.timeout(20):
            while not seen:
                await asyncio.sleep(0.01)
    assert [(one.kind, one.payload, one.source) for one in seen] == [("beacon", name, "beacons")]
