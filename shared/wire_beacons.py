"""What gates and server tell each other of beacons: rotating ids (down), a badge to pair (up)."""

from typing import Annotated

import msgspec

from shared.wire import Answer, Request

EID_DIGEST_BYTES = 8
"""Of each coming id gates get the first 8 bytes of its digest (API §3.4): an id has 8 itself, so
more would protect nothing and double the table."""


class BadgeLine(Answer, tag_field="type", tag="badge", kw_only=True):
    """A rotating badge's coming ids. `digest` names the badge, as its credential line does; `eids`
    are the digests of the ids of consecutive slots in base64, 8 bytes each, the first one's slot
    starting at `first_slot_at`.
    """

    digest: str
    first_slot_at: str
    slot_seconds: int
    eids: bytes


class PairingCall(Answer, kw_only=True):
    """Someone wants to pair a badge at this device's gate: say which unknown one is nearest."""

    pairing_id: str
    until: str


class BadgePageLine(Answer, tag_field="type", tag="page", kw_only=True):
    """The last line. `until`: the ids reach so far, which may be less than asked."""

    cursor: str
    more: bool
    until: str
    pairing: PairingCall | None = None


BadgeAnswerLine = BadgeLine | BadgePageLine


class BeaconHeard(Request, kw_only=True):
    """The strongest unknown badge; `beacon` is its canonical id."""

    pairing_id: Annotated[str, msgspec.Meta(max_length=100)]
    beacon: Annotated[str, msgspec.Meta(max_length=100)]
    rssi: Annotated[float, msgspec.Meta(ge=-127, le=20)]
