"""`edge-agent read SOURCE`: the camera reader alone, for installers, printers' proofs, benchmarks."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from edge_agent import system_clock
from edge_agent.readers.source_kind import source_kind
from edge_agent.readers.view_filter import ViewFilter
from shared.credentials import looks_like_ours

if TYPE_CHECKING:
    from edge_agent.readers.frames import Gray

EXIT_FINE, EXIT_UNREADABLE = 0, 2


def read(source: str, *, any_code: bool, as_json: bool, out: TextIO) -> int:
    """Print what the camera reader reads; return the exit code of API §1."""
    printer = _Printer(any_code, as_json, out)
    kind = source_kind(source)
    try:
        if kind == "off":
            return _refuse(
                "Name a camera number, a device, a video, an image or a folder of images."
            )
        if kind == "folder":
            return _read_folder(Path(source), printer)
        if kind == "image":
            return _read_images([Path(source)], printer)
        if kind == "video":
            return _read_video(Path(source), printer)
        return _read_live(source, printer)
    except KeyboardInterrupt:
        return EXIT_FINE
    except BrokenPipeError:
        # The reader of our output (head, less) has seen enough; nor may the exit flush fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FINE


class _Printer:
    """One line for each image or new code, for a program or for a person."""

    def __init__(self, any_code: bool, as_json: bool, out: TextIO) -> None:
        self._any_code = any_code
        self._as_json = as_json
        self._out = out

    def chosen(self, codes: list[str]) -> list[str]:
        return [code for code in codes if self._any_code or looks_like_ours(code)]

    def line(self, source: str, codes: list[str], ms: float, error: str = "") -> None:
        if self._as_json:
            answer: dict[str, object] = {"source": source, "codes": codes, "ms": round(ms, 2)}
            if error:
                answer["error"] = error
            text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
        else:
            told = error or " ".join(_printable(code) for code in codes) or "nothing read"
            text = f"{source}: {told} ({ms:.1f} ms)"
        print(text, file=self._out, flush=True)


def _printable(code: str) -> str:
    """A code may hold anything; it shall not steer the terminal that shows it."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in code)


def _refuse(words: str) -> int:
    print(f"edge-agent read: {words}", file=sys.stderr)
    return EXIT_UNREADABLE


def _decode(gray: Gray) -> tuple[list[str], float]:
    from edge_agent.readers.decode import STILL_BUDGET_MS, decode

    start_s = system_clock.monotonic_s()
    found = decode(gray, budget_ms=STILL_BUDGET_MS)
    ms = (system_clock.monotonic_s() - start_s) * 1000
    return [payload.decode("utf-8", "replace") for payload in found.payloads], ms


def _read_folder(folder: Path, printer: _Printer) -> int:
    from edge_agent.readers.sources import image_names

    try:
        names = image_names(folder)
    except FileNotFoundError:
        return _refuse(f"{folder} is not there: name a camera, a video, an image or a folder.")
    except OSError as error:
        return _refuse(f"The folder {folder} can't be read: {error.strerror}.")
    if not names:
        return _refuse(f"The folder {folder} holds no image (png, jpg, webp, bmp, pgm, tif).")
    return _read_images([folder / name for name in names], printer)


def _read_images(paths: list[Path], printer: _Printer) -> int:
    from edge_agent.readers.sources import load_gray

    read_any = False
    for path in paths:
        gray = load_gray(path)
        if gray is None and len(paths) == 1:
            why = "is no image that can be read" if path.exists() else "is not there"
            return _refuse(f"{path} {why}; a PNG, JPEG or WebP of a code is expected.")
        if gray is None:
            printer.line(path.name, [], 0.0, "no image that can be read")
            continue
        read_any = True
        codes, ms = _decode(gray)
        printer.line(path.name, printer.chosen(codes), ms)
    if not read_any:
        return _refuse(f"None of the {len(paths)} files in {paths[0].parent} is an image.")
    return EXIT_FINE


def _read_video(path: Path, printer: _Printer) -> int:
    from edge_agent.readers.sources import paced_video

    if not path.exists():
        return _refuse(f"{path} is not there: name a camera, a video, an image or a folder.")
    frames = 0

    def views() -> Iterator[tuple[Gray, int]]:
        nonlocal frames
        for _, gray, due_s in paced_video(path):
            frames += 1
            yield gray, int(due_s * 1000)  # as fast as we can, but by the video's own time

    _print_new_codes(str(path), views(), printer)
    if not frames:
        return _refuse(f"The video {path} holds no frame that can be read.")
    return EXIT_FINE


def _read_live(source: str, printer: _Printer) -> int:
    from edge_agent.readers.frames import Frame
    from edge_agent.readers.sources import open_source

    items = open_source(source)
    first = next(items)
    if not isinstance(first, Frame):
        said = first.detail.replace("; trying again", "").replace("; it is started again", "")
        return _refuse(f"{said} {first.advice}")
    views = ((item.gray, item.boot_ms) for item in items if isinstance(item, Frame))
    _print_new_codes(source, views, printer)
    return EXIT_FINE


def _print_new_codes(source: str, views: Iterator[tuple[Gray, int]], printer: _Printer) -> None:
    view = ViewFilter()
    for gray, at_ms in views:
        codes, ms = _decode(gray)
        new = view.new_codes(printer.chosen(codes), at_ms)
        if new:
            printer.line(source, new, ms)
