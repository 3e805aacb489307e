"""Flow control by XON and XOFF: the printer says in its status line when it takes nothing more.

It says so when little room is left (`slack_bytes` of the board file), and between its last free byte and the hub's
knowing lie the UART's buffer, the way back and whatever else the hub does. So the UART never holds more than half of
that room, and gets no more before those bytes have left and the printer has had time to object.
"""

from micropython import const
import asyncio
import time

XON = const(0x11)
XOFF = const(0x13)
_SLACK_BYTES = const(16)  # the least that a printer leaves (manuals: 16, or 128 with a buffer of 4 KB)
_ROUND_MS = const(4)  # the printer's word and its way back, and the hub's other tasks
_STOPPED_MS = const(5)
_WAIT_MS_MAX = const(5000)  # half of the room at the slowest baud rate takes 2 s
_BITS = const(10)  # of a byte on the wire


class XonXoff:
    def __init__(self, uart, port, on_sudden_xon):
        """`on_sudden_xon()`: an XON with no XOFF before it, which a printer says when it gets its power."""
        self._uart = uart
        self._on_sudden_xon = on_sudden_xon
        self._piece_bytes = max(1, port.get("slack_bytes", _SLACK_BYTES) // 2)
        self._byte_us = _BITS * 1_000_000 // port["baud_rate"]
        self._stopped = False
        self._free_at = time.ticks_ms()

    def take(self, byte):
        """What the printer said: XON or XOFF."""
        was_stopped, self._stopped = self._stopped, byte == XOFF
        if byte == XON and not was_stopped:
            self._on_sudden_xon()

    def value(self):
        """1 while the printer takes nothing, as a busy line."""
        return int(self._stopped)

    def restart(self):
        """The printer was without power, and knows nothing of what it said."""
        self._stopped = False

    # -- what every feeder has ------------------------------------------------------------------------------------

    def room(self, _size):
        """Milliseconds until it is worth asking again if something may be sent; 0: it may."""
        wait_ms = time.ticks_diff(self._free_at, time.ticks_ms())
        if 0 < wait_ms <= _WAIT_MS_MAX:  # more: it was so long ago that the clock has come round
            return wait_ms
        if self._stopped or self._uart.any():  # what has come and was not read yet may be its objection
            return _STOPPED_MS
        return 0 if self._uart.txdone() else _ROUND_MS

    async def wait(self, size):
        """Wait until something may be sent."""
        wait_ms = self.room(size)
        while wait_ms:
            await asyncio.sleep_ms(wait_ms)
            wait_ms = self.room(size)

    def put(self, data):
        """Hand over what the printer has room for; how many bytes."""
        if self.room(len(data)):
            return 0
        count = self._uart.write(data[: self._piece_bytes]) or 0
        self._free_at = time.ticks_add(time.ticks_ms(), count * self._byte_us // 1000 + _ROUND_MS)
        return count

    def moved(self):
        """Whether anything has gone since this was asked last: here nobody knows."""
        return False

    def all_sent(self):
        """Nothing is on its way any more."""
        return self._uart.txdone()

    def forget(self):
        """The UART is emptied."""
