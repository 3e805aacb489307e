"""Check digits: right, wrong, or nobody can know."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_bridge.devices.check_digit import check_digit_ok


@pytest.mark.parametrize(
    ("data", "symbology", "ok"),
    [
        ("5901234123457", "]E0", True),
        ("5901234123458", "]E0", False),
        ("036000291452", "]E0", True),
        ("036000291453", "]E0", False),
        ("96385074", "]E4", True),
        ("96385075", "]E4", False),
        ("5901234123457", None, True),
        ("5901234123458", None, None),  # may be anything
        ("96385074", None, True),
        ("10012345678902", None, True),
        ("1234567", None, None),
        ("ABC", "]E0", False),
        ("", "]E0", False),
        ("", None, None),
        ("5901234123457", "]C0", None),
        ("9638507", "]E4", False),  # one digit was lost
        ("400638133", "]E0", False),
        ("01234565", "]E0", None),  # UPC-E
        ("５９０１２３４１２３４５７", "]E0", False),
        ("590123412345²", "]E0", False),
        ("590123412345712", "]E3", True),
        ("590123412345812", "]E3", False),
        ("590123412345712345", "]E3", True),
        ("03600029145212", "]E3", True),
        ("5901234123457", "]E3", False),  # without the add-on that it says it has
        ("10012345678902", "]I1", True),
        ("10012345678903", "]I1", None),
        ("0195012345678903", "]C1", True),
        ("0195012345678904", "]e0", False),
        ("01950123456789", "]d2", False),
        ("10LOT", "]Q3", None),
    ],
)
def test_known_codes(data: str, symbology: str | None, ok: bool | None) -> None:
    assert check_digit_ok(data, symbology) is ok


@given(st.text(), st.none() | st.text(max_size=4))
def test_no_text_makes_it_fail(data: str, symbology: str | None) -> None:
    assert check_digit_ok(data, symbology) in (True, False, None)


@given(st.integers(0, 10**12 - 1), st.integers(0, 12), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(number: int, place: int, change: int) -> None:
    body = f"{number:012d}"
    total = sum(int(digit) * (1, 3)[index % 2] for index, digit in enumerate(body))
    code = body + str(-total % 10)
    assert check_digit_ok(code, "]E0") is True
    wrong = code[:place] + str((int(code[place]) + change) % 10) + code[place + 1 :]
    assert check_digit_ok(wrong, "]E0") is False
