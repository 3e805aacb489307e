"""Feeds a UART whose ring an interrupt empties, by the clock."""

from micropython import const
import asyncio
import time

from hub.transport import TX_BUFFER_BYTES

_BITS = const(10)  # of a byte on the wire
_HELD_MS = const(20)  # how often a line that the other side holds is tried
_HELD_BYTES = const(16)  # and with how many bytes: while it gets room for more, `write` waits for the wire
_SMALL_INT_MAX = const(0x1FFFFFFF)  # what a chip counts in without allocating


class UartFeeder:
    """Feeds a UART at the pace of its wire.

    MicroPython's `write` stops the whole program until the UART's buffer has taken everything. So it is given no more
    than there is surely room for: what the wire has carried away since is known from the clock. Where the other side
    holds the line (CTS) less has gone; then `write` takes a part, or nothing, and is tried again later.
    """

    def __init__(self, uart, port, ahead_ms):
        self._uart = uart
        self._baud = port["baud_rate"]
        # In bits times 1000: the wire carries `baud` of them away each ms.
        self._buffer = port.get("tx_buffer_bytes", TX_BUFFER_BYTES) * _BITS * 1000
        self._limit = min(self._buffer, ahead_ms * self._baud)
        self._ahead = 0  # given and not yet carried away
        self._held = False  # it was full when by the clock it had room
        self._looked_at = time.ticks_ms()
        self._span_ms_max = _SMALL_INT_MAX // self._baud  # longer than any buffer needs

    def room(self, size):
        """Milliseconds until there is room for so many bytes."""
        now = time.ticks_ms()
        span_ms = time.ticks_diff(now, self._looked_at)
        self._looked_at = now
        span_ms = span_ms if 0 <= span_ms < self._span_ms_max else self._span_ms_max
        ahead = max(0, self._ahead - span_ms * self._baud)
        self._ahead = ahead
        size *= _BITS * 1000
        wanted = max(0, min(self._limit // 3, self._buffer - size))  # so that one wait serves two messages
        if ahead + size <= self._limit or ahead <= wanted:
            return 0
        return (ahead - wanted) // self._baud + 1

    async def wait(self, size):
        """Wait until there may be room for so many bytes."""
        wait_ms = _HELD_MS if self._held else self.room(size)
        if wait_ms:
            await asyncio.sleep_ms(wait_ms)
            self.room(0)  # only looks at the clock

    def put(self, data):
        """Hand over what is taken; how many bytes, none where there is no room."""
        if self._held:
            data = data[:_HELD_BYTES]
        elif self.room(len(data)):
            return 0
        count = self._uart.write(data) or 0
        refused = count < len(data)
        self._ahead = self._buffer if refused or self._held else self._ahead + count * _BITS * 1000
        self._held = refused
        return count

    def moved(self):
        """Whether anything has gone since this was asked last: here nobody knows."""
        return False

    def all_sent(self):
        """Nothing is on its way any more."""
        return self._uart.txdone()

    def forget(self):
        """The UART is emptied."""
        self._ahead = 0
        self._held = False
