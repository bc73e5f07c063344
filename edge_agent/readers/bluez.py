"""BlueZ over D-Bus, as far as bleak does not go: how the adapters are, and switching them on.

bleak says nothing when an adapter is powered off or bluetoothd was restarted (FINDINGS §2): its
scanner is silent for good. So this asks.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

SERVICE = "org.bluez"
_ADAPTER = "org.bluez.Adapter1"
_ANSWER_S = 10.0


class Adapter(NamedTuple):
    """`name` as hci0."""

    name: str
    address: str
    powered: bool
    discovering: bool


class BluezError(Exception):
    """BlueZ can't be asked: in one line, why."""


async def adapters() -> list[Adapter]:
    """All of them by name; BluezError where there is no D-Bus or no bluetoothd."""
    answer = await _call("/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    found = []
    for path, interfaces in answer[0].items():
        if (members := interfaces.get(_ADAPTER)) is not None:
            values = {name: variant.value for name, variant in members.items()}
            found.append(
                Adapter(
                    path.rpartition("/")[2],
                    values.get("Address", ""),
                    bool(values.get("Powered")),
                    bool(values.get("Discovering")),
                )
            )
    return sorted(found)


async def power(adapter: str, *, on: bool) -> None:
    """BluezError where it does not follow, as with rfkill."""
    body = [_ADAPTER, "Powered", Variant("b", on)]
    await _call(f"/org/bluez/{adapter}", "org.freedesktop.DBus.Properties", "Set", "ssv", body)


async def _call(
    path: str, interface: str, member: str, signature: str = "", body: list[Any] | None = None
) -> list[Any]:
    message = Message(
        destination=SERVICE,
        path=path,
        interface=interface,
        member=member,
        signature=signature,
        body=body or [],
    )
    try:
        async with asyncio.timeout(_ANSWER_S):
            # A connection each time: it is asked seldom, and one that broke costs nothing.
            bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
            try:
                reply = await bus.call(message)
            finally:
                bus.disconnect()
    except TimeoutError as error:
        raise BluezError("bluetoothd does not answer") from error
    except (OSError, EOFError, ValueError) as error:
        raise BluezError(f"there is no system D-Bus here ({error})") from error
    if reply is None or reply.message_type is MessageType.ERROR:
        name = "" if reply is None else reply.error_name
        words = reply.body[0] if reply is not None and reply.body else name
        if name in {
            "org.freedesktop.DBus.Error.ServiceUnknown",
            "org.freedesktop.DBus.Error.NameHasNoOwner",
        }:
            words = "bluetoothd does not run"
        raise BluezError(str(words))
    body_of: list[Any] = reply.body
    return body_of
