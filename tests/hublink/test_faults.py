"""The fault table: numbers for ever, and one to show of many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hublink import faults
from hublink.fault_table import BY_NUMBER, ERROR, FAULTS, NOTICE, NUMBER_OF, WARNING


def test_numbers_and_codes_are_each_used_once() -> None:
    assert len(BY_NUMBER) == len(NUMBER_OF) == len(FAULTS)
    assert all(1 <= entry[0] <= 255 for entry in FAULTS)


def test_what_the_led_counts_can_be_counted() -> None:
    assert all(1 <= entry[4] <= 12 and entry[3] in (ERROR, WARNING, NOTICE) for entry in FAULTS)


def test_two_errors_of_different_devices_do_not_blink_alike() -> None:
    clerks = [entry for entry in FAULTS if entry[0] < 20 and entry[3] == ERROR]
    assert len({entry[4] for entry in clerks}) == len(clerks)


@given(st.lists(st.integers(0, 255), max_size=20))
def test_the_worst_is_one_of_those_given_and_does_not_depend_on_their_order(numbers: list[int]) -> None:
    worst = faults.worst(numbers)
    assert worst == faults.worst(list(reversed(numbers)))
    known = [number for number in numbers if number in BY_NUMBER]
    assert worst in known if known else worst == 0


def test_an_error_outranks_a_warning_and_that_a_notice() -> None:
    notice, warning, error = (NUMBER_OF[code] for code in ("drawer_left_open", "paper_near_end", "printer_error"))
    assert faults.worst([notice, warning, error]) == error
    assert faults.worst([notice, warning]) == warning
    assert faults.worst([notice]) == notice
    assert faults.worst([]) == 0


@given(st.integers(0, 255))
def test_what_the_light_knows_of_a_number_is_what_the_table_says(number: int) -> None:
    entry = BY_NUMBER.get(number)
    assert faults.blinks(number) == (entry[4] if entry else 0)
    assert faults.is_error(number) == (entry is not None and entry[3] == ERROR)
