"""The scanner service: each scan journaled before it is acknowledged, delivered once, or said to have expired."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_bridge.devices import scanner
from host_bridge.devices.scanner import JOURNAL_RETRY_MS, SCAN_BYTES_MAX, ScannerService
from host_bridge.events import ScanEvent, ScanSettledEvent
from host_bridge.journal import JournalFailed
from hublink.messages import SCAN_CONTINUES, SCAN_HAS_SYMBOLOGY, SCAN_REPEAT
from tests.devices.bench import BOOT, NEXT_BOOT, Events, Link, WallClock, open_journal
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds, until

BROKEN = JournalFailed("the disk is gone")
PARTS_MAX = 20  # in the place of 1024
EAN = b"]E05901234123457"


class Counter:
    def __init__(self, folder: Path, expire_ms: int) -> None:
        self.folder, self.expire_ms = folder, expire_ms
        self.link = Link()
        self.events = Events()
        self.clock = WallClock()
        self.journal: Any = None
        self.service: Any = None

    async def start(self) -> None:
        self.journal = await open_journal(self.folder, self.clock)
        self.service = ScannerService(self.link, self.journal, self.events.bus, self.expire_ms, self.clock)
        await self.service.start()

    def up(self, boot: str = BOOT) -> None:
        self.link.is_up = self.link.told = True
        self.link.session += 1
        self.link.boot_id = boot

    def down(self) -> None:
        self.link.is_up = False
        self.service.link_down()

    async def crash(self) -> None:
        self.link.is_up = False
        await self.service.stop()
        await self.journal.close()

    def taken(self) -> list[int]:
        return [values[0] for name, *values in self.link.sent if name == "scan_taken"]

    def delivered(self) -> list[str]:
        return [event.data for event in self.events.of(ScanEvent)]

    def settled(self) -> list[tuple[int, str]]:
        return [(event.sequence, event.outcome) for event in self.events.of(ScanSettledEvent)]


@asynccontextmanager
async def counter(folder: Path, expire_ms: int = 10_000) -> AsyncIterator[Counter]:
    one = Counter(folder, expire_ms)
    await one.start()
    one.up()
    try:
        yield one
        assert not any(task.done() for task in one.service.tasks()), "a task of the service died"
    finally:
        await one.service.stop()
        await one.journal.close()


@in_virtual_time
async def test_a_scan_is_journaled_acknowledged_and_delivered(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.service.on_scan(1, 250, SCAN_HAS_SYMBOLOGY, EAN)
        await until(lambda: one.taken() == [1])
        (event,) = one.events.of(ScanEvent)
        assert (event.data, event.symbology, event.check_digit_ok) == ("5901234123457", "]E0", True)
        (scan,) = await one.service.waiting()
        assert one.clock() - scan.read_at == pytest.approx(0.25, abs=0.1)
        assert one.service.state().waiting == 1

        assert await one.service.acknowledge(scan.sequence) is True
        assert await one.service.acknowledge(scan.sequence) is False
        assert await one.service.acknowledge(4711) is False
        assert one.settled() == [(scan.sequence, "delivered")]
        assert one.service.state().waiting == 0


@in_virtual_time
async def test_the_hub_is_not_told_before_the_journal_has_it(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.journal.hold = asyncio.Event()
        one.service.on_scan(1, 0, 0, b"123")
        await seconds(5)
        assert one.taken() == [] and one.delivered() == []
        one.journal.hold.set()
        await until(lambda: one.taken() == [1] and one.delivered() == ["123"])


@in_virtual_time
async def test_a_journal_that_fails_delays_scans_and_keeps_their_order(tmp_path: Path) -> None:
    async with counter(tmp_path, expire_ms=60_000) as one:
        one.journal.fail("add_scan", BROKEN, BROKEN, BROKEN)
        for number in range(1, 4):
            one.service.on_scan(number, 0, 0, b"%d" % number)
        await seconds(2 * JOURNAL_RETRY_MS / 1000 + 0.5)
        assert one.taken() == []
        await until(lambda: one.taken() == [1, 2, 3])
        assert one.delivered() == ["1", "2", "3"]


@in_virtual_time
async def test_a_scan_that_was_kept_although_the_call_failed_is_delivered_once(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.journal.fail("add_scan", BROKEN, took_effect=True)
        one.service.on_scan(1, 0, 0, b"123")
        await until(lambda: one.taken() == [1])
        assert [scan.data for scan in await one.service.waiting()] == ["123"]
        assert one.delivered() == ["123"]
        assert one.service.state().waiting == 1


@in_virtual_time
async def test_a_long_scan_is_put_together_from_its_parts(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        data = bytes(33 + number % 90 for number in range(SCAN_BYTES_MAX))
        parts = [data[start : start + 231] for start in range(0, len(data), 231)]
        for part in parts[:-1]:
            one.service.on_scan(1, 0, SCAN_CONTINUES, part)
        await seconds(0.1)
        assert one.taken() == []
        one.service.on_scan(1, 0, 0, parts[-1])
        await until(lambda: one.taken() == [1])
        assert one.events.of(ScanEvent)[0].data_hex == data.hex()


@in_virtual_time
async def test_parts_of_one_scan_never_get_into_another(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.service.on_scan(1, 0, SCAN_CONTINUES, b"begin")
        await seconds(0.1)
        one.service.on_scan(2, 0, 0, b"whole")  # the hub learned meanwhile that 1 is journaled
        one.service.on_scan(3, 0, SCAN_CONTINUES, b"begin")
        await seconds(0.1)
        one.down()
        one.up()
        one.service.on_scan(4, 0, 0, b"next")
        await until(lambda: one.taken() == [2, 4])
        assert one.delivered() == ["whole", "next"]


@in_virtual_time
async def test_a_scan_sent_again_is_acknowledged_again_and_delivered_once(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        for _ in range(3):
            one.service.on_scan(7, 0, 0, b"123")
            one.service.on_scan(8, 0, SCAN_REPEAT, b"123")
            await seconds(0.1)
            one.down()
            one.up()
        assert one.taken() == [7, 8] * 3
        assert one.delivered() == ["123", "123"]
        assert [event.repeat for event in one.events.of(ScanEvent)] == [False, True]


@in_virtual_time
async def test_the_same_number_in_another_life_of_the_hub_is_another_scan(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.service.on_scan(1, 0, 0, b"first")
        await until(lambda: one.taken() == [1])
        one.down()
        one.up(NEXT_BOOT)
        one.service.on_scan(1, 0, 0, b"second")
        await until(lambda: one.taken() == [1, 1])
        assert one.delivered() == ["first", "second"]


@in_virtual_time
async def test_what_is_journaled_after_the_hub_restarted_is_not_acknowledged_to_its_new_life(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.journal.hold = asyncio.Event()
        one.service.on_scan(5, 0, 0, b"old life")
        await seconds(0.1)
        one.down()
        one.up(NEXT_BOOT)
        one.journal.hold.set()
        await until(lambda: one.delivered() == ["old life"])
        assert one.taken() == []


@in_virtual_time
async def test_more_parts_than_can_wait_are_left_with_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap must not be acknowledged by what comes behind it."""
    monkeypatch.setattr(scanner, "PARTS_MAX", PARTS_MAX)
    async with counter(tmp_path) as one:
        one.journal.hold = asyncio.Event()
        one.service.on_scan(1, 0, 0, b"1")
        await seconds(0.1)
        for number in range(2, PARTS_MAX + 12):
            one.service.on_scan(number, 0, 0, b"%d" % number)
        one.journal.hold.set()
        await until(lambda: PARTS_MAX + 1 in one.taken(), 120)
        one.service.on_scan(PARTS_MAX + 12, 0, 0, b"behind the gap")
        await seconds(1)
        assert max(one.taken()) == PARTS_MAX + 1

        one.down()
        one.up()
        for number in range(PARTS_MAX + 2, PARTS_MAX + 13):
            one.service.on_scan(number, 0, 0, b"%d" % number)
        await until(lambda: max(one.taken()) == PARTS_MAX + 12)


@in_virtual_time
async def test_an_unacknowledged_scan_expires_and_is_said_to(tmp_path: Path) -> None:
    async with counter(tmp_path, expire_ms=10_000) as one:
        one.service.on_scan(1, 0, 0, b"123")
        await until(lambda: one.delivered() == ["123"])
        await seconds(9)
        assert one.settled() == []
        await seconds(2.5)
        ((sequence, outcome),) = one.settled()
        assert outcome == "expired"
        assert await one.service.acknowledge(sequence) is False
        assert one.service.state().waiting == 0


@in_virtual_time
async def test_a_scan_that_comes_too_late_is_never_delivered(tmp_path: Path) -> None:
    async with counter(tmp_path, expire_ms=10_000) as one:
        one.service.on_scan(1, 10_001, 0, b"old")
        one.service.on_scan(2, 9_000, 0, b"just")
        await until(lambda: one.taken() == [1, 2])
        await seconds(0.2)
        assert one.delivered() == ["just"]
        await seconds(3)
        assert [outcome for _, outcome in one.settled()] == ["expired", "expired"]


@pytest.mark.parametrize(("jump_s", "expires"), [(3600.0, True), (-3600.0, True), (0.5, False), (-0.5, False)])
def test_a_jump_of_the_tills_clock_never_brings_an_old_scan_to_the_next_customer(
    tmp_path: Path, jump_s: float, expires: bool
) -> None:
    async def main() -> None:
        async with counter(tmp_path, expire_ms=10_000) as one:
            one.service.on_scan(1, 0, 0, b"123")
            await until(lambda: one.delivered() == ["123"])
            one.clock.offset_s += jump_s
            await seconds(3)
            assert (one.settled() != []) == expires
            await seconds(10)
            assert [outcome for _, outcome in one.settled()] == ["expired"]
            one.service.on_scan(2, 0, 0, b"456")
            await until(lambda: one.delivered() == ["123", "456"])
            assert [scan.data for scan in await one.service.waiting()] == ["456"]

    run_in_virtual_time(main())


@in_virtual_time
async def test_expiry_survives_a_failing_journal(tmp_path: Path) -> None:
    async with counter(tmp_path, expire_ms=2000) as one:
        one.service.on_scan(1, 0, 0, b"123")
        await until(lambda: one.delivered() == ["123"])
        one.journal.fail("expire_scans", BROKEN, BROKEN, BROKEN)
        await until(lambda: one.settled() != [])


@in_virtual_time
async def test_a_restarted_bridge_offers_what_waits_and_expires_it_in_time(tmp_path: Path) -> None:
    async with counter(tmp_path, expire_ms=10_000) as one:
        one.service.on_scan(1, 0, 0, b"123")
        one.service.on_scan(2, 0, 0, b"456")
        await until(lambda: one.taken() == [1, 2])
        first, _ = await one.service.waiting()
        await one.service.acknowledge(first.sequence)
        await one.crash()
        await one.start()
        one.up()
        assert [scan.data for scan in await one.service.waiting()] == ["456"]
        assert one.service.state().waiting == 1
        one.service.on_scan(1, 0, 0, b"123")  # the hub did not hear it
        await until(lambda: one.taken()[-1] == 1)
        assert one.delivered() == ["123", "456"]
        await until(lambda: "expired" in dict(map(reversed, one.settled())), 12)  # type: ignore[arg-type]


@in_virtual_time
async def test_of_two_tills_that_acknowledge_at_once_one_gets_it(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.service.on_scan(1, 0, 0, b"123")
        await until(lambda: one.delivered() == ["123"])
        (scan,) = await one.service.waiting()
        answers = await asyncio.gather(*(one.service.acknowledge(scan.sequence) for _ in range(10)))
        assert sorted(answers) == [False] * 9 + [True]
        assert len(one.settled()) == 1


@in_virtual_time
async def test_the_state_says_what_is_known(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        assert one.service.state().status == "ready"
        one.service.on_faults({"scanner_unplugged"})
        assert one.service.state().status == "fault"
        one.service.on_faults(set())
        one.down()
        assert one.service.state().status == "unknown"


SCAN = st.tuples(st.binary(max_size=20), st.integers(0, 7), st.integers(0, 0xFFFFFFFF))


@settings(max_examples=25)
@given(st.lists(SCAN, max_size=20))
def test_whatever_a_hub_sends_the_service_lives(tmp_path_factory: pytest.TempPathFactory, scans: list[Any]) -> None:
    async def main() -> None:
        async with counter(tmp_path_factory.mktemp("any")) as one:
            for number, (data, flags, age_ms) in enumerate(scans, 1):
                one.service.on_scan(number, age_ms, flags, data)
            one.service.on_scan(1 << 31, 0, 0, b"end")
            await until(lambda: (1 << 31) in one.taken())

    run_in_virtual_time(main())
