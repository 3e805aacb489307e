from __future__ import annotations

import pytest

from host_bridge.virtual.drawer import LOCK_RELEASES_MS, ON_LIMIT_MS, PULSES_KEPT, SPRING_MS, Drawer
from tests.virtual.clock import ManualClock


class Counter:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.switch: list[bool] = []
        self.drawer = Drawer(self.clock, self.switch.append)

    def pulse(self, length_ms: float) -> None:
        start_ms = self.clock.time() * 1000
        self.drawer.current(True, start_ms)
        self.clock.advance(length_ms / 1000)
        self.drawer.current(False, start_ms + length_ms)


@pytest.fixture
def counter() -> Counter:
    return Counter()


def test_a_pulse_opens_it_and_the_switch_tells_when_the_spring_has_worked(counter: Counter) -> None:
    counter.drawer.current(True, 0)
    counter.clock.advance((LOCK_RELEASES_MS + SPRING_MS - 1) / 1000)
    assert counter.switch == [] and counter.drawer.closed
    counter.clock.advance(0.002)
    assert counter.switch == [False] and not counter.drawer.closed
    counter.drawer.current(False, 100)
    assert list(counter.drawer.pulses) == [(0, 100)]


def test_a_pulse_too_short_for_the_lock_opens_nothing(counter: Counter) -> None:
    counter.pulse(LOCK_RELEASES_MS - 2)
    counter.clock.advance(1)
    assert counter.switch == [] and len(counter.drawer.pulses) == 1


def test_it_stays_open_until_somebody_closes_it(counter: Counter) -> None:
    counter.pulse(100)
    counter.clock.advance(60)
    counter.pulse(100)
    assert counter.switch == [False] and counter.drawer.opened == 1
    counter.drawer.close()
    counter.drawer.close()
    assert counter.switch == [False, True]
    counter.pulse(100)
    counter.clock.advance(1)
    assert counter.drawer.opened == 2


def test_a_stuck_lock_does_not_release(counter: Counter) -> None:
    counter.drawer.stuck = True
    counter.pulse(500)
    counter.clock.advance(1)
    assert counter.switch == [] and not counter.drawer.solenoid_overheated


@pytest.mark.parametrize(("length_ms", "times"), [(ON_LIMIT_MS, 0), (ON_LIMIT_MS + 1, 1), (5000, 1)])
def test_current_for_too_long_is_recorded_once(counter: Counter, length_ms: int, times: int) -> None:
    counter.pulse(length_ms)
    assert counter.drawer.solenoid_overheated == times


def test_current_that_never_ends_is_recorded_while_it_lasts(counter: Counter) -> None:
    counter.drawer.current(True, 0)
    counter.clock.advance(2)
    assert counter.drawer.solenoid_overheated == 1 and counter.drawer.energised
    counter.drawer.power_lost()
    assert not counter.drawer.energised and counter.drawer.pulses[0][1] == pytest.approx(2000)


def test_the_length_is_the_drivers_not_the_reports(counter: Counter) -> None:
    counter.drawer.current(True, 0)
    counter.clock.advance(0.6)  # the report of the end comes late
    counter.drawer.current(False, 500)
    assert counter.drawer.solenoid_overheated == 0 and counter.drawer.pulses[0] == (0, 500)


def test_the_record_is_bounded_and_nothing_runs_while_it_rests(counter: Counter) -> None:
    for _ in range(PULSES_KEPT + 5):
        counter.pulse(10)
    assert len(counter.drawer.pulses) == PULSES_KEPT and counter.clock.pending == 0


def test_a_kick_timed_by_the_printer_opens_it_too(counter: Counter) -> None:
    counter.drawer.kick(100)
    counter.clock.advance(1)
    assert counter.switch == [False] and counter.drawer.pulses[0][1] == pytest.approx(100)


def test_the_key_opens_it_without_current_and_counts_as_no_kick(counter: Counter) -> None:
    counter.drawer.stuck = True
    counter.drawer.open_with_key()
    counter.drawer.open_with_key()
    assert counter.switch == [False] and counter.drawer.opened == 0 and not counter.drawer.pulses


def test_a_loose_contact_says_both_in_turn_and_the_truth_again_when_it_is_mended(counter: Counter) -> None:
    counter.drawer.set_fluttering(True)
    counter.clock.advance(1)
    assert counter.switch.count(True) > 10 and counter.switch.count(False) > 10
    counter.drawer.set_fluttering(False)
    told = len(counter.switch)
    counter.clock.advance(1)
    assert counter.switch[-1] is True and len(counter.switch) == told
