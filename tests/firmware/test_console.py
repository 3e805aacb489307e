"""The link on the console: read in whole units, never stopped by half a one nor by a host that doesn't read."""

from __future__ import annotations

import asyncio
import importlib
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

UNIT = 64
DELIMITER = 0x7E
FIFO_BYTES = 256
DEAD_MS = 1000  # a read that waits so long would cost the hub its watchdog


class Console:
    """MicroPython's stdin and stdout on USB CDC: a block read waits for all of its bytes, a write for room."""

    def __init__(self, *, has_timer: bool = True) -> None:
        self.now_ms = 0
        self.incoming = bytearray()
        self.written = bytearray()
        self.in_fifo = 0
        self.reading_host = True
        self.reads: list[int] = []
        self.stalled_ms = 0
        self.interrupt_character = 3
        self._terminal: Any = None
        self._timer: Callable[[Any], None] | None = None
        self.link = self._load(has_timer).ConsoleLink()
        self.buffer = bytearray(256)

    def readinto(self, view: Any) -> int:
        if not len(view):
            return 0
        self.reads.append(len(view))
        waited_ms = 0
        for at in range(len(view)):
            while not self.incoming and self._terminal is None:
                self.now_ms += 10
                waited_ms += 10
                assert waited_ms < DEAD_MS, "the read hangs"
                if self._timer:
                    self._timer(None)
            byte = bytearray(1)
            if self.incoming:
                byte[0] = self.incoming.pop(0)
            else:
                self._terminal.readinto(byte)
            view[at] = byte[0]
        return len(view)

    def write(self, data: bytes) -> int:
        room = FIFO_BYTES if self.reading_host else FIFO_BYTES - self.in_fifo
        count = min(len(data), room)
        if count < len(data):
            self.stalled_ms += 500
        self.written += data[:count]
        self.in_fifo = 0 if self.reading_host else self.in_fifo + count
        return count

    def send(self, data: bytes, pause_ms: int = 100) -> None:
        """The bridge writes, after a pause."""
        self.now_ms += pause_ms
        self.incoming += data

    async def read(self) -> bytes:
        count = await asyncio.wait_for(self.link.readinto(self.buffer), 5)
        return bytes(self.buffer[:count])

    def _load(self, has_timer: bool) -> Any:
        console = self

        class Reader:
            def __init__(self, stream: Any) -> None: ...
            async def readinto(self, buffer: Any) -> int:
                assert len(buffer) == 0
                while not console.incoming:
                    await asyncio.sleep(0)
                return 0

        class Poll:
            def register(self, stream: Any, flags: int) -> None:
                self.flags = flags

            def ipoll(self, timeout_ms: int) -> list[int]:
                ready = console.incoming if self.flags == 1 else console.reading_host or console.in_fifo < FIFO_BYTES
                return [1] if ready else []

        class Timer:
            PERIODIC = 1

            def __init__(self, number: int) -> None:
                if not has_timer:
                    raise ValueError("no such timer")

            def init(self, *, mode: int, period: int, callback: Callable[[Any], None]) -> None:
                console._timer = callback

            def deinit(self) -> None:
                console._timer = None

        async def sleep_ms(span_ms: int) -> None:
            console.now_ms += span_ms
            await asyncio.sleep(0)

        def dupterm(stream: Any) -> None:
            console._terminal = stream

        def kbd_intr(character: int) -> None:
            console.interrupt_character = character

        stream = types.SimpleNamespace(buffer=console)
        ours: dict[str, Any] = {
            "asyncio": types.SimpleNamespace(StreamReader=Reader, sleep_ms=sleep_ms),
            "machine": types.SimpleNamespace(Timer=Timer),
            "micropython": types.SimpleNamespace(kbd_intr=kbd_intr, const=lambda value: value),
            "select": types.SimpleNamespace(poll=Poll, POLLIN=1, POLLOUT=4),
            "time": types.SimpleNamespace(ticks_ms=lambda: console.now_ms, ticks_diff=lambda end, start: end - start),
        }
        names = (*ours, "hub", "hub.timers", "hub.console")
        aside = {name: sys.modules.pop(name) for name in names if name in sys.modules}
        sys.modules.update(ours)
        try:
            module: Any = importlib.import_module("hub.console")
        finally:
            for name in names:
                sys.modules.pop(name, None)
            sys.modules.update(aside)
        module.sys = types.SimpleNamespace(stdin=stream, stdout=stream)
        module.os = types.SimpleNamespace(dupterm=dupterm)
        return module


def unit(text: bytes) -> bytes:
    return text + bytes([DELIMITER]) * (UNIT - len(text))


async def in_step(console: Console) -> None:
    """The bridge has written units with pauses between them; the hub reads the next one at a time."""
    for number in range(4):
        console.send(unit(b"frame %d" % number))
        await console.read()
    console.reads.clear()


async def test_units_are_read_whole_once_two_pauses_came_between_units() -> None:
    console = Console()
    for number in range(2):
        console.send(unit(b"frame %d" % number))
        assert await console.read() == unit(b"frame %d" % number)
    assert set(console.reads) == {1}
    console.reads.clear()

    console.send(unit(b"a") + unit(b"b") + unit(b"c"))

    assert await console.read() == unit(b"a") + unit(b"b") + unit(b"c")
    assert console.reads == [UNIT] * 3


async def test_bytes_that_come_in_no_units_are_read_one_by_one() -> None:
    console = Console()
    for size in (1, 63, 65, 100, 14, 127, 3):
        console.send(bytes(size))
        read = await console.read()
        while console.incoming:
            read += await console.read()
        assert read == bytes(size)
    assert set(console.reads) == {1}


async def test_half_a_unit_is_filled_up_and_holds_nobody_up() -> None:
    console = Console()
    await in_step(console)

    console.send(b"half a frame")

    assert await console.read() == unit(b"half a frame")
    assert console._terminal is None


async def test_after_half_a_unit_the_rest_is_read_byte_by_byte_until_in_step_again() -> None:
    console = Console()
    await in_step(console)
    console.send(b"half")
    await console.read()
    console.reads.clear()

    console.send(b"the other half, much later")
    assert await console.read() == b"the other half, much later"
    assert set(console.reads) == {1}

    await in_step(console)
    console.send(unit(b"again"))
    assert await console.read() == unit(b"again")
    assert console.reads == [UNIT]


async def test_without_a_timer_nothing_is_read_in_units() -> None:
    console = Console(has_timer=False)
    await in_step(console)
    console.send(b"half")
    assert await console.read() == b"half"


async def test_what_is_written_arrives_whole() -> None:
    console = Console()
    for size in (1, 100, 256, 300, 1000):
        console.written.clear()
        await console.link.write(bytes(range(250)) * 4 if size == 1000 else bytes(size))
        assert len(console.written) == size
    assert console.written == bytes(range(250)) * 4


async def test_a_host_that_stops_reading_never_stalls_the_hub() -> None:
    console = Console()
    console.reading_host = False
    writing = asyncio.create_task(_write_for_ever(console))
    for _ in range(2000):
        await asyncio.sleep(0)
    assert console.in_fifo == FIFO_BYTES and console.stalled_ms == 0

    console.reading_host = True
    before = len(console.written)
    for _ in range(200):
        await asyncio.sleep(0)
    writing.cancel()
    assert len(console.written) > before


async def _write_for_ever(console: Console) -> None:
    while True:
        await console.link.write(b"scan of 20 bytes....")
        await asyncio.sleep(0)


async def test_ctrl_c_is_the_links_while_it_lives_and_the_technicians_after() -> None:
    console = Console()
    assert console.interrupt_character == -1
    console.link.close()
    assert console.interrupt_character == 3


@pytest.mark.parametrize("size", [64, 100, 127])
async def test_a_small_buffer_is_filled_no_further_than_it_goes(size: int) -> None:
    console = Console()
    console.buffer = bytearray(size)
    await in_step(console)
    console.send(unit(b"x") * 3)
    assert await console.read() == unit(b"x")
