"""The camera reader with its real child process on real files (P12: one newest frame, no queue)."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.ports import Sighting
from edge_agent.readers.camera import CameraReader
from tests.benchmarks.synthetic_qr import draw_code, place, wall

pytestmark = pytest.mark.process

A, B, C = (f"GS:TCF24{letter * 17}" for letter in "ABC")
EMPTY = wall(np.random.default_rng(4))


def picture(*payloads: str) -> np.ndarray:
    image = EMPTY
    for number, payload in enumerate(payloads):
        image = place(image, draw_code(payload), width_px=220, centre=(350 + 500 * number, 360))
    return image


def save(folder: Path, name: str, *payloads: str) -> None:
    # Written aside and moved, as a copying program should; the half-written case is tested alone.
    cv2.imwrite(str(folder / f".{name}"), picture(*payloads))
    (folder / f".{name}").rename(folder / name)


class Seen:
    def __init__(self) -> None:
        self.sightings: list[Sighting] = []

    def __call__(self, sighting: Sighting) -> None:
        self.sightings.append(sighting)

    @property
    def payloads(self) -> list[str]:
        return [s.payload for s in self.sightings]


@asynccontextmanager
async def running(reader: CameraReader) -> AsyncIterator[Seen]:
    seen = Seen()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reader.run(seen))
        try:
            yield seen
        finally:
            task.cancel()


async def until(condition: Callable[[], object], timeout_s: float = 20) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_folder_is_shown_in_name_order_past_garbage_and_strangers(tmp_path: Path) -> None:
    save(tmp_path, "1.png", A)
    (tmp_path / "2.png").write_bytes(b"no image at all")
    save(tmp_path, "3.png", B, C)
    save(tmp_path, "4.png", "https://example.org/poster")
    save(tmp_path, "5.png", A)
    reader = CameraReader(str(tmp_path))
    async with running(reader) as seen:
        await until(lambda: reader.health().state == "waiting" and len(seen.payloads) >= 4)
        assert seen.payloads[0] == A
        assert set(seen.payloads[1:3]) == {B, C}
        assert seen.payloads[3:] == [A]
        health = reader.health()
        assert "2.png is no image" in health.detail
        assert health.figures["foreign_codes"] == 1
        assert health.figures["foreign_code_s_ago"] >= 0
        assert {s.kind for s in seen.sightings} == {"qr"}
        moments = [s.boot_ms for s in seen.sightings]
        assert moments == sorted(moments)
        save(tmp_path, "0-late.png", C)
        await until(lambda: seen.payloads[4:] == [C])
        pid = reader.child_pid
        assert pid is not None
    assert not alive(pid)
    assert reader.health().figures["restarts"] == 0


async def test_a_missing_folder_is_tried_until_it_appears(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    reader = CameraReader(str(folder))
    async with running(reader) as seen:
        await until(lambda: reader.health().state == "missing")
        assert "later" in reader.health().detail
        folder.mkdir()
        save(folder, "a.png", A)
        await until(lambda: seen.payloads == [A])


async def test_an_image_still_being_copied_is_read_once_it_is_whole(tmp_path: Path) -> None:
    whole = cv2.imencode(".png", picture(A))[1].tobytes()
    (tmp_path / "a.png").write_bytes(whole[:100])
    reader = CameraReader(str(tmp_path))
    async with running(reader) as seen:
        await until(lambda: "no image" in reader.health().detail)
        (tmp_path / "a.png").write_bytes(whole)
        await until(lambda: seen.payloads == [A])


async def test_a_missing_camera_is_said_and_tried_again() -> None:
    reader = CameraReader("/dev/video97")
    async with running(reader):
        await until(lambda: reader.health().state == "missing")
        assert "/dev/video97" in reader.health().detail
        assert reader.health().figures["restarts"] == 0


async def test_a_raw_mjpeg_stream_is_read_within_seconds_and_again_after_it_was_lost() -> None:
    """As the Pi's own camera is read: `rpicam-vid --codec mjpeg --listen -o tcp://…`."""
    jpeg = cv2.imencode(".jpg", picture(A))[1].tobytes()

    lost: list[bool] = []  # one for each connection, true once it is closed

    async def send(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(lost)
        lost.append(False)
        with suppress(ConnectionError):
            for _frame in range(30):
                writer.write(jpeg)
                await writer.drain()
                await asyncio.sleep(1 / 30)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        lost[number] = True

    async with await asyncio.start_server(send, "127.0.0.1", 0) as server:
        reader = CameraReader(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with running(reader) as seen:
            await until(lambda: seen.payloads == [A])
            await until(lambda: reader.health().state == "missing")
            await until(lambda: seen.payloads == [A, A])
        await until(lambda: all(lost))


async def test_a_video_plays_at_its_own_pace_and_then_waits(tmp_path: Path) -> None:
    path = tmp_path / "gate.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20.0, (1280, 720), False)
    for image in [picture(A)] * 10 + [EMPTY] * 5 + [picture(B)] * 10:
        writer.write(image)
    writer.release()
    reader = CameraReader(str(path))
    async with running(reader) as seen:
        # Not by its state: it is "waiting" while the camera is being opened, too.
        await until(lambda: "ended after 25 frames" in reader.health().detail)
        assert seen.payloads == [A, B]
        assert seen.sightings[1].boot_ms - seen.sightings[0].boot_ms >= 500


async def test_an_empty_and_a_broken_video_are_said_in_a_line(tmp_path: Path) -> None:
    empty, broken = tmp_path / "empty.mp4", tmp_path / "broken.mp4"
    empty.touch()
    broken.write_bytes(b"not a video" * 100)
    for path in (empty, broken):
        reader = CameraReader(str(path))
        async with running(reader):
            await until(lambda reader=reader: reader.health().state == "failed")
            assert "holds no frame" in reader.health().detail
            assert "\n" not in reader.health().detail


async def test_a_killed_child_is_replaced_and_goes_on_where_it_was(tmp_path: Path) -> None:
    save(tmp_path, "1.png", A)
    save(tmp_path, "2.png", B)
    reader = CameraReader(str(tmp_path))
    async with running(reader) as seen:
        await until(lambda: seen.payloads == [A, B])
        first = reader.child_pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: reader.health().state == "failed")
        assert "signal 9" in reader.health().detail
        await until(lambda: reader.child_pid not in {first, None})
        save(tmp_path, "3.png", C)
        await until(lambda: len(seen.payloads) == 3)
        assert seen.payloads == [A, B, C]  # nothing shown a second time
        assert reader.health().figures["restarts"] == 1


async def test_a_hung_child_is_killed_and_replaced(tmp_path: Path) -> None:
    save(tmp_path, "1.png", A)
    reader = CameraReader(str(tmp_path), silence_s_max=1.5)
    async with running(reader) as seen:
        await until(lambda: seen.payloads == [A])
        first = reader.child_pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        await until(lambda: "no sign of life" in reader.health().detail)
        assert not alive(first)
        save(tmp_path, "2.png", B)
        await until(lambda: seen.payloads == [A, B])


@pytest.mark.parametrize("poison", ["KILL", "HANG"])
async def test_a_picture_that_kills_or_hangs_the_decoder_costs_itself_alone(
    tmp_path: Path, poison: str
) -> None:
    for name, payload in (("1", A), ("2", f"GS:{poison}"), ("3", B), ("4", C)):
        save(tmp_path, f"{name}.png", payload)
    reader = CameraReader(
        str(tmp_path),
        silence_s_max=2.0,
        command=(sys.executable, "-m", "tests.edge_agent.readers.poisoned_worker"),
    )
    async with running(reader) as seen:
        await until(lambda: len(seen.payloads) == 3)
        assert seen.payloads == [A, B, C]
        assert reader.health().figures["restarts"] == 1


async def test_a_child_that_talks_nonsense_or_cannot_start_is_a_state_not_a_crash() -> None:
    nonsense = (sys.executable, "-c", "print('hello', flush=True); import time; time.sleep(60)")
    for command, said in ((nonsense, "no message"), (("/nowhere/python",), "can't be started")):
        reader = CameraReader("0", command=command)
        async with running(reader):
            await until(lambda reader=reader, said=said: said in reader.health().detail)
            assert reader.health().state == "failed"


async def test_off_starts_no_process() -> None:
    reader = CameraReader("off")
    async with running(reader):
        await asyncio.sleep(0.05)
        assert reader.health().state == "off"
        assert reader.child_pid is None


def test_the_agent_itself_loads_no_image_library() -> None:
    code = "import edge_agent.readers.camera, sys; print({'cv2','numpy','zxingcpp'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
