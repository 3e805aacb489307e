"""The console of the esp32 port, whose poll always says that there is room.

A write into a full USB buffer waits there for 500 ms, and may say then that all of it went (ports/esp32/mphalport.c,
mp_hal_stdio_poll and mp_hal_stdout_tx_strn): so it is where a host holds the port open and doesn't read. So each write
is timed. After one that waited nothing is written for a while, longer each time, unless the bridge is heard; what was
lost of a frame the link sends again.
"""

from micropython import const
import asyncio
import time

from hub.console import UNIT_BYTES, ConsoleLink

_WAITED_MS = const(100)  # a unit takes a UART of 115200 baud 6 ms, and USB one
_PAUSE_FIRST_MS = const(1000)
_PAUSE_MAX_MS = const(8000)
_PAUSE_POLL_MS = const(50)


class TimedConsole(ConsoleLink):
    def __init__(self):
        super().__init__()
        self._pause_ms = 0  # after the last write; 0: it did not wait
        self._paused_at = 0

    def write_now(self, data):
        """Write it, a unit at a time: then none waits twice. How many bytes went, as far as that is told."""
        count = 0
        while count < len(data) and self._may_write():
            count += self._put(data[count : count + UNIT_BYTES])
        return count

    async def write(self, data):
        """Write all of it, however long the host doesn't read."""
        while data:
            data = data[self.write_now(data) :]
            if data:
                await asyncio.sleep_ms(_PAUSE_POLL_MS)

    def _may_write(self):
        if not self._pause_ms or not self._unheard_bytes:
            return True
        return time.ticks_diff(time.ticks_ms(), self._paused_at) >= self._pause_ms

    def _put(self, data):
        began_at = time.ticks_ms()
        count = self._out.write(data) or 0
        now = time.ticks_ms()
        if count and time.ticks_diff(now, began_at) < _WAITED_MS:
            self._pause_ms = 0
        else:
            self._pause_ms = min(self._pause_ms * 2, _PAUSE_MAX_MS) or _PAUSE_FIRST_MS
            self._paused_at = now
            self._unheard_bytes = 1  # 0 again once something is heard
        return count
