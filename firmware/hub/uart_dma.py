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

_PIECES = const(8)  # so many does the link's credit let come
_HELD_MS = const(20)  # nothing has gone for so long: the other side holds the line; how often it is looked at then
_BITS = const(10)  # of a byte on the wire
_COUNT_MASK = const(0xFFFFFF)
# Data register of the first UART, distance of the next one's, and the first one's request to send, of which the next
# one's is 2 further (datasheets: RP2040 2.2 and 2.5.3.1, RP2350 2.2 and 12.6.4.1).
_CHIPS = {"RP2040": (0x40034000, 0x4000, 20), "RP2350": (0x40070000, 0x8000, 28)}


class DmaFeeder:
    """Has what uart_feeder.UartFeeder has.

    What is handed over must stay where it is in memory until it has gone: it is kept here so long. The interrupt takes
    pieces away at `_first`, the program adds them at `_free`, and neither writes what the other does.
    """

    def __init__(self, uart, port, ahead_bytes):
        """`ahead_bytes`: so much may be handed over and not gone; more only to keep the line busy.

        OSError if all channels are taken.
        """
        number = port["uart"]
        register, apart, request = _CHIPS["RP2350" if "RP2350" in _chip() else "RP2040"]
        self._uart = uart
        self._baud = port["baud_rate"]
        self._ahead = ahead_bytes
        self._kept = ahead_bytes // 3  # keeps the line busy while the program comes back to it
        self._register = register + apart * number
        self._request = request + 2 * number
        self._on_gone = self._gone
        self._open()

    def room(self, size):
        """Milliseconds until it is worth handing over so many bytes; 0, too, where the line is held."""
        if self._fits(size):
            return 0
        left = self._left()
        now = time.ticks_ms()
        if left != self._seen:
            self._seen, self._seen_at = left, now
        elif not 0 <= time.ticks_diff(now, self._seen_at) < _HELD_MS:
            return 0
        return (left - min(self._kept, left // 2)) * _BITS * 1000 // self._baud + 1

    async def wait(self, size):
        """Wait until it is worth handing over so many bytes."""
        if not self._fits(size):
            await asyncio.sleep_ms(self.room(size) or _HELD_MS)

    def put(self, data):
        """Hand over all of it, if there is room; how many bytes."""
        size = len(data)
        if not self._fits(size):
            return 0
        pieces, free = self._pieces, self._free
        self._given = (self._given + size) & _COUNT_MASK
        self._free = (free + 1) % _PIECES
        pieces[free] = data
        if not self._going and pieces[free] is not None:  # else it has begun, or has gone already
            self._begin(data)
        return size

    def moved(self):
        """Whether anything has gone, or come, since this was asked last."""
        before, self._told = self._told, self._left()
        return self._told != before

    def all_sent(self):
        """Nothing is on its way any more."""
        return not self._going and self._uart.txdone()

    def forget(self):
        """What is on its way is to be thrown away; the UART's own part is its owner's."""
        dma = self._dma
        dma.irq(None)  # first: a channel that is stopped may say that it is done (RP2040-E13)
        dma.ctrl = dma.pack_ctrl(enable=False)  # or it begins anew when it is stopped (RP2350-E5)
        dma.active(False)  # before MicroPython 1.27 `close` lets it run on, and the next one claimed is the same
        dma.close()
        self._open()

    def _open(self):
        self._pieces = [None] * _PIECES
        self._first = self._free = 0  # the one that goes, or is to go next; and where the next one given is put
        self._going = False
        self._given = self._begun = 0  # bytes: of all pieces, and of those that have begun to go
        self._seen = self._seen_at = 0  # what was left when the line last moved, and when that was
        self._told = 0  # what was left when `moved` was asked
        self._dma = dma = DMA()
        dma.write = self._register
        dma.ctrl = dma.pack_ctrl(size=0, inc_write=False, treq_sel=self._request, irq_quiet=False)
        dma.irq(self._on_gone, True)  # a hard one: also in the middle of a garbage collection

    def _fits(self, size):
        if not self._going:
            return True
        left = self._left()
        return self._pieces[self._free] is None and (left + size <= self._ahead or left <= self._kept)

    def _left(self):
        """How much has not gone to the UART yet; never less than the truth."""
        waiting = (self._given - self._begun) & _COUNT_MASK
        return waiting + self._dma.count if self._going else waiting

    def _begin(self, piece):
        self._going = True
        size = len(piece)
        self._begun = (self._begun + size) & _COUNT_MASK
        dma = self._dma
        dma.read = piece
        dma.count = size
        dma.active(True)

    def _gone(self, _dma):
        """An interrupt: the first piece has gone to the UART. It allocates nothing."""
        pieces, first = self._pieces, self._first
        pieces[first] = None
        self._first = first = (first + 1) % _PIECES
        piece = pieces[first]
        if piece is None:
            self._going = False
        else:
            self._begin(piece)


def _chip():
    return getattr(sys.implementation, "_machine", "")
