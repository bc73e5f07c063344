"""P12: the newest frame wins, whatever a decoder does; one core is all that the child takes."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest

from edge_agent.readers import worker
from edge_agent.readers.decode import Decoded
from edge_agent.readers.frames import Frame, Notice
from edge_agent.readers.protocol import Beat, Seen, from_line
from edge_agent.readers.worker import NewestFrame, Worker


def frame(number: int) -> Frame:
    return Frame(np.full((72, 128), number, np.uint8), boot_ms=number)


def test_what_was_not_fetched_in_time_is_replaced() -> None:
    slot = NewestFrame()
    for number in range(100):
        slot.put(frame(number))
    taken = slot.take(0)
    assert taken is not None
    assert taken.boot_ms == 99
    assert slot.take(0) is None
    assert slot.dropped == 99


def test_a_notice_is_heard_once_the_frames_before_it_are_fetched() -> None:
    slot = NewestFrame()
    slot.put(frame(1))
    slot.put(Notice("waiting", "It has ended."))
    assert slot.notice() is None
    slot.take(0)
    assert slot.notice() is not None


def test_a_slow_decoder_meets_the_newest_frame_and_never_a_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Capture goes on while a frame is decoded; of what came meanwhile only the last is looked at."""
    decoded: list[int] = []
    busy, go_on = threading.Event(), threading.Semaphore(0)

    def slow(gray: np.ndarray, **_: object) -> Decoded:
        decoded.append(int(gray[0, 0]))
        busy.set()
        go_on.acquire()
        return Decoded((b"GS:A",), "zxing")

    monkeypatch.setattr(worker, "decode", slow)
    out, into = os.pipe()
    slot = NewestFrame()

    def run() -> None:
        with suppress(EOFError):
            Worker(slot, into).run()

    thread = threading.Thread(target=run, daemon=True)
    slot.put(frame(1))
    thread.start()
    for burst in range(1, 5):
        assert busy.wait(20)
        busy.clear()
        for number in range(10 * burst, 10 * burst + 10):
            slot.put(frame(number))
        go_on.release()
    assert busy.wait(20)
    assert decoded == [1, 19, 29, 39, 49]
    assert slot.dropped == 36
    slot.fault = EOFError()  # ends the worker's loop
    go_on.release()
    thread.join(20)
    os.close(into)
    os.close(out)


def run_on(frames: list[Frame], decode: Callable[..., Decoded]) -> list[Seen | Beat]:
    out, into = os.pipe()
    made = Worker(NewestFrame(), into)
    for one in frames:
        made._see(one)
    os.close(into)
    with os.fdopen(out, "rb") as lines:
        return [from_line(line) for line in lines]


def test_a_sighting_carries_the_time_of_its_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "decode", lambda *_, **__: Decoded((b"GS:A",), "zxing"))
    (seen,) = run_on([frame(42)], worker.decode)
    assert seen == Seen(["GS:A"], 42)


def test_a_picture_that_stays_bad_has_the_camera_opened_anew_once_a_minute() -> None:
    slot = NewestFrame()
    out, into = os.pipe()
    made = Worker(slot, into)
    for _ in range(60):
        made._scene.look(np.zeros((72, 128), np.uint8), 0)
    asked = []
    for now_s in range(150):
        made._heal(float(now_s))
        asked += [now_s] if slot.shall_reopen() else []
    assert asked == [12, 72, 132]
    os.close(into)
    os.close(out)


@pytest.mark.process
def test_the_child_stays_on_one_core() -> None:
    ours = os.sched_getaffinity(0)
    child = os.fork()
    if not child:
        worker.stay_on_one_core()
        os._exit(0 if len(os.sched_getaffinity(0)) == 1 and os.nice(0) >= 5 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert os.sched_getaffinity(0) == ours
