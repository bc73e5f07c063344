"""`edge-agent replay-beacons` (API §1)."""

import json
from pathlib import Path

import pytest

from edge_agent.__main__ import main

IBEACON = "0215" + "11" * 16 + "00010002" + "c5"
NAME = f"ibeacon:{'11' * 16}:0001:0002"


def recording(folder: Path, rssi: int, seconds: int = 5, data: str = IBEACON) -> Path:
    file = folder / "walk.ndjson"
    lines = [
        {"t": n / 5, "address": "AA:BB:CC:DD:EE:FF", "rssi": rssi, "manufacturerData": {"76": data}}
        for n in range(seconds * 5)
    ]
    lines.append({"t": seconds + 30, "address": "AA", "rssi": -90, "serviceData": {"x": "00"}})
    file.write_text("\n".join(json.dumps(line) for line in lines), "utf-8")
    return file


def test_events_as_the_api_names_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay-beacons", str(recording(tmp_path, -60)), "--json"]) == 0
    came, left = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert came == {"t": 0.8, "beacon": NAME, "event": "enter", "rssi": -60.0}
    assert left == {"t": 14.8, "beacon": NAME, "event": "leave", "rssi": -60.0}


def test_the_measured_power_given_stands_in_for_the_badges(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(recording(tmp_path, -80))
    assert main(["replay-beacons", file]) == 0
    assert capsys.readouterr().out == ""
    assert main(["replay-beacons", file, "--measured-power", "-76"]) == 0
    assert "came" in capsys.readouterr().out


def test_a_malformed_frame_is_no_badge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = recording(tmp_path, -50, data=IBEACON[:-2])
    assert main(["replay-beacons", str(file), "--json"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"t":1,"rssi":-60,"manufacturerData":{"76":"0g"}}', '{"t":1,"rssi":900}']
)
def test_what_is_no_recording_is_said_with_its_line(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "walk.ndjson"
    file.write_text(f"\n{line}\n", "utf-8")
    assert main(["replay-beacons", str(file)]) == 2
    error = capsys.readouterr().err
    assert "line 2" in error
    assert error.count("\n") == 1
    assert main(["replay-beacons", str(tmp_path / "absent")]) == 2
