"""The solenoids' pins: hardware ends each pulse, on each port in its own way."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from tests.firmware.board import Bench
from tests.firmware.virtual_time import in_virtual_time, seconds

KICK_1, KICK_2, SWITCH = 14, 15, 16
PULSE_MAX_US = 32_767  # an RMT item's 15 bits at a microsecond a unit


class Rmt:
    """An ESP32's pulse generator, as far as MicroPython 1.24 to 1.28 agree on it."""

    made: list[Rmt] = []

    def __init__(self, channel: int, *, pin: Any, clock_div: int, idle_level: bool) -> None:
        assert not idle_level
        self.channel, self.unit_us = channel, clock_div / 80
        self.written: list[list[tuple[int, int]]] = []
        Rmt.made.append(self)

    def write_pulses(self, durations: list[int], levels: list[int]) -> None:
        assert len(durations) == len(levels)
        assert all(1 <= duration <= PULSE_MAX_US for duration in durations)
        self.written.append(list(zip(levels, durations, strict=True)))

    def high_us(self) -> float:
        return sum(duration for level, duration in self.written[-1] if level) * self.unit_us


def on_esp32(monkeypatch: pytest.MonkeyPatch, kick: list[int]) -> Any:
    esp32: Any = types.ModuleType("esp32")
    esp32.RMT = Rmt
    Rmt.made = []
    monkeypatch.setitem(sys.modules, "esp32", esp32)
    life = Bench().life
    module = life.module("kick_pins")
    module.sys = types.SimpleNamespace(platform="esp32")
    with life.in_place():
        return module.KickPins({"kick": kick})


@pytest.mark.parametrize("on_ms", [10, 32, 33, 100, 327, 510])
def test_an_esp32_leaves_the_whole_pulse_to_its_pulse_generator(monkeypatch: pytest.MonkeyPatch, on_ms: int) -> None:
    async def main() -> None:
        pins = on_esp32(monkeypatch, [KICK_1, KICK_2])
        assert pins.pulse(2, on_ms)
        first, second = Rmt.made
        assert (first.written, second.high_us()) == ([], on_ms * 1000)
        assert second.written[-1][-1][0] == 0  # and ends without current
        assert [level for level, _ in second.written[-1]].index(0) == len(second.written[-1]) - 1

    in_virtual_time(main)()


@in_virtual_time
async def test_elsewhere_a_timers_interrupt_takes_the_current_off_although_no_task_runs() -> None:
    bench = Bench()
    pins = bench.life.module("kick_pins").KickPins({"kick": [KICK_1]})
    pins.pulse(1, 100)
    await seconds(1)
    (begin, end), *more = bench.board.pulses(KICK_1)
    assert (round((end - begin) * 1000), more) == (100, [])


@in_virtual_time
async def test_the_switch_is_read_in_the_polarity_of_the_drawer() -> None:
    bench = Bench()
    for closed_level in (0, 1):
        wiring = {"kick": [KICK_1], "switch": SWITCH, "switch_closed_level": closed_level}
        pins = bench.life.module("kick_pins").KickPins(wiring)
        for level in (0, 1):
            bench.board.set_level(SWITCH, level)
            assert pins.is_open() == (level != closed_level)
    assert bench.life.module("kick_pins").KickPins({"kick": [KICK_1]}).is_open() is None
