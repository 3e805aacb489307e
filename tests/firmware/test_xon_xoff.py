"""The hub under XON/XOFF: not a byte beyond what the printer still takes, and the status read all the same."""

from __future__ import annotations

from collections import deque

import pytest

from tests.firmware.board import Bench
from tests.firmware.printer_counter import (
    ABORTED,
    ANSWERING,
    ENABLE_ASB,
    GS_R,
    JOB,
    ONLINE,
    PAPER_END,
    PROBE,
    PROVEN,
    numbered,
)
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds, the_loop, until

XON, XOFF = b"\x11", b"\x13"
BUFFER_BYTES = 256


class Printer(Bench):
    """Takes `bytes_per_s` from a small buffer; objects `late_s` after it has `slack` bytes of room left."""

    def __init__(
        self, *, slack: int = 16, baud_rate: int = 115_200, bytes_per_s: int = 2000, late_s: float = 0.002
    ) -> None:
        super().__init__()
        self.slack, self.late_s = slack, late_s
        self.dropped = 0
        self.printed = bytearray()
        self.said: deque[bytes] = deque()
        self.halted = False
        self._buffer = bytearray()
        self._stopped = False
        self._byte_s = 1 / bytes_per_s
        self.wire = self.board.line(1)
        self.wire.bytes_per_s = baud_rate // 10
        self.wire.take = self._take
        port = {"uart": 1, "tx": 4, "rx": 5, "baud_rate": baud_rate, "flow": "xon_xoff", "slack_bytes": slack}
        with self.life.in_place():  # it may import what few boards need
            self.printer = self.life.module("printer").Printer(port, self.link, self.faults, self.blip)
        self.accounts = self.run(self.printer.write, self.printer.read, self.printer.watch)
        the_loop().call_later(0.01, self._print)

    def _take(self, data: bytes) -> None:
        for _ in range(data.count(PROBE)):
            self.wire.push(b"\x12")
        data = data.replace(PROBE, b"")
        taken = data[: BUFFER_BYTES - len(self._buffer)]
        self.dropped += len(data) - len(taken)
        self._buffer += taken
        self._judge()

    def _judge(self) -> None:
        free = BUFFER_BYTES - len(self._buffer)
        if not self._stopped and free <= self.slack:
            self._stopped = True
            the_loop().call_later(self.late_s, self.wire.push, XOFF)
        elif self._stopped and free >= self.slack + 10:
            self._stopped = False
            the_loop().call_later(self.late_s, self.wire.push, XON)

    def _print(self) -> None:
        count = 0 if self.halted else int(0.01 / self._byte_s)
        for byte in self._buffer[:count]:
            self.printed.append(byte)
            if self.printed.endswith(ENABLE_ASB):
                self.wire.push(ONLINE)
            elif self.printed.endswith(GS_R):
                self.wire.push(b"\0")
        del self._buffer[:count]
        self._judge()
        the_loop().call_later(0.01, self._print)

    async def ready(self) -> None:
        await until(lambda: self.printer.asb == ONLINE)
        await seconds(0.2)
        self.printed.clear()


@pytest.mark.parametrize("baud_rate", [9600, 115_200])
@pytest.mark.parametrize("slack", [16, 128])
def test_no_byte_is_lost_though_the_printer_is_slower_than_its_line(baud_rate: int, slack: int) -> None:
    async def main() -> None:
        one = Printer(slack=slack, baud_rate=baud_rate, bytes_per_s=500)
        await one.ready()
        data = numbered(4000)
        one.link.say("job_begin", JOB, len(data), GS_R)
        for start in range(0, len(data), 240):
            one.link.say("job_data", data[start : start + 240])
        one.link.say("job_end", JOB)
        await until(lambda: one.printer.phase == PROVEN, 30)
        assert bytes(one.printed).startswith(data + GS_R)
        assert one.dropped == 0

    run_in_virtual_time(main())


@pytest.mark.parametrize(("slack", "at_least"), [(16, 1300), (128, 5500)])
def test_the_line_is_used_as_far_as_the_printers_room_allows(slack: int, at_least: int) -> None:
    async def main() -> None:
        one = Printer(slack=slack, bytes_per_s=20_000)
        await one.ready()
        begun = the_loop().time()
        one.link.say("job_begin", JOB, 100_000, GS_R)
        for _ in range(40):
            one.link.say("job_data", b"x" * 240)
        await until(lambda: len(one.printed) >= 9000, 30)
        assert 9000 / (the_loop().time() - begun) >= at_least

    run_in_virtual_time(main())


@in_virtual_time
async def test_while_the_printer_is_stopped_nothing_is_sent_and_no_loss_of_power_is_called_where_it_says_why() -> None:
    one = Printer()
    await one.ready()
    one.halted = True
    one.wire.push(PAPER_END)
    one.link.say("job_begin", JOB, 1000, GS_R)
    for _ in range(4):
        one.link.say("job_data", b"x" * 240)
    await seconds(60)
    assert one.dropped == 0
    assert one.printer.condition == ANSWERING
    one.halted = False
    one.wire.push(ONLINE)
    one.link.say("job_end", JOB)
    await until(lambda: one.printer.phase == PROVEN, 10)
    assert bytes(one.printed) == b"x" * 960 + GS_R


@in_virtual_time
async def test_status_and_objections_are_told_apart_wherever_they_stand() -> None:
    one = Printer()
    await one.ready()
    for at in range(5):
        one.wire.push(PAPER_END[:at] + XOFF + PAPER_END[at:])
        await until(lambda: one.fault_codes == {"paper_end"})
        one.wire.push(ONLINE[:at] + XON + ONLINE[at:])
        await until(lambda: not one.fault_codes)
        assert one.printer.condition == ANSWERING


@in_virtual_time
async def test_an_xon_out_of_nowhere_is_said_by_a_printer_that_just_got_its_power() -> None:
    one = Printer()
    await one.ready()
    one.link.say("job_begin", JOB, 1000, GS_R)
    one.link.say("job_data", b"x" * 100)
    await seconds(0.2)
    one.wire.push(XON)
    await until(lambda: one.printer.phase == ABORTED)
    assert one.link.heard("job_status")[-1][2] == 1
    await until(lambda: one.printer.condition == ANSWERING and not one.fault_codes)


@in_virtual_time
async def test_without_xon_xoff_its_bytes_are_none() -> None:
    from tests.firmware.printer_counter import Counter

    counter = Counter()
    await counter.ready()
    counter.wire.push(XOFF)
    counter.send(b"receipt")
    counter.link.say("job_end", JOB)
    await counter.phase(PROVEN)
