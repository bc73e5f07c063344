"""The fleet from a seed: P1–P4, P6–P10 and P12 hold, a run replays, and planted faults are found.

Each runs in processes of its own: `python -m tests.simulation` uses all cores and fixes the order
of sets, which is part of a run.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation import faults, mutants

ROOT = Path(__file__).parent.parent.parent
SEEDS = 200
SEEDS_A_TEST = 20  # the tests run side by side already
FOUND_QUICKLY = (
    "missing_fsync_barrier",
    "overlay_dropped",
    "revocation_not_looked_up",
    "last_writer_wins",
    "poison_scan_stops_its_batch",
)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.simulation", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_A_TEST))
def test_p1_to_p12_some_hundred_fleets_keep_every_promise(first):
    done = run("--from", str(first), "--seeds", str(SEEDS_A_TEST), "--jobs", "1")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(300)
def test_a_seed_replays_exactly():
    first, again = run("--seed", "11"), run("--seed", "11")
    assert first.stdout == again.stdout
    assert len(first.stdout.splitlines()) > 30, first.stdout + first.stderr


@pytest.mark.timeout(300)
def test_a_seed_that_breaks_a_promise_tells_its_story():
    told = run("--seed", "11", "--mutant", "opens_before_writing")
    assert told.returncode == 1, told.stderr
    broken = [line for line in told.stdout.splitlines() if "BROKEN" in line]
    assert any("P1: dev-" in line and " s  BROKEN" in line for line in broken)
    assert any(" admits P0" in line for line in told.stdout.splitlines())


@pytest.mark.timeout(1_200)
def test_planted_faults_are_found():
    done = run("--mutants", *FOUND_QUICKLY, "--seeds", "100")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(300)
def test_a_fault_that_nobody_finds_fails_the_run():
    assert run("--mutants", "overlay_dropped", "--seeds", "0").returncode == 1


def test_every_planted_fault_still_has_its_place():
    mutants.check_all_can_be_planted()
    assert len(mutants.ALL) >= 12
    assert len(faults.KINDS) >= 12
