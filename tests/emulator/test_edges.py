"""Pins that wake the firmware by an interrupt: at once, and without holding anything else up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.emulator.bench import Bench

SWITCH_PIN, SENSE_PIN = 16, 6
CLOSED, OPEN = 1, 2  # states of the drawer on the link
TOLD_WITHIN_MS = 80.0  # 50 to settle
FLUTTER_MS = 0.5
FLUTTERS = 800  # 0.4 s, so that a garbage collection of 20 ms that falls into it doesn't decide
SCAN_WITHIN_MS = 20.0
CODE = b"]C0EDGE\r"

pytestmark = pytest.mark.emulator


def test_a_drawer_that_moves_is_told_when_its_switch_has_settled(bench: Bench) -> None:
    bench.ready()
    bench.run(1000)
    for level, state in ((0, OPEN), (1, CLOSED)):
        bench.events.clear()
        bench.pico.drive(SWITCH_PIN, level)
        assert bench.until("drawer", TOLD_WITHIN_MS)[2] == (state,)
        bench.run(1000)


def flutter(bench: Bench) -> None:
    for number in range(FLUTTERS):
        bench.pico.drive(SWITCH_PIN, number & 1)
        bench.pico.drive(SENSE_PIN, ~number & 1)
        bench.run(FLUTTER_MS)


def test_switches_that_flutter_hold_nothing_up_and_are_believed_again_when_they_rest(bench: Bench) -> None:
    bench.ready()
    bench.run(1000)
    before, since_ms = bench.cycles, bench.now_ms
    flutter(bench)
    busy = (bench.cycles - before) / (bench.now_ms - since_ms) / 125_000
    assert busy < 0.25, busy
    bench.pico.uarts[1].arrive(CODE)
    since_scan = bench.now_ms
    bench.until("scan", SCAN_WITHIN_MS)
    assert bench.now_ms - since_scan < SCAN_WITHIN_MS
    flutter(bench)
    bench.pico.drive(SWITCH_PIN, 1)
    bench.pico.drive(SENSE_PIN, 1)
    bench.until_faults(lambda faults: not faults & {"drawer_switch", "scanner_unplugged"})
