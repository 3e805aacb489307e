"""A UART is fed at the pace of its wire: it is never given what it would have to wait for, and never left dry."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.firmware.board import PWRON_RESET, Board, Life
from tests.firmware.virtual_time import run_in_virtual_time, the_loop

CHUNK_BYTES = 240
FIFO_BYTES = 32


class Wire:
    """A UART whose ring the wire empties by the clock; it stands still while the other side holds it."""

    def __init__(self, baud: int, ring_bytes: int) -> None:
        self.baud, self.ring_bytes = baud, ring_bytes
        self.held = False
        self.most = 0
        self.waited = 0
        self.sent = 0.0
        self.given = 0
        self._seen_s = 0.0

    def write(self, data: bytes) -> int | None:
        self.look()
        room = self.ring_bytes + FIFO_BYTES - int(self.given - self.sent)
        self.waited += len(data) > room
        count = min(len(data), room)
        self.given += count
        self.most = max(self.most, int(self.given - self.sent))
        return count or None

    def txdone(self) -> bool:
        self.look()
        return self.sent >= self.given

    def look(self) -> None:
        now_s = the_loop().time()
        if not self.held and self._seen_s:
            self.sent = min(float(self.given), self.sent + (now_s - self._seen_s) * self.baud / 10)
        self._seen_s = now_s


async def feed(feeder: Any, total: int, chunk_bytes: int = CHUNK_BYTES) -> None:
    left = bytes(total)
    while left:
        piece = left[:chunk_bytes]
        await feeder.wait(len(piece))
        left = left[feeder.put(piece) :]


def with_feeder(baud: int, ring_bytes: int, act: Any, platform: str = "rp2") -> None:
    async def main() -> None:
        board = Board()
        board.platform = platform
        life = Life(board, PWRON_RESET)
        wire = Wire(baud, ring_bytes)
        with life.in_place():
            port = {"baud_rate": baud, "tx_buffer_bytes": ring_bytes}
            feeder = life.module("transport").open_feeder(wire, port, 125)
        await act(feeder, wire)

    run_in_virtual_time(main())


@pytest.mark.parametrize("baud", [9600, 19_200, 57_600, 115_200, 460_800, 3_000_000])
@pytest.mark.parametrize(
    ("ring_bytes", "chunk_bytes"), [(256, 240), (768, 240), (1536, 240), (4096, 240), (1536, 748), (4096, 748)]
)
def test_a_free_wire_is_kept_busy_and_its_uart_never_made_wait(baud: int, ring_bytes: int, chunk_bytes: int) -> None:
    async def act(feeder: Any, wire: Wire) -> None:
        started_s = the_loop().time()
        await feed(feeder, 20_000, chunk_bytes)
        while not wire.txdone():
            await asyncio.sleep(0.001)
        slack = 1.02 if ring_bytes > 256 and baud <= 460_800 else 4.0  # a ring of 256 bytes is dry for a moment
        assert the_loop().time() - started_s <= slack * 20_000 * 10 / baud + 0.01
        assert wire.waited == 0
        assert wire.most <= max(chunk_bytes + 1, min(ring_bytes, baud * 0.130 / 10) + chunk_bytes)

    with_feeder(baud, ring_bytes, act)


@pytest.mark.parametrize("baud", [9600, 115_200])
def test_a_held_wire_is_tried_with_little_and_all_goes_when_it_is_free(baud: int) -> None:
    async def act(feeder: Any, wire: Wire) -> None:
        feeding = asyncio.create_task(feed(feeder, 5000))
        await asyncio.sleep(0.05)
        wire.held = True
        await asyncio.sleep(30)
        assert not feeding.done()
        wire.look()
        wire.held = False
        await feeding
        assert wire.given == 5000

    with_feeder(baud, 768, act)


def test_what_was_thrown_away_is_no_longer_waited_for() -> None:
    async def act(feeder: Any, wire: Wire) -> None:
        feeder.put(bytes(CHUNK_BYTES * 3))
        assert feeder.room(CHUNK_BYTES) > 0
        feeder.forget()
        assert feeder.room(CHUNK_BYTES) == 0

    with_feeder(9600, 768, act)


def test_the_clock_may_wrap_or_stand_for_days() -> None:
    async def act(feeder: Any, wire: Wire) -> None:
        for pause_s in (1, 600, 86_400 * 13):
            feeder.put(bytes(CHUNK_BYTES))
            await asyncio.sleep(pause_s)
            assert feeder.room(CHUNK_BYTES) == 0

    with_feeder(115_200, 768, act)


@pytest.mark.parametrize("baud", [9600, 115_200])
def test_an_esp32_is_given_no_more_than_surely_fits(baud: int) -> None:
    async def act(feeder: Any, wire: Wire) -> None:
        feeding = asyncio.create_task(feed(feeder, 3000))
        while not feeding.done():
            await asyncio.sleep(0.001)
            assert wire.given - wire.sent <= 768 // 4
        assert wire.given == 3000

    with_feeder(baud, 768, act, platform="esp32")
