"""GS1 element strings: the application identifiers (AIs) in a scan, by the GS1 General Specifications.

Sections: 3 (the identifiers), 5.4.3 (AIM identifiers), 7.8.5 (FNC1, arriving as 1Dh, ends a value whose length is not
predefined), 7.9 (check digits), 7.12 (the century of a date), 7.11 (the characters of a value).
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

GS1_SYMBOLOGIES: Final = frozenset({"]C1", "]e0", "]e1", "]e2", "]d2", "]Q3", "]J1"})
FNC1: Final = "\x1d"
ELEMENTS_MAX: Final = 100  # of one scan; a QR code of nothing but two-digit identifiers and empty values has more


class Gs1Element(msgspec.Struct, frozen=True, kw_only=True):
    """One application identifier with its value."""

    ai: str  # "01"
    title: str  # "GTIN"; "" for one that is not in the table here
    value: str  # as in the barcode
    date: str | None = None  # of a date, "2026-01-31"; day 00 is the month's last
    decimal: str | None = None  # of a measure or an amount, with its decimal point


class Gs1(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in a GS1 barcode, as far as it can be read."""

    ok: bool
    elements: list[
        Gs1Element
    ]  # in their order; of a wrong one those before the mistake, and it too if its value is wrong
    error: str | None = None  # what was expected and what came


class _Format(NamedTuple):
    least: int
    most: int
    digits: bool
    title: str


def _row(identifiers: str, form: str, title: str) -> dict[str, _Format]:
    """`identifiers`: "01" or "3100-3105", where the last digit is that of the decimals; `form`: N are digits, X is any
    character; "N13..30X" begins with digits."""
    digits = form.startswith("N") and not form.endswith("X")
    least, dots, most = form.strip("NX").partition("..")
    made = _Format(int(least) if least else 1, int(most if dots else least), digits, title)
    first, _, last = identifiers.partition("-")
    width = len(first)
    return {str(number).zfill(width): made for number in range(int(first), int(last or first) + 1)}


_ROWS: Final = (
    ("00", "N18", "SSCC"),
    ("01", "N14", "GTIN"),
    ("02", "N14", "CONTENT"),
    ("03", "N14", "MTO GTIN"),
    ("10", "X..20", "BATCH/LOT"),
    ("11", "N6", "PROD DATE"),
    ("12", "N6", "DUE DATE"),
    ("13", "N6", "PACK DATE"),
    ("15", "N6", "BEST BEFORE"),
    ("16", "N6", "SELL BY"),
    ("17", "N6", "EXPIRY"),
    ("20", "N2", "VARIANT"),
    ("21", "X..20", "SERIAL"),
    ("22", "X..20", "CPV"),
    ("235", "X..28", "TPX"),
    ("240", "X..30", "ADDITIONAL ID"),
    ("241", "X..30", "CUST. PART No."),
    ("242", "N..6", "MTO VARIANT"),
    ("243", "X..20", "PCN"),
    ("250", "X..30", "SECONDARY SERIAL"),
    ("251", "X..30", "REF. TO SOURCE"),
    ("253", "N13..30X", "GDTI"),
    ("254", "X..20", "GLN EXTENSION COMPONENT"),
    ("255", "N13..25", "GCN"),
    ("30", "N..8", "VAR. COUNT"),
    ("3100-3105", "N6", "NET WEIGHT (kg)"),
    ("3110-3115", "N6", "LENGTH (m)"),
    ("3120-3125", "N6", "WIDTH (m)"),
    ("3130-3135", "N6", "HEIGHT (m)"),
    ("3140-3145", "N6", "AREA (m²)"),
    ("3150-3155", "N6", "NET VOLUME (l)"),
    ("3160-3165", "N6", "NET VOLUME (m³)"),
    ("3200-3205", "N6", "NET WEIGHT (lb)"),
    ("3210-3215", "N6", "LENGTH (in)"),
    ("3220-3225", "N6", "LENGTH (ft)"),
    ("3230-3235", "N6", "LENGTH (yd)"),
    ("3300-3305", "N6", "GROSS WEIGHT (kg)"),
    ("3370-3375", "N6", "KG PER m²"),
    ("3400-3405", "N6", "GROSS WEIGHT (lb)"),
    ("3560-3565", "N6", "NET WEIGHT (troy oz)"),
    ("3570-3575", "N6", "NET VOLUME (oz)"),
    ("3600-3605", "N6", "NET VOLUME (qt)"),
    ("3610-3615", "N6", "NET VOLUME (gal.)"),
    ("37", "N..8", "COUNT"),
    ("3900-3909", "N..15", "AMOUNT"),
    ("3910-3919", "N4..18", "AMOUNT"),
    ("3920-3929", "N..15", "PRICE"),
    ("3930-3939", "N4..18", "PRICE"),
    ("3940-3943", "N4", "PRCNT OFF"),
    ("3950-3955", "N6", "PRICE/UoM"),
    ("400", "X..30", "ORDER NUMBER"),
    ("401", "X..30", "GINC"),
    ("402", "N17", "GSIN"),
    ("403", "X..30", "ROUTE"),
    ("410", "N13", "SHIP TO LOC"),
    ("411", "N13", "BILL TO"),
    ("412", "N13", "PURCHASE FROM"),
    ("413", "N13", "SHIP FOR LOC"),
    ("414", "N13", "LOC No."),
    ("415", "N13", "PAY TO"),
    ("416", "N13", "PROD/SERV LOC"),
    ("417", "N13", "PARTY"),
    ("420", "X..20", "SHIP TO POST"),
    ("421", "N4..12X", "SHIP TO POST"),
    ("422", "N3", "ORIGIN"),
    ("7001", "N13", "NSN"),
    ("7002", "X..30", "MEAT CUT"),
    ("7003", "N10", "EXPIRY TIME"),
    ("7004", "N..4", "ACTIVE POTENCY"),
    ("7006", "N6", "FIRST FREEZE DATE"),
    ("7020", "X..20", "REFURB LOT"),
    ("710", "X..20", "NHRN PZN"),
    ("711", "X..20", "NHRN CIP"),
    ("712", "X..20", "NHRN CN"),
    ("713", "X..20", "NHRN DRN"),
    ("714", "X..20", "NHRN AIM"),
    ("715", "X..20", "NHRN NDC"),
    ("8001", "N14", "DIMENSIONS"),
    ("8002", "X..20", "CMT No."),
    ("8003", "N14..30X", "GRAI"),
    ("8004", "X..30", "GIAI"),
    ("8005", "N6", "PRICE PER UNIT"),
    ("8006", "N18", "ITIP"),
    ("8007", "X..34", "IBAN"),
    ("8008", "N8..12", "PROD TIME"),
    ("8017", "N18", "GSRN - PROVIDER"),
    ("8018", "N18", "GSRN - RECIPIENT"),
    ("8020", "X..25", "REF No."),
    ("8110", "X..70", "COUPON"),
    ("8111", "N4", "POINTS"),
    ("8200", "X..70", "PRODUCT URL"),
    ("90", "X..30", "INTERNAL"),
    ("91-99", "X..90", "INTERNAL"),
)
_TABLE: Final = {identifier: form for row in _ROWS for identifier, form in _row(*row).items()}
_UNLISTED: Final = _Format(1, 90, False, "")
_UNLISTED_MEASURE: Final = _Format(6, 6, True, "")
# How many digits an identifier has, by its first two: figure 7.8.1-1.
_DIGITS: Final = (
    dict.fromkeys(("23", "24", "25", "40", "41", "42", "71"), 3)
    | dict.fromkeys(("31", "32", "33", "34", "35", "36", "39", "43", "70", "72", "80", "81", "82"), 4)
    | dict.fromkeys([f"{n:02}" for n in (*range(5), *range(10, 23), 30, 37, *range(90, 100))], 2)
)
# How long identifier and value are together, by its first two digits: figure 7.8.5-2. No FNC1 is needed behind these.
_PREDEFINED: Final = (
    {"00": 20, "01": 16, "02": 16, "03": 16, "04": 18, "20": 4, "41": 16}
    | {str(n): 8 for n in range(11, 20)}
    | {str(n): 10 for n in range(31, 37)}
)
_CHECKED: Final = dict.fromkeys(("00", "01", "02", "03", "402", "8017", "8018"), 0) | {
    str(n): 13 for n in (253, 255, *range(410, 418))
}  # how many of the value's first digits end with a check digit; 0: all
_DATES: Final = frozenset({"11", "12", "13", "15", "16", "17", "7006"})
_DECIMALS: Final = re.compile(r"3[1-6]\d[0-5]|39[0-5]\d")
_MEASURES: Final = ("31", "32", "33", "34", "35", "36")
_WITH_CURRENCY: Final = ("391", "393")  # its ISO 4217 number first
_CURRENCY_DIGITS: Final = 3
_CHARACTERS: Final = re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]+")  # figure 7.11-1


class _Wrong(Exception):
    """The rest can't be read; `element`: the wrong one, where its end is known."""

    def __init__(self, why: str, element: Gs1Element | None = None) -> None:
        super().__init__(why)
        self.element = element


def parse(data: str, symbology: str | None, today: date | None = None) -> Gs1 | None:
    """The elements of a scan, and what is wrong with it; None where its symbology is none of GS1's."""
    if symbology not in GS1_SYMBOLOGIES:
        return None
    today = today or datetime.now(UTC).date()
    elements: list[Gs1Element] = []
    rest = data.lstrip(FNC1)  # some scanners send the one at the beginning too
    try:
        if not rest:
            raise _Wrong("expected application identifiers, found nothing")
        while rest:
            if len(elements) >= ELEMENTS_MAX:
                raise _Wrong(f"more than {ELEMENTS_MAX} application identifiers in one barcode")
            element, rest = _next(rest, today)
            elements.append(element)
    except _Wrong as wrong:
        if wrong.element:
            elements.append(wrong.element)
        return Gs1(ok=False, elements=elements, error=str(wrong))
    return Gs1(ok=True, elements=elements)


def check_digit_ok(found: Gs1) -> bool | None:
    """Whether the check digits of the article's number (01) are right; None if it has no such number."""
    for element in found.elements:
        if element.ai == "01":
            return len(element.value) == _TABLE["01"].most and element.value.isdecimal() and mod10_ok(element.value)
    return None


def mod10_ok(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (7.9)."""
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(digits)))
    return weighted % 10 == 0


def _next(text: str, today: date) -> tuple[Gs1Element, str]:
    """The first element, and what is behind it."""
    prefix = text[:2]
    ai = text[: _DIGITS.get(prefix, 2)]
    if prefix not in _DIGITS or not (ai.isascii() and ai.isdigit()) or len(ai) < _DIGITS[prefix]:
        raise _Wrong(f"expected an application identifier, found {text[:8]!r}")
    if prefix in _PREDEFINED:
        end = _PREDEFINED[prefix]
        value, rest = text[len(ai) : end], text[end:]
        if FNC1 in value:
            value, rest = value[: value.index(FNC1)], text[len(ai) + value.index(FNC1) :]
        rest = rest.removeprefix(FNC1)
    else:
        value, _, rest = text[len(ai) :].partition(FNC1)
    form = _TABLE.get(ai) or (_UNLISTED_MEASURE if prefix in _MEASURES else _UNLISTED)
    element = Gs1Element(ai=ai, title=form.title, value=value)
    _check(element, form)
    return _explained(element, today), rest


def _check(element: Gs1Element, form: _Format) -> None:
    """Raises _Wrong if the value is not what its identifier calls for."""
    ai, value = element.ai, element.value
    if not form.least <= len(value) <= form.most:
        length = f"{form.least}" if form.least == form.most else f"{form.least} to {form.most}"
        raise _Wrong(f"({ai}): expected {length} characters, found {len(value)}", element)
    if form.digits and not (value.isascii() and value.isdigit()):
        raise _Wrong(f"({ai}): expected digits, found {value!r}", element)
    if not _CHARACTERS.fullmatch(value):
        raise _Wrong(f"({ai}): a character that GS1 does not allow in {value!r}", element)
    if ai in _CHECKED:
        checked = value[: _CHECKED[ai] or None]
        if not (checked.isdigit() and mod10_ok(checked)):
            raise _Wrong(f"({ai}): the check digit of {checked} is wrong", element)


def _explained(element: Gs1Element, today: date) -> Gs1Element:
    """With its date or its decimal point. Raises _Wrong for a date that there is not."""
    if element.ai in _DATES:
        return msgspec.structs.replace(element, date=_date(element, today).isoformat())
    if _DECIMALS.fullmatch(element.ai):
        digits = element.value[_CURRENCY_DIGITS:] if element.ai.startswith(_WITH_CURRENCY) else element.value
        return msgspec.structs.replace(element, decimal=f"{Decimal(digits).scaleb(-int(element.ai[-1])):f}")
    return element


def _date(element: Gs1Element, today: date) -> date:
    value = element.value
    year, month, day = int(value[:2]), int(value[2:4]), int(value[4:])
    century = today.year - today.year % 100
    ahead = year - today.year % 100
    year += century - 100 if ahead > 50 else century + 100 if ahead < -49 else century
    try:
        return date(year, month, day or calendar.monthrange(year, month)[1])
    except ValueError as error:
        raise _Wrong(f"({element.ai}): {value} is no date, expected YYMMDD", element) from error
