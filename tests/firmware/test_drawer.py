"""The hub's drawer: within its time to live or never, never hot, never both, and its switch is believed."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.firmware.board import TICKS_HALF, TICKS_MASK, Bench
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds, the_loop, until

OPENED, UNVERIFIED, STUCK, EXPIRED, REPEATED, DUTY, INVALID = range(7)
KICK_1, KICK_2, SWITCH = 14, 15, 16
UNKNOWN, CLOSED, OPEN = range(3)
DAY_MS = 86_400_000


class Till(Bench):
    """A drawer on the bench. It springs open `opens_after_s` after the current comes, unless `opens` is False."""

    def __init__(
        self,
        *,
        switch: bool = True,
        opens: bool = True,
        ticks_offset: int = 0,
        drawers: int = 2,
        closed: bool = True,
        **alarms: int,
    ) -> None:
        super().__init__(ticks_offset=ticks_offset)
        self.opens = opens
        self.opens_after_s = 0.03
        self.board.levels[SWITCH] = int(closed)
        wiring: dict[str, Any] = {"kick": [KICK_1, KICK_2][:drawers]}
        if switch:
            wiring["switch"] = SWITCH
        self._set_level = self.board.set_level
        self.board.set_level = self._spring  # type: ignore[method-assign]
        self.kicker = self.life.module("kick_pins").KickPins(wiring)
        self.drawer = self.life.module("drawer").Drawer(self.kicker, self.link, self.faults, **alarms)
        self.accounts = self.run(self.drawer.work, self.drawer.watch)

    def _spring(self, pin: int, level: int) -> None:
        self._set_level(pin, level)
        if pin in (KICK_1, KICK_2) and level and self.opens:
            the_loop().call_later(self.opens_after_s, self._set_level, SWITCH, 0)

    def close(self) -> None:
        self.board.set_level(SWITCH, 1)

    def kick(self, number: int, drawer: int = 1, on_ms: int = 100, within_ms: int = 2000) -> None:
        deadline = (self.life.ticks_ms() + within_ms) & TICKS_MASK
        self.link.say("kick", number, drawer, on_ms, deadline)

    async def outcome(self, number: int) -> int:
        done = await until(lambda: [outcome for kick, outcome in self.link.heard("kick_done") if kick == number])
        assert len(done) == 1
        return int(done[0])

    def on_ms(self, pin: int = KICK_1) -> list[int]:
        return [round((end - begin) * 1000) for begin, end in self.board.pulses(pin)]


@in_virtual_time
async def test_a_kick_opens_the_drawer_and_the_current_ends_in_time() -> None:
    till = Till()
    till.kick(1, on_ms=100)

    assert await till.outcome(1) == OPENED
    await seconds(1)
    assert till.on_ms() == [100]


@pytest.mark.parametrize("on_ms", [10, 510])
def test_the_limits_of_the_kick_port_may_be_used(on_ms: int) -> None:
    async def main() -> None:
        till = Till()
        till.kick(1, on_ms=on_ms)
        assert await till.outcome(1) == OPENED
        await seconds(1)
        assert till.on_ms() == [on_ms]

    run_in_virtual_time(main())


@pytest.mark.parametrize(("drawer", "on_ms"), [(1, 9), (1, 511), (1, 0), (1, 65535), (0, 100), (3, 100), (255, 100)])
def test_beyond_the_limits_nothing_moves(drawer: int, on_ms: int) -> None:
    async def main() -> None:
        till = Till()
        till.kick(1, drawer, on_ms)
        assert await till.outcome(1) == INVALID
        await seconds(3)
        assert till.on_ms() == till.on_ms(KICK_2) == []

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_kick_whose_time_is_over_does_not_happen() -> None:
    till = Till()
    till.kick(1, within_ms=0)
    till.kick(2, within_ms=-5000)

    assert [await till.outcome(number) for number in (1, 2)] == [EXPIRED, EXPIRED]
    await seconds(3)
    assert till.on_ms() == []


@in_virtual_time
async def test_the_same_kick_again_is_told_so_and_opens_nothing() -> None:
    till = Till()
    till.kick(1)
    assert await till.outcome(1) == OPENED
    till.close()
    await seconds(1)
    till.link.said.clear()

    till.kick(1)

    assert await till.outcome(1) == REPEATED
    await seconds(3)
    assert till.on_ms() == [100]


@in_virtual_time
async def test_a_second_kick_waits_until_the_solenoid_is_cool() -> None:
    till = Till()
    till.kick(1, on_ms=200)
    assert await till.outcome(1) == OPENED
    till.close()

    till.kick(2, on_ms=200)

    assert await till.outcome(2) == OPENED
    await seconds(1)
    (begin_1, end_1), (begin_2, _) = till.board.pulses(KICK_1)
    assert (end_1 - begin_1) / (begin_2 - begin_1) <= 0.2001


@in_virtual_time
async def test_a_kick_that_would_have_to_wait_beyond_its_time_never_happens() -> None:
    till = Till()
    till.kick(1, on_ms=510)
    assert await till.outcome(1) == OPENED
    till.close()

    till.kick(2, within_ms=500)  # the solenoid needs 2 s

    assert await till.outcome(2) == EXPIRED
    await seconds(5)
    assert till.on_ms() == [510]


@in_virtual_time
async def test_kicks_that_come_while_the_drawer_is_being_opened_share_its_outcome() -> None:
    till = Till()
    for number in (1, 2, 3):
        till.kick(number)

    assert [await till.outcome(number) for number in (1, 2, 3)] == [OPENED] * 3
    await seconds(2)
    assert till.on_ms() == [100]


@in_virtual_time
async def test_the_other_drawer_is_refused_while_one_is_being_opened() -> None:
    till = Till()
    till.kick(1, drawer=1)
    till.kick(2, drawer=2)

    assert await till.outcome(2) == DUTY
    assert await till.outcome(1) == OPENED
    assert till.on_ms(KICK_2) == []


@in_virtual_time
async def test_a_drawer_that_stays_closed_gets_one_more_pulse_and_then_the_fault() -> None:
    till = Till(opens=False)
    till.kick(1, on_ms=100)

    assert await till.outcome(1) == STUCK
    assert till.on_ms() == [100, 100]
    assert till.fault_codes == {"drawer_stuck"}

    till.opens = True
    till.kick(2)
    assert await till.outcome(2) == OPENED
    assert till.fault_codes == set()


@in_virtual_time
async def test_no_second_pulse_after_the_deadline() -> None:
    till = Till(opens=False)
    till.kick(1, on_ms=100, within_ms=300)

    assert await till.outcome(1) == STUCK
    await seconds(3)
    assert till.on_ms() == [100]


@in_virtual_time
async def test_a_stuck_drawer_opened_with_the_key_is_no_fault_any_more() -> None:
    till = Till(opens=False)
    till.kick(1)
    assert await till.outcome(1) == STUCK

    till.board.set_level(SWITCH, 0)

    await until(lambda: till.fault_codes == set())
    assert till.link.heard("drawer")[-1] == (OPEN,)


@in_virtual_time
async def test_without_a_switch_the_pulse_is_given_and_said_to_be_unverified() -> None:
    till = Till(switch=False)
    till.kick(1)

    assert await till.outcome(1) == UNVERIFIED
    assert till.on_ms() == [100]
    assert till.drawer.state() == UNKNOWN


@in_virtual_time
async def test_an_open_drawer_needs_no_pulse() -> None:
    till = Till(drawers=1)
    till.board.set_level(SWITCH, 0)
    till.kick(1)

    assert await till.outcome(1) == OPENED
    assert till.on_ms() == []


@in_virtual_time
async def test_the_other_drawer_opens_although_the_shared_switch_says_open_already() -> None:
    till = Till()
    till.kick(1, drawer=1)
    assert await till.outcome(1) == OPENED
    till.kick(2, drawer=1)
    assert await till.outcome(2) == OPENED
    till.kick(3, drawer=2)
    assert await till.outcome(3) == UNVERIFIED
    assert (till.on_ms(KICK_1), till.on_ms(KICK_2)) == ([100], [100])


@in_virtual_time
async def test_a_kick_that_waits_when_the_link_is_lost_never_happens() -> None:
    till = Till()
    till.kick(1, on_ms=300)
    assert await till.outcome(1) == OPENED
    till.close()
    till.kick(2, within_ms=10_000)

    till.link.down()

    await seconds(15)
    assert till.on_ms() == [300]


@in_virtual_time
async def test_a_kick_of_the_lost_session_does_not_ride_on_one_of_the_next() -> None:
    till = Till(switch=False)
    till.kick(1, on_ms=300)
    assert await till.outcome(1) == UNVERIFIED
    till.kick(2, on_ms=300, within_ms=10_000)  # waits for the solenoid to cool
    await seconds(0.1)

    till.link.down()
    till.link.up()
    till.kick(3, on_ms=100, within_ms=10_000)

    assert await till.outcome(3) == UNVERIFIED
    await seconds(15)
    assert till.on_ms() == [300, 100]


@in_virtual_time
async def test_a_bouncing_switch_is_told_once_it_has_settled() -> None:
    till = Till()
    await seconds(0.2)
    till.link.said.clear()
    for _ in range(10):
        till.board.set_level(SWITCH, 0)
        await seconds(0.003)
        till.board.set_level(SWITCH, 1)
        await seconds(0.003)
    till.board.set_level(SWITCH, 0)

    await until(lambda: till.link.heard("drawer"))
    await seconds(0.5)
    assert till.link.heard("drawer") == [(OPEN,)]


@in_virtual_time
async def test_a_state_that_could_not_be_told_is_told_later() -> None:
    till = Till()
    await seconds(0.2)
    till.link.down()
    till.board.set_level(SWITCH, 0)
    await seconds(0.5)
    till.link.said.clear()

    till.link.up()

    assert till.link.heard("drawer")[-1] == (OPEN,)


# -- alarms ------------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_drawer_opened_with_the_key_is_named_and_forgotten_once_it_is_shut() -> None:
    till = Till()
    await seconds(1)
    till.board.set_level(SWITCH, 0)
    await until(lambda: till.fault_codes == {"drawer_forced_open"}, deadline_s=0.2)
    await seconds(20)
    assert till.fault_codes == {"drawer_forced_open"}
    till.close()
    await until(lambda: till.fault_codes == set(), deadline_s=0.2)


@in_virtual_time
async def test_one_that_is_shut_at_once_is_still_named_for_ten_seconds() -> None:
    till = Till()
    await seconds(1)
    till.board.set_level(SWITCH, 0)
    await seconds(0.3)
    till.close()
    await seconds(9)
    assert till.fault_codes == {"drawer_forced_open"}
    await seconds(2)
    assert till.fault_codes == set()


@in_virtual_time
async def test_whoever_kicks_is_at_the_till_and_knows() -> None:
    till = Till(drawers=1)
    await seconds(1)
    till.board.set_level(SWITCH, 0)
    await until(lambda: till.fault_codes == {"drawer_forced_open"})
    till.kick(1)
    assert await till.outcome(1) == OPENED
    assert till.fault_codes == set()


@in_virtual_time
async def test_what_a_kick_opens_is_not_forced_however_slowly_it_rolls_out() -> None:
    till = Till()
    till.opens_after_s = 0.39
    till.kick(1, on_ms=100)
    await seconds(0.7)
    assert till.fault_codes == set()
    till.close()
    await seconds(0.3)
    till.board.set_level(SWITCH, 0)  # and what is opened after that is
    await until(lambda: till.fault_codes == {"drawer_forced_open"})


@in_virtual_time
async def test_a_drawer_that_stands_open_when_the_hub_starts_was_forced_by_nobody() -> None:
    till = Till(closed=False)
    await seconds(5)
    assert till.fault_codes == set()


@in_virtual_time
async def test_a_stuck_drawer_opened_with_the_key_is_not_forced() -> None:
    till = Till(opens=False)
    till.kick(1)
    assert await till.outcome(1) == STUCK
    await seconds(10)
    till.board.set_level(SWITCH, 0)
    await seconds(1)
    assert till.fault_codes == set()


@pytest.mark.parametrize(("left_open_ms", "after_s"), [(None, 30), (5000, 5), (600_000, 600)])
def test_a_drawer_left_open_is_named_in_time_until_it_is_shut(left_open_ms: int | None, after_s: int) -> None:
    async def main() -> None:
        till = Till() if left_open_ms is None else Till(left_open_ms=left_open_ms)
        till.kick(1)
        assert await till.outcome(1) == OPENED
        await seconds(after_s - 0.2)
        assert till.fault_codes == set()
        await seconds(0.4)
        assert till.fault_codes == {"drawer_left_open"}
        till.board.ticks_offset += 7 * DAY_MS  # over the holidays
        await seconds(1)
        assert till.fault_codes == {"drawer_left_open"}
        till.close()
        await until(lambda: till.fault_codes == set(), deadline_s=0.2)

    run_in_virtual_time(main())


@in_virtual_time
async def test_where_the_board_file_says_so_a_drawer_may_stay_open() -> None:
    till = Till(left_open_ms=0)
    till.kick(1)
    assert await till.outcome(1) == OPENED
    await seconds(3600)
    assert till.fault_codes == set()


@pytest.mark.parametrize("period_s", [0.004, 0.017, 0.051, 0.11])
def test_a_switch_that_flutters_is_named_and_not_believed_until_it_is_quiet(period_s: float) -> None:
    async def main() -> None:
        till = Till(opens=False)
        await seconds(1)
        fluttering = asyncio.create_task(flutter(till, period_s))
        await until(lambda: till.fault_codes == {"drawer_switch"}, deadline_s=3)
        await seconds(10)
        assert till.fault_codes == {"drawer_switch"}
        assert till.link.heard("drawer")[-1] == (UNKNOWN,)
        till.kick(1)
        assert await till.outcome(1) == UNVERIFIED
        said = len(till.link.said)
        await seconds(10)
        assert len(till.link.said) == said  # and it floods nobody

        fluttering.cancel()
        till.close()
        await until(lambda: till.fault_codes == set(), deadline_s=3)
        await until(lambda: till.link.heard("drawer")[-1] == (CLOSED,))

    run_in_virtual_time(main())


async def flutter(till: Till, period_s: float) -> None:
    while True:
        till.board.set_level(SWITCH, till.board.random.randrange(2))
        await seconds(period_s)


@in_virtual_time
async def test_a_till_that_kicks_as_fast_as_the_solenoid_may_is_no_flutter() -> None:
    till = Till()
    for number in range(1, 21):
        till.kick(number, on_ms=50)
        assert await till.outcome(number) == OPENED
        await until(lambda: till.link.heard("drawer")[-1][-1] == OPEN)
        till.close()
        await until(lambda: till.link.heard("drawer")[-1][-1] == CLOSED)
    assert not till.faults.is_active("drawer_switch")


@in_virtual_time
async def test_a_clerk_who_opens_and_shuts_all_day_is_no_flutter() -> None:
    till = Till()
    for number in range(40):
        till.kick(number, on_ms=50)
        assert await till.outcome(number) == OPENED
        await seconds(0.6)
        till.close()
        await seconds(0.4)
    assert till.fault_codes == set()


@pytest.mark.parametrize("days", [1, 6, 7, 10, 12, 13])
def test_the_drawer_opens_after_days_without_a_sale(days: int) -> None:
    """The chip's milliseconds come round after 12.4 days: what was long ago must not look as if it were to come."""

    async def main() -> None:
        till = Till()
        till.kick(1)
        assert await till.outcome(1) == OPENED
        till.close()
        till.board.ticks_offset = days * DAY_MS

        till.kick(2)
        assert await till.outcome(2) == OPENED

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_deadline_on_the_other_side_of_the_clocks_turn_holds() -> None:
    till = Till(ticks_offset=TICKS_MASK - 1_000_000 - 20)
    till.kick(1, within_ms=2000)
    assert await till.outcome(1) == OPENED
    till.close()
    till.kick(2, within_ms=-100)
    assert await till.outcome(2) == EXPIRED
    assert till.life.ticks_ms() < TICKS_HALF


KICKS = st.lists(
    st.tuples(
        st.integers(0, 1200),  # ms after the one before
        st.integers(0, 3),  # drawer
        st.one_of(st.integers(0, 600), st.sampled_from([10, 100, 510])),  # on_ms
        st.integers(-100, 4000),  # within_ms
        st.sampled_from(["", "", "close", "link", "stuck", "unstuck"]),
    ),
    max_size=15,
)


@settings(max_examples=60)
@given(KICKS, st.booleans())
def test_whatever_is_asked_the_kick_ports_limits_hold(kicks: list[Any], switch: bool) -> None:
    async def main() -> None:
        till = Till(switch=switch)
        deadlines = []
        for number, (wait_ms, drawer, on_ms, within_ms, event) in enumerate(kicks):
            await seconds(wait_ms / 1000)
            if event == "close":
                till.close()
            elif event == "link":
                till.link.down()
                till.link.up()
            elif event:
                till.opens = event == "unstuck"
            till.kick(number, drawer, on_ms, within_ms)
            deadlines.append(the_loop().time() + within_ms / 1000)
        await seconds(10)
        pulses = sorted(till.board.pulses(KICK_1) + till.board.pulses(KICK_2))
        for begin, end in pulses:
            assert 0.0099 <= end - begin <= 0.5101
            assert any(begin <= deadline + 0.002 for deadline in deadlines)
        for (begin, end), (next_begin, _) in itertools.pairwise(pulses):
            assert (end - begin) / (next_begin - begin) <= 0.2001
        assert till.board.levels[KICK_1] == till.board.levels[KICK_2] == 0
        answered = [kick for kick, _ in till.link.heard("kick_done")]
        assert len(answered) == len(set(answered))
        if all(event != "link" for *_, event in kicks):
            assert sorted(answered) == list(range(len(kicks)))

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_kicker_that_can_not_at_this_moment_is_asked_again_until_the_deadline() -> None:
    till = Till()
    pulse, till.kicker.pulse = till.kicker.pulse, lambda drawer, on_ms: False
    till.kick(1, within_ms=500)
    assert await till.outcome(1) == EXPIRED
    till.kick(2, within_ms=500)
    await seconds(0.2)
    till.kicker.pulse = pulse
    assert await till.outcome(2) == OPENED
    await seconds(1)
    assert till.on_ms() == [100]


@in_virtual_time
async def test_a_kick_that_fails_half_way_is_answered_and_the_next_one_works() -> None:
    till = Till()
    pulse, till.kicker.pulse = till.kicker.pulse, lambda drawer, on_ms: 1 // 0
    till.kick(1)
    assert await till.outcome(1) == UNVERIFIED
    assert till.accounts[0].task
    with pytest.raises(ZeroDivisionError):
        await till.accounts[0].task

    till.kicker.pulse = pulse
    till.run(till.drawer.work)  # as the supervisor does
    till.kick(2)
    assert await till.outcome(2) == OPENED


@in_virtual_time
async def test_a_kick_that_is_cancelled_half_way_is_answered_too() -> None:
    till = Till(opens=False)
    till.kick(1)
    await until(lambda: till.board.levels[KICK_1])
    assert till.accounts[0].task
    till.accounts[0].task.cancel()
    assert await till.outcome(1) == UNVERIFIED


@in_virtual_time
async def test_the_current_ends_even_if_the_program_is_dead() -> None:
    till = Till(opens=False)
    till.kick(1, on_ms=510)
    await until(lambda: till.board.levels[KICK_1])
    for account in till.accounts:
        assert account.task
        account.task.cancel()

    await asyncio.sleep(1)

    assert till.on_ms() == [510]


DAY = st.lists(
    st.tuples(st.sampled_from(["key", "shut", "kick", "flutter", "link", "jam", "free"]), st.integers(0, 4000)),
    max_size=12,
)


@settings(max_examples=25)
@given(DAY)
def test_whatever_happened_a_drawer_that_is_shut_and_left_alone_has_no_alarm(day: list[tuple[str, int]]) -> None:
    async def main() -> None:
        till = Till(drawers=1, left_open_ms=5000)
        opened_by_nobody = False
        for number, (event, wait_ms) in enumerate(day):
            if event == "key":
                till.board.set_level(SWITCH, 0)
                opened_by_nobody = True
            elif event == "shut":
                till.close()
            elif event == "kick":
                till.kick(number)
            elif event == "flutter":
                fluttering = asyncio.create_task(flutter(till, 0.02))
                opened_by_nobody = True
                await seconds(3)
                fluttering.cancel()
            elif event == "link":
                till.link.down()
                till.link.up()
            else:
                till.opens = event == "free"
            await seconds(wait_ms / 1000)
            if not opened_by_nobody:
                assert "drawer_forced_open" not in till.fault_codes
        await seconds(10)  # a kick of the last moment opens it first, at the second try perhaps
        till.close()
        await seconds(20)
        assert till.fault_codes <= {"drawer_stuck"}
        assert till.link.heard("drawer")[-1] == (CLOSED,)

    run_in_virtual_time(main())
