"""`edge-agent read` over images, videos and what is neither."""

import io
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.commands.read import read
from tests.benchmarks.synthetic_qr import draw_code, place, wall

TICKET = "GS:TCF240123456789ABCDEFG"
EMPTY = wall(np.random.default_rng(4))
WITH_TICKET = place(EMPTY, draw_code(TICKET), width_px=220)


def lines(source: Path, *, any_code: bool = False) -> list[dict[str, object]]:
    out = io.StringIO()
    assert read(str(source), any_code=any_code, as_json=True, out=out) == 0
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_folder_gives_one_line_an_image(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.jpg"), WITH_TICKET)
    (tmp_path / "b.png").write_bytes(b"garbage")
    cv2.imwrite(str(tmp_path / "c.png"), draw_code("안녕 https://example.org"))
    cv2.imwrite(str(tmp_path / "d.webp"), EMPTY)
    (tmp_path / "a.txt").write_text(TICKET)
    a, b, c, d = lines(tmp_path)
    assert (a["source"], a["codes"]) == ("a.jpg", [TICKET])
    assert isinstance(a["ms"], float)
    assert (b["codes"], "error" in b) == ([], True)
    assert (c["codes"], d["codes"]) == ([], [])
    assert lines(tmp_path, any_code=True)[2]["codes"] == ["안녕 https://example.org"]


def test_one_image_and_plain_text(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), WITH_TICKET)
    out = io.StringIO()
    assert read(str(tmp_path / "a.png"), any_code=False, as_json=False, out=out) == 0
    assert out.getvalue().startswith(f"a.png: {TICKET} (")


def test_a_code_does_not_steer_the_terminal(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), draw_code("x\x1b[2Jy"))
    out = io.StringIO()
    read(str(tmp_path), any_code=True, as_json=False, out=out)
    assert "\x1b" not in out.getvalue()


def test_a_video_gives_one_line_a_new_code(tmp_path: Path) -> None:
    path = tmp_path / "gate.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 15.0, (1280, 720), False)
    for image in [WITH_TICKET] * 5 + [EMPTY] * 5 + [WITH_TICKET] * 5:
        writer.write(image)
    writer.release()
    assert [line["codes"] for line in lines(path)] == [[TICKET]]


@pytest.mark.parametrize(
    "made", ["nothing", "empty folder", "empty video", "garbage image", "no camera", "off"]
)
def test_unusable_sources_get_one_line_and_exit_2(made: str, tmp_path: Path) -> None:
    sources = {
        "nothing": tmp_path / "nothing",
        "empty folder": tmp_path,
        "empty video": tmp_path / "v.mp4",
        "garbage image": tmp_path / "g.png",
        "no camera": "97",
        "off": "off",
    }
    if made == "empty video":
        (tmp_path / "v.mp4").touch()
    if made == "garbage image":
        (tmp_path / "g.png").write_text("no image")
    # In a process of its own: OpenCV takes its "be quiet" only when it is loaded.
    code = (
        "import sys; from edge_agent.commands.read import read;"
        "sys.exit(read(sys.argv[1], any_code=False, as_json=True, out=sys.stdout))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(sources[made])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert len(run.stderr.splitlines()) == 1
    assert run.stderr.startswith("edge-agent read: ")
    assert "Traceback" not in run.stderr


def test_a_folder_of_garbage_alone_is_unreadable_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "b.jpg"):
        (tmp_path / name).write_bytes(b"garbage")
    out = io.StringIO()
    assert read(str(tmp_path), any_code=False, as_json=True, out=out) == 2
    assert [json.loads(line)["source"] for line in out.getvalue().splitlines()] == [
        "a.png",
        "b.jpg",
    ]
    assert capsys.readouterr().err.startswith("edge-agent read: None of the 2 files in ")
