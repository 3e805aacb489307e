"""Check digits of retail barcodes (GS1 General Specifications, 7.9: modulo 10)."""

from __future__ import annotations

_WITH_CHECK_DIGIT = {"]E0": (13, 12), "]E4": (8,), "]e0": (), "]X0": ()}


def check_digit_ok(data: str, symbology: str | None) -> bool | None:
    """Whether the last digit is right; None where the symbology has no check digit or is not known.

    Without a symbology a number of 8, 12, 13 or 14 digits may be anything: it is called right if it is, else unknown.
    """
    if not (data.isascii() and data.isdigit()):
        return None
    lengths = _WITH_CHECK_DIGIT.get(symbology or "")
    if symbology is None:
        return True if len(data) in (8, 12, 13, 14) and _mod10_ok(data) else None
    return _mod10_ok(data) if lengths and len(data) in lengths else None


def _mod10_ok(digits: str) -> bool:
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(digits)))
    return weighted % 10 == 0
