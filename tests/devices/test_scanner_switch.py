"""The scanner's switch: off for a time, told to all tills, and nobody waits for a hub that says nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from host_bridge.devices.scanner_switch import ANSWER_MS, OFF_MS, OFF_MS_MAX, OFF_MS_MIN, ScannerSwitch
from host_bridge.interfaces.services import Refused
from tests.devices.bench import Link, WallClock
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds, the_loop

READING, OFF, HELD = range(3)


class Counter:
    """A hub at the other end that does as it is told, unless `answers` is False."""

    def __init__(self, *, can_switch: bool = True, answers: bool = True) -> None:
        self.link = Link()
        self.link.is_up = True
        self.can_switch, self.answers = can_switch, answers
        self.told: list[tuple[str, str | None]] = []
        self.switch = ScannerSwitch(self.link, self._changed, WallClock())
        self.link.hub = self._hub

    def _changed(self) -> None:
        self.told.append((self.switch.state, self.switch.off_until))

    def _hub(self, name: str, *values: Any) -> None:
        assert name == "scanner_enable"
        if self.answers:
            state = READING if values[0] or not self.can_switch else OFF
            the_loop().call_later(0.01, self.switch.on_scanner, state, int(self.can_switch))

    async def refused(self, *arguments: Any) -> str:
        with pytest.raises(Refused) as caught:
            await self.switch.turn(*arguments)
        return caught.value.code


@in_virtual_time
async def test_off_has_an_end_and_on_has_none() -> None:
    counter = Counter()
    counter.switch.on_scanner(READING, 1)
    await counter.switch.turn(False, 60_000)
    assert counter.switch.state == "off"
    await counter.switch.turn(True)
    assert (counter.switch.state, counter.switch.off_until) == ("reading", None)
    assert counter.link.sent == [("scanner_enable", 0, 60_000), ("scanner_enable", 1, OFF_MS)]
    assert [state for state, _ in counter.told] == ["reading", "off", "reading"]
    assert [until is not None for _, until in counter.told] == [False, True, False]


@in_virtual_time
async def test_asking_again_moves_the_end() -> None:
    counter = Counter()
    await counter.switch.turn(False, 60_000)
    before = counter.switch.off_until
    await seconds(30)
    await counter.switch.turn(False, 60_000)
    assert before is not None
    assert counter.switch.off_until is not None
    assert counter.switch.off_until > before
    assert len(counter.told) == 2
    assert counter.switch.off_until.startswith("2027-01-15")  # the wall clock's, not the loop's


@in_virtual_time
async def test_when_its_time_is_over_the_hub_says_so() -> None:
    counter = Counter()
    await counter.switch.turn(False, 1000)
    counter.switch.on_scanner(READING, 1)
    assert (counter.switch.state, counter.switch.off_until) == ("reading", None)


@in_virtual_time
async def test_a_word_that_was_on_its_way_is_no_answer() -> None:
    counter = Counter()
    turning = asyncio.create_task(counter.switch.turn(False))
    await seconds(0.005)
    counter.switch.on_scanner(READING, 1)  # said before the hub heard of it
    await seconds(0.001)
    assert not turning.done()
    await turning
    assert counter.switch.state == "off"


@in_virtual_time
async def test_one_that_is_held_off_counts_as_switched_on() -> None:
    counter = Counter(answers=False)
    turning = asyncio.create_task(counter.switch.turn(True))
    await seconds(0.005)
    counter.switch.on_scanner(HELD, 1)
    await turning
    assert counter.switch.state == "held"


@in_virtual_time
async def test_a_scanner_without_a_trigger_is_refused() -> None:
    counter = Counter(can_switch=False)
    assert await counter.refused(False) == "scanner_not_switchable"


@in_virtual_time
async def test_a_hub_that_says_nothing_is_not_waited_for() -> None:
    counter = Counter(answers=False)
    begun = the_loop().time()
    assert await counter.refused(False) == "hub_no_answer"
    assert the_loop().time() - begun == pytest.approx(ANSWER_MS / 1000, abs=0.01)


@in_virtual_time
async def test_a_link_that_is_down_goes_down_or_is_full_is_named() -> None:
    counter = Counter(answers=False)
    turning = asyncio.create_task(counter.refused(False))
    await seconds(0.1)
    counter.switch.link_down()
    assert await turning == "link_lost"
    assert counter.switch.state == "unknown"
    counter.link.full = True
    assert await counter.refused(False) == "link_busy"
    counter.link.is_up = False
    assert await counter.refused(False) == "link_down"


@pytest.mark.parametrize("for_ms", [0, OFF_MS_MIN - 1, OFF_MS_MAX + 1, -1])
def test_times_that_can_not_be_are_refused(for_ms: int) -> None:
    async def main() -> None:
        counter = Counter()
        assert await counter.refused(False, for_ms) == "scanner_switch_invalid"
        assert counter.link.sent == []

    run_in_virtual_time(main())


@in_virtual_time
async def test_two_tills_at_once_both_get_an_answer() -> None:
    counter = Counter()
    results: tuple[object, ...] = await asyncio.gather(
        counter.switch.turn(False, 60_000), counter.switch.turn(False, 5000), return_exceptions=True
    )
    assert list(results) == [None, None]
