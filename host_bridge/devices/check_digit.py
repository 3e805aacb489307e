"""Check digits of retail barcodes (GS1 General Specifications, 7.9: modulo 10)."""

from __future__ import annotations

from host_bridge.devices import gs1
from host_bridge.devices.gs1 import mod10_ok

_ARTICLE_DIGITS = (8, 12, 13, 14)  # GTIN-8, -12, -13, -14
_EAN_DIGITS = {"]E0": (12, 13), "]E4": (8,)}
_UPC_E_DIGITS = (6, 7, 8)  # sent as ]E0 too; its check digit is that of the twelve digits it stands for
_ADD_ON_DIGITS = (2, 5)
_ITF = ("]I0", "]I1")


def check_digit_ok(data: str, symbology: str | None) -> bool | None:
    """Whether the check digit is right; None where the symbology has none or is not known.

    Without a symbology, and in an ITF code, a number of 8, 12, 13 or 14 digits may be anything: it is called right if
    it is, else unknown. In a GS1 code it is that of the article's number (01).
    """
    found = gs1.parse(data, symbology)
    if found is not None:
        return gs1.check_digit_ok(found)
    if not (data.isascii() and data.isdigit()):
        return False if symbology in _EAN_DIGITS else None
    if symbology is None or symbology in _ITF:
        return True if len(data) in _ARTICLE_DIGITS and mod10_ok(data) else None
    if symbology == "]E3":
        return _with_add_on_ok(data)
    if symbology not in _EAN_DIGITS or (symbology == "]E0" and len(data) in _UPC_E_DIGITS):
        return None
    return len(data) in _EAN_DIGITS[symbology] and mod10_ok(data)


def _with_add_on_ok(data: str) -> bool:
    """An EAN-13 or UPC-A with the two or five digits of its add-on behind it."""
    return any(len(data) - add_on in (12, 13) and mod10_ok(data[:-add_on]) for add_on in _ADD_ON_DIGITS)
