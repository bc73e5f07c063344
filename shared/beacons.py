"""Beacons: canonical ids (API §3.4), and the rotating ids of Eddystone-EID. Pure.

A badge with a rotating id shares an AES key with the server. Its clock counts seconds; each
2^K of them are a slot, and each slot has an id of its own, which nobody without the key can foresee:

    TK  = AES128(key, 0×11 | FF | 00 00 | top 16 bits of the clock)
    EID = AES128(TK,  0×11 | K | the clock, its K low bits cleared)[:8]

Source: google/eddystone, eddystone-eid/eid-computation.md; the vector in the tests is
RadiusNetworks' (FINDINGS §2).
"""

import re
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

IDENTITY_KEY_BYTES = 16
EID_BYTES = 8
CLOCK_BITS = 32
EXPONENT_MIN, EXPONENT_MAX = 4, 10
"""Slots of 16 s to 17 min. Shorter ones make the gates' table too large, and with longer ones a
recorded badge would admit for too long."""
STEP_BITS = 16  # a temporary key serves for 2^16 s
TOLERANCE_MS_MAX = 64_000
"""An id is good this long before and after its slot, at most a slot: for the badge's own clock,
which drifts some seconds a day."""


CANONICAL = re.compile(
    r"ibeacon:[0-9a-f]{32}:[0-9a-f]{4}:[0-9a-f]{4}|altbeacon:[0-9a-f]{40}"
    r"|eddystone-uid:[0-9a-f]{32}|eddystone-eid:[0-9a-f]{16}"
)


def ibeacon(uuid: bytes, major: int, minor: int) -> str:
    return f"ibeacon:{uuid.hex()}:{major:04x}:{minor:04x}"


def altbeacon(beacon_id: bytes) -> str:
    return f"altbeacon:{beacon_id.hex()}"


def eddystone_uid(namespace: bytes, instance: bytes) -> str:
    return f"eddystone-uid:{namespace.hex()}{instance.hex()}"


def eddystone_eid(eid: bytes) -> str:
    return f"eddystone-eid:{eid.hex()}"


def rotating_badge(identity_key: bytes) -> str:
    """What stands for a rotating badge itself, whatever its id of the moment; the server's digest
    of it names the badge at the gates, which can't come back to the key from there.
    """
    return f"eddystone-eid-key:{identity_key.hex()}"


def slot_of(clock_s: int, exponent: int) -> int:
    return clock_s >> exponent


def eid(identity_key: bytes, exponent: int, clock_s: int) -> bytes:
    """The id that a badge shows when its clock stands at `clock_s`."""
    first = slot_of(clock_s, exponent)
    return next(eids(identity_key, exponent, first, 1))


def eids(identity_key: bytes, exponent: int, first_slot: int, count: int) -> Iterator[bytes]:
    """The ids of `count` slots, each temporary key made once."""
    slots_per_step = 1 << (STEP_BITS - exponent)
    slot, end = first_slot, first_slot + count
    while slot < end:
        stop = min(end, (slot // slots_per_step + 1) * slots_per_step)
        temporary = _temporary_key(identity_key, (slot << exponent) % (1 << CLOCK_BITS))
        head = bytes(11) + bytes([exponent])
        blocks = b"".join(
            head + ((one << exponent) % (1 << CLOCK_BITS)).to_bytes(4) for one in range(slot, stop)
        )
        cipher = _aes(temporary, blocks)
        for place in range(0, len(cipher), 16):
            yield cipher[place : place + EID_BYTES]
        slot = stop


def find_clock(identity_key: bytes, exponent: int, shown: bytes, clock_s_max: int) -> int | None:
    """What the badge's clock stands at, from an id that it shows; the start of that slot.

    Searches from zero up to `clock_s_max`: a million slots take about a second.
    """
    slots = slot_of(clock_s_max, exponent) + 1
    for slot, one in enumerate(eids(identity_key, exponent, 0, slots)):
        if one == shown:
            return slot << exponent
    return None


def _temporary_key(identity_key: bytes, clock_s: int) -> bytes:
    block = bytes(11) + b"\xff\x00\x00" + (clock_s >> STEP_BITS).to_bytes(2)
    return _aes(identity_key, block)


def _aes(key: bytes, blocks: bytes) -> bytes:
    # ECB is what the specification asks for: single blocks, none of them secret twice.
    encryptor = Cipher(algorithms.AES128(key), modes.ECB()).encryptor()  # noqa: S305
    return encryptor.update(blocks) + encryptor.finalize()
