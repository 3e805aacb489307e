"""A printer's UART is fed by DMA: each byte goes once and in order, whenever the interrupt comes."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from tests.firmware.board import FIFO_BYTES, PWRON_RESET, Board, Life, Line
from tests.firmware.virtual_time import run_in_virtual_time, the_loop

CHUNK_BYTES, LONG_BYTES = 240, 748
AHEAD_MS = 130
UART = 1
RP2040, RP2350 = "Raspberry Pi Pico with RP2040", "Raspberry Pi Pico 2 with RP2350"
RP2350_UART1 = (0x40078000, 30)


def with_feeder(
    baud: int,
    act: Callable[[Any, Line], Any],
    *,
    limit_bytes: int = 1536,
    chip: str = RP2040,
    rp2: Any = None,
) -> None:
    async def main() -> None:
        board = Board()
        if rp2 is not None:
            board.modules["rp2"] = rp2
        life = Life(board, PWRON_RESET)
        life.module("uart_dma").sys = types.SimpleNamespace(implementation=types.SimpleNamespace(_machine=chip))
        line = board.line(UART)
        line.bytes_per_s = baud // 10
        port = {"uart": UART, "tx": 4, "rx": 5, "baud_rate": baud, "tx_buffer_bytes": limit_bytes}
        with life.in_place():
            _, feeder = life.module("transport").open_fed_uart(port)
        await act(feeder, line)

    run_in_virtual_time(main())


def numbered(total: int) -> bytes:
    return b"".join(b"%05d " % number for number in range(total // 6 + 1))[:total]


async def feed(feeder: Any, data: bytes, piece_bytes: int = CHUNK_BYTES) -> None:
    while data:
        piece = data[:piece_bytes]
        await feeder.wait(len(piece))
        data = data[feeder.put(piece) :]


async def all_sent(feeder: Any) -> None:
    while not feeder.all_sent():
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("baud", [9600, 20_000, 115_200, 460_800])
@pytest.mark.parametrize("limit_bytes", [256, 1536])
@pytest.mark.parametrize("piece_bytes", [7, 100, CHUNK_BYTES, LONG_BYTES])
def test_a_free_line_is_kept_busy_with_each_byte_once(baud: int, limit_bytes: int, piece_bytes: int) -> None:
    async def act(feeder: Any, line: Line) -> None:
        data = numbered(6000)
        started_s = the_loop().time()
        await feed(feeder, data, piece_bytes)
        await all_sent(feeder)
        assert bytes(line.sent) == data
        if baud <= (115_200 if piece_bytes < CHUNK_BYTES or limit_bytes < 1536 else 460_800):
            assert the_loop().time() - started_s <= 1.1 * len(data) * 10 / baud + 0.02

    with_feeder(baud, act, limit_bytes=limit_bytes)


@pytest.mark.parametrize("baud", [9600, 115_200])
def test_no_more_is_ahead_of_the_line_than_may_be(baud: int) -> None:
    async def act(feeder: Any, line: Line) -> None:
        feeding = asyncio.create_task(feed(feeder, numbered(9000)))
        given, put = [0], feeder.put

        def counted(data: bytes) -> int:
            given[0] += (count := put(data))
            return int(count)

        feeder.put = counted
        limit = min(1536, baud * AHEAD_MS // 10_000)
        while not feeding.done():
            await asyncio.sleep(0.001)
            assert given[0] - len(line.sent) <= max(limit, limit // 3 + CHUNK_BYTES) + FIFO_BYTES

    with_feeder(baud, act)


@pytest.mark.parametrize("baud", [9600, 115_200])
@pytest.mark.parametrize("piece_bytes", [9, CHUNK_BYTES, LONG_BYTES])
def test_a_held_line_gets_little_and_all_goes_once_when_it_is_free(baud: int, piece_bytes: int) -> None:
    async def act(feeder: Any, line: Line) -> None:
        data = numbered(5000)
        feeding = asyncio.create_task(feed(feeder, data, piece_bytes))
        await asyncio.sleep(0.05)
        line.room = lambda: 0
        await asyncio.sleep(30)
        assert not feeding.done()
        end = len(line.sent)
        line.room = lambda: max(0, end - len(line.sent))
        for room in (3, 40, 500):  # in bits and pieces
            end += room
            await asyncio.sleep(2)
            assert len(line.sent) == end
        line.room = lambda: 1 << 20
        await feeding
        await all_sent(feeder)
        assert bytes(line.sent) == data

    with_feeder(baud, act)


def test_a_held_line_is_told_by_what_is_taken() -> None:
    """Else a printer that stays busy for ever would never be called silent."""

    async def act(feeder: Any, line: Line) -> None:
        line.room = lambda: 0
        piece = bytes(CHUNK_BYTES)
        taken = 0
        for _ in range(20):
            wait_ms = feeder.room(CHUNK_BYTES)
            if not wait_ms:
                taken += (count := feeder.put(piece))
                if not count:
                    break
            await asyncio.sleep(wait_ms / 1000)
        else:
            pytest.fail("it is always said to have room soon")
        assert taken <= 1536

    with_feeder(115_200, act)


def test_what_is_thrown_away_never_comes_and_what_follows_does() -> None:
    async def act(feeder: Any, line: Line) -> None:
        for _ in range(3):
            for _ in range(4):
                assert feeder.put(b"x" * CHUNK_BYTES) == CHUNK_BYTES
            await asyncio.sleep(0.03)
            feeder.forget()
            line.clear_tx()
            sent = len(line.sent)
            await asyncio.sleep(0.5)
            assert len(line.sent) == sent < 4 * CHUNK_BYTES and feeder.all_sent()
            line.sent.clear()
            await feed(feeder, numbered(2000))
            await all_sent(feeder)
            assert bytes(line.sent) == numbered(2000)
            line.sent.clear()

    with_feeder(115_200, act)


def test_the_second_uart_of_an_rp2350_is_fed_by_its_own_registers() -> None:
    async def act(feeder: Any, line: Line) -> None:
        await feed(feeder, numbered(1000))
        await all_sent(feeder)
        assert bytes(line.sent) == numbered(1000)
        assert (feeder._register, feeder._request) == RP2350_UART1

    with_feeder(115_200, act, chip=RP2350)


# -- the interrupt at each bytecode of the program -----------------------------------------------------------------


class Channel:
    """DMA whose pieces end when the test says so."""

    made: ClassVar[list[Channel]] = []

    def __init__(self) -> None:
        self.read: Any = b""
        self.count = self.write = self.ctrl = 0
        self.gone = bytearray()
        self.going = False
        self.made.append(self)

    def pack_ctrl(self, **fields: int) -> int:
        return 0

    def irq(self, handler: Callable[[Any], object] | None, hard: bool = False) -> None:
        self.handler = handler

    def active(self, value: bool) -> None:
        assert not (value and self.going), "a piece was begun in the middle of another one"
        self.going = value

    def close(self) -> None:
        assert not self.going, "it goes on: before MicroPython 1.27 nothing else stops it"

    def end_piece(self) -> bool:
        """The line has taken it."""
        if not self.going:
            return False
        self.gone += self.read
        self.count, self.going = 0, False
        if self.handler:
            self.handler(self)
        return True


@pytest.mark.parametrize("waiting", [0, 1, 2, 6])
def test_the_interrupt_may_come_at_any_moment_of_a_hand_over(waiting: int) -> None:
    """With so many pieces before it; at each bytecode of `room` and `put`, once and as often as there are pieces."""
    rp2: Any = types.ModuleType("rp2")
    rp2.DMA = Channel
    pieces = [b"%d:" % number + bytes(98) for number in range(waiting + 2)]

    def hand_over(feeder: Any, piece: bytes) -> int:
        return 0 if feeder.room(len(piece)) else int(feeder.put(piece))

    async def act(feeder: Any, line: Line) -> None:
        for ends in (1, 9):
            moment = 0
            while True:
                feeder.forget()
                channel = Channel.made[-1]
                for piece in pieces[:waiting]:
                    assert feeder.put(piece)
                seen, count = _run_to(moment, lambda: hand_over(feeder, pieces[waiting]), channel, ends)
                while channel.end_piece():
                    pass
                given = pieces[:waiting] + ([pieces[waiting]] if count else [])
                assert feeder.put(pieces[-1])
                while channel.end_piece():
                    pass
                assert bytes(channel.gone) == b"".join([*given, pieces[-1]]) and feeder.all_sent()
                assert feeder._left() == 0
                if not seen:
                    break
                moment += 1
            assert moment > 30

    with_feeder(115_200, act, rp2=rp2)


def _run_to(moment: int, call: Callable[[], int], channel: Channel, ends: int) -> tuple[bool, int]:
    """Call it, and let pieces end at its bytecode of this number; whether it had so many, and what it returned."""
    passed = [0]

    def trace(frame: types.FrameType, event: str, _argument: Any) -> Any:
        if not frame.f_code.co_filename.endswith("uart_dma.py"):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            passed[0] += 1
            if passed[0] == moment + 1:
                sys.settrace(None)
                for _ in range(ends):
                    channel.end_piece()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        count = call()
    finally:
        sys.settrace(before)
    return passed[0] > moment, count
