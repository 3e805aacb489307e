"""The supervisor: a hang is named wherever it strikes; neither uptime nor failures mind that the clock wraps."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from tests.bridge.counter import BOARD
from tests.firmware.board import PWRON_RESET, WDT_RESET, Board
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds, until

DEVICES = ("link", "printer", "scanner", "drawer")
BACKUP = {**BOARD["link"], "uart": 0, "profile": "uart"}
TASKS = (
    *("link_read", "link_write", "link_time", "backup_read", "backup_write", "indicator", "drawer", "drawer_switch"),
    *("scanner", "scanner_sense", "printer_write", "printer_read", "printer_watch"),
)
HUNG_MS = 1600  # longer than the witness bears
DAY_S = 86_400
WEEK_DAYS = 7  # ticks come round after 6.2 days and again after 12.4


def board() -> Board:
    return Board({"name": "bench", "watchdog_ms": 4000, "backup_link": BACKUP, **{key: BOARD[key] for key in DEVICES}})


def hang_here(hub: Board, supervisor: Any) -> None:
    """What the witness sees of a program that stands still where this is called."""
    hub.ticks_offset += HUNG_MS
    supervisor._look(None)


async def crumb_of_the_next_life(hub: Board) -> str:
    await until(lambda: len(hub.resets) > 1, 10)
    assert hub.resets == [PWRON_RESET, WDT_RESET]
    assert hub.life is not None
    return str(hub.life.module("survival").last_crumb())


@in_virtual_time
async def test_the_tasks_here_are_all_that_a_hub_has() -> None:
    assert {task.name for task in board().start().supervisor._tasks} == set(TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_a_hang_outside_of_any_step_names_the_task_whose_turn_it_is(name: str) -> None:
    async def main() -> None:
        hub = board()
        supervisor = hub.start().supervisor

        async def run(task: Any) -> None:
            hang_here(hub, supervisor)
            await seconds(60)

        next(task for task in supervisor._tasks if task.name == name).run = run
        assert re.fullmatch(f"hang:{name}:wait:\\d+s", await crumb_of_the_next_life(hub))

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_hang_of_what_feeds_the_printer_is_the_writing_tasks() -> None:
    hub = board()
    started = hub.start()
    await seconds(1.25)  # between two ticks, when the printer's other task looks at it too
    chunks = started.printer._chunks = Hanging(lambda: hang_here(hub, started.supervisor))
    chunks.armed = True
    started.printer._wake.set()
    assert (await crumb_of_the_next_life(hub)).startswith("hang:printer_write:wait:")


class Hanging(list[bytes]):
    """Stands still when it is looked at, once."""

    armed = False

    def __init__(self, act: Any) -> None:
        super().__init__()
        self._act = act

    def __bool__(self) -> bool:
        if self.armed:
            self.armed = False
            self._act()
        return False


@in_virtual_time
async def test_a_hang_in_nobodys_turn_is_the_supervisors() -> None:
    hub = board()
    supervisor = hub.start().supervisor
    await seconds(1)
    assert hub.life is not None
    hub.life.call_later(0.01, lambda: hang_here(hub, supervisor))
    assert (await crumb_of_the_next_life(hub)).startswith("hang:supervisor:wait:")


@in_virtual_time
async def test_a_dead_supervisor_is_named_also_while_a_task_is_at_work() -> None:
    hub = board()
    supervisor = hub.start().supervisor
    await seconds(1)

    def die(now: int) -> bool:
        raise ValueError("sabotage")

    for task in supervisor._tasks:
        task.overdue = die
    await until(lambda: supervisor._own.step == "check", 1)
    hub.ticks_offset += HUNG_MS
    supervisor._tasks[0].work("receive")
    supervisor._look(None)
    assert (await crumb_of_the_next_life(hub)).startswith("hang:supervisor:check:")


async def old_life(days: int) -> tuple[Board, Any, Any]:
    """A board whose life is so old, its supervisor with a task of the test's own, which dies when it is told to."""
    hub = board()
    hub.start()
    life = hub.life
    assert life is not None
    life.hub.supervisor._condemned = True  # the board's own supervisor sleeps, and its watchdog with it
    module = life.module("supervisor")
    module.machine.WDT = lambda timeout: Fed()
    module._CHECK_MS = module._WITNESS_MS = 3600_000
    module._HANG_MS = 2 * module._CHECK_MS
    for task in life.tasks:
        task.cancel()
    for call in life._calls:
        call.cancel()
    supervisor = module.Supervisor(1, lambda name, traceback: None)
    dying = Dying()
    supervisor.add("scanner", dying.run)
    life.start_task(supervisor.run())
    await seconds(days * DAY_S)
    return hub, supervisor, dying


class Fed:
    """A watchdog that only counts."""

    feeds = 0

    def feed(self) -> None:
        Fed.feeds += 1


class Dying:
    """A task that dies whenever it is told to."""

    def __init__(self) -> None:
        self.told = asyncio.Event()

    async def run(self, task: Any) -> None:
        await self.told.wait()
        self.told.clear()
        raise ValueError("told to")


@pytest.mark.parametrize("days", [0, 6, WEEK_DAYS, 12, 13, 30])
def test_the_crumb_tells_the_uptime_of_a_hub_of_any_age(days: int) -> None:
    async def main() -> None:
        hub, supervisor, _ = await old_life(days)
        supervisor._condemn("hang:scanner:scan")
        assert hub.life is not None
        survival = hub.life.module("survival")
        left = survival._crumb_text(survival._words, *survival._read()[3:4], 1)
        assert left == f"hang:scanner:scan:{days * DAY_S}s"

    run_in_virtual_time(main())


@pytest.mark.parametrize("days", [1, 5, WEEK_DAYS, 9, 11, 14])
def test_failures_that_are_days_apart_are_never_counted_together(days: int) -> None:
    async def main() -> None:
        _, supervisor, dying = await old_life(0)
        task = supervisor._tasks[0]
        for _ in range(6):
            dying.told.set()
            await seconds(days * DAY_S)
            assert not dying.told.is_set() and task.failures == 1

    run_in_virtual_time(main())
