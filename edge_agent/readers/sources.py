"""Where frames come from: camera, stream, video file, folder of images. Runs in the child.

Cameras and streams are in `live`, the Raspberry Pi's own camera in `pi_camera`.

Each source is an endless generator of frames and notices, driven by one capture thread. None
raises for a source that is missing, broken or over: it says so in a notice and goes on trying.
A blocked driver blocks its generator; `worker` notices and has the process replaced.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_agent import system_clock
from edge_agent.readers.frames import Frame, Gray, Item, Notice, cv2, np, to_gray
from edge_agent.readers.live import live_frames
from edge_agent.readers.pi_camera import pi_frames
from edge_agent.readers.source_kind import IMAGE_ENDINGS, source_kind

IMAGE_SHOWN_S = 1.0
"""How long a folder's image is in view (API §1: about a second)."""
_IMAGE_FRAMES = 5
_IMAGE_BYTES_MAX = 64_000_000
_FOLDER_POLL_S = 0.5
_IMAGE_ADVICE = "Save the picture as PNG or JPEG."


def open_source(
    source: str, resume: str = "", reopen: Callable[[], bool] = lambda: False
) -> Iterator[Item]:
    """Return the frames of a source; `resume` is the position that an earlier child reported;
    `reopen` tells a camera, asked at each frame, to be closed and opened anew.
    """
    kind = source_kind(source)
    if kind == "folder":
        return folder_frames(Path(source), resume)
    if kind == "image":
        return folder_frames(Path(source).parent, resume, only=Path(source).name)
    if kind == "video":
        return video_frames(Path(source), resume)
    if kind == "pi":
        return pi_frames(source, reopen)
    return live_frames(source, reopen)


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
            said = f"The folder {folder} can't be read: {error.strerror}."
            yield Notice("missing", said, advice="Make the folder, or name another as the camera.")
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
                yield Notice("running", skipped.strip(), position, _IMAGE_ADVICE)
                continue
            position = max(position, name)
            yield from _show(gray, name, position)
        said = f"{len(names)} images shown" if names else f"No image in {folder} yet"
        advice = _IMAGE_ADVICE if skipped else ""
        yield Notice("waiting", f"{said}; waiting for more.{skipped}", position, advice)
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
            said = f"The video {path} {why}; trying again."
            yield Notice("missing", said, advice="Put the video there, or name another.")
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
        said = f"The video {path} holds no frame that can be read."
        return Notice("failed", said, advice="Save it as mp4 (H.264), avi or webm.")
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
