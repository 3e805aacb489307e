"""GS1 barcodes: their application identifiers, read whole, and what is wrong named and delivered all the same."""

from __future__ import annotations

import time
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_bridge.devices import gs1
from host_bridge.devices.gs1 import ELEMENTS_MAX, GS1_SYMBOLOGIES, Gs1, parse

TODAY = date(2026, 6, 30)
GTIN = "09501101530003"  # of the General Specifications' examples


def read(data: str, symbology: str = "]C1") -> Gs1:
    found = parse(data, symbology, TODAY)
    assert found is not None
    return found


def values(data: str) -> list[tuple[str, str]]:
    found = read(data)
    assert found.ok, found.error
    return [(element.ai, element.value) for element in found.elements]


def test_only_the_symbologies_of_gs1_have_identifiers() -> None:
    assert all(read(f"01{GTIN}", symbology).ok for symbology in GS1_SYMBOLOGIES)
    for symbology in (None, "]C0", "]Q1", "]d1", "]E0", ""):
        assert parse(f"01{GTIN}", symbology) is None


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (f"01{GTIN}", [("01", GTIN)]),
        (f"\x1d01{GTIN}", [("01", GTIN)]),  # the first FNC1 was sent too
        (f"01{GTIN}17260131103ABC", [("01", GTIN), ("17", "260131"), ("10", "3ABC")]),
        (f"01{GTIN}10ABC\x1d21XYZ", [("01", GTIN), ("10", "ABC"), ("21", "XYZ")]),
        (f"01{GTIN}\x1d10ABC\x1d", [("01", GTIN), ("10", "ABC")]),  # needless ones do no harm
        (f"01{GTIN}310300018939230499", [("01", GTIN), ("3103", "000189"), ("3923", "0499")]),
        ("00006141411234567890" + "37" + "24", [("00", "006141411234567890"), ("37", "24")]),
        ("4149501101530003", [("414", "9501101530003")]),
        ("43071CN", [("4307", "1CN")]),  # not in the table: its length is what the FNC1 says
        ("8005000365", [("8005", "000365")]),
    ],
)
def test_element_strings_are_taken_apart(data: str, wanted: list[tuple[str, str]]) -> None:
    assert values(data) == wanted


@pytest.mark.parametrize(
    ("data", "decimal"),
    [
        ("3103000189", "0.189"),
        ("3100000189", "189"),
        ("3105012345", "0.12345"),
        ("39021234", "12.34"),
        ("39329780999", "9.99"),  # 978: euro
        ("39531234567", None),
    ],
)
def test_measures_and_amounts_have_their_decimal_point(data: str, decimal: str | None) -> None:
    (element,) = read(data).elements
    assert element.decimal == decimal


@pytest.mark.parametrize(
    ("digits", "iso"),
    [
        ("260131", "2026-01-31"),
        ("260200", "2026-02-28"),  # day 00: the month's last
        ("280200", "2028-02-29"),
        ("760101", "2076-01-01"),
        ("770101", "1977-01-01"),
        ("991231", "1999-12-31"),
    ],
)
def test_dates_have_their_century(digits: str, iso: str) -> None:
    (element,) = read(f"17{digits}").elements
    assert element.date == iso


@pytest.mark.parametrize(
    ("data", "why", "kept"),
    [
        ("", "found nothing", []),
        ("\x1d", "found nothing", []),
        ("5901234123457", "expected an application identifier", []),
        ("0", "expected an application identifier", []),
        ("310", "expected an application identifier", []),
        ("0109501101530004", "check digit of 09501101530004", ["01"]),
        ("010950110153000", "expected 14 characters, found 13", ["01"]),
        ("01095011015300AB", "expected digits", ["01"]),
        (f"01{GTIN}17269901", "no date", ["01", "17"]),
        (f"01{GTIN}10", "(10): expected 1 to 20 characters, found 0", ["01", "10"]),
        ("10" + "A" * 21, "found 21", ["10"]),
        ("10\u4e2d", "does not allow", ["10"]),
        ("10A B", "does not allow", ["10"]),
        ("0195011015\x1d10ABC", "expected 14 characters, found 8", ["01"]),
    ],
)
def test_a_wrong_one_says_what_is_wrong_and_keeps_what_could_be_read(data: str, why: str, kept: list[str]) -> None:
    found = read(data)
    assert not found.ok
    assert found.error is not None
    assert why in found.error
    assert [element.ai for element in found.elements] == kept


def test_a_code_made_to_be_long_is_bounded() -> None:
    begun = time.process_time()
    found = read("20" * 3500)
    assert len(found.elements) <= ELEMENTS_MAX
    assert not found.ok
    assert time.process_time() - begun < 0.5


ALLOWED = st.text("ABCxyz0123456789!%&'()*+,-./:;<=>?_\"", min_size=1)


@st.composite
def element_strings(draw: Any) -> list[tuple[str, str]]:
    made = []
    for ai in draw(st.lists(st.sampled_from(sorted(gs1._TABLE)), min_size=1, max_size=8)):
        form = gs1._TABLE[ai]
        size = draw(st.integers(form.least, form.most))
        if ai in gs1._DATES:
            value = draw(st.dates(date(1980, 1, 1), date(2070, 1, 1))).strftime("%y%m%d")
        elif form.digits or ai in gs1._CHECKED:
            value = draw(st.text("0123456789", min_size=size, max_size=size))
        else:
            value = (draw(ALLOWED) * size)[:size]
        if ai in gs1._CHECKED:
            end = gs1._CHECKED[ai] or len(value)
            total = sum(int(digit) * (3, 1)[place % 2] for place, digit in enumerate(reversed(value[: end - 1])))
            value = value[: end - 1] + str(-total % 10) + value[end:]
        made.append((ai, value))
    return made


@given(element_strings(), st.booleans())
def test_whatever_is_put_together_by_the_rules_is_taken_apart_again(
    made: list[tuple[str, str]], generous: bool
) -> None:
    data = ""
    for number, (ai, value) in enumerate(made):
        last = number == len(made) - 1
        data += ai + value + ("\x1d" if not last and (generous or ai[:2] not in gs1._PREDEFINED) else "")
    assert values(data) == made


@given(st.text() | st.text("0123456789\x1dAB"), st.sampled_from(sorted(GS1_SYMBOLOGIES)))
def test_no_text_makes_it_fail(data: str, symbology: str) -> None:
    found = read(data, symbology)
    assert found.ok == (found.error is None)
    assert gs1.check_digit_ok(found) in (True, False, None)


@given(st.text("0123456789", min_size=13, max_size=13), st.integers(0, 13), st.integers(1, 9))
def test_one_wrong_digit_of_an_articles_number_is_always_found(body: str, place: int, change: int) -> None:
    total = sum(int(digit) * (3, 1)[index % 2] for index, digit in enumerate(body))
    number = body + str(-total % 10)
    assert read(f"01{number}").ok
    wrong = number[:place] + str((int(number[place]) + change) % 10) + number[place + 1 :]
    found = read(f"01{wrong}10LOT")
    assert (found.ok, gs1.check_digit_ok(found)) == (False, False)
