"""Whatever dies on the chip is named and started again, the counter sells on, and five quick lives are enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hublink.hello import FLAG_SAFE_MODE
from tests.emulator.bench import (
    KICK_PIN,
    PRINTER_PAPER_END_ASB,
    PRINTER_READY_ASB,
    PULSE_MS,
    PULSE_SLACK_MS,
    RESET_WITHIN_MS,
    TASKS,
)
from tests.emulator.measure import PRINTER

if TYPE_CHECKING:
    from tests.emulator.bench import Bench

TOLD_WITHIN_MS = 4000
KICKS_OVER_MS, KICKED_WITHIN_MS = 2000, 400  # after those that set it to work: the solenoid rests, too
RECEIPT_BYTES = 300
WIRE_EMPTY_MS = 50.0  # what the UART has taken has left it
QUICK_BOOTS = 5
ARMED_MS, DISARMED_MS = 600, 100  # longer than between two probes of the printer; and than between two looks
RED_PIN, GREEN_PIN, BLUE_PIN = 20, 19, 18

pytestmark = pytest.mark.emulator


@pytest.mark.parametrize("task", TASKS)
def test_a_killed_task_is_named_and_started_again_and_the_counter_sells(bench: Bench, task: str) -> None:
    before, life = bench.resets, bench.tasks
    bench.events.clear()
    bench.arm(bench.tasks.index(task), die=True)
    bench.provoke_until(lambda: told_of(bench, task), TOLD_WITHIN_MS)
    bench.disarm()
    bench.ready()
    bench.until_faults(lambda faults: "task_failed" in faults)

    bench.run(KICKS_OVER_MS)
    since = len(bench.pins)
    assert bench.scan(b"]E04006381333931\r") < 1000
    bench.kick()
    bench.run(KICKED_WITHIN_MS)
    (on_ms, on), (off_ms, off) = [(at_ms, level) for at_ms, pin, level in bench.pins[since:] if pin == KICK_PIN][:2]
    assert (on, off) == (True, False) and abs(off_ms - on_ms - PULSE_MS) <= PULSE_SLACK_MS
    bench.pico.uarts[PRINTER].arrive(PRINTER_READY_ASB)
    receipt = bench.print(RECEIPT_BYTES, 1)
    bench.run(WIRE_EMPTY_MS)
    assert receipt in bench.paper
    bench.pico.uarts[PRINTER].arrive(PRINTER_PAPER_END_ASB)  # which the reader of its answers must hear
    bench.until_faults(lambda faults: "paper_end" in faults)
    bench.pico.uarts[PRINTER].arrive(PRINTER_READY_ASB)
    bench.until_faults(lambda faults: "paper_end" not in faults)
    assert {pin for _, pin, _ in bench.pins[since:]} & {RED_PIN, GREEN_PIN, BLUE_PIN}
    assert (bench.resets, bench.tasks) == (before, life)


def test_five_crashes_are_safe_mode_with_nothing_at_work_but_link_and_light_and_power_ends_it(bench: Bench) -> None:
    for _ in range(QUICK_BOOTS):
        kill_until_reset(bench, "printer_watch")
        hello = bench.hello()
        assert hello["crumb"].startswith("reset:failing:printer_watch"), hello

    assert hello["flags"] & FLAG_SAFE_MODE
    assert bench.tasks == ["link_read", "link_write", "link_time", "indicator"]
    bench.until_faults(lambda faults: "safe_mode" in faults)
    since = len(bench.pins)
    bench.provoke()
    bench.run(3000)
    moved = {(pin, level) for _, pin, level in bench.pins[since:]}
    assert {(RED_PIN, True), (BLUE_PIN, True)} <= moved and not {(GREEN_PIN, True), (KICK_PIN, True)} & moved  # violet

    assert not bench.power_cycle()["flags"] & FLAG_SAFE_MODE
    assert set(bench.tasks) == set(TASKS)


def kill_until_reset(bench: Bench, task: str) -> None:
    """Let it die again and again, until the supervisor gives it up."""
    before = bench.resets
    end = bench.now_ms + RESET_WITHIN_MS
    while bench.resets == before:
        assert bench.now_ms < end, bench.events[-5:]
        bench.arm(bench.tasks.index(task), die=True)
        bench.run(ARMED_MS)
        bench.disarm()
        bench.run(DISARMED_MS)


def told_of(bench: Bench, task: str) -> bool:
    """The hub said that this task died, and of what."""
    if task == "link_write":  # its session ends with it, and the traceback that was to be sent with the session
        return any(event[0] == "up" for event in bench.events)
    said = [event[2][0].decode() for event in bench.events if event[1] == "blame"]
    return any(text.startswith(f"{task}: ") and "drill" in text for text in said)
