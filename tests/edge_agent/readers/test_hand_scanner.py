"""Hand scanners: keys to letters, letters to codes, devices that come and go."""

import asyncio
import os
import pty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config import Config
from edge_agent.ports import Sighting
from edge_agent.readers import scanner_devices
from edge_agent.readers.framing import PAUSE_MS, Framing, affix
from edge_agent.readers.hand_scanner import HandScannerReader
from edge_agent.readers.keymap import KEY_DOWN, KEY_REPEAT, KEY_UP, Keymap
from edge_agent.readers.scanner_devices import DeviceError, Found, ScannerDevice
from shared.errors import UsageError
from tests.edge_agent.readers.piped_keyboard import PipedKeyboard, strokes

A, B = (f"GS:TCF24{letter * 17}" for letter in "AB")
TYPEABLE = "".join(chr(n) for n in range(32, 127))


def typed(events: list[tuple[int, int]], layout: str = "us") -> str:
    keys = Keymap("kr" if layout == "kr" else "us")
    return "".join(keys.text(code, value) for code, value in events)


@given(text=st.text(TYPEABLE, max_size=40), layout=st.sampled_from(["us", "kr"]))
def test_what_a_scanner_types_is_what_it_read(text: str, layout: str) -> None:
    assert typed(strokes(text), layout) == text


def test_recorded_strokes_of_scanners() -> None:
    """Streams as `evtest` shows them."""
    down_up = lambda code: [(code, KEY_DOWN), (code, KEY_UP)]
    shift_g_s_colon = [(42, 1), (34, 1), (34, 0), (31, 1), (31, 0), (39, 1), (39, 0), (42, 0)]
    assert typed([*shift_g_s_colon, *down_up(2), *down_up(28)]) == "GS:1\n"
    held_too_long = [(30, KEY_DOWN), (30, KEY_REPEAT), (30, KEY_REPEAT), (30, KEY_UP)]
    assert typed(held_too_long) == "aaa"
    assert typed([*down_up(58), *down_up(30), *down_up(2), *down_up(58), *down_up(30)]) == "A1a"
    pad_65 = [(56, 1), *down_up(77), *down_up(76), (56, 0)]  # Alt held, 6 and 5 on the pad
    assert typed(pad_65) == "A"
    assert typed([(29, 1), *down_up(27), (29, 0)]) == "\x1d"  # Ctrl+]: group separator


def test_the_keys_for_hangul_are_no_letters() -> None:
    stream = [(122, 1), (122, 0), (100, 1), *strokes("ok"), (100, 0), (123, 1), (123, 0)]
    assert typed(stream, "kr") == "ok"


@pytest.mark.parametrize(
    ("prefix", "suffix", "sent", "codes"),
    [
        ("none", "enter", "one\r\ntwo\n", ["one", "two"]),
        ("none", "tab", "one\ttwo\n", ["one", "two"]),
        ("none", "##", "one##two##", ["one", "two"]),
        (r"\x02", r"\x03", "\x02one\x03\x02two\x03", ["one", "two"]),
        ("~", "enter", "half~one\n", ["one"]),
        ("none", "enter", "\n\n \n", []),
        ("none", "enter", "half\x18tail\none\n", ["one"]),
        ("none", "enter", "x" * 2000 + "tail\none\n", ["one"]),
    ],
)
def test_prefix_and_suffix(prefix: str, suffix: str, sent: str, codes: list[str]) -> None:
    framing = Framing(affix(prefix), affix(suffix))
    assert framing.take(sent, 0) == codes
    assert not framing.open


@given(cuts=st.lists(st.integers(0, 20), max_size=6))
def test_it_does_not_matter_in_how_many_pieces_a_code_arrives(cuts: list[int]) -> None:
    text, framing, got = "alpha\nbeta\ngamma\n", Framing(), []
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for start, end in pairwise(places):
        got += framing.take(text[start:end], 0)
    assert got == ["alpha", "beta", "gamma"]


def test_a_scanner_without_a_suffix_is_understood_by_its_pause() -> None:
    framing = Framing("", "")
    assert framing.take("one", 0) == []
    assert framing.rest(PAUSE_MS - 1) == []
    assert framing.rest(PAUSE_MS) == ["one"]
    assert framing.take("two", 1000) == []
    assert framing.take("three", 2000) == ["two"]


def test_a_code_without_the_prefix_counts_and_is_still_taken() -> None:
    framing = Framing("~", "\n")
    assert framing.take("one\n", 0) == ["one"]
    assert framing.take_without_prefix() == 1
    assert framing.take_without_prefix() == 0


def test_a_prefix_too_long_is_wrong_use() -> None:
    with pytest.raises(UsageError):
        HandScannerReader(Config(scanner_prefix="x" * 17))


def test_keyboards_are_told_by_their_keys_and_scanners_by_their_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [Found("/dev/input/event0", "AT Keyboard"), Found("/dev/input/event3", "USB SCANNER")]
    monkeypatch.setattr(scanner_devices, "keyboards", lambda _: found)
    monkeypatch.setattr(scanner_devices, "serial_ports", list)
    assert scanner_devices.wanted("auto") == found[1:]
    assert scanner_devices.wanted("keyboard, nothing") == found[:1]
    assert scanner_devices.wanted("/dev/not-there") == []
    # The bitmap of a real 102-key keyboard, and of a power button.
    real = "402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe"
    assert scanner_devices._key_bits(real) >= scanner_devices.KEYS_OF_A_KEYBOARD
    assert not scanner_devices._key_bits("10000000000000 0") >= {28}


@asynccontextmanager
async def running(reader: HandScannerReader) -> AsyncIterator[list[Sighting]]:
    seen: list[Sighting] = []
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reader.run(seen.append))
        try:
            yield seen
        finally:
            task.cancel()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_two_scanners_are_read_and_one_that_breaks_costs_nothing_but_itself() -> None:
    devices = {path: PipedKeyboard() for path in ("/1", "/2")}

    def open_device(found: Found) -> ScannerDevice:
        return devices[found.path]

    there = [Found(path, f"scanner {path}") for path in devices]
    reader = HandScannerReader(
        Config(scanner="auto"), find=lambda _: there, open_device=open_device, look_s=0.02
    )
    async with running(reader) as seen:
        await until(lambda: reader.health().figures["scanners"] == 2)
        devices["/1"].type(A + "\n")
        await until(lambda: len(seen) == 1)
        there.remove(there[0])
        devices["/1"].unplug()
        await until(lambda: reader.health().figures["scanners"] == 1)
        devices["/2"].type(f"{A}\n{B}\n")
        await until(lambda: len(seen) == 3)
        assert [s.payload for s in seen] == [A, A, B]
        devices["/1"] = PipedKeyboard()
        there.append(Found("/1", "scanner /1"))
        await until(lambda: reader.health().figures["scanners"] == 2)


async def test_a_double_pull_is_one_sighting_and_anything_read_is_passed_on() -> None:
    device = PipedKeyboard()
    reader = HandScannerReader(
        Config(scanner="auto"),
        find=lambda _: [Found("/1", "scanner")],
        open_device=lambda _: device,
        look_s=0.02,
    )
    async with running(reader) as seen:
        await until(lambda: reader.health().state == "running")
        device.type(f"{A}\n{A}\nhttps://example.org\n")
        await until(lambda: len(seen) == 2)
        assert [s.payload for s in seen] == [A, "https://example.org"]
        assert reader.health().figures["codes"] == 3


async def test_one_that_may_not_be_opened_says_so_with_advice_and_is_tried_again() -> None:
    tries = []

    def refuse(found: Found) -> ScannerDevice:
        tries.append(found)
        if len(tries) < 2:
            raise DeviceError("The scanner X may not be opened by this user.", "Add the group.")
        return PipedKeyboard()

    reader = HandScannerReader(
        Config(scanner="auto"), find=lambda _: [Found("/1", "X")], open_device=refuse, look_s=0.02
    )
    async with running(reader):
        await until(lambda: reader.health().state == "failed")
        assert reader.health().advice == "Add the group."
        await until(lambda: reader.health().state == "running")


def test_a_device_that_is_none_is_refused_in_words(tmp_path: Path) -> None:
    plain = tmp_path / "event0"
    plain.write_bytes(b"")
    with pytest.raises(DeviceError, match=r"can't be opened|need the library"):
        scanner_devices.open_device(Found(str(plain), "X"), "us", 9600)


def test_a_serial_line_is_ours_alone() -> None:
    master, slave = pty.openpty()
    try:
        found = Found(os.ttyname(slave), "serial")
        device = scanner_devices.open_device(found, "us", 9600)
        with pytest.raises(DeviceError, match="can't be opened"):
            scanner_devices.open_device(found, "us", 9600)
        device.close()
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.skipif(not Path("/dev/uinput").exists(), reason="no /dev/uinput on this machine")
async def test_a_real_keyboard_of_the_kernel_is_grabbed_and_read() -> None:
    import libevdev

    wish = libevdev.Device()
    wish.name = "Gatesync test scanner"
    for code in range(1, 128):
        wish.enable(libevdev.evbit(1, code))
    keyboard = wish.create_uinput_device()
    reader = HandScannerReader(Config(scanner="Gatesync test"), look_s=0.05)
    async with running(reader) as seen:
        await until(lambda: reader.health().state == "running")
        with pytest.raises(DeviceError, match="busy"):
            scanner_devices.open_device(Found(keyboard.devnode, "X"), "us", 9600)
        for code, value in strokes(A + "\n"):
            keyboard.send_events(
                [
                    libevdev.InputEvent(libevdev.evbit(1, code), value),
                    libevdev.InputEvent(libevdev.EV_SYN.SYN_REPORT, 0),
                ]
            )
            await asyncio.sleep(0.002)  # as USB does: the kernel keeps no more than 64 events
        await until(lambda: seen)
        assert seen[0].payload == A
