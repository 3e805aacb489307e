"""The hub's indicator: the worst fault, or that all is well, with or without a bridge; asleep while nothing changes."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hublink.fault_table import BY_NUMBER, FAULTS, FROM_BRIDGE, NOT_SENT, NUMBER_OF
from hublink.faults import worst
from hublink.light import (
    BLIP_MS,
    OFF,
    PATTERN_FAULT,
    PATTERN_READY,
    PATTERN_SAFE_MODE,
    PATTERN_WAITING,
    WHITE,
    steps,
)
from tests.firmware.board import Bench
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds, the_loop, until

OF_A_HUB = [entry[1] for entry in FAULTS if entry[0] < FROM_BRIDGE]


class Counter(Bench):
    def __init__(self, *, safe_mode: bool = False) -> None:
        super().__init__()
        self.shown: list[tuple[float, int]] = []  # (seconds, colour)
        self.link.is_up = False
        self.indicator = self.life.module("indicator").Indicator(self, self.link, self.faults, safe_mode)
        self.accounts = self.run(self.indicator.run)

    def show(self, colour: int) -> None:
        """The light."""
        self.shown.append((the_loop().time(), colour))

    def pattern(self) -> tuple[int, int]:
        told: Any = self.link.heard("shown")
        return tuple(told[-1])


@in_virtual_time
async def test_waiting_without_a_bridge_ready_with_one() -> None:
    counter = Counter()
    await seconds(3)
    assert {colour for _, colour in counter.shown} == {colour for colour, _ in steps(PATTERN_WAITING)}
    counter.link.up()
    assert counter.pattern() == (PATTERN_READY, 0)
    counter.shown.clear()
    await seconds(0.2)
    assert counter.shown[-1][1] == steps(PATTERN_READY)[0][0]


@in_virtual_time
async def test_a_steady_light_wakes_nobody() -> None:
    counter = Counter()
    counter.link.up()
    await seconds(2)
    works = counter.accounts[0].works
    await seconds(3600)
    assert counter.accounts[0].works == works
    assert counter.accounts[0].step is None


@in_virtual_time
async def test_a_fault_shows_within_a_tenth_of_a_second_and_counts() -> None:
    counter = Counter()
    counter.link.up()
    await seconds(2)
    counter.shown.clear()
    counter.faults.set("cover_open", True)
    await seconds(0.1)
    assert counter.shown
    assert counter.pattern() == (PATTERN_FAULT, NUMBER_OF["cover_open"])
    await seconds(10)
    wanted = steps(PATTERN_FAULT, NUMBER_OF["cover_open"])
    assert [colour for _, colour in counter.shown[: len(wanted)]] == [colour for colour, _ in wanted]


@in_virtual_time
async def test_the_worst_of_the_hubs_and_the_bridges_faults_shows_and_the_bridges_go_with_it() -> None:
    counter = Counter()
    counter.link.up()
    counter.faults.set("paper_near_end", True)
    assert counter.pattern() == (PATTERN_FAULT, NUMBER_OF["paper_near_end"])
    counter.link.say("show", bytes((NUMBER_OF["journal_full"],)))
    assert counter.pattern() == (PATTERN_FAULT, NUMBER_OF["journal_full"])
    counter.link.down()
    counter.link.up()
    assert counter.pattern() == (PATTERN_FAULT, NUMBER_OF["paper_near_end"])
    counter.link.say("show", bytes((250, 251)))  # of a newer bridge
    assert counter.pattern() == (PATTERN_FAULT, NUMBER_OF["paper_near_end"])


@in_virtual_time
async def test_safe_mode_is_above_every_fault() -> None:
    counter = Counter(safe_mode=True)
    counter.link.up()
    for code in OF_A_HUB:
        counter.faults.set(code, True)
    counter.link.say("show", bytes(number for number in BY_NUMBER if FROM_BRIDGE <= number < NOT_SENT))
    assert counter.pattern() == (PATTERN_SAFE_MODE, 0)


@in_virtual_time
async def test_a_blip_is_short_and_the_pattern_comes_back() -> None:
    counter = Counter()
    counter.link.up()
    await seconds(2)
    counter.shown.clear()
    counter.indicator.blip()
    await seconds(1)
    colours = [colour for _, colour in counter.shown]
    assert colours[:3] == [OFF, WHITE, OFF]
    assert counter.shown[3][0] - counter.shown[0][0] <= 3 * BLIP_MS / 1000 + 0.01
    assert colours[-1] == steps(PATTERN_READY)[0][0]


@in_virtual_time
async def test_a_pattern_that_could_not_be_told_is_told_later() -> None:
    counter = Counter()
    counter.link.up()
    counter.link.room = 0
    counter.faults.set("paper_end", True)
    assert counter.pattern() == (PATTERN_READY, 0)
    counter.link.writable(3)
    assert counter.pattern() == (PATTERN_FAULT, NUMBER_OF["paper_end"])


STEP = st.one_of(
    st.tuples(st.sampled_from(["raise", "clear"]), st.sampled_from(OF_A_HUB)),
    st.tuples(st.sampled_from(["up", "down", "blip", "wait"]), st.integers(1, 2000)),
    st.tuples(st.just("bridge"), st.binary(max_size=4)),
)


@settings(max_examples=20)
@given(st.lists(STEP, max_size=25))
def test_the_light_always_ends_up_with_what_is_so(moves: list[Any]) -> None:
    async def main() -> None:
        counter = Counter()
        of_bridge = b""
        for kind, value in moves:
            if kind in ("raise", "clear"):
                counter.faults.set(value, kind == "raise")
            elif kind == "up":
                counter.link.up()
            elif kind == "down":
                counter.link.down()
                of_bridge = b""
            elif kind == "blip":
                counter.indicator.blip()
            elif kind == "bridge" and counter.link.is_up:
                of_bridge = value
                counter.link.say("show", value)
            elif kind == "wait":
                await seconds(value / 1000)
        fault = worst({*counter.faults.active, *of_bridge})
        pattern = PATTERN_FAULT if fault else PATTERN_READY if counter.link.is_up else PATTERN_WAITING
        await seconds(4)  # the rest of the step and the blip before
        counter.shown.clear()
        wanted = steps(pattern, fault)
        if len(wanted) == 1:
            await seconds(5)
            assert counter.shown == []
        else:
            await until(lambda: len(counter.shown) >= 2 * len(wanted), 60)
            played = [colour for _, colour in counter.shown[: len(wanted)]]
            colours = [colour for colour, _ in wanted]
            turns = [colours[turn:] + colours[:turn] for turn in range(len(colours))]
            assert played in turns
        assert fault == 0 or fault in BY_NUMBER

    run_in_virtual_time(main())
