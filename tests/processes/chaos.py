"""A fleet of real processes that are killed, cut off and lied to, from one seed (P1, P2, P3).

`make chaos MINUTES=5` runs seed after seed; a run ends with everything mended, every scan that
opened a barrier at the server exactly once, and `sync-server verify` clean.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.processes.fleet import Gate, Server, ending, until
from tests.processes.proxy import WILD, Proxy

GATES = ("g1", "g2", "g3")
PARTICIPANTS = 60
SETTLE_S = 90
RUN_S = 40


class Chaos:
    """One run. `story` says what happened, for whoever reads a failing seed."""

    def __init__(self, folder: Path, seed: int, *, database_url: str | None = None) -> None:
        self.seed = seed
        self.story: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._server = Server(folder, PARTICIPANTS, database_url=database_url).start()
        self._folder = folder
        self._stack = ExitStack()
        self._server_down_until_s = 0.0
        self._codes: list[str] = []
        self._gates: list[Gate] = []
        self._proxies: list[Proxy] = []

    def run(self, seconds: float) -> "Chaos":
        with self._stack:
            self._stack.enter_context(ending(self._server))
            self._server.ask("POST", "/gates", {"id": "g3", "name": "Gate 3"})
            self._codes = list(self._server.codes().values())
            for number, gate_id in enumerate(GATES):
                proxy = self._stack.enter_context(
                    Proxy(self._server.port, seed=self.seed * 100 + number)
                )
                gate = Gate(self._folder, self._server, gate_id, through=proxy.url)
                self._stack.enter_context(ending(gate))
                self._proxies.append(proxy)
                self._gates.append(gate.start())
                proxy.chances = WILD
            self._act(seconds)
            self._settle()
            self._check()
        return self

    def _act(self, seconds: float) -> None:
        deeds: list[tuple[float, Callable[[], None]]] = [
            (0.76, self._visit),
            (0.05, self._cut_or_mend),
            (0.10, self._let_time_pass),
            (0.05, self._kill_a_gate),
            (0.04, self._kill_the_server),
        ]
        weights, choices = zip(*deeds, strict=True)
        # Once each for sure, the rest by chance: a run that met no fault would prove nothing.
        sure = [self._kill_the_server, self._kill_a_gate, self._cut_or_mend]
        self._chance.shuffle(sure)
        for proxy in self._proxies:
            proxy.arm("sync/scans", "swallow")
            proxy.arm("sync/changes", "truncate")
        began_s = time.monotonic()
        while (spent := (time.monotonic() - began_s) / seconds) < 1:
            if sure and spent > 1 - (len(sure) + 0.5) / 4:
                sure.pop()()
            self._chance.choices(choices, weights)[0]()
            if self._server.process is None and time.monotonic() > self._server_down_until_s:
                self._server.start()

    def _visit(self) -> None:
        gate, code = self._chance.choice(self._gates), self._chance.choice(self._codes)
        said = gate.present(code, self._chance.choice(["entry", "entry", "exit"]))
        self.story["admitted" if said["admitted"] else "refused"] += 1

    def _cut_or_mend(self) -> None:
        proxy = self._chance.choice(self._proxies)
        if not self.story["cut off"] or self._chance.random() < 0.5:
            proxy.cut_off()
            self.story["cut off"] += 1
        else:
            proxy.mend()
            proxy.chances = WILD

    def _let_time_pass(self) -> None:
        time.sleep(self._chance.uniform(0, 0.3))  # a gap between visitors, not a wait for anything

    def _kill_a_gate(self) -> None:
        gate = self._chance.choice(self._gates)
        gate.kill()
        gate.start()
        self.story["gates killed"] += 1

    def _kill_the_server(self) -> None:
        if self._server.process is not None:
            self._server.kill()
            self._server_down_until_s = time.monotonic() + self._chance.uniform(0, 3)
            self.story["server killed"] += 1

    def _settle(self) -> None:
        if self._server.process is None:
            self._server.start()
        for proxy in self._proxies:
            self.story.update(proxy.counts)
            proxy.mend()
        for gate in self._gates:
            until(gate.uploaded, f"all of {gate.data.name} arrives", SETTLE_S)
            gate.stop()

    def _check(self) -> None:
        seen = Counter(item["scanId"] for item in self._server.attendance())
        for gate in self._gates:
            opened = Counter(gate.openings())
            assert set(opened.values()) <= {1}, "a scan opened twice"
            wrong = {scan: seen[scan] for scan in opened if seen[scan] != 1}
            assert not wrong, f"opened at {gate.data.name}, and at the server so often: {wrong}"
            self.story["openings"] += len(opened)
        assert set(seen.values()) <= {1}, "a scan counts twice"
        self._server.verify()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=None, help="run this one alone")
    parser.add_argument("--database-url", default=None, help="an empty PostgreSQL database")
    given = parser.parse_args()
    end_s = time.monotonic() + given.minutes * 60
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1_000_000)
    while True:
        folder = Path(tempfile.mkdtemp(prefix="gs-chaos-"))
        try:
            done = Chaos(folder, seed, database_url=given.database_url).run(RUN_S)
        except BaseException:
            print(f"seed {seed} failed; its folder is kept: {folder}", file=sys.stderr)
            raise
        shutil.rmtree(folder)
        print(f"seed {seed}: " + ", ".join(f"{n} {what}" for what, n in done.story.items()))
        seed += 1
        if given.seed is not None or time.monotonic() > end_s:
            return 0


if __name__ == "__main__":
    sys.exit(main())
