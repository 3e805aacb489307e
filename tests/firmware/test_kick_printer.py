"""A drawer on the printer's kick port: the same rules as on the hub's pins, and never a byte of it inside a picture."""

from __future__ import annotations

import pytest

from tests.firmware.board import TICKS_MASK
from tests.firmware.printer_counter import (
    ABORTED,
    ENABLE_ASB,
    GS_R,
    JOB,
    ONLINE,
    PAPER_END,
    PROVEN,
    RECEIVING,
    WRITTEN,
    Counter,
    numbered,
)
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds, the_loop, until

OPENED, UNVERIFIED, STUCK, EXPIRED, REPEATED, DUTY, INVALID, PRINTER_POWER = range(8)
KICK = b"\x10\x14\x01"
CLOSED_BIT = 0x04
BUSY = 6


class Till(Counter):
    """The printer of the bench with a drawer at its port. Its pin 3 is high while the drawer is closed."""

    def __init__(self, *, has_asb: bool = True, opens: bool = True, closed_level: int = 1, **wiring: object) -> None:
        super().__init__()
        self.has_asb, self.opens, self.closed_level = has_asb, opens, closed_level
        self.kicks: list[tuple[int, int, float]] = []
        self.has_switch = bool(wiring.get("has_switch", True))
        self.closed = True
        self._show()
        whole = {"wiring": "printer", "switch_closed_level": closed_level, **wiring}
        kicker = self.life.module("kick_printer").KickPrinter(whole, self.printer)
        self.drawer = self.life.module("drawer").Drawer(kicker, self.link, self.faults)
        self.run(self.drawer.work, self.drawer.watch)

    def _show(self) -> None:
        high = self.closed == bool(self.closed_level)
        self.asb = bytes((self.asb[0] & ~CLOSED_BIT | (CLOSED_BIT if high else 0),)) + self.asb[1:]
        self.realtime = bytes((0x12 | (CLOSED_BIT if high else 0),))

    def _take(self, data: bytes) -> None:
        if self.powered and KICK in data:
            at = data.index(KICK)
            self.kicks.append((data[at + 3], data[at + 4], the_loop().time()))
            if self.opens:
                the_loop().call_later(0.03, self._opened)
            data = data[:at] + data[at + 5 :]
        super()._take(data)

    def _opened(self) -> None:
        self.closed = False
        self._show()
        if self.has_asb:
            self.wire.push(self.asb)

    def kick(self, number: int, drawer: int = 1, on_ms: int = 100, within_ms: int = 2000) -> None:
        deadline = (self.life.ticks_ms() + within_ms) & TICKS_MASK
        self.link.say("kick", number, drawer, on_ms, deadline)

    async def outcome(self, number: int) -> int:
        done = await until(lambda: [outcome for kick, outcome in self.link.heard("kick_done") if kick == number])
        return int(done[0])


@pytest.mark.parametrize("has_asb", [True, False])
@pytest.mark.parametrize("closed_level", [0, 1])
def test_a_kick_opens_the_drawer_and_its_switch_says_so(has_asb: bool, closed_level: int) -> None:
    async def main() -> None:
        till = Till(has_asb=has_asb, closed_level=closed_level)
        await until(lambda: till.printer.drawer_high is not None)
        await seconds(1)
        till.kick(1)
        assert await till.outcome(1) == OPENED
        assert [kick[:2] for kick in till.kicks] == [(0, 1)]

    run_in_virtual_time(main())


@in_virtual_time
async def test_the_printer_gets_hundreds_of_milliseconds_and_never_more_than_asked_for_but_a_hundred() -> None:
    till = Till(opens=False, has_switch=False, drawers=2)
    await till.ready()
    for number, (on_ms, steps) in enumerate(((10, 1), (100, 1), (199, 1), (200, 2), (510, 5))):
        till.kick(number, drawer=2, on_ms=on_ms, within_ms=9000)
        assert await till.outcome(number) == UNVERIFIED
        assert till.kicks[-1][:2] == (1, steps)
    times = [at for _, _, at in till.kicks]
    for (_, steps, at), following in zip(till.kicks, times[1:], strict=False):
        assert following - at >= steps * 0.5 - 0.01  # on for a fifth of the time at most


@in_virtual_time
async def test_a_drawer_that_stays_shut_gets_one_more_pulse_and_is_then_stuck() -> None:
    till = Till(opens=False)
    await till.ready()
    till.kick(1, within_ms=5000)
    assert await till.outcome(1) == STUCK
    assert len(till.kicks) == 2
    assert till.fault_codes == {"drawer_stuck"}


@in_virtual_time
async def test_with_the_printer_off_a_kick_fails_at_once_and_says_why() -> None:
    till = Till()
    await till.ready()
    till.powered = False
    await until(lambda: till.fault_codes == {"printer_power"}, 3)
    begun = the_loop().time()
    till.kick(1, within_ms=30_000)
    assert await till.outcome(1) == PRINTER_POWER
    assert the_loop().time() - begun < 0.2


@in_virtual_time
async def test_a_kick_for_a_second_drawer_that_is_not_there_is_refused() -> None:
    till = Till()
    await till.ready()
    till.kick(1, drawer=2)
    assert await till.outcome(1) == INVALID


@in_virtual_time
async def test_during_a_job_a_kick_stands_where_a_command_ends_and_nowhere_else() -> None:
    till = Till()
    await till.ready()
    text, picture = b"t" * 100, b"\xaa" * (240 * 7 - 100)
    till.send(text + picture, total=5000)  # in full messages: nobody knows of an end
    await seconds(0.3)
    till.kick(1, within_ms=500)
    assert await till.outcome(1) == EXPIRED
    assert till.kicks == []

    till.link.say("job_data", b"end\n")
    till.kick(2)
    assert await till.outcome(2) == OPENED
    assert bytes(till.got) == text + picture + b"end\n"
    assert till.printer.phase == RECEIVING


@in_virtual_time
async def test_a_job_that_flows_makes_room_for_a_kick_where_a_command_ends() -> None:
    till = Till()
    await till.ready()
    till.wire.bytes_per_s = 11_520
    sent = b""
    till.link.say("job_begin", JOB, 100_000, GS_R)
    for number in range(300):
        piece = b"%03d" % number * 80 if number % 4 else b"line\n"
        till.link.say("job_data", piece)
        sent += piece
    till.kick(1)
    assert await till.outcome(1) == OPENED
    till.link.say("job_end", JOB)
    await until(lambda: till.printer.phase == PROVEN, 30)
    assert bytes(till.got) == sent + GS_R


@in_virtual_time
async def test_a_kick_that_the_printer_does_not_take_is_taken_back_and_what_it_got_of_it_completed_to_nothing() -> None:
    """The busy signal comes in the middle of a kick: without care it would open the drawer minutes later."""
    till = Till()
    await till.ready()
    till.wire.room = lambda: 0
    till.kick(1, within_ms=1500)
    assert await till.outcome(1) == EXPIRED
    assert till.kicks == []
    till.wire.room = lambda: 1 << 20
    till.got.clear()
    await seconds(5)
    assert till.kicks == []
    till.send(b"next\n")
    till.link.say("job_end", JOB)
    await till.phase(PROVEN)
    assert bytes(till.got).replace(ENABLE_ASB, b"") == b"\0\0next\n" + GS_R


@in_virtual_time
async def test_a_busy_printer_gets_its_kick_when_it_is_free_and_an_offline_one_at_once() -> None:
    till = Till()
    await till.ready()
    till.board.set_level(BUSY, 1)
    till.kick(1)
    await seconds(0.5)
    assert till.kicks == []
    till.board.set_level(BUSY, 0)
    assert await till.outcome(1) == OPENED

    till.closed, till.asb = True, PAPER_END
    till._show()
    till.wire.push(till.asb)
    await until(lambda: till.fault_codes == {"paper_end"})
    till.board.set_level(BUSY, 1)
    await seconds(1)
    till.kick(2)
    assert await till.outcome(2) == OPENED


@in_virtual_time
async def test_a_kick_in_a_job_that_is_given_up_meanwhile_harms_neither() -> None:
    till = Till()
    await till.ready()
    till.send(numbered(480), total=5000)
    till.link.say("job_data", b"end\n")
    await seconds(0.1)
    till.kick(1)
    await seconds(0.01)
    till.wire.on_break()
    await till.phase(ABORTED)
    await seconds(2)
    assert till.printer.phase != WRITTEN and till.printer.asb[0] & 0x7B == ONLINE[0]
    till.send(b"next\n")
    till.link.say("job_end", JOB)
    await till.phase(PROVEN)
