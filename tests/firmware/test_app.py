"""The hub as a whole: starts on any board, tells its faults, and gets over what kills its tasks."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.bridge.counter import BOARD, Counter
from tests.firmware.board import PWRON_RESET, WDT_RESET, Board
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds, the_loop, until

LINK = BOARD["link"]
WATCHDOG_MS = 4000
SETTLED_S = 61


def board(**parts: Any) -> Board:
    return Board({"name": "bench", "watchdog_ms": WATCHDOG_MS, "link": LINK, **parts})


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"indicator": {"kind": "none"}},
        {"indicator": {"kind": "mono", "pin": 2}},
        {"indicator": {"kind": "rgb", "red": 18, "green": 19, "blue": 20}},
        {"scanner": {"uart": 2, "tx": 8, "rx": 9, "baud_rate": 9600}},
        {"drawer": {"wiring": "gpio", "kick": [14]}},
        {"drawer": {"wiring": "printer"}},
        {"printer": BOARD["printer"]},
    ],
)
def test_the_hub_runs_on_a_board_with_any_of_the_devices(parts: Any) -> None:
    async def main() -> None:
        hub = board(**parts)
        hub.start()
        await seconds(120)
        assert hub.resets == [PWRON_RESET]

    run_in_virtual_time(main())


def tasks(hub: Any) -> dict[str, Any]:
    return {task.name: task for task in hub._supervisor._tasks}


def crumb(hub: Board) -> str:
    assert hub.life
    return str(hub.life.module("survival").last_crumb())


@in_virtual_time
async def test_a_task_that_comes_to_no_rest_brings_the_watchdog_and_is_named_afterwards() -> None:
    hub = board(**{key: BOARD[key] for key in ("printer", "scanner", "drawer")})
    tasks(hub.start())["printer_watch"].work("probe")  # and it never rests
    task = tasks(hub.life.hub)["scanner"] if hub.life else None
    assert task
    task.work("scan")

    await until(lambda: len(hub.resets) > 1, 10)

    assert hub.resets == [PWRON_RESET, WDT_RESET]
    assert crumb(hub).startswith("late:")


@in_virtual_time
async def test_a_loop_that_hangs_leaves_the_name_of_the_task_at_work() -> None:
    hub = board(scanner=BOARD["scanner"])
    started = hub.start()
    await seconds(1)
    supervisor = started._supervisor
    tasks(started)["scanner"].work("scan")
    hub.ticks_offset += 1600  # the loop has not turned for so long; interrupts come all the same
    supervisor._look(None)

    await until(lambda: len(hub.resets) > 1, 10)

    assert hub.resets[-1] == WDT_RESET
    assert crumb(hub).startswith("hang:scanner:scan")


@in_virtual_time
async def test_a_task_that_dies_is_started_again_later_each_time_and_the_bridge_is_told(tmp_path: Any) -> None:
    counter = Counter(tmp_path)
    hub = counter.board.start(PWRON_RESET)
    await counter.start_bridge()
    await until(lambda: counter.is_up)
    starts: list[float] = []
    run = hub._scanner.read

    async def dies(task: Any) -> None:
        starts.append(the_loop().time())
        if len(starts) < 4:
            raise OSError("the UART is gone")
        await run(task)

    tasks(hub)["scanner"].run = dies
    hub._scanner._split = explode(OSError("the UART is gone"))
    await counter.scan(b"1234")
    await until(lambda: len(starts) == 4, 10)
    gaps = [second - first for first, second in itertools.pairwise(starts)]
    assert gaps == sorted(gaps) and gaps[-1] > gaps[0]
    assert counter.faults
    assert {fault.code for fault in counter.faults.active()} == {"task_failed"}
    events = await counter.journal.events(100)
    assert any(event.kind == "hub_task_failed" and "UART is gone" in event.detail["text"] for event in events)
    del hub._scanner._split
    await counter.scan(b"5678")
    await until(lambda: counter.devices.scans.scans == 1)
    await counter.kill_bridge()


def explode(error: Exception) -> Any:
    def fail(*arguments: Any) -> None:
        raise error

    return fail


@in_virtual_time
async def test_a_task_that_keeps_dying_resets_the_hub_on_purpose() -> None:
    hub = board(scanner=BOARD["scanner"])
    started = hub.start()
    await seconds(0.1)
    started._scanner._look = explode(ValueError("broken"))

    await until(lambda: len(hub.resets) > 1, 30)

    assert crumb(hub) == "reset:failing:scanner_sense"
    assert hub.resets[-1] != WDT_RESET


@in_virtual_time
async def test_five_quick_boots_lead_into_safe_mode_and_a_settled_life_out_of_it() -> None:
    hub = board(scanner=BOARD["scanner"], drawer={"wiring": "gpio", "kick": [14]})
    for number in range(1, 6):
        started = hub.start(WDT_RESET if number > 1 else PWRON_RESET)
        assert started._safe_mode == (number >= 5)
        await seconds(5)
    assert started._scanner is None
    assert started.faults.numbers()
    await seconds(SETTLED_S)
    assert hub.start(WDT_RESET)._safe_mode is False


@in_virtual_time
async def test_a_life_of_a_minute_starts_the_count_anew() -> None:
    hub = board()
    for _ in range(8):
        assert hub.start(WDT_RESET)._safe_mode is False
        await seconds(SETTLED_S)


@in_virtual_time
async def test_the_pins_of_the_drawer_are_at_rest_after_any_reset() -> None:
    hub = board(drawer={"wiring": "gpio", "kick": [14, 15]})
    hub.start()
    hub.set_level(14, 1)
    hub.start(WDT_RESET)
    assert hub.levels[14] == hub.levels[15] == 0


@in_virtual_time
async def test_a_till_that_is_away_resets_nothing() -> None:
    hub = board(scanner=BOARD["scanner"])
    hub.start()
    await seconds(600)
    assert hub.resets == [PWRON_RESET]


@in_virtual_time
async def test_the_last_word_on_the_faults_reaches_the_bridge_even_after_a_storm(tmp_path: Any) -> None:
    counter = Counter(tmp_path)
    hub = counter.board.start(PWRON_RESET)
    await counter.start_bridge()
    await until(lambda: counter.is_up)
    await seconds(1)
    for number in range(61):  # more changes in one moment than the link queues
        hub.faults.set("paper_end", number % 2 == 0)
    assert counter.faults
    await until(lambda: {fault.code for fault in counter.faults.active()} == {"paper_end"}, 5)  # type: ignore[union-attr]
    for number in range(61):
        hub.faults.set("paper_end", number % 2 == 1)
    await until(lambda: counter.faults and not counter.faults.active(), 5)
    await counter.kill_bridge()
