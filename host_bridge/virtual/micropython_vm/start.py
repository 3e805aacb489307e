"""Makes a chip of MicroPython's WebAssembly build and starts the firmware. Runs on MicroPython, not here.

What this build lacks and a chip has: `machine`, asyncio's streams and `asyncio.run`, `os.urandom`, and a clock whose
reading lets interrupts in. The event loop is JavaScript's, so `asyncio.run` only starts the task and returns: what
comes after it in a program runs at once, not at the task's end.
"""

import asyncio
import os
import sys
import time
from binascii import unhexlify

import _chip
import machine
import micropython


class Stream:
    """StreamReader and StreamWriter in one, over a UART, as MicroPython has it."""

    def __init__(self, s, e={}):
        self.s = s
        self.e = e
        self.out_buf = b""

    async def read(self, n=-1):
        if n < 0:
            raise NotImplementedError("a UART has no end")
        await self._readable()
        return self.s.read(n)

    async def readinto(self, buf):
        await self._readable()
        return self.s.readinto(buf)

    async def readexactly(self, n):
        data = b""
        while len(data) < n:
            await self._readable()
            data += self.s.read(n - len(data)) or b""
        return data

    def write(self, buf):
        if not self.out_buf:
            taken = self.s.write(buf) or 0
            if taken == len(buf):
                return
            buf = memoryview(buf)[taken:]
        self.out_buf += buf

    async def drain(self):
        if not self.out_buf:
            await asyncio.sleep_ms(0)
            return
        pending = memoryview(self.out_buf)  # as on a chip, a second drain at the same time repeats data
        done = 0
        while done < len(pending):
            await self._writable()
            done += self.s.write(pending[done:]) or 0
        self.out_buf = b""

    async def _readable(self):
        """Always yields once, as MicroPython's I/O queue does; then until something is there."""
        await asyncio.sleep_ms(0)
        event = self.s.readable
        while not self.s.any():
            event.clear()
            await event.wait()

    async def _writable(self):
        await asyncio.sleep_ms(0)
        event = self.s._state.writable
        while not _chip.uart_room(self.s._number):
            event.clear()
            await event.wait()


class ThreadSafeFlag:
    """One task waits; an interrupt handler sets. Waiting clears."""

    def __init__(self):
        self._event = asyncio.Event()

    def set(self):
        self._event.set()

    def clear(self):
        self._event.clear()

    async def wait(self):
        await self._event.wait()
        self._event.clear()


class RingIO:
    """A ring that an interrupt handler may write to; what it has no room for is lost."""

    def __init__(self, size):
        self.readable = asyncio.Event()
        self._size = size
        self._held = bytearray()

    def any(self):
        return len(self._held)

    def write(self, buf):
        taken = bytes(buf)[: self._size - len(self._held)]
        self._held += taken
        self.readable.set()
        return len(taken)

    def readinto(self, buf):
        count = min(len(buf), len(self._held))
        buf[:count] = self._held[:count]
        self._held = self._held[count:]
        return count


class ChipPython:
    """`micropython` as a chip has it: this build's own RingIO can't wake a task."""

    RingIO = RingIO


class ChipTime:
    """`time` with the chip's clock."""

    ticks_ms = _chip.ticks_ms
    ticks_us = _chip.ticks_us
    sleep_ms = _chip.wait_ms

    @staticmethod
    def sleep(seconds):
        _chip.wait_ms(seconds * 1000)

    @staticmethod
    def sleep_us(us):
        _chip.wait_ms(us / 1000)


def prepare():
    """Put everything in place."""
    for name in dir(time):
        if not name.startswith("_") and not hasattr(ChipTime, name):
            setattr(ChipTime, name, getattr(time, name))
    sys.modules["time"] = ChipTime
    for name in dir(micropython):
        if not name.startswith("_") and not hasattr(ChipPython, name):
            setattr(ChipPython, name, getattr(micropython, name))
    sys.modules["micropython"] = ChipPython
    os.urandom = lambda n: unhexlify(_chip.random(n))
    asyncio.StreamReader = asyncio.StreamWriter = Stream
    asyncio.ThreadSafeFlag = ThreadSafeFlag
    asyncio.run = asyncio.create_task


def run_firmware():
    """boot.py, then main.py; whatever ends them leaves a silent prompt with interrupts going on."""
    os.chdir("/flash")
    scope = {"__name__": "__main__"}
    for name in ("boot.py", "main.py"):
        try:
            with open(name) as file:
                source = file.read()
        except OSError:
            continue
        try:
            exec(compile(source, name, "exec"), scope)
        except SystemExit:
            machine.soft_reset()  # what sys.exit() does on MicroPython
        except BaseException as error:
            sys.print_exception(error)


prepare()
run_firmware()
