"""A ticket as a QR code."""

import segno

QUIET_ZONE_MODULES = 4


def make_qr(payload: str) -> segno.QRCode:
    """Level Q, never a micro code; an unsigned ticket fits version 2 (25 × 25 modules)."""
    return segno.make(payload, error="q", micro=False, boost_error=False)
