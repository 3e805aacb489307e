"""The drawer service: a kick within its time to live or never, never twice, and its answer is true."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from host_bridge.devices.drawer import (
    ON_MS_MAX,
    ON_MS_MIN,
    OPEN_KICKS_MAX,
    TIME_TO_LIVE_MS_MAX,
    TIME_TO_LIVE_MS_MIN,
    VERIFY_MS,
    DrawerService,
)
from host_bridge.events import DrawerEvent
from host_bridge.interfaces.services import Refused
from host_bridge.journal import JournalFailed, JournalFull
from host_bridge.journal.records import Kick, KickState
from hublink.link import TICKS_MASK
from hublink.words import KICK_OUTCOMES
from tests.devices.bench import Events, Link, open_journal
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds, the_loop, until

BROKEN = JournalFailed("the disk is gone")


class Counter:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.link = Link()
        self.events = Events()
        self.journal: Any = None
        self.service: Any = None
        self.kicks: list[tuple[int, int, int, int]] = []  # as the hub got them
        self.answer: int | None = 0
        self.ticks = TICKS_MASK - 1000  # about to come round
        self.link.hub = self._take

    async def start(self) -> None:
        self.journal = await open_journal(self.folder)
        self.service = DrawerService(self.link, self.journal, self.events.bus)
        await self.service.start()

    def clock(self) -> int:
        return (self.ticks + int(the_loop().time() * 1000)) & TICKS_MASK

    def up(self, *, clock: bool = True) -> None:
        self.link.is_up = self.link.told = True
        self.link.session += 1
        self.link.__class__ = type(
            "Live", (Link,), {"hub_clock_ms": lambda link: self.clock() if clock and link.is_up else None}
        )
        self.service.link_up()

    def down(self) -> None:
        self.link.is_up = False
        self.service.link_down()

    def _take(self, name: str, *values: Any) -> None:
        self.kicks.append(values)
        if self.answer is not None:
            the_loop().call_later(0.03, self.service.on_kick_done, values[0], self.answer)

    async def kick(self, **asked: Any) -> Kick:
        kick: Kick = await self.service.kick(source="test", **asked)
        return kick

    async def end(self, **asked: Any) -> tuple[str, str | None]:
        kick = await self.kick(**asked)
        kept = await self.journal.kick(kick.kick_id)
        assert kept == kick
        assert kick.state is not KickState.REQUESTED
        return kick.state.value, kick.reason


@asynccontextmanager
async def counter(folder: Path, *, up: bool = True) -> AsyncIterator[Counter]:
    one = Counter(folder)
    await one.start()
    if up:
        one.up()
    try:
        yield one
        assert one.service._outcomes == {} and one.service._acting == {}
    finally:
        await one.journal.close()


async def refusal(action: Callable[[], Any]) -> str:
    with pytest.raises(Refused) as refused:
        await action()
    return refused.value.code


@pytest.mark.parametrize(
    ("outcome", "end"),
    [
        (0, ("opened", None)),
        (1, ("unverified", "no_switch")),
        *((number, ("failed", KICK_OUTCOMES[number])) for number in range(2, len(KICK_OUTCOMES))),
        (200, ("failed", "unknown")),
    ],
)
def test_each_answer_of_the_hub_is_told_as_it_is(tmp_path: Path, outcome: int, end: Any) -> None:
    async def main() -> None:
        async with counter(tmp_path) as one:
            one.answer = outcome
            assert await one.end() == end

    run_in_virtual_time(main())


@in_virtual_time
async def test_the_deadline_is_told_in_the_hubs_own_time(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        before = one.clock()
        await one.kick(time_to_live_ms=1500, on_ms=77, drawer=2)
        ((_, drawer, on_ms, deadline),) = one.kicks
        assert (drawer, on_ms) == (2, 77)
        assert (deadline - before) & TICKS_MASK == pytest.approx(1500, abs=60)


@pytest.mark.parametrize(
    "asked",
    [
        {"drawer": 0},
        {"drawer": 3},
        {"on_ms": ON_MS_MIN - 1},
        {"on_ms": ON_MS_MAX + 1},
        {"time_to_live_ms": TIME_TO_LIVE_MS_MIN - 1},
        {"time_to_live_ms": TIME_TO_LIVE_MS_MAX + 1},
    ],
)
def test_beyond_the_limits_nothing_is_journaled_or_sent(tmp_path: Path, asked: Any) -> None:
    async def main() -> None:
        async with counter(tmp_path) as one:
            assert await refusal(lambda: one.kick(**asked)) == "kick_invalid"
            assert one.kicks == [] and "add_kick" not in one.journal.calls

    run_in_virtual_time(main())


@pytest.mark.parametrize(
    "asked",
    [{"on_ms": ON_MS_MIN}, {"on_ms": ON_MS_MAX}, {"time_to_live_ms": TIME_TO_LIVE_MS_MIN}, {"time_to_live_ms": 30_000}],
)
def test_the_limits_themselves_are_allowed(tmp_path: Path, asked: Any) -> None:
    async def main() -> None:
        async with counter(tmp_path) as one:
            assert await one.end(**asked) == ("opened", None)

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_link_that_is_down_has_until_the_deadline_to_come_up(tmp_path: Path) -> None:
    async with counter(tmp_path, up=False) as one:
        kicking = asyncio.create_task(one.end(time_to_live_ms=2000))
        await seconds(1)
        one.up()
        assert await kicking == ("opened", None)

        one.down()
        begun = the_loop().time()
        assert await one.end(time_to_live_ms=2000) == ("failed", "link_down")
        assert the_loop().time() - begun == pytest.approx(2, abs=0.1)
        one.up()
        await seconds(10)
        assert len(one.kicks) == 1


@in_virtual_time
async def test_a_hub_whose_clock_is_not_known_is_sent_no_kick(tmp_path: Path) -> None:
    async with counter(tmp_path, up=False) as one:
        one.up(clock=False)
        assert await one.end(time_to_live_ms=500) == ("failed", "link_down")
        assert one.kicks == []


@in_virtual_time
async def test_a_link_lost_after_sending_is_told_and_nothing_is_sent_again(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.answer = None
        kicking = asyncio.create_task(one.end())
        await until(lambda: one.kicks)
        one.down()
        assert await kicking == ("failed", "link_lost")
        one.up()
        await seconds(10)
        assert len(one.kicks) == 1


@in_virtual_time
async def test_no_answer_ends_in_time(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.answer = None
        begun = the_loop().time()
        assert await one.end(time_to_live_ms=2000) == ("failed", "no_answer")
        assert the_loop().time() - begun <= (2000 + VERIFY_MS) / 1000 + 0.1


@in_virtual_time
async def test_an_answer_to_something_else_is_no_answer(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.answer = None
        kicking = asyncio.create_task(one.end())
        await until(lambda: one.kicks)
        number = one.kicks[0][0]
        one.service.on_kick_done(number ^ 1, 0)
        await seconds(0.1)
        assert not kicking.done()
        one.service.on_kick_done(number, 2)
        one.service.on_kick_done(number, 0)
        assert await kicking == ("failed", "drawer_stuck")


@in_virtual_time
async def test_a_full_link_is_told(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.link.full = True
        assert await one.end() == ("failed", "link_busy")


@in_virtual_time
async def test_the_same_key_kicks_once_and_both_get_the_answer(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        first, again = await asyncio.gather(one.kick(idempotency_key="sale-1"), one.kick(idempotency_key="sale-1"))
        assert first == again and first.state is KickState.OPENED
        assert await one.kick(idempotency_key="sale-1") == first
        assert len(one.kicks) == 1
        assert await refusal(lambda: one.kick(idempotency_key="sale-1", drawer=2)) == "idempotency_mismatch"


@in_virtual_time
async def test_the_same_key_after_a_crash_kicks_nothing(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.answer = None
        kicking = asyncio.create_task(one.kick(idempotency_key="sale-1"))
        await until(lambda: one.kicks)
        kicking.cancel()
        await asyncio.wait([kicking])
        await one.journal.close()
        await one.start()
        one.answer = 0
        assert await one.end(idempotency_key="sale-1") == ("failed", "bridge_restarted")
        assert len(one.kicks) == 1


@in_virtual_time
async def test_the_same_key_after_the_caller_went_away_gets_a_final_answer(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.answer = None
        kicking = asyncio.create_task(one.kick(idempotency_key="sale-1"))
        await until(lambda: one.kicks)
        kicking.cancel()
        await asyncio.wait([kicking])
        state, _ = await one.end(idempotency_key="sale-1")
        assert state == "failed"
        assert len(one.kicks) == 1


@in_virtual_time
async def test_many_at_once_do_not_pass_the_limit(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        asked = [one.kick() for _ in range(OPEN_KICKS_MAX + 8)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(isinstance(answer, Kick) for answer in answers) == OPEN_KICKS_MAX
        assert [answer.code for answer in answers if isinstance(answer, Refused)] == ["kick_busy"] * 8
        assert await one.end() == ("opened", None)


@pytest.mark.parametrize("error", [JournalFull("no room"), BROKEN])
def test_a_kick_that_could_not_be_kept_does_not_happen(tmp_path: Path, error: Exception) -> None:
    async def main() -> None:
        async with counter(tmp_path) as one:
            one.journal.fail("add_kick", error)
            code = await refusal(one.kick)
            assert code == ("journal_full" if isinstance(error, JournalFull) else "journal_failed")
            await seconds(5)
            assert one.kicks == []
            assert await one.end() == ("opened", None)

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_kick_whose_outcome_could_not_be_kept_is_refused_by_name_to_all_who_wait(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.journal.fail("settle_kick", BROKEN)
        first = asyncio.create_task(refusal(lambda: one.kick(idempotency_key="sale-1")))
        await until(lambda: one.kicks)
        second = asyncio.create_task(refusal(lambda: one.kick(idempotency_key="sale-1")))
        assert (await first, await second) == ("journal_failed", "journal_failed")
        assert len(one.kicks) == 1


@in_virtual_time
async def test_time_in_the_journal_counts(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.journal.hold = asyncio.Event()
        kicking = asyncio.create_task(one.end(time_to_live_ms=500))
        await seconds(1)
        one.journal.hold.set()
        state, _ = await kicking
        assert state == "failed"
        assert one.kicks == []


@in_virtual_time
async def test_the_state_follows_the_switch_and_the_fault(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        for number, name in ((1, "closed"), (2, "open"), (9, "unknown"), (1, "closed")):
            one.service.on_drawer(number)
            assert one.service.state().status == name
        one.service.on_faults({"drawer_stuck"})
        assert one.service.state().status == "fault"
        one.service.on_faults({"paper_end"})
        assert one.service.state().status == "closed"
        one.down()
        assert one.service.state().status == "unknown"
        assert [event.status for event in one.events.of(DrawerEvent)] == [
            *("closed", "open", "unknown", "closed", "fault", "closed")
        ]
