"""`python -m tests.simulation`: runs seeds, names those that break a promise, tells their story.

--seeds N [--from FIRST] [--jobs J]     many seeds, on all cores
--seed N [--mutant NAME]                one seed, with its story
--mutants [NAME …] [--seeds N]          plants each fault; each must be found within N seeds
"""

import argparse
import gc
import hashlib
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable

from tests.simulation import faults, invariants, mutants
from tests.simulation.scenario import Result, simulate

SEEDS_A_COLLECTION = 10
STORIES_TOLD_MAX = 3
_runs = 0


def one(seed: int) -> Result:
    global _runs  # noqa: PLW0603 — the collector is the process's
    if _runs % SEEDS_A_COLLECTION == 0:
        gc.collect()
        gc.freeze()  # what a run leaves is little; looking at all the rest each time is not
        gc.disable()
    _runs += 1
    return simulate(seed, faults.KINDS, invariants.check)


def run_seed(seed: int) -> tuple[int, list[str]]:
    return seed, one(seed).broken


def told(result: Result) -> str:
    lines = [f"{at_ms / 1_000:10.3f} s  {who:<8} {what}" for at_ms, who, what in result.story]
    return "\n".join(lines)


def print_story(seed: int) -> int:
    result = one(seed)
    text = told(result)
    print(text)
    print(f"story {hashlib.sha256(text.encode()).hexdigest()[:16]}")
    print(f"seed {seed}: {'; '.join(result.broken) or 'all promises hold'}")
    return 1 if result.broken else 0


def print_many(seeds: range, jobs: int) -> int:
    started_s = time.monotonic()
    bad: list[int] = []
    with multiprocessing.Pool(jobs) as pool:
        found: Iterable[tuple[int, list[str]]] = pool.imap_unordered(run_seed, seeds, chunksize=2)
        for seed, broken in found:
            if broken:
                bad.append(seed)
                print(f"seed {seed}: {'; '.join(broken[:3])}", flush=True)
    took_s = time.monotonic() - started_s
    for seed in sorted(bad)[:STORIES_TOLD_MAX]:
        print(f"\n--- the story of seed {seed}")
        print_story(seed)
    print(
        f"{len(seeds)} seeds from {seeds.start}, {len(bad)} broken, {took_s:.1f} s, "
        f"{len(seeds) / took_s:.1f} seeds/s"
    )
    if bad:
        print("replay one with: make simulate SEED=N")
    return 1 if bad else 0


def _hunt(asked: tuple[str, range]) -> tuple[str, int | None, str]:
    """The first seed that finds a planted fault by a promise that it breaks, and what it says."""
    name, seeds = asked
    with mutants.planted(name):
        for seed in seeds:
            said = [line for line in one(seed).broken if mutants.is_about(name, line)]
            if said:
                return name, seed - seeds.start + 1, said[0]
    return name, None, "survives"


def print_mutants(names: list[str], seeds: range, jobs: int) -> int:
    started_s = time.monotonic()
    survivors = 0
    with multiprocessing.Pool(jobs, maxtasksperchild=1) as pool:
        asked = [(name, seeds) for name in names]
        for name, needed, said in pool.imap_unordered(_hunt, asked):
            survivors += needed is None
            needed_said = "      -" if needed is None else f"{needed:7d}"
            print(f"{needed_said} seeds  {name:<34} {said}", flush=True)
    print(f"{len(names)} faults planted, {survivors} survive, {time.monotonic() - started_s:.1f} s")
    return 1 if survivors else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--mutants", nargs="*", metavar="NAME")
    parser.add_argument("--mutant", help="with --seed: the story under one planted fault")
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.seeds)
    if given.mutants is not None:
        return print_mutants(given.mutants or list(mutants.ALL), seeds, given.jobs)
    if given.seed is not None:
        with mutants.planted(given.mutant):
            return print_story(given.seed)
    return print_many(seeds, given.jobs)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is part of a run
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    sys.exit(main())
