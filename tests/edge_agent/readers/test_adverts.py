"""Beacon frames: the four layouts, and strictness about everything else (issue 4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.readers.adverts import EDDYSTONE, Identity, Telemetry, frames

UUID = bytes(range(16))
IBEACON = b"\x02\x15" + UUID + b"\x00\x07\x01\x02" + b"\xc5"
ALTBEACON = b"\xbe\xac" + bytes(20) + b"\xc5\x00"
UID = b"\x00\xee" + b"\xaa" * 10 + b"\xbb" * 6 + b"\x00\x00"
EID = b"\x30\xee" + b"\x5a" * 8
TLM = b"\x20\x00" + b"\x0b\xb8" + b"\x15\x80" + b"\x00\x00\x00\x05" + b"\x00\x00\x00\x64"


@pytest.mark.parametrize(
    ("manufacturer", "service", "frame"),
    [
        ({0x4C: IBEACON}, {}, Identity(f"ibeacon:{UUID.hex()}:0007:0102", -59)),
        ({0x118: ALTBEACON}, {}, Identity(f"altbeacon:{'00' * 20}", -59)),
        ({}, {EDDYSTONE: UID}, Identity(f"eddystone-uid:{'aa' * 10}{'bb' * 6}", -59)),
        ({}, {EDDYSTONE: EID}, Identity(f"eddystone-eid:{'5a' * 8}", -59, b"\x5a" * 8)),
        ({}, {EDDYSTONE: TLM}, Telemetry(3000, 21.5, 5, 10.0)),
    ],
)
def test_each_layout(
    manufacturer: dict[int, bytes], service: dict[str, bytes], frame: Identity | Telemetry
) -> None:
    assert frames(manufacturer, service) == [frame]


@pytest.mark.parametrize("whole", [IBEACON, ALTBEACON])
@given(cut=st.integers(0, 30), more=st.binary(max_size=4))
def test_another_length_is_no_frame(whole: bytes, cut: int, more: bytes) -> None:
    data = whole[:cut] + more
    assert frames({0x4C: data}, {}) == [] or len(data) == len(whole)


@pytest.mark.parametrize("whole", [UID, EID, TLM])
@given(cut=st.integers(0, 24), more=st.binary(max_size=4))
def test_another_length_is_no_eddystone(whole: bytes, cut: int, more: bytes) -> None:
    data = whole[:cut] + more
    assert frames({}, {EDDYSTONE: data}) == [] or len(data) in {len(UID), len(EID), len(TLM)}


@given(
    manufacturer=st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=30), max_size=4),
    service=st.dictionaries(st.sampled_from([EDDYSTONE, "x"]), st.binary(max_size=30)),
)
def test_no_bytes_make_it_stumble(
    manufacturer: dict[int, bytes], service: dict[str, bytes]
) -> None:
    for frame in frames(manufacturer, service):
        assert isinstance(frame, Identity | Telemetry)


def test_an_ibeacon_of_another_company_is_none() -> None:
    assert frames({0x4D: IBEACON}, {}) == []


def test_an_encrypted_tlm_is_none_of_ours() -> None:
    assert frames({}, {EDDYSTONE: b"\x20\x01" + bytes(12)}) == []


@pytest.mark.parametrize("power", [b"\x00", b"\x7f", b"\x81", b"\xa0"])
def test_a_badge_can_not_claim_to_be_near(power: bytes) -> None:
    """A measured power that none has would make a badge near from across the street."""
    (frame,) = frames({0x4C: IBEACON[:-1] + power}, {})
    assert isinstance(frame, Identity)
    assert frame.power_dbm is None


def test_telemetry_that_was_not_measured() -> None:
    (frame,) = frames({}, {EDDYSTONE: b"\x20\x00\x00\x00\x80\x00" + bytes(8)})
    assert frame == Telemetry(None, None, 0, 0.0)
