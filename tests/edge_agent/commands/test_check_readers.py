"""`edge-agent check-readers`, as an installer runs it."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.commands import check_readers
from edge_agent.config import Config
from edge_agent.control import AskStatus
from tests.benchmarks.synthetic_qr import draw_code, place, wall

pytestmark = pytest.mark.process
A = "GS:TCF24" + "A" * 17


def run(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "edge_agent", "check-readers", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_camera_that_reads_works(tmp_path: Path) -> None:
    image = place(wall(np.random.default_rng(4)), draw_code(A), width_px=220)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    code, out, err = run("--camera", str(tmp_path), "--json")
    answer = json.loads(out)
    camera = next(row for row in answer["readers"] if row["name"] == "camera")
    assert (code, err) == (0, "")
    assert answer["works"] is True
    assert camera["works"] is True
    assert camera["figures"]["read_now"] == 1


def test_what_does_not_work_is_told_in_plain_words_with_what_to_do() -> None:
    code, out, err = run("--camera", "/dev/video97", "--scanner", "auto")
    assert (code, err) == (1, "")
    assert "camera    DOES NOT WORK  The camera /dev/video97 is not there" in out
    assert "→ Plug it in, or name another." in out
    assert "scanner   DOES NOT WORK  No hand scanner is plugged in" in out


def test_nothing_switched_on_is_said() -> None:
    code, out, _ = run()
    assert code == 1
    assert "No reader is switched on" in out


def test_wrong_settings_are_one_line_and_exit_2(tmp_path: Path) -> None:
    config = tmp_path / "gate.toml"
    config.write_text('scanner_layout = "dvorak"')
    code, out, err = run("--config", str(config))
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1


def test_a_running_agent_is_asked_instead_of_taking_its_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"name": "camera", "state": "failed", "detail": "The picture is black.", "figures": {},
           "advice": "Take what covers the lens away."}  # fmt: skip

    def ask(_: Path, question: AskStatus) -> dict[str, object]:
        assert isinstance(question, AskStatus)
        return {"readers": [row]}

    monkeypatch.setattr(check_readers, "ask", ask)
    assert check_readers.check_readers(tmp_path, Config(), as_json=False) == 1
    out = capsys.readouterr().out
    assert "The agent runs" in out
    assert "The picture is black." in out
    assert "→ Take what covers the lens away." in out
