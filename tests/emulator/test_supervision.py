"""Whatever hangs on the chip: the watchdog ends it, the next life names it, and five quick lives are enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hublink.hello import FLAG_SAFE_MODE, RESET_CAUSES

if TYPE_CHECKING:
    from tests.emulator.bench import Bench

# What the supervisor is given, each with the steps of its work.
TASKS = {
    "link_read": "receive",
    "link_write": "send",
    "link_time": "timer",
    "indicator": "light blip",
    "drawer": "pulse",
    "drawer_switch": "switch",
    "scanner": "scan",
    "scanner_sense": "sense",
    "printer_write": "write",
    "printer_read": "status",
    "printer_watch": "probe",
}
WATCHDOG_MS = 8000
RESET_WITHIN_MS = WATCHDOG_MS + 4000
QUICK_BOOTS = 5
ARMED_MS, DISARMED_MS = 600, 100  # longer than between two probes of the printer; and than between two looks
RED_PIN, GREEN_PIN, BLUE_PIN, KICK_PIN = 20, 19, 18, 17

pytestmark = pytest.mark.emulator


def test_every_task_of_the_supervisor_is_tried_here(bench: Bench) -> None:
    assert set(bench.tasks) == set(TASKS)


@pytest.mark.parametrize("task", TASKS)
def test_a_hung_task_is_ended_by_the_watchdog_and_named(bench: Bench, task: str) -> None:
    before = bench.resets
    bench.arm(bench.tasks.index(task))
    bench.provoke_until(lambda: bench.resets > before, RESET_WITHIN_MS)

    hello = bench.hello()
    what, culprit, step, uptime = hello["crumb"].split(":")[:4]  # and how often in a row
    assert (what, culprit) == ("hang", task)
    assert step in TASKS[task].split() and uptime.endswith("s")
    assert RESET_CAUSES[hello["reset_cause"]] == "watchdog"
    assert not solenoid_on(bench)


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


def solenoid_on(bench: Bench) -> bool:
    """The level of the kick pin now."""
    return next((level for _, pin, level in reversed(bench.pins) if pin == KICK_PIN), False)
