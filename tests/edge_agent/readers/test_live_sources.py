"""Cameras on the network and the Pi's own: read, lost, come back; bad pictures are named."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_agent.ports import Sighting
from edge_agent.readers import cameras, live, pi_camera
from edge_agent.readers.camera import CameraReader
from edge_agent.readers.cameras import Camera
from edge_agent.readers.frames import Frame, Notice, WrongFormatError, to_gray
from edge_agent.readers.source_kind import source_kind
from tests.benchmarks.synthetic_qr import draw_code, place, wall
from tests.edge_agent.readers.senders import HttpSender, PageSender, RtspSender, Sender

A, B = (f"GS:TCF24{letter * 17}" for letter in "AB")
EMPTY = wall(np.random.default_rng(4))


def picture(payload: str) -> np.ndarray:
    return place(EMPTY, draw_code(payload), width_px=220)


@asynccontextmanager
async def watched(source: str) -> AsyncIterator[tuple[CameraReader, list[Sighting]]]:
    reader, seen = CameraReader(source), list[Sighting]()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reader.run(seen.append))
        try:
            yield reader, seen
        finally:
            task.cancel()


@asynccontextmanager
async def sending(sender: Sender) -> AsyncIterator[Sender]:
    await sender.start()
    try:
        yield sender
    finally:
        await sender.stop()


async def until(condition: Callable[[], object], timeout_s: float = 40) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.process
@pytest.mark.parametrize("kind", [HttpSender, RtspSender])
async def test_a_network_camera_is_read_lost_and_read_again(kind: type[Sender]) -> None:
    async with sending(kind(picture(A))) as sender, watched(sender.url) as (reader, seen):
        await until(lambda: [s.payload for s in seen] == [A])
        await until(lambda: reader.health().state == "running")
        assert "1280×720" in reader.health().detail
        await sender.stop()
        await until(lambda: reader.health().state == "missing")
        assert reader.health().advice
        sender.picture = picture(B)
        await sender.start()
        await until(lambda: [s.payload for s in seen] == [A, B])
        await until(lambda: reader.health().state == "running")
        assert reader.health().figures["restarts"] == 0


@pytest.mark.process
async def test_bad_pictures_are_said_in_health_and_forgotten_when_they_are_good_again() -> None:
    dark, light = np.full((720, 1280), 12, np.uint8), np.full((720, 1280), 255, np.uint8)
    async with sending(Sender(EMPTY)) as sender, watched(sender.url) as (reader, seen):
        await until(lambda: reader.health().state == "running")
        for image, still, words in (
            (dark, False, "black"),
            (light, False, "overexposed"),
            (EMPTY, True, "frozen"),
        ):
            sender.picture, sender.still = image, still
            await until(lambda words=words: words in reader.health().detail)
            assert reader.health().state == "failed"
            assert reader.health().advice
            sender.picture, sender.still = EMPTY, False
            await until(lambda: reader.health().state == "running")
        sender.picture = picture(A)
        await until(lambda: [s.payload for s in seen] == [A])


@pytest.mark.process
async def test_a_host_that_answers_without_video_and_one_that_is_not_there_differ() -> None:
    async with sending(PageSender(EMPTY)) as sender:
        async with watched(sender.url) as (reader, _):
            await until(lambda: reader.health().state == "failed")
            assert "sends no video" in reader.health().detail
        await sender.stop()
        async with watched(sender.url.replace("//", "//user:secret@")) as (reader, _):
            await until(lambda: reader.health().state == "missing")
            assert "refused" in reader.health().detail
            assert "secret" not in reader.health().detail + reader.health().advice


# --- the Pi's own camera -------------------------------------------------------------------------

_FAKE = """#!{python}
import sys, time, os
assert sys.argv[1:3] == ["-t", "0"], sys.argv
assert sys.argv[sys.argv.index("--codec") + 1] == "mjpeg"
assert sys.argv[-2:] == ["-o", "-"]
if os.path.exists({folder!r} + "/gone"):
    sys.exit("ERROR: *** no cameras available ***")
out, frames = sys.stdout.buffer, {frames}
for n in range(frames):
    for part in (0, 1):  # a picture comes in pieces
        data = open({folder!r} + "/" + str(n % 2) + ".jpg", "rb").read()
        half = len(data) // 2
        out.write(data[half:] if part else data[:half]); out.flush()
    time.sleep(0.05)
{then}
"""


def fake_rpicam(folder: Path, monkeypatch: pytest.MonkeyPatch, frames: int, then: str) -> None:
    random = np.random.default_rng(2)
    for n in range(2):
        noisy = np.clip(picture(A) + random.normal(0, 3, EMPTY.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{n}.jpg"), noisy)
    program = folder / "rpicam-vid"
    program.write_text(
        _FAKE.format(python=sys.executable, folder=str(folder), frames=frames, then=then)
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.process
@pytest.mark.parametrize("then", ["sys.exit('camera fell off')", "os.kill(os.getpid(), 9)"])
async def test_the_pis_camera_is_run_and_run_again_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    fake_rpicam(tmp_path, monkeypatch, 10, then)
    async with watched("pi") as (reader, seen):
        await until(lambda: [s.payload for s in seen] == [A])
        await until(lambda: "it is started again" in reader.health().detail)
        await until(lambda: [s.payload for s in seen] == [A, A])
        (tmp_path / "gone").touch()
        await until(lambda: "no camera on this Pi" in reader.health().detail)
        assert "ribbon" in reader.health().advice


async def test_a_pi_without_the_program_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    notice = next(pi_camera.pi_frames("libcamera"))
    assert isinstance(notice, Notice)
    assert (notice.state, "rpicam-apps" in notice.advice) == ("missing", True)


@pytest.mark.process
def test_a_pi_camera_that_falls_silent_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_rpicam(tmp_path, monkeypatch, 2, "time.sleep(600)")
    monkeypatch.setattr(pi_camera, "_SILENCE_S_MAX", 0.5)
    items = pi_camera.pi_frames("pi:1", sleep=lambda _: None)
    said = next(item for item in items if isinstance(item, Notice))
    assert "sends no picture" in said.detail
    items.close()


def test_the_newest_whole_picture_is_taken_from_the_pipe() -> None:
    one = cv2.imencode(".jpg", EMPTY)[1].tobytes()
    two = cv2.imencode(".jpg", picture(A))[1].tobytes()
    # A thumbnail in a header has an end marker of its own.
    thumbed = two[:2] + b"\xff\xe1\x00\x08\xff\xd8\xff\xd9ab" + two[2:]
    newest, rest = pi_camera.newest_jpeg(b"rubbish" + one + thumbed + one[:100])
    assert newest == thumbed
    assert rest == one[:100]
    assert pi_camera.newest_jpeg(rest + one[100:]) == (one, b"")
    assert pi_camera.newest_jpeg(b"\xff\xd8\xff\xe0\0\4abXX" + one)[0] == one


@pytest.mark.parametrize(
    ("source", "kind"),
    [("pi", "pi"), ("libcamera", "pi"), ("pi:1", "pi"), ("pixels.mp4", "video"), ("0", "camera")],
)
def test_how_the_pis_camera_is_named(source: str, kind: str) -> None:
    assert source_kind(source) == kind


# --- formats and devices -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((480, 640), np.uint8),
        ((480, 640), np.uint16),
        ((480, 640, 1), np.uint8),
        ((480, 640, 2), np.uint8),
        ((480, 640, 3), np.uint8),
        ((480, 640, 4), np.uint8),
    ],
)
def test_whatever_a_driver_hands_over_becomes_grey(shape: tuple[int, ...], kind: type) -> None:
    gray = to_gray(np.full(shape, 100, kind))
    assert (gray.shape, gray.dtype) == ((480, 640), np.uint8)
    assert abs(int(gray.mean()) - 100) < 2


@pytest.mark.parametrize("shape", [(1, 70_000), (480, 640, 7), (10, 10, 3), (5,)])
def test_what_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(WrongFormatError):
        to_gray(np.zeros(shape, np.uint8))


class ScriptedCapture:
    """A V4L2 device that answers by format: `pictures` by attempt."""

    def __init__(self, pictures: list[np.ndarray | None]) -> None:
        self._pictures = list(pictures)

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        image = self._pictures.pop(0) if self._pictures else None
        return image is not None, image

    def release(self) -> None: ...


def test_a_wrong_format_is_said_and_another_is_tried_until_pictures_come() -> None:
    script = [[np.zeros((1, 70_000), np.uint8)], [], [EMPTY, EMPTY]]
    attempts: list[int] = []

    def open_capture(_: str, attempt: int) -> Any:
        attempts.append(attempt)
        return ScriptedCapture(script[len(attempts) - 1] if len(attempts) < 4 else [EMPTY])

    items = live.live_frames("/dev/video7", open_capture=open_capture, sleep=lambda _: None)
    first, second = next(items), next(items)
    assert isinstance(first, Notice)
    assert (first.state, "format" in first.detail) == ("failed", True)
    assert isinstance(second, Notice)
    assert isinstance(next(items), Frame)
    assert isinstance(next(items), Frame)
    assert isinstance(next(items), Notice)
    assert isinstance(next(items), Frame)
    assert attempts == [0, 1, 2, 2]  # what worked is kept


def test_a_camera_is_opened_anew_when_asked_to() -> None:
    opened: list[int] = []

    def open_capture(_: str, attempt: int) -> Any:
        opened.append(attempt)
        return ScriptedCapture([EMPTY] * 5)

    asked = iter([False, True, *[False] * 9])
    items = live.live_frames("0", lambda: next(asked), open_capture, sleep=lambda _: None)
    kinds = [type(next(items)) for _ in range(4)]
    assert kinds == [Frame, Frame, Notice, Frame]
    assert opened == [0, 0]


@pytest.mark.parametrize(
    ("found", "said", "advice"),
    [
        ([], "is not there", "no other camera"),
        ([Camera("/dev/video2", "C920", "uvcvideo", True)], "is not there", "/dev/video2 (C920)"),
        ([Camera("/dev/null", "csi", "unicam", True)], "raw sensor", "`pi`"),
        ([Camera("/dev/null", "", "", False, 13)], "may not be opened", "group `video`"),
        ([Camera("/dev/null", "codec", "bcm2835", False)], "helper device", "no other camera"),
        ([Camera("/dev/null", "C920", "uvcvideo", True)], "in use", "Close other programs"),
    ],
)
def test_what_is_wrong_with_a_device_is_told_with_what_to_do(
    found: list[Camera], said: str, advice: str
) -> None:
    path = "/dev/null" if found and found[0].path == "/dev/null" else "/dev/video97"
    notice = live.what_is_wrong_with_device(path, opened=False, found=lambda: found)
    assert said in notice.detail
    assert advice in notice.advice


def test_a_device_that_is_no_camera_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "video0").write_bytes(b"")
    (tmp_path / "video1").mkdir()
    assert [camera.captures for camera in cameras.cameras(tmp_path)] == [False, False]
