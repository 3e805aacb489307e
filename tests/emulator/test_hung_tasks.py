"""Whatever hangs on the chip: the watchdog ends it, and the next life names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hublink.words import RESET_CAUSES
from tests.emulator.bench import KICK_PIN, RESET_WITHIN_MS, TASKS

if TYPE_CHECKING:
    from tests.emulator.bench import Bench

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


def solenoid_on(bench: Bench) -> bool:
    """The level of the kick pin now."""
    return next((level for _, pin, level in reversed(bench.pins) if pin == KICK_PIN), False)
