"""Cameras (V4L2) and streams (RTSP, HTTP, tcp) by OpenCV. A lost one is opened again, for ever."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from edge_agent import system_clock
from edge_agent.readers.cameras import PI_DRIVERS, Camera, cameras, describe, device_path
from edge_agent.readers.frames import (
    FRAMES_S,
    HEIGHT_PX,
    WIDTH_PX,
    Frame,
    Item,
    Notice,
    WrongFormatError,
    cv2,
    to_gray,
)

_RETRY_S_MIN, _RETRY_S_MAX = 2.0, 10.0
_STREAM_TIMEOUT_MS = 5000
_FRAME_LOST_MAX = 10
"""Reads without a picture, one after the other, before a camera counts as lost."""
_REACH_S_MAX = 2.0

OpenCapture = Callable[[str, int], Any]


def live_frames(
    source: str,
    reopen: Callable[[], bool] = lambda: False,
    open_capture: OpenCapture | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Item]:
    """Read a camera or stream for ever; a lost one is opened again, each time a little later."""
    open_capture = open_capture or _open
    pause_s, attempt = _RETRY_S_MIN, 0
    while True:
        capture = open_capture(source, attempt)
        read, wrong = 0, ""
        try:
            for picture in _pictures(capture):
                try:
                    gray = to_gray(picture)
                except (WrongFormatError, cv2.error) as error:
                    wrong = " ".join(str(error).split())
                    break
                read, pause_s = read + 1, _RETRY_S_MIN
                yield Frame(gray, system_clock.boot_ms())
                if reopen():
                    break
            opened = bool(capture.isOpened())
        finally:
            capture.release()
        # What worked is kept; else the next form of asking is tried.
        attempt = attempt if read else attempt + 1
        yield _what_is_wrong(source, opened=opened, read=read, wrong=wrong)
        sleep(pause_s)
        pause_s = min(pause_s * 1.5, _RETRY_S_MAX)


def _pictures(capture: Any) -> Iterator[Any]:
    lost = 0
    while capture.isOpened() and lost < _FRAME_LOST_MAX:
        ok, picture = capture.read()
        if ok and picture is not None:
            lost = 0
            yield picture
        else:
            lost += 1
            time.sleep(0.02)  # a lost frame is often followed by a good one; no busy loop


def _open(source: str, attempt: int) -> Any:
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
        ask_for_format(capture, attempt)
    return capture


def ask_for_format(capture: Any, attempt: int) -> None:
    """First what is best, then what every camera has, then whatever the driver gives by itself."""
    way = attempt % 3
    if way < 2:
        # MJPEG first: a USB 2 camera can't send 720p raw at this rate.
        form, width, height = ("MJPG", WIDTH_PX, HEIGHT_PX) if way == 0 else ("YUYV", 640, 480)
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*form))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        capture.set(cv2.CAP_PROP_FPS, FRAMES_S)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, 3)  # by itself: a gate goes from night to noon


def _what_is_wrong(source: str, *, opened: bool, read: int, wrong: str) -> Notice:
    if read:
        said = f"The camera {source} stopped sending pictures; trying again."
        return Notice("missing", said, advice="Check its cable and power.")
    if wrong:
        said = f"The camera {source} sends pictures of a format that can't be used ({wrong})."
        return Notice("failed", said, advice="Another format is tried; else use another camera.")
    if "://" in source:
        return _what_is_wrong_with_stream(source)
    return what_is_wrong_with_device(source, opened=opened)


def _what_is_wrong_with_stream(source: str) -> Notice:
    parts = urlsplit(source)
    name = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    port = parts.port or {"rtsp": 554, "rtsps": 322, "https": 443}.get(parts.scheme, 80)
    try:
        socket.create_connection((parts.hostname or "", port), _REACH_S_MAX).close()
    except OSError as error:
        said = f"The stream {name} is not there ({error.strerror or error}); trying again."
        return Notice("missing", said, advice="Check its address, its power and the network.")
    said = f"{name} answers, but sends no video that can be read; trying again."
    advice = "Check the path, name and password of the address; H.264 or MJPEG is expected."
    return Notice("failed", said, advice=advice)


def what_is_wrong_with_device(
    source: str, *, opened: bool, found: Callable[[], list[Camera]] = cameras
) -> Notice:
    path = device_path(source)
    there = [camera for camera in found() if camera.captures]
    if not os.path.exists(path):  # noqa: PTH110 - a device's name, no file of ours
        said = f"The camera {source} is not there; trying again."
        return Notice("missing", said, advice=f"Plug it in, or name another. {describe(there)}")
    camera = next((c for c in found() if c.path == path), None)
    if camera is not None and camera.driver in PI_DRIVERS:
        said = f"{source} is the raw sensor of the Pi's own camera, which sends no picture so."
        return Notice("failed", said, advice="Name the camera `pi` instead.")
    if camera is not None and camera.error == errno.EACCES:
        said = f"The camera {source} may not be opened by this user."
        return Notice("failed", said, advice="Add the agent's user to the group `video`.")
    if camera is not None and not camera.captures:
        said = f"{source} is no camera but a helper device ({camera.card})."
        return Notice("failed", said, advice=describe(there))
    doing = "sends no picture" if opened else "can't be opened or is in use by another program"
    said = f"The camera {source} {doing}; trying again."
    return Notice("missing", said, advice="Close other programs that use it, or plug it in again.")
