from __future__ import annotations

from host_bridge.virtual.led import HISTORY_LIMIT, Led
from tests.virtual.clock import ManualClock


def make() -> tuple[ManualClock, Led, list[tuple[int, str]]]:
    clock = ManualClock()
    seen: list[tuple[int, str]] = []
    return clock, Led(clock, (18, 19, 20), lambda at_ms, colour: seen.append((at_ms, colour))), seen


def test_three_pins_that_change_together_are_one_change_of_light() -> None:
    clock, led, seen = make()
    clock.advance(0.1)
    led.drive(18, 65535)
    led.drive(19, 32768)
    led.drive(20, 0)
    clock.advance(0.1)
    assert seen == [(100, "#ff7f00")] and led.colour == "#ff7f00"
    led.drive(18, 0)
    clock.advance(0.001)
    led.drive(18, 65535)
    clock.advance(0.1)
    assert len(seen) == 1


def test_a_hub_without_power_is_dark_and_other_pins_give_no_light() -> None:
    clock, led, seen = make()
    led.drive(14, 65535)
    clock.advance(1)
    assert seen == []
    led.drive(20, 65535)
    clock.advance(1)
    led.rest()
    clock.advance(1)
    assert [colour for _, colour in seen] == ["#0000ff", "#000000"] and clock.pending == 0


def test_the_history_is_bounded() -> None:
    clock, led, _ = make()
    for n in range(HISTORY_LIMIT + 50):
        led.drive(18, 65535 * (n % 2))
        clock.advance(0.01)
    assert len(led.history) == HISTORY_LIMIT
