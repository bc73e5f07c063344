"""The camera's child process: one thread captures, the main thread decodes, the newest frame wins.

    python -m edge_agent.readers.worker SOURCE [RESUME]

It writes the messages of `protocol` to standard output and ends when its standard input closes,
which is how it never outlives the agent. What a decoder's C code prints goes elsewhere.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

from edge_agent import system_clock
from edge_agent.readers import sources
from edge_agent.readers.decode import decode
from edge_agent.readers.frames import Frame, Item, Notice
from edge_agent.readers.preview import Preview
from edge_agent.readers.protocol import (
    PREVIEW_OFF,
    PREVIEW_ON,
    Beat,
    Message,
    Picture,
    Seen,
    State,
    to_line,
)
from edge_agent.readers.scene import Scene

BEAT_S = 0.5
_CAPTURE_STUCK_S = 12.0
"""A driver that keeps a read call for so long never comes back (stream time-outs are 5 s)."""
_RATE_WINDOW_S = 2.0
_TROUBLE_S_MAX = 12.0
"""A picture that is black, white or frozen for so long: the camera is opened anew."""
_REOPEN_EVERY_S = 60.0
_NICE = 5
"""The lane and the kiosk come first."""
_PR_SET_PDEATHSIG = 1


class NewestFrame:
    """A place for one item: what was not fetched in time is replaced. Notices are kept apart."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._frame: Frame | None = None
        self._notice: Notice | None = None
        self.dropped = 0
        self.touched_s = system_clock.monotonic_s()
        self.fault: BaseException | None = None
        self._reopen = threading.Event()

    def ask_to_reopen(self) -> None:
        self._reopen.set()

    def shall_reopen(self) -> bool:
        """Whether the source is asked to be closed and opened; true once each time."""
        asked = self._reopen.is_set()
        self._reopen.clear()
        return asked

    def put(self, item: Item) -> None:
        with self._ready:
            self.touched_s = system_clock.monotonic_s()
            if isinstance(item, Notice):
                self._notice = item
                return
            self.dropped += self._frame is not None
            self._frame, self._notice = item, None
            self._ready.notify()

    def take(self, timeout_s: float) -> Frame | None:
        with self._ready:
            if self._frame is None:
                self._ready.wait(timeout_s)
            frame, self._frame = self._frame, None
            return frame

    def notice(self) -> Notice | None:
        """What the source said last, once every frame before it has been fetched."""
        with self._ready:
            return self._notice if self._frame is None else None


class Worker:
    """Decodes frames and tells the parent."""

    def __init__(self, slot: NewestFrame, out_fd: int) -> None:
        self._slot = slot
        self._out_fd = out_fd
        self.preview = Preview()
        self._scene = Scene()
        self._still: tuple[str, list[str]] = ("", [])
        self._position = ""
        self._size_px = (0, 0)
        self._frames = 0
        self._reads = 0
        self._decode_ms = 0.0
        self._last_code_ms = -1
        self._rate = 0.0
        self._window_s = system_clock.monotonic_s()
        self._window_frames = 0
        self._trouble_s: float | None = None
        self._reopened_s = -_REOPEN_EVERY_S

    def run(self) -> None:
        beat_s = 0.0
        while True:
            frame = self._slot.take(BEAT_S / 2)
            if frame is not None:
                self._see(frame)
            if self._slot.fault is not None:
                raise self._slot.fault
            now_s = system_clock.monotonic_s()
            if now_s - beat_s >= BEAT_S:
                beat_s = now_s
                self._beat(now_s)

    def _see(self, frame: Frame) -> None:
        self._frames += 1
        self._size_px = (frame.gray.shape[0], frame.gray.shape[1])
        self._window_frames += 1
        if frame.position != self._position:
            # Said before the decoding: should this frame kill us, our successor goes on after it.
            self._position = frame.position
            if frame.still:
                self._beat(system_clock.monotonic_s())
        codes = self._codes(frame)
        if codes:
            self._reads += 1
            self._last_code_ms = frame.boot_ms
            self._send(Seen(codes, frame.boot_ms))
        jpeg = self.preview.picture(frame.gray, frame.boot_ms, read=bool(codes))
        if jpeg is not None:
            self._send(Picture(jpeg))

    def _codes(self, frame: Frame) -> list[str]:
        if frame.still and frame.still == self._still[0]:
            return self._still[1]
        start_s = system_clock.monotonic_s()
        live = not frame.still and not frame.position
        found = decode(frame.gray, thorough=bool(frame.still))
        if found.payloads:
            if live:
                self._scene.hit(frame.gray)
        elif not frame.still and self._scene.look(frame.gray, frame.boot_ms):
            found = decode(frame.gray, thorough=True)
        self._decode_ms = (system_clock.monotonic_s() - start_s) * 1000
        codes = [payload.decode("utf-8", "replace") for payload in found.payloads]
        self._still = (frame.still, codes)
        return codes

    def _beat(self, now_s: float) -> None:
        passed_s = now_s - self._window_s
        if passed_s >= _RATE_WINDOW_S:
            self._rate = self._window_frames / passed_s
            self._window_s, self._window_frames = now_s, 0
        self._heal(now_s)
        state, detail, advice = self._state(now_s)
        figures = {
            "frames_per_s": round(self._rate, 1),
            "frames": float(self._frames),
            "frames_with_code": float(self._reads),
            "frames_dropped": float(self._slot.dropped),
            "decode_ms": round(self._decode_ms, 2),
            "width_px": float(self._size_px[1]),
            "height_px": float(self._size_px[0]),
        }
        if self._last_code_ms >= 0:
            figures["last_code_s_ago"] = (system_clock.boot_ms() - self._last_code_ms) / 1000
        self._send(Beat(state, detail, figures, self._position, advice))

    def _heal(self, now_s: float) -> None:
        """A camera whose picture stays bad is opened anew: that resets a driver and exposure."""
        if self._position or self._scene.trouble() is None:
            self._trouble_s = None
            return
        self._trouble_s = now_s if self._trouble_s is None else self._trouble_s
        rested = now_s - self._reopened_s >= _REOPEN_EVERY_S
        if now_s - self._trouble_s >= _TROUBLE_S_MAX and rested:
            self._reopened_s, self._trouble_s = now_s, None
            self._slot.ask_to_reopen()

    def _state(self, now_s: float) -> tuple[State, str, str]:
        if now_s - self._slot.touched_s > _CAPTURE_STUCK_S:
            # The thread sits in the driver and can't be ended: the parent starts a new process.
            raise TimeoutError("The camera stopped answering.")
        notice = self._slot.notice()
        if notice is not None:
            return notice.state, notice.detail, notice.advice
        if self._frames == 0:
            return "waiting", "The camera is being opened.", ""
        trouble = None if self._position else self._scene.trouble()
        if trouble is not None:
            return "failed", trouble.detail, trouble.advice
        return "running", "", ""

    def _send(self, message: Message) -> None:
        os.write(self._out_fd, to_line(message))


def capture(slot: NewestFrame, source: str, resume: str) -> None:
    """Body of the capture thread. A fault goes to the main thread, which reports it and ends."""
    try:
        for item in sources.open_source(source, resume, slot.shall_reopen):
            slot.put(item)
    except BaseException as fault:  # noqa: BLE001 - carried to the main thread, raised there
        slot.fault = fault


def listen_to_parent(preview: Preview) -> None:
    """Body of the thread that hears whether somebody looks, and ends us with our parent."""
    for line in sys.stdin.buffer:
        if line == PREVIEW_ON:
            preview.wanted.set()
        elif line == PREVIEW_OFF:
            preview.wanted.clear()
    os._exit(0)


def stay_on_one_core() -> None:
    """Capture and decode overlap on threads of their own; together they never take more than one
    core from the rest of the gate.
    """
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.nice(_NICE)


def main(arguments: list[str]) -> None:
    source, resume = arguments[0], (arguments[1] if len(arguments) > 1 else "")
    # A parent killed by SIGKILL while we sit in C code that holds the interpreter's lock.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    stay_on_one_core()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    # Libraries that print to standard output must not be taken for messages.
    out_fd = os.dup(1)
    os.dup2(2, 1)
    slot = NewestFrame()
    worker = Worker(slot, out_fd)
    threading.Thread(target=listen_to_parent, args=(worker.preview,), daemon=True).start()
    threading.Thread(target=capture, args=(slot, source, resume), daemon=True).start()
    try:
        worker.run()
    except BrokenPipeError:
        os._exit(0)  # the parent has gone
    except Exception as fault:  # noqa: BLE001 - told to the parent, which starts a successor
        os.write(out_fd, to_line(Beat("failed", str(fault) or repr(fault), {})))
        os._exit(3)  # the capture thread may be stuck: no orderly end waits for it


if __name__ == "__main__":
    main(sys.argv[1:])
