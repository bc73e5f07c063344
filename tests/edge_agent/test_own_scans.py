"""The overlay: what a supervisor voided leaves it, an accepted scan comes back (P10)."""

from pathlib import Path

import pytest

from edge_agent.config import Config, load_config
from edge_agent.own_scans import OwnScans
from shared.errors import UsageError


def body(seq: int, **more: object) -> dict[str, object]:
    return {
        "type": "scan",
        "scanId": f"s{seq}",
        "gateId": "main",
        "kind": "ticket",
        "direction": "entry",
        "decidedErrorMs": 0,
        "admitted": True,
        "reason": "ok",
        "participantId": "P1",
        "replicaCursor": "g1.5",
        **more,
    }


def word(seq: int, action: str, at: str) -> dict[str, object]:
    return {"type": "resolution", "scanId": "s1", "action": action, "at": at, "seq": seq}


def test_void_takes_out_and_the_last_word_by_time_holds() -> None:
    own = OwnScans("D1", "g1")
    own.take("e", 1, body(1), 1_000)
    assert [scan.known_revision for scan in own.of("P1")] == [5]
    own.take("e", 2, word(2, "void", "2026-11-21T10:00:00.000Z"), 0)
    assert (own.of("P1"), len(own)) == ([], 0)
    own.take("e", 3, word(3, "accept", "2026-11-21T09:00:00.000Z"), 0)
    assert own.of("P1") == []
    own.take("e", 4, word(4, "accept", "2026-11-21T11:00:00.000Z"), 0)
    assert len(own.of("P1")) == 1


def test_refused_scans_and_strangers_stay_outside() -> None:
    own = OwnScans("D1", "g1")
    own.take("e", 1, body(1, admitted=False), 1_000)
    stranger = body(2)
    del stranger["participantId"]
    own.take("e", 2, stranger, 1_000)
    assert len(own) == 0


def test_a_cursor_of_another_generation_knew_nothing_of_this_one() -> None:
    own = OwnScans("D1", "g2")
    own.take("e", 1, body(1), 1_000)
    assert own.of("P1")[0].known_revision == -1
    own.settle("other", 9)
    assert len(own) == 1
    own.settle("e", 1)
    assert len(own) == 0


def test_settings_come_from_file_environment_and_command_line(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('camera = "0"\nkiosk_port = 9000\n')
    config = load_config(file, {"GATESYNC_KIOSK_PORT": "9001"}, camera="off", beacons=None)
    assert config == Config(camera="off", kiosk_port=9001)
    file.write_text("kiosk_prot = 1\n")
    with pytest.raises(UsageError, match="kiosk_prot"):
        load_config(file, {})
    with pytest.raises(UsageError, match="kiosk_port"):
        load_config(None, {"GATESYNC_KIOSK_PORT": "many"})
