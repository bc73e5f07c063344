"""Where frames come from: camera, stream, video file, folder of images. Runs in the child.

Each source is an endless generator of frames and notices, driven by one capture thread. None
raises for a source that is missing, broken or over: it says so in a notice and goes on trying.
A blocked driver blocks its generator; `worker` notices and has the process replaced.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Read by OpenCV when it loads: quiet, no picture beyond 100 megapixels (a decompression bomb
# in an image folder), MJPEG as the Pi's `rpicam-vid` sends it over tcp, RTSP over TCP.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "100000000")

import cv2
import numpy as np
import numpy.typing as npt

from edge_agent import system_clock
from edge_agent.readers.protocol import State
from edge_agent.readers.source_kind import IMAGE_ENDINGS, source_kind

Gray = npt.NDArray[np.uint8]

WIDTH_PX, HEIGHT_PX, FRAMES_S = 1280, 720, 15
"""What is asked of a camera: FINDINGS §1 found no gain in more."""
IMAGE_SHOWN_S = 1.0
"""How long a folder's image is in view (API §1: about a second)."""
_IMAGE_FRAMES = 5
_IMAGE_BYTES_MAX = 64_000_000
_FOLDER_POLL_S = 0.5
_RETRY_S_MIN, _RETRY_S_MAX = 2.0, 10.0
_STREAM_TIMEOUT_MS = 5000
_FRAME_LOST_MAX = 10
"""Reads without a picture, one after the other, before a camera counts as lost."""


@dataclass(frozen=True)
class Frame:
    """One picture. `still` names the showing of an image, which is decoded only once."""

    gray: Gray
    boot_ms: int
    still: str = ""
    position: str = ""


@dataclass(frozen=True)
class Notice:
    """The source's state has changed; no picture."""

    state: State
    detail: str
    position: str = ""


Item = Frame | Notice


def open_source(source: str, resume: str = "") -> Iterator[Item]:
    """Return the frames of a source; `resume` is the position that an earlier child reported."""
    kind = source_kind(source)
    if kind == "folder":
        return folder_frames(Path(source), resume)
    if kind == "image":
        return folder_frames(Path(source).parent, resume, only=Path(source).name)
    if kind == "video":
        return video_frames(Path(source), resume)
    return live_frames(source)


def to_gray(frame: Any) -> Gray:
    if frame.ndim == 2:
        return np.asarray(frame, np.uint8)
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), np.uint8)


def load_gray(path: Path) -> Gray | None:
    """Read an image file; None when it is none, or too large to be one."""
    try:
        if path.stat().st_size > _IMAGE_BYTES_MAX:
            return None
        data = np.frombuffer(path.read_bytes(), np.uint8)
        # imdecode, because imread prints to standard error what we say ourselves.
        image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
    except (OSError, cv2.error):
        return None
    return None if image is None else np.asarray(image, np.uint8)


def image_names(folder: Path) -> list[str]:
    """The images of a folder in name order. Raises OSError where it can't be read."""
    with os.scandir(folder) as entries:
        return sorted(
            e.name
            for e in entries
            if e.name[0] != "." and Path(e.name).suffix.lower() in IMAGE_ENDINGS and e.is_file()
        )


def folder_frames(folder: Path, resume: str, only: str = "") -> Iterator[Item]:
    """Show each image for about a second in name order, then wait for files that come later.

    `resume` is the last name that an earlier child showed: what is there and sorts before it
    counts as shown, and so does the image itself, since it may be what killed the decoder.
    A file that is written again is shown again, so one still being copied is not lost.
    """
    handled: dict[str, tuple[int, int]] | None = None
    position, skipped = resume, ""
    while True:
        try:
            names = [n for n in image_names(folder) if not only or n == only]
        except OSError as error:
            yield Notice("missing", f"The folder {folder} can't be read: {error.strerror}.")
            time.sleep(_FOLDER_POLL_S)
            continue
        stamps = {name: _stamp(folder / name) for name in names}
        if handled is None:
            handled = {name: stamp for name, stamp in stamps.items() if name <= resume}
        handled = {name: stamp for name, stamp in handled.items() if name in stamps}
        for name in [n for n in names if handled.get(n) != stamps[n]]:
            handled[name] = stamps[name]
            gray = load_gray(folder / name)
            if gray is None:
                skipped = f" {name} is no image that can be read; skipped."
                yield Notice("running", skipped.strip(), position)
                continue
            position = max(position, name)
            yield from _show(gray, name, position)
        said = f"{len(names)} images shown" if names else f"No image in {folder} yet"
        yield Notice("waiting", f"{said}; waiting for more.{skipped}", position)
        time.sleep(_FOLDER_POLL_S)


def _show(gray: Gray, name: str, position: str) -> Iterator[Frame]:
    stamp = system_clock.boot_ms()
    for _ in range(_IMAGE_FRAMES):
        yield Frame(gray, system_clock.boot_ms(), still=f"{name}@{stamp}", position=position)
        time.sleep(IMAGE_SHOWN_S / _IMAGE_FRAMES)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)


def video_frames(path: Path, resume: str) -> Iterator[Item]:
    """Play a video at its own pace once, then wait; a video that is replaced is played again."""
    skip = int(resume) if resume.isdecimal() else 0
    while True:
        stamp = _stamp(path)
        if stamp == (0, 0):
            why = "is empty" if path.exists() else "is not there"
            yield Notice("missing", f"The video {path} {why}; trying again.")
        else:
            count = skip
            for index, gray, due_s in paced_video(path, skip):
                count = index + 1
                now_s = system_clock.monotonic_s()
                if due_s > now_s:
                    time.sleep(due_s - now_s)
                yield Frame(gray, system_clock.boot_ms(), position=str(count))
            while _stamp(path) == stamp:
                yield _video_end(path, count)
                time.sleep(_FOLDER_POLL_S)
        skip = 0
        time.sleep(_FOLDER_POLL_S)


def _video_end(path: Path, count: int) -> Notice:
    if count == 0:
        return Notice("failed", f"The video {path} holds no frame that can be read.")
    return Notice("waiting", f"The video has ended after {count} frames.", str(count))


def paced_video(path: Path, skip: int = 0) -> Iterator[tuple[int, Gray, float]]:
    """Yield (index, picture, the monotonic second at which it is due) of a video file."""
    capture = cv2.VideoCapture(str(path))
    try:
        rate = capture.get(cv2.CAP_PROP_FPS)
        rate = rate if 1 <= rate <= 240 else 25.0
        if skip:
            capture.set(cv2.CAP_PROP_POS_FRAMES, skip)
        index, start_s = skip, system_clock.monotonic_s()
        while capture.isOpened():
            ok, frame = capture.read()
            if not ok or frame is None:
                return
            yield index, to_gray(frame), start_s + (index - skip) / rate
            index += 1
    finally:
        capture.release()


def live_frames(source: str) -> Iterator[Item]:
    """Read a camera or stream for ever; a lost one is opened again, each time a little later."""
    pause_s = _RETRY_S_MIN
    while True:
        capture = _open_live(source)
        lost = 0
        try:
            while capture.isOpened() and lost < _FRAME_LOST_MAX:
                ok, frame = capture.read()
                if not ok or frame is None:
                    lost += 1
                    time.sleep(0.02)
                    continue
                lost, pause_s = 0, _RETRY_S_MIN
                yield Frame(to_gray(frame), system_clock.boot_ms())
        finally:
            capture.release()
        said = "stopped sending pictures" if lost else "is not there or is in use"
        yield Notice("missing", f"The camera {source} {said}; trying again.")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _RETRY_S_MAX)


def _open_live(source: str) -> Any:
    if "://" in source:
        form = "f;mjpeg" if source.startswith("tcp://") else "rtsp_transport;tcp"
        # Without these FFmpeg studies the stream for 5 s and then shows the past.
        os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = (
            f"{form}|fflags;nobuffer|flags;low_delay|analyzeduration;300000|probesize;500000"
        )
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _STREAM_TIMEOUT_MS]
        limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, _STREAM_TIMEOUT_MS]
        return cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
    capture = cv2.VideoCapture(int(source) if source.isdecimal() else source, cv2.CAP_V4L2)
    if capture.isOpened():
        # MJPEG first: a USB 2 camera can't send 720p raw at this rate.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, WIDTH_PX)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, HEIGHT_PX)
        capture.set(cv2.CAP_PROP_FPS, FRAMES_S)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture
