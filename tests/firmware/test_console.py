"""The link on the console: read in whole units, never stopped by half a one nor by a host that doesn't read."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

UNIT = 64
DELIMITER = 0x7E
FIFO_BYTES = 256
WAIT_MS = 500  # of a write for room: MICROPY_HW_USB_CDC_TX_TIMEOUT
DEAD_MS = 1000  # a read that waits so long would cost the hub its watchdog


class Console:
    """MicroPython's stdin and stdout on USB CDC: a block read waits for all of its bytes, a write for room.

    Of an ESP32 the poll always says that there is room. Where it has its REPL on a UART as well, a write that found
    none says that all went: `says_all`.
    """

    def __init__(self, *, has_timer: bool = True, esp32: bool = False, says_all: bool = False) -> None:
        self.esp32, self.says_all = esp32, says_all
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
        self.link = self._load(has_timer)()
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
            self.stalled_ms += WAIT_MS
            self.now_ms += WAIT_MS
        self.written += data[:count]
        self.in_fifo = 0 if self.reading_host else self.in_fifo + count
        return len(data) if self.says_all and not count else count

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
                if self.flags == 1:
                    ready = bool(console.incoming)
                else:
                    ready = console.esp32 or console.reading_host or console.in_fifo < FIFO_BYTES
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
        modules = ("hub.console", "hub.timed_console")
        names = (*ours, "hub", "hub.timers", *modules)
        aside = {name: sys.modules.pop(name) for name in names if name in sys.modules}
        sys.modules.update(ours)
        try:
            module, timed = map(importlib.import_module, modules)
        finally:
            for name in names:
                sys.modules.pop(name, None)
            sys.modules.update(aside)
        module.sys = types.SimpleNamespace(stdin=stream, stdout=stream)  # type: ignore[attr-defined]
        module.os = types.SimpleNamespace(dupterm=dupterm)  # type: ignore[attr-defined]
        return timed.TimedConsole if self.esp32 else module.ConsoleLink


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


@pytest.mark.parametrize("esp32", [False, True])
async def test_what_is_written_arrives_whole(esp32: bool) -> None:
    console = Console(esp32=esp32)
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


@pytest.mark.parametrize("says_all", [False, True])
async def test_a_host_that_stops_reading_costs_an_esp32_little_of_its_time(says_all: bool) -> None:
    console = Console(esp32=True, says_all=says_all)
    console.reading_host = False
    turns = [0]
    writing = asyncio.create_task(_write_for_ever(console))
    while console.now_ms < 120_000:
        turns.append(console.now_ms)
        await asyncio.sleep(0)
    turns.append(console.now_ms)
    assert max(late - early for early, late in itertools.pairwise(turns)) <= 2 * WAIT_MS
    assert 0 < console.stalled_ms < 0.1 * console.now_ms

    console.reading_host = True
    before, opened_ms = len(console.written), console.now_ms
    while len(console.written) == before:  # whoever reads hears the hub, which speaks first
        await asyncio.sleep(0)
    assert console.now_ms - opened_ms < 10_000
    stalled_ms = console.stalled_ms
    for _ in range(100):
        await asyncio.sleep(0)
    writing.cancel()
    assert len(console.written) - before > 1000 and console.stalled_ms == stalled_ms


@pytest.mark.parametrize("says_all", [False, True])
async def test_an_esp32_writes_again_as_soon_as_the_bridge_is_heard(says_all: bool) -> None:
    console = Console(esp32=True, says_all=says_all)
    console.reading_host = False
    while console.stalled_ms < 3 * WAIT_MS:
        console.link.write_now(bytes(110))
        console.now_ms += 100
    assert not console.link.write_now(b"PING")

    console.reading_host = True
    console.send(b"bytes of the bridge", pause_ms=0)
    await console.read()
    assert console.link.write_now(b"PONG") == 4 and console.written.endswith(b"PONG")


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


@pytest.mark.parametrize(("platform", "wanted"), [("rp2", "ConsoleLink"), ("esp32", "TimedConsole")])
def test_only_an_esp32_has_its_writes_timed(platform: str, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ways: Any = importlib.import_module("hub.ways")
    monkeypatch.setattr(ways, "sys", types.SimpleNamespace(platform=platform))
    for module, name in (("hub.console", "ConsoleLink"), ("hub.timed_console", "TimedConsole")):
        stub: Any = types.ModuleType(module)
        setattr(stub, name, lambda name=name: name)
        monkeypatch.setitem(sys.modules, module, stub)
    assert ways.open_link({"transport": "usb"}) == wanted
