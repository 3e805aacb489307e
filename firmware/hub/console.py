"""The link on MicroPython's console: USB CDC, or the UART behind a board's USB chip. It carries text, too, when the
interpreter prints.

Reading. A block read from the console waits until the block is full, and each single byte costs a poll. So the bridge
writes whole units of 64 bytes, filled up with delimiters, and the hub reads units, once it has seen two pauses with
whole units between them; until then, and where a bridge writes otherwise, byte by byte. A unit that stays incomplete,
because the cable was pulled in the middle, must not stop the program: a timer's callback runs also while the
interpreter waits for bytes, and fills the unit up with delimiters. The frame in it is lost, and repeated by the link.

Writing. A write with too little room in the USB buffer waits up to 500 ms for a host that has stopped reading. So no
more is written at once than the buffer holds unless the bridge was heard meanwhile; beyond that byte by byte, each only
where there is room for it. (On an ESP32 nobody tells: see timed_console.py.)

Ctrl-C belongs to the technician until the link opens, and again when it closes.
"""

from micropython import const
import asyncio
import io
import os
import select
import sys
import time

import machine
import micropython

from hub import timers

UNIT_BYTES = 64  # a bulk packet of a full-speed USB device, and what the bridge fills its writes up to
_DELIMITER = const(0x7E)
_QUIET_MS = const(20)  # a pause between two writes of the bridge: within a unit there is none so long
_GOOD_BURSTS = const(2)
_STALLED_MS = const(100)
_STRAY_BYTES = const(64)  # read one by one at a time: each has a window of its own, which takes room
_ROOM_BYTES = const(256)  # CFG_TUD_CDC_TX_BUFSIZE at full speed
_ROOM_POLL_FIRST_MS = const(2)
_ROOM_POLL_MAX_MS = const(50)
_CTRL_C = const(3)


class ConsoleLink:
    def __init__(self):
        self._in = sys.stdin.buffer
        self._out = sys.stdout.buffer
        self._reader = asyncio.StreamReader(self._in)
        self._input = select.poll()
        self._input.register(self._in, select.POLLIN)
        self._room = select.poll()
        self._room.register(self._out, select.POLLOUT)
        self._nothing = bytearray(0)
        self._buffer = None
        self._units = ()  # windows on the buffer, one a unit
        self._bytes = ()  # and one a byte
        self._in_step = False
        self._burst_bytes = self._good_bursts = 0
        self._last_byte_at = time.ticks_ms()
        self._reading_since = None
        self._rescued = False
        self._unheard_bytes = 0
        self._rescue = _Rescue()
        self._timer = _timer()
        micropython.kbd_intr(-1)

    async def readinto(self, buffer):
        """Wait for bytes; how many came, at least one."""
        if buffer is not self._buffer:
            self._look_at(buffer)
        await self._reader.readinto(self._nothing)  # only waits until there is something
        self._unheard_bytes = 0
        if not self._in_step and time.ticks_diff(time.ticks_ms(), self._last_byte_at) >= _QUIET_MS:
            self._judge_burst()
        return self._read_units() if self._in_step else self._read_bytes()

    def write_now(self, data):
        """Write it if there is surely room; how many bytes went."""
        if self._unheard_bytes + len(data) > _ROOM_BYTES or not _is_ready(self._room):
            return 0
        return self._put(data)

    async def write(self, data):
        """Write all of it, however long the host doesn't read."""
        if self._unheard_bytes + len(data) <= _ROOM_BYTES:
            await self._wait_for_room()
            data = data[self._put(data) :]
        for at in range(len(data)):
            await self._wait_for_room()
            while not self._put(data[at : at + 1]):
                await self._wait_for_room()

    def close(self):
        """Give the console back."""
        self._watch(False)
        micropython.kbd_intr(_CTRL_C)

    # -- reading -------------------------------------------------------------------------------------------------

    def _look_at(self, buffer):
        view = memoryview(buffer)
        self._buffer = buffer
        self._units = tuple(view[at : at + UNIT_BYTES] for at in range(0, len(buffer) - UNIT_BYTES + 1, UNIT_BYTES))
        self._bytes = ()

    def _read_units(self):
        count = 0
        readinto = self._in.readinto
        poll = self._input.ipoll
        self._reading_since = time.ticks_ms()
        for unit in self._units:
            readinto(unit)
            count += UNIT_BYTES
            if self._rescued:
                os.dupterm(None)
                self._rescued = False
                self._leave_step()
                break
            for _ in poll(0):
                break
            else:
                break
        self._reading_since = None
        return count

    def _read_bytes(self):
        """What is there, a byte at a time."""
        if not self._bytes:
            view = memoryview(self._buffer)
            self._bytes = tuple(view[at : at + 1] for at in range(min(len(view), _STRAY_BYTES)))
        count = 0
        for byte in self._bytes:
            self._in.readinto(byte)
            count += 1
            if not _is_ready(self._input):
                break
        self._burst_bytes += count
        self._last_byte_at = time.ticks_ms()
        return count

    def _judge_burst(self):
        """There was a pause. If it came where a unit ends, twice, what comes now begins with a unit."""
        whole = self._burst_bytes and self._burst_bytes % UNIT_BYTES == 0
        self._good_bursts = self._good_bursts + 1 if whole else 0
        self._burst_bytes = 0
        if self._good_bursts >= _GOOD_BURSTS and self._timer is not None:
            self._in_step = True
            self._bytes = ()  # 2 KB
            self._watch(True)

    def _leave_step(self):
        self._in_step = False
        self._good_bursts = 0
        self._burst_bytes = 0
        self._last_byte_at = time.ticks_ms()
        self._watch(False)

    def _watch(self, active):
        if self._timer is None:
            return
        self._timer.deinit()
        if active:
            self._timer.init(mode=machine.Timer.PERIODIC, period=_STALLED_MS, callback=self._look_for_stall)

    def _look_for_stall(self, _timer):
        """Runs between two bytecodes, or while a read waits for bytes."""
        since = self._reading_since
        if since is None or self._rescued or time.ticks_diff(time.ticks_ms(), since) < _STALLED_MS:
            return
        self._rescued = True
        os.dupterm(self._rescue)

    # -- writing -------------------------------------------------------------------------------------------------

    def _put(self, data):
        """How much of it went."""
        count = self._out.write(data) or 0
        self._unheard_bytes += count
        return count

    async def _wait_for_room(self):
        wait_ms = _ROOM_POLL_FIRST_MS
        while not _is_ready(self._room):
            await asyncio.sleep_ms(wait_ms)
            wait_ms = min(wait_ms * 2, _ROOM_POLL_MAX_MS)


class _Rescue(io.IOBase):
    """A second console that has nothing but delimiters to say: what a read needs that waits for bytes in vain."""

    def readinto(self, buffer):
        buffer[0] = _DELIMITER
        return 1

    def write(self, data):
        return len(data)

    def ioctl(self, request, argument):
        return 0


def _is_ready(poller):
    for _ in poller.ipoll(0):
        return True
    return False


def _timer():
    """None where the port has no timer to spare: then all is read byte by byte."""
    try:
        return timers.take()
    except (ValueError, OSError):
        return None
