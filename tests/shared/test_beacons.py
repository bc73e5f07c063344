"""Canonical ids and rotating ids (API §3.4, DESIGN §7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import beacons

VECTOR_KEY = bytes.fromhex("0102030405060708090A111213141516")


@pytest.mark.parametrize(("clock_s", "eid"), [(0, "a9b76a71c5f89290"), (2000, "4144413e45fefa58")])
def test_the_vector_of_radius_networks(clock_s: int, eid: str) -> None:
    assert beacons.eid(VECTOR_KEY, 10, clock_s).hex() == eid


def test_an_id_holds_for_its_slot_and_no_longer() -> None:
    first, last, after = (beacons.eid(VECTOR_KEY, 5, s) for s in (64, 95, 96))
    assert first == last != after


@given(
    key=st.binary(min_size=16, max_size=16),
    exponent=st.integers(beacons.EXPONENT_MIN, beacons.EXPONENT_MAX),
    first=st.integers(0, 1 << 20),
    count=st.integers(0, 40),
)
def test_a_run_of_ids_is_the_single_ones(key: bytes, exponent: int, first: int, count: int) -> None:
    """Also over the change of the temporary key, each 2^16 s."""
    run = list(beacons.eids(key, exponent, first, count))
    alone = [beacons.eid(key, exponent, (first + n) << exponent) for n in range(count)]
    assert run == alone


def test_a_badges_clock_is_found_from_what_it_shows() -> None:
    shown = beacons.eid(VECTOR_KEY, 6, 700_000)
    assert beacons.find_clock(VECTOR_KEY, 6, shown, 1_000_000) == 700_000 // 64 * 64
    assert beacons.find_clock(VECTOR_KEY, 6, shown, 600_000) is None


def test_canonical_ids_are_lower_case_hex() -> None:
    assert beacons.ibeacon(b"\xab" * 16, 1, 0xBEEF) == f"ibeacon:{'ab' * 16}:0001:beef"
    assert beacons.altbeacon(b"\xcd" * 20) == f"altbeacon:{'cd' * 20}"
    assert (
        beacons.eddystone_uid(b"\x01" * 10, b"\x02" * 6) == f"eddystone-uid:{'01' * 10}{'02' * 6}"
    )
    assert beacons.eddystone_eid(b"\xff" * 8) == f"eddystone-eid:{'ff' * 8}"
