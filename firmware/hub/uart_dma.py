"""Feeds a UART of the rp2 port by the chip's DMA: what was handed over goes onto the wire without the program.

A UART's own ring is emptied by an interrupt each 16 bytes, and each wakes the whole program to look for something to
do. Here one comes for each piece, and begins the next. Where the other side holds the line (CTS), the DMA waits for the
UART. See docs/decisions/0063.
"""

from micropython import const
import asyncio
import sys
import time

from rp2 import DMA

_PIECES = const(8)  # handed over and not gone: as many messages as the link's credit lets come
_HELD_MS = const(20)  # nothing has gone for so long: the other side holds the line; how often it is looked at then
_HELD_BYTES = const(16)  # so much must have gone before it gets more
_BITS = const(10)  # of a byte on the wire
_COUNT_MASK = const(0xFFFFFF)
# Data register of the first UART, distance of the next one's, and the first one's request to send, of which the next
# one's is 2 further (datasheets: RP2040 2.2 and 2.5.3.1, RP2350 2.2 and 12.6.4.1).
_CHIPS = {"RP2040": (0x40034000, 0x4000, 20), "RP2350": (0x40070000, 0x8000, 28)}


class DmaFeeder:
    """Has what uart_feeder.UartFeeder has.

    What is handed over must stay where it is in memory until it has gone: it is kept here so long. The interrupt takes
    pieces away at `_first`, the program adds them at the first that is free, and neither writes what the other does.
    """

    def __init__(self, uart, port, limit_bytes):
        """`limit_bytes`: so much may be handed over and not gone. OSError if all channels are taken."""
        number = port["uart"]
        register, apart, request = _CHIPS["RP2350" if "RP2350" in _chip() else "RP2040"]
        self._uart = uart
        self._baud = port["baud_rate"]
        self._limit = limit_bytes
        self._wanted = limit_bytes // 3  # when it is waited for: so that one wait serves several messages
        self._register = register + apart * number
        self._request = request + 2 * number
        self._on_gone = self._gone
        self._open()

    def room(self, size):
        """Milliseconds until there is room for so many bytes; 0, too, where the line is held: then `put` takes less."""
        left = self._left()
        self._held = False
        if self._pieces[self._free] is None and (left + size <= self._limit or left <= self._wanted):
            return 0
        now = time.ticks_ms()
        if left != self._seen:
            self._seen, self._seen_at = left, now
        elif not 0 <= time.ticks_diff(now, self._seen_at) < _HELD_MS:
            self._held = True
            return 0
        return (left - min(left // 2, self._wanted)) * _BITS * 1000 // self._baud + 1

    async def wait(self, size):
        """Wait until there may be room for so many bytes."""
        wait_ms = self.room(size)
        if wait_ms or self._held:
            await asyncio.sleep_ms(wait_ms or _HELD_MS)

    def put(self, data):
        """Hand over what there is room for; how many bytes."""
        free, left = self._free, self._left()
        room = self._limit - left
        if self._pieces[free] is not None:
            return 0
        if len(data) > room and left > self._wanted:
            if room < _HELD_BYTES:
                return 0
            data = data[:room]
        self._given = (self._given + len(data)) & _COUNT_MASK
        self._free = (free + 1) % _PIECES
        self._pieces[free] = data
        if not self._going and self._pieces[free] is not None:  # else it has begun, or has gone already
            self._begin(data)
        return len(data)

    def all_sent(self):
        """Nothing is on its way any more."""
        return not self._going and self._uart.txdone()

    def forget(self):
        """What is on its way is to be thrown away; the UART's own part is its owner's."""
        self._going = False
        self._dma.close()  # not only stopped: a channel that is stopped may say that it is done (RP2040-E13)
        self._open()

    def _open(self):
        self._pieces = [None] * _PIECES
        self._first = self._free = 0
        self._going = False
        self._given = self._begun = 0  # bytes: of all pieces, and of those that have begun to go
        self._seen = self._seen_at = 0  # what was left when the line last moved, and when that was
        self._held = False
        self._dma = dma = DMA()
        dma.write = self._register
        dma.ctrl = dma.pack_ctrl(size=0, inc_write=False, treq_sel=self._request, irq_quiet=False)
        dma.irq(self._on_gone, True)  # a hard one: also in the middle of a garbage collection

    def _left(self):
        """How much has not gone yet; never less than the truth."""
        left = (self._given - self._begun) & _COUNT_MASK
        return left + self._dma.count if self._going else left

    def _begin(self, piece):
        self._begun = (self._begun + len(piece)) & _COUNT_MASK
        self._going = True
        dma = self._dma
        dma.read = piece
        dma.count = len(piece)
        dma.active(True)

    def _gone(self, _dma):
        """An interrupt: the first piece has gone to the UART. It allocates nothing."""
        pieces, first = self._pieces, self._first
        pieces[first] = None
        self._first = first = (first + 1) % _PIECES
        if pieces[first] is None:
            self._going = False
        else:
            self._begin(pieces[first])


def _chip():
    return getattr(sys.implementation, "_machine", "")
