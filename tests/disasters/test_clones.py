"""P2: a cloned or rolled-back card. Real files, a real server, two clones of one card at once."""

import json
import shutil
from pathlib import Path

import pytest

from tests.disasters.cards import sent, troubles
from tests.processes.fleet import Gate, Server, ending, until

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]


class Clone(Gate):
    """The same card in another Pi: the same key, the same journal, its own process."""

    def __init__(self, folder: Path, gate: Gate) -> None:
        self.data = folder / "clone"
        self._log = folder / "clone.log"
        self.process = None
        shutil.copytree(gate.data, self.data, ignore=shutil.ignore_patterns("*.sock"))


def epochs(gate: Gate) -> str:
    return str(gate.status()["epoch"])


def told(gate: Gate) -> bool:
    return bool(troubles(gate).keys() & {"entries_mismatch", "card_rolled_back"})


def test_p2_two_clones_of_one_card_at_once_lose_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path, participants=30).start()
    codes = sorted(server.codes().values())
    gate = Gate(tmp_path, server)
    with ending(server, gate):
        gate.start()
        said = [gate.present(code) for code in codes[:3]]
        until(lambda: sent(gate), "uploaded")
        gate.kill()
        clone = Clone(tmp_path, gate)
        with ending(clone):
            gate.start()
            clone.start()
            for one, other in zip(codes[3:13], codes[13:23], strict=True):
                said += [gate.present(one), clone.present(other)]
            assert all(answer["admitted"] for answer in said)
            until(lambda: sent(gate), "uploaded")
            until(lambda: sent(clone), "uploaded")
            until(lambda: epochs(gate) != epochs(clone), "a new epoch for each story")
            until(lambda: told(gate) or told(clone), "somebody is told")
            # From here on each has an epoch of its own, and they disturb each other no more.
            said += [gate.present(codes[23]), clone.present(codes[24])]
            until(lambda: sent(gate), "uploaded")
            until(lambda: sent(clone), "uploaded")
            items = server.attendance()
            assert {item["scanId"] for item in items} == {answer["scanId"] for answer in said}
            assert len(items) == len(said)
            assert {item["verdict"] for item in items} == {"confirmed"}
    server.verify()


def test_p2_a_card_put_back_to_an_older_state_goes_on_under_a_new_epoch(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    codes = sorted(server.codes().values())
    gate = Gate(tmp_path, server)
    with ending(server, gate):
        gate.start()
        said = [gate.present(code) for code in codes[:2]]
        until(lambda: sent(gate), "uploaded")
        gate.kill()
        shutil.copytree(gate.data, tmp_path / "image", ignore=shutil.ignore_patterns("*.sock"))
        gate.start()
        said += [gate.present(code) for code in codes[2:6]]
        until(lambda: sent(gate), "uploaded")
        first = epochs(gate)
        gate.kill()
        shutil.rmtree(gate.data)
        shutil.copytree(tmp_path / "image", gate.data)
        gate.start()
        # Before it hears of anything: the same numbers, other people.
        said += [gate.present(code) for code in codes[6:9]]
        until(lambda: sent(gate), "uploaded")
        until(lambda: epochs(gate) != first, "a new epoch")
        said.append(gate.present(codes[9]))
        until(lambda: sent(gate), "uploaded")
        items = server.attendance()
        assert {item["scanId"] for item in items} == {answer["scanId"] for answer in said}
        assert len(items) == len(said)
        until(lambda: told(gate), "the gate says it")
        until(lambda: "entries_mismatch" in json.dumps(server.get("/devices")), "the server knows")
    server.verify()
