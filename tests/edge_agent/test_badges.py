"""Rotating ids at the gate (DESIGN §7): only the slot of now, never an earlier one again."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from edge_agent.badges import BadgeBook
from edge_agent.facts import Place
from edge_agent.ports import Badge
from edge_agent.storage.badge_store import BadgeStore, Run
from edge_agent.storage.replica import Replica
from edge_agent.timekeeper import Timekeeper
from shared import beacons, credentials
from shared.beacon_settings import BeaconAdmit, BeaconSettings
from shared.limits import BADGE_CLOCK_ERROR_MS_MAX, BADGES_ASKED_MAX
from shared.model import Moment
from tests.edge_agent.storage import lines

KEY = bytes(range(16))
DIGEST_KEY = b"k" * 32
EXPONENT = 5
SLOT_MS = 32_000
BADGE_DIGEST = bytes.fromhex(credentials.beacon_digest(DIGEST_KEY, beacons.rotating_badge(KEY)))
ZERO_MS = 1_800_000_000_000  # the badge's clock stood at 0 then
SLOTS = 700


class Clock:
    """The gate's idea of the server's time."""

    def __init__(self) -> None:
        self.moment = Moment(ZERO_MS + 10 * SLOT_MS, 100)

    def now(self) -> tuple[Moment, str]:
        return self.moment, "synced"

    def at(self, slot: float, error_ms: int = 0) -> None:
        self.moment = Moment(round(ZERO_MS + slot * SLOT_MS), error_ms)


class World:
    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.store = BadgeStore.open(folder / "badges.db")
        self.replica = Replica.open(folder / "replica.db")
        digest = credentials.beacon_digest(DIGEST_KEY, "altbeacon:" + "ab" * 20)
        beacon = {"beaconAdmit": "any", "enterDb": 2}
        rows = [lines.gate("north", beacon=beacon), lines.credential(1, 3, digest, kind="beacon")]
        self.replica.apply_page(rows, lines.page(3))
        eids = beacons.eids(KEY, EXPONENT, 0, SLOTS)
        named = (credentials.beacon_digest(DIGEST_KEY, beacons.eddystone_eid(e)) for e in eids)
        prefixes = b"".join(bytes.fromhex(digest)[:8] for digest in named)
        self.store.replace([Run(BADGE_DIGEST, ZERO_MS, SLOT_MS, prefixes)], "g.1")
        self.reader = self.replica.reader()
        self.book = BadgeBook(
            self.reader,
            self.store,
            cast(Timekeeper, self.clock),
            Place("d1", "north", DIGEST_KEY),
        )

    def shows(self, slot: int) -> Badge | None:
        """What the gate makes of the id of that slot, now."""
        self.book.renew()
        shown = beacons.eid(KEY, EXPONENT, slot << EXPONENT)
        return self.book.rotating(beacons.eddystone_eid(shown))

    def close(self) -> None:
        self.reader.close()
        self.replica.close()
        self.store.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def test_the_id_of_now_is_the_badge(world: World) -> None:
    assert world.shows(10) == Badge(BADGE_DIGEST.hex(), rotating=True)


@pytest.mark.parametrize("slot", [7, 8, 12, 13, 699])
def test_an_id_of_minutes_ago_or_ahead_is_nobodys(world: World, slot: int) -> None:
    world.clock.at(10.5)
    assert world.shows(slot) is None


@pytest.mark.parametrize("slot", [9, 11])
def test_a_badge_whose_clock_drifted_by_less_than_a_slot_is_known(world: World, slot: int) -> None:
    world.clock.at(10.5)
    assert world.shows(slot) is not None


def test_an_earlier_slot_than_the_last_is_a_recording(world: World) -> None:
    """Within the tolerance as well: it was heard, then its successor was."""
    world.clock.at(10.5)
    assert world.shows(9) is not None
    assert world.shows(10) is not None
    assert world.shows(9) is None
    assert world.book.replayed == 1
    assert world.shows(10) is not None


def test_a_recording_dies_within_two_slots(world: World) -> None:
    for late in range(20, 60):
        world.clock.at(10 + late / 10)
        known = world.shows(10) is not None
        assert known == (late < 20), f"{late / 10} slots later"


def test_with_an_unsure_clock_no_rotating_badge_is_taken(world: World) -> None:
    world.clock.at(10, error_ms=BADGE_CLOCK_ERROR_MS_MAX + 1)
    assert world.shows(10) is None
    assert world.book.clock_unsure
    world.clock.at(10, error_ms=5_000)
    assert world.shows(10) is not None
    assert not world.book.clock_unsure


def test_the_window_follows_the_clock_and_the_store(world: World) -> None:
    for slot in (10, 200, 650):
        world.clock.at(slot + 0.5)
        assert world.shows(slot) is not None
    world.store.clear()
    assert world.shows(650) is None


def test_a_fixed_id_is_looked_up_and_strangers_are_not_kept_for_ever(world: World) -> None:
    assert world.book.fixed("altbeacon:" + "ab" * 20) is not None
    for number in range(BADGES_ASKED_MAX + 50):
        assert world.book.fixed(f"altbeacon:{number:040x}") is None
    assert len(world.book._fixed) <= BADGES_ASKED_MAX
    assert not any("altbeacon" in name for name in world.book._fixed)


def test_settings_of_the_gates_row_hold_and_wrong_ones_fall_back(world: World) -> None:
    settings = world.book.refresh()
    assert (settings.beacon_admit, settings.enter_db) == (BeaconAdmit.ANY, 2)
    line = lines.gate("north", 9, beacon={"beaconAdmit": "all"})
    world.replica.apply_page([line], lines.page(9))
    assert world.book.refresh() == BeaconSettings()
    assert "beaconAdmit" in world.book.settings_fault


def test_the_store_forgets_what_is_over_and_survives_damage(world: World, tmp_path: Path) -> None:
    assert world.store.bytes_held() == 8 * SLOTS
    world.store.extend([Run(b"x" * 16, ZERO_MS + SLOTS * SLOT_MS, SLOT_MS, b"y" * 80)])
    world.store.reached(ZERO_MS + 800 * SLOT_MS, ZERO_MS + (SLOTS + 1) * SLOT_MS)
    assert world.store.bytes_held() == 80
    assert world.store.held().until_ms == ZERO_MS + 800 * SLOT_MS
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database" * 1_000)
    BadgeStore.open(broken).close()
    assert (tmp_path / "broken.db.damaged-1").exists()
