"""A bluetoothd that a test plays, on a private D-Bus: bleak's real backend speaks with it.

`dbus-daemon` with a configuration of its own, and the few methods and signals of ObjectManager,
Adapter1 and Device1 that bleak uses, with BlueZ's types (FINDINGS §2). Needs no root and no radio.
"""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbus_fast import BusType, Message, MessageType, NameFlag, Variant
from dbus_fast.aio import MessageBus

DAEMON = shutil.which("dbus-daemon")
ADAPTER1, DEVICE1 = "org.bluez.Adapter1", "org.bluez.Device1"
PROPERTIES = "org.freedesktop.DBus.Properties"
MANAGER = "org.freedesktop.DBus.ObjectManager"
IN_PROGRESS = "org.bluez.Error.InProgress"

_CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/>
<allow send_type="signal"/><allow send_destination="*"/><allow receive_type="signal"/>
<allow eavesdrop="false"/></policy></busconfig>
"""


class PrivateBus:
    """A dbus-daemon of the test's own; `address` goes into DBUS_SYSTEM_BUS_ADDRESS."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._daemon: asyncio.subprocess.Process | None = None
        self.address = f"unix:path={folder / 'bus'}"

    async def start(self) -> None:
        assert DAEMON is not None
        file = self._folder / "bus.conf"
        file.write_text(_CONFIGURATION.format(socket=self._folder / "bus"), "utf-8")
        self._daemon = await asyncio.create_subprocess_exec(
            DAEMON, f"--config-file={file}", "--nofork", "--nopidfile", "--print-address",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self._daemon.stdout is not None
        await self._daemon.stdout.readline()  # it listens

    async def stop(self) -> None:
        if self._daemon is not None:
            self._daemon.kill()
            await self._daemon.wait()


class MockBluez:
    """bluetoothd with one adapter, hci0, unless told otherwise."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._bus: MessageBus | None = None
        self.objects: dict[str, dict[str, dict[str, Variant]]] = {}
        self.filters: dict[str, Any] = {}
        self.calls: list[str] = []
        self.errors: dict[str, list[tuple[str, str]]] = {}  # member → what its next calls answer
        self.stuck_power = False
        self._scanning: set[str] = set()

    async def start(self, *adapters: str) -> None:
        for name in adapters or ("hci0",):
            self.objects[f"/org/bluez/{name}"] = {
                ADAPTER1: {
                    "Address": Variant("s", "00:AA:01:00:00:42"),
                    "Name": Variant("s", "gate"),
                    "Powered": Variant("b", True),
                    "Discovering": Variant("b", False),
                    "UUIDs": Variant("as", []),
                }
            }
        self._bus = await MessageBus(bus_address=self._address, bus_type=BusType.SYSTEM).connect()
        self._bus.add_message_handler(self._answer)
        await self._bus.request_name("org.bluez", NameFlag.DO_NOT_QUEUE)

    async def stop(self) -> None:
        if self._bus is not None:
            self._bus.disconnect()
            self._bus = None
        self.objects.clear()
        self._scanning.clear()

    async def restart(self, *adapters: str) -> None:
        """As systemctl restart bluetooth: who scanned is forgotten, and nobody told them."""
        await self.stop()
        await self.start(*adapters)

    @property
    def scanning(self) -> bool:
        return bool(self._scanning)

    def power(self, *, on: bool, adapter: str = "hci0") -> None:
        if not on:
            self._scanning.clear()
            self._change(f"/org/bluez/{adapter}", ADAPTER1, {"Discovering": Variant("b", False)})
        self._change(f"/org/bluez/{adapter}", ADAPTER1, {"Powered": Variant("b", on)})

    def unplug(self, adapter: str = "hci0") -> None:
        self._scanning.clear()
        for path in [p for p in self.objects if p.startswith(f"/org/bluez/{adapter}")][::-1]:
            interfaces = list(self.objects.pop(path))
            self._signal("/", MANAGER, "InterfacesRemoved", "oas", [path, interfaces])

    def plug(self, adapter: str = "hci0") -> None:
        path = f"/org/bluez/{adapter}"
        self.objects[path] = {
            ADAPTER1: {
                "Address": Variant("s", "00:AA:01:00:00:42"),
                "Name": Variant("s", "gate"),
                "Powered": Variant("b", True),
                "Discovering": Variant("b", False),
                "UUIDs": Variant("as", []),
            }
        }
        self._signal("/", MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, self.objects[path]])

    def advertise(
        self,
        sender: str,
        rssi: int,
        manufacturer: Mapping[int, bytes] | None = None,
        service: Mapping[str, bytes] | None = None,
        adapter: str = "hci0",
    ) -> None:
        """One advertisement; nobody hears it unless the adapter scans."""
        if not self._scanning:
            return
        path = f"/org/bluez/{adapter}/dev_{sender.replace(':', '_')}"
        news: dict[str, Variant] = {"RSSI": Variant("n", rssi)}
        if manufacturer:
            data = {company: Variant("ay", value) for company, value in manufacturer.items()}
            news["ManufacturerData"] = Variant("a{qv}", data)
        if service:
            data_of = {name: Variant("ay", value) for name, value in service.items()}
            news["ServiceData"] = Variant("a{sv}", data_of)
        if path in self.objects:
            self._change(path, DEVICE1, news)
            return
        self.objects[path] = {
            DEVICE1: {
                "Address": Variant("s", sender),
                "AddressType": Variant("s", "random"),
                "Alias": Variant("s", sender.replace(":", "-")),
                "Paired": Variant("b", False),
                "Trusted": Variant("b", False),
                "Blocked": Variant("b", False),
                "Connected": Variant("b", False),
                "UUIDs": Variant("as", []),
                "Adapter": Variant("o", f"/org/bluez/{adapter}"),
                "ServicesResolved": Variant("b", False),
                **news,
            }
        }
        self._signal("/", MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, self.objects[path]])

    def forget(self, sender: str, adapter: str = "hci0") -> None:
        """As bluetoothd does with a device that was not heard for half a minute."""
        path = f"/org/bluez/{adapter}/dev_{sender.replace(':', '_')}"
        if self.objects.pop(path, None) is not None:
            self._signal("/", MANAGER, "InterfacesRemoved", "oas", [path, [DEVICE1]])

    async def drained(self) -> None:
        """The bus has taken all that was sent; dbus-fast gives up where its socket is full."""
        bus = "org.freedesktop.DBus"
        ask = Message(destination=bus, path="/org/freedesktop/DBus", interface=bus, member="GetId")
        assert self._bus is not None
        await self._bus.call(ask)

    # --- on the bus ------------------------------------------------------------------------------

    def _answer(self, message: Message) -> Message | bool | None:
        if message.message_type is not MessageType.METHOD_CALL or not message.path:
            return None
        member, path = message.member or "", message.path
        self.calls.append(member)
        if waiting := self.errors.get(member):
            name, words = waiting.pop(0)
            return Message.new_error(message, name, words)
        if member == "GetManagedObjects":
            return Message.new_method_return(message, "a{oa{sa{sv}}}", [self.objects])
        if path not in self.objects:
            return None
        sender = message.sender or ""
        if member == "SetDiscoveryFilter":
            self.filters = {name: value.value for name, value in message.body[0].items()}
        elif member == "StartDiscovery":
            if not self.objects[path][ADAPTER1]["Powered"].value:
                return Message.new_error(message, "org.bluez.Error.NotReady", "Resource Not Ready")
            if sender in self._scanning:
                return Message.new_error(message, IN_PROGRESS, "Operation already in progress")
            self._scanning.add(sender)
            self._change(path, ADAPTER1, {"Discovering": Variant("b", True)})
        elif member == "StopDiscovery":
            if sender not in self._scanning:
                failed = "org.bluez.Error.Failed"
                return Message.new_error(message, failed, "No discovery started")
            self._scanning.discard(sender)
            self._change(path, ADAPTER1, {"Discovering": Variant("b", False)})
        elif member == "Set" and message.interface == PROPERTIES:
            if not self.stuck_power:
                self.power(on=message.body[2].value, adapter=path.rpartition("/")[2])
        else:
            return None
        return Message.new_method_return(message)

    def _change(self, path: str, interface: str, news: dict[str, Variant]) -> None:
        self.objects[path][interface].update(news)
        self._signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, news, []])

    def _signal(self, path: str, interface: str, member: str, form: str, body: list[Any]) -> None:
        if self._bus is not None:
            self._bus.send(Message.new_signal(path, interface, member, form, body))
