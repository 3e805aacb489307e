"""A receipt printer that isn't there: ESC/POS bytes in, status and paper out, with a real one's slowness and habits.

Sans-IO: the clock is passed in as milliseconds, answers go out through callables. Numbers and habits: Epson, "ESC/POS
Command Reference", and the TM-T88 technical reference for buffer, flow control and speed.

Theory of operation: bytes fill a receive buffer. Real-time commands are obeyed as they arrive, wherever they stand.
Everything else is taken out of the buffer in order, when the mechanics are done with what was before; so an answer that
comes from the stream (GS r, GS ( H) proves that the paper before it is out. A raster image is taken row by row.

Where a receipt begins and ends: at a cut; or, uncut, where the sender asks for proof with something printed since.
Enquiries between receipts belong to none; what leaves no mark after a cut and is followed by a proof enquiry belongs to
the receipt just cut. So the bytes of a receipt are the bytes of the job.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from host_bridge.escpos import status as answers
from host_bridge.escpos.codepages import KanjiMode
from host_bridge.escpos.commands import Command, CommandParser
from host_bridge.escpos.receipt import ReceiptRenderer
from host_bridge.escpos.receipt_paper import DOTS_PER_MM, Piece
from host_bridge.escpos.status import PrinterStatus
from host_bridge.interfaces.services import Receipt
from host_bridge.virtual.printer_realtime import RealTime, RealTimeScanner

BUFFER_BYTES: Final = 4096
BUSY_FREE_BYTES: Final = 16  # busy when only so much is free
READY_FREE_BYTES: Final = 26  # and ready again with so much
SPEED_MM_PER_S: Final = 200.0
CUT_MS: Final = 250.0
BYTE_MS: Final = 0.001  # the processor's time for a byte that moves no paper
MAX_RECEIPTS: Final = 200
MAX_KEPT_BYTES: Final = 64 * 1024 * 1024  # bytes and dots of all receipts kept; the oldest go first
MAX_RECEIPT_BYTES: Final = 16 * 1024 * 1024  # more without a cut: the paper is torn off there
MAX_MACRO_BYTES: Final = 2048  # what comes beyond is not kept

_CHUNK_BYTES: Final = 256  # taken from the buffer at a time
_SHORT_BYTES: Final = 8  # missing from a command that is completed even offline: it may be GS a
_XON, _XOFF = b"\x11", b"\x13"
_POWER_NOTICE: Final = b"\x3b\x30\x00"  # memory switch 1-1: said once when power comes
_IDENTITY: Final = {65: "1.00", 66: "COUNTERHUB", 67: "VIRTUAL-80", 68: "V000001", 69: "CHINA GB18030"}
_IDENTITY_BITS: Final = {1: 0x20, 2: 0x03, 3: 0x01}  # model; type: two-byte characters, cutter; ROM version
_CUTS: Final = frozenset(("GS V", "ESC i", "ESC m"))
_MACROS: Final = frozenset(("GS :", "GS ^"))
# Obeyed in real time, or answered; none of them puts anything on paper.
_ENQUIRIES: Final = frozenset(("DLE EOT", "DLE ENQ", "DLE DC4", "GS a", "GS r", "GS ( H", "GS I"))
_OBEYED_OFFLINE: Final = frozenset(("GS a", "DLE EOT", "DLE ENQ", "DLE DC4", "NUL"))
_OBEYED_DESELECTED: Final = frozenset(("ESC =", "DLE EOT", "DLE ENQ", "DLE DC4"))


@dataclass
class _Kept:
    """A receipt that came out."""

    n: int
    data: bytes
    piece: Piece
    cut: bool
    printed_at: str

    @property
    def stored_bytes(self) -> int:
        return len(self.data) + self.piece.stored_bytes


def _wall_clock() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class VirtualPrinter:
    """An 80 mm printer with cutter and drawer port. Call :meth:`advance` when it says; every time is in ms."""

    _cutting: list[Piece] | None  # what falls off when the blade is home

    def __init__(
        self,
        *,
        reply: Callable[[bytes], None],
        kick: Callable[[int, int], None],
        receipt: Callable[[int], None],
        speed_mm_per_s: float = SPEED_MM_PER_S,
        kanji: KanjiMode = KanjiMode.AUTO,
        xon_xoff: bool = False,
        macros: bool = True,
        process_id: bool = True,
        power_notice: bool = False,
        recovers_by_enquiry: bool = False,
        wall_clock: Callable[[], str] = _wall_clock,
    ) -> None:
        """``reply``: bytes to the host; ``kick``: connector pin 0/1 and on-time in ms; ``receipt``: n came out.

        ``macros``, ``process_id``: it knows GS : and GS ^, GS ( H; ``power_notice``: it says when it gets its power.
        ``recovers_by_enquiry``: a cleared cutter jam stays an error until DLE ENQ or the cover is opened and closed.
        """
        self.powered = True
        self.dropped_bytes = 0  # came while the buffer was full
        self.captured_bytes = 0  # arrived at all
        self._reply, self._kick, self._receipt = reply, kick, receipt
        self._row_ms = 1000.0 / (speed_mm_per_s * DOTS_PER_MM)
        self._xon_xoff = xon_xoff
        self._macros, self._process_id, self._power_notice = macros, process_id, power_notice
        self._recovers_by_enquiry = recovers_by_enquiry
        self._wall_clock = wall_clock
        self._renderer = ReceiptRenderer(kanji=kanji)
        self._kept: dict[int, _Kept] = {}
        self._made = 0
        self._paper_end = self._near_end = self._cover = self._jam = self._drawer_high = False
        self._free_at = 0.0
        self._forget()

    # --- bytes

    def room_bytes(self) -> int:
        """Bytes it still takes before it signals busy; 0 while busy or without power."""
        if not self.powered or self._busy:
            return 0
        return max(0, BUFFER_BYTES - BUSY_FREE_BYTES - len(self._buffer))

    def receive(self, data: bytes, now_ms: float) -> None:
        """Bytes arrive. Real-time commands in them are obeyed even when there is no room for them."""
        if not self.powered:
            return
        self.captured_bytes += len(data)
        self.advance(now_ms)
        if not self._buffer and not self._queue:
            self._free_at = max(self._free_at, now_ms)
        taken = data[: BUFFER_BYTES - len(self._buffer)]
        self._buffer += taken
        self.dropped_bytes += len(data) - len(taken)
        for command in self._realtime.feed(data):
            self._obey_realtime(command, now_ms)
        self._update_busy()

    def advance(self, now_ms: float) -> float | None:
        """Let the mechanics run to now; return when it wants to be called next, or None if nothing will happen."""
        while self.powered and self._free_at <= now_ms:
            if self._cutting is not None:
                pieces, self._cutting = self._cutting, None
                self._cut_done(pieces)
            elif not self._step():
                break
            self._update_busy()
        if not self.powered:
            return None
        more = self._cutting is not None or self._can_step()
        return self._free_at if more else None

    # --- the world

    def set_power(self, on: bool, now_ms: float) -> None:
        """Without power the paper under way stays as torn paper; buffer, settings and ASB are lost."""
        if on == self.powered:
            return
        self.advance(now_ms)
        if not on:
            self._close_all(self._cutting or [], cut=False)
            self._renderer.drop_line()
            if self._parser.pending:
                self._current += self._parser.pending
                self._renderer.feed_incomplete(self._parser.pending_name, self._parser.pending)
            self._tear()
            self._renderer.power_cycle()
        self.powered = on
        self._forget()
        self._free_at = now_ms
        if on and self._xon_xoff:
            self._reply(_XON)
        if on and self._power_notice:
            self._reply(_POWER_NOTICE)

    def set_paper_end(self, active: bool, now_ms: float) -> None:
        self.advance(now_ms)
        self._paper_end = active
        self._changed(now_ms)

    def set_paper_near_end(self, active: bool, now_ms: float) -> None:
        self.advance(now_ms)
        self._near_end = active
        self._changed(now_ms)

    def set_cover_open(self, active: bool, now_ms: float) -> None:
        self.advance(now_ms)
        self._cover = active
        if not active and not self._jam:
            self._cutter_error = False
        self._changed(now_ms)

    def set_cutter_jam(self, active: bool, now_ms: float) -> None:
        """A blade that doesn't come home is an error at once."""
        self.advance(now_ms)
        self._jam = active
        if active:
            self._cutter_error = True
        elif not self._recovers_by_enquiry:
            self._cutter_error = False
        self._changed(now_ms)

    def set_drawer_pin3(self, high: bool, now_ms: float) -> None:
        """The drawer's switch at the kick port; only matters where a drawer is plugged into the printer."""
        self.advance(now_ms)
        self._drawer_high = high
        self._changed(now_ms)

    @property
    def status(self) -> PrinterStatus:
        """What it says of itself."""
        return PrinterStatus(
            online=not self._halted,
            cover_open=self._cover,
            waiting=self._cutter_error,
            cutter_error=self._cutter_error,
            paper_near_end=self._near_end,
            paper_end=self._paper_end,
            drawer_pin3_high=self._drawer_high,
        )

    # --- the paper

    @property
    def receipts(self) -> list[int]:
        """Numbers of the receipts that are kept, oldest first."""
        return list(self._kept)

    def receipts_info(self) -> list[Receipt]:
        return [
            Receipt(n=k.n, size_bytes=len(k.data), height_px=k.piece.height_px, cut=k.cut, printed_at=k.printed_at)
            for k in list(self._kept.values())
        ]

    def receipt_png(self, n: int) -> bytes | None:
        """Drawn when asked for: call it in a worker thread."""
        kept = self._kept.get(n)
        return kept.piece.png() if kept else None

    def receipt_bytes(self, n: int) -> bytes | None:
        kept = self._kept.get(n)
        return kept.data if kept else None

    # --- the mechanics

    @property
    def _halted(self) -> bool:
        return self._paper_end or self._cover or self._cutter_error

    def _forget(self) -> None:
        """What is lost with the power."""
        self._cutting = None
        self._buffer = bytearray()
        self._queue: deque[Command] = deque()
        self._parser = CommandParser()
        self._realtime = RealTimeScanner()
        self._current = bytearray()  # the receipt under way
        self._open: _Kept | None = None  # the receipt just cut, until a proof enquiry closes it
        self._busy = False
        self._asb_mask = 0
        self._macro: bytes | None = None
        self._defining: bytearray | None = None  # the macro that is being defined
        self._deselected = False
        self._cutter_error = self._jam
        self._last_asb = answers.to_asb(self.status)
        self._raster_rate = (-1, BYTE_MS)  # where in the stream the raster image began, ms a byte
        self._prepaid_ms = 0.0  # movement of the raster image that is still arriving

    def _can_step(self) -> bool:
        if self._queue:
            return not self._halted or self._queue[0].name in _OBEYED_OFFLINE
        return bool(self._buffer) and (not self._halted or self._parser.missing_bytes <= _SHORT_BYTES)

    def _step(self) -> bool:
        """Obey the next command, or take the next bytes from the buffer. False if there is nothing to do."""
        if not self._can_step():
            return False
        if self._queue:
            self._obey(self._queue.popleft())
        else:
            self._take_bytes()
        return True

    def _take_bytes(self) -> None:
        most = 1 if self._halted else _CHUNK_BYTES  # offline it looks at one command and leaves the rest where it is
        size = min(len(self._buffer), self._parser.missing_bytes or most, _CHUNK_BYTES)
        self._queue += self._parser.feed(bytes(self._buffer[:size]))
        del self._buffer[:size]
        byte_ms = BYTE_MS
        if self._parser.pending_name == "GS v 0":
            byte_ms = self._raster_byte_ms()
            self._prepaid_ms += size * byte_ms
        self._free_at += size * byte_ms

    def _raster_byte_ms(self) -> float:
        """How long the paper moves for one byte of the raster image that is arriving."""
        if self._raster_rate[0] != self._parser.pending_offset:
            header = self._parser.pending[:6]
            width_bytes = int.from_bytes(header[4:6], "little") if len(header) == 6 else 0
            if not width_bytes:
                return BYTE_MS
            self._raster_rate = (self._parser.pending_offset, max(BYTE_MS, self._row_ms / width_bytes))
        return self._raster_rate[1]

    def _obey(self, command: Command) -> None:
        if command.name == "ESC =":
            self._deselected = not command.data[2] & 1
        if self._deselected and command.name not in _OBEYED_DESELECTED:
            self._keep(command)
            return
        if command.name in _MACROS and self._macros:
            self._obey_macro(command)
            return
        if self._defining is not None:  # it is obeyed all the same
            self._defining += command.data[: MAX_MACRO_BYTES - len(self._defining)]
        if command.name in _ENQUIRIES:
            self._answer(command)
            return
        before = self._renderer.y
        self._keep(command)
        self._renderer.feed((command,))
        if command.name == "ESC p":
            self._kick_queued(command.data)
        pieces = self._renderer.take_pieces()
        end = sum(p.height_px for p in pieces) + self._renderer.y
        self._free_at += max(0.0, max(0, end - before) * self._row_ms - self._prepaid_ms)
        self._prepaid_ms = 0.0
        if command.name in _CUTS:
            self._free_at += CUT_MS
            self._cutting = pieces
        elif pieces:  # the limit of paper without a cut
            self._close_all(pieces, cut=False)
        elif len(self._current) > MAX_RECEIPT_BYTES:
            self._tear()

    def _obey_macro(self, command: Command) -> None:
        """GS : begins and ends a definition; GS ^ runs what is defined, or puts an end to a definition."""
        defining, self._defining = self._defining, None
        if command.name == "GS :":
            self._macro = bytes(defining) or None if defining is not None else None
            self._defining = bytearray() if defining is None else None
        elif defining is not None:
            self._macro = None
        elif self._macro is not None:
            commands = CommandParser().feed(self._macro)
            if any(each.name not in _ENQUIRIES for each in commands):
                self._keep(command)  # one that only asks is an enquiry itself
            self._queue.extendleft(reversed(commands * command.data[2]))

    def _keep(self, command: Command) -> None:
        self._current += command.data

    def _cut_done(self, pieces: list[Piece]) -> None:
        if pieces:
            self._close_all(pieces, cut=True)
        elif self._open is None and self._current:
            self._close(Piece(DOTS_PER_MM, "full", ()), cut=True)  # a cut on nothing: a sliver

    def _tear(self) -> None:
        """What hangs out of the printer ends here."""
        if not self._renderer.begun:
            self._current.clear()
            return
        self._renderer.tear()
        self._close_all(self._renderer.take_pieces(), cut=False)

    def _close_all(self, pieces: list[Piece], *, cut: bool) -> None:
        """Nearly always one; a command at the paper's limit may leave two."""
        for piece in pieces:
            self._close(piece, cut=cut and piece is pieces[-1])

    def _close(self, piece: Piece, *, cut: bool) -> None:
        self._made += 1
        kept = _Kept(self._made, bytes(self._current), piece, cut, self._wall_clock())
        self._current.clear()
        self._kept[kept.n] = kept
        self._open = kept if cut else None
        stored = sum(k.stored_bytes for k in self._kept.values())
        while len(self._kept) > MAX_RECEIPTS or (stored > MAX_KEPT_BYTES and len(self._kept) > 1):
            oldest = self._kept.pop(next(iter(self._kept)))
            stored -= oldest.stored_bytes
        self._receipt(kept.n)

    # --- answers from the stream

    def _answer(self, command: Command) -> None:
        name, data = command.name, command.data
        process_id = self._process_id and name == "GS ( H" and len(data) >= 11 and data[5:7] == b"00"
        if name == "GS r" or process_id:
            self._prove()
        elif self._renderer.begun:
            self._keep(command)
        if process_id:
            self._reply(answers.process_id_answer(data[7:11]))
        elif name == "GS r" and data[2] in (1, 2, 49, 50):
            self._reply(answers.queued_answer(self.status, data[2]))
        elif name == "GS a":
            self._asb_mask = data[2]
            if self._asb_mask:
                self._reply(answers.to_asb(self.status))
        elif name == "GS I":
            self._identify(data[2])

    def _prove(self) -> None:
        """Everything before is on paper: that ends a receipt."""
        if self._renderer.begun:
            self._tear()
        elif self._open is not None and self._current:
            self._open.data += bytes(self._current)
        self._current.clear()
        self._open = None

    def _identify(self, n: int) -> None:
        if n in _IDENTITY:
            self._reply(answers.identity_answer(_IDENTITY[n]))
        elif n in (1, 2, 3, 49, 50, 51):
            self._reply(bytes((_IDENTITY_BITS[n & 3],)))

    # --- in real time

    def _obey_realtime(self, command: RealTime, now_ms: float) -> None:
        data = command.data
        if command.name == "DLE EOT":
            if 1 <= data[2] <= 4:
                self._reply(answers.realtime_answer(self.status, data[2]))
        elif command.name == "DLE ENQ":
            self._recover(data[2], now_ms)
        elif data[2] == 1 and data[3] <= 1 and 1 <= data[4] <= 8:
            self._kick(data[3], data[4] * 100)
        elif data[2] == 7:
            self._reply(answers.to_asb(self.status))
        elif data[2] == 8:
            self._clear_buffers()
            self._reply(b"\x37\x25\x00")

    def _recover(self, n: int, now_ms: float) -> None:
        """DLE ENQ 1: go on; 2: go on with empty buffers. A jam that is still there is an error again at once."""
        if n not in (1, 2) or not self._cutter_error:
            return
        if n == 2:
            self._clear_buffers()
        self._cutter_error = self._jam
        self._changed(now_ms)

    def _clear_buffers(self) -> None:
        self._buffer.clear()
        self._queue.clear()
        self._parser = CommandParser()
        self._raster_rate = (-1, BYTE_MS)
        self._prepaid_ms = 0.0

    def _kick_queued(self, data: bytes) -> None:
        pin = {0: 0, 48: 0, 1: 1, 49: 1}.get(data[2])
        if pin is not None and data[3]:
            self._kick(pin, data[3] * 2)

    # --- telling

    def _changed(self, now_ms: float) -> None:
        """Something about the printer is different: say so where ASB was asked for, and go on where it can."""
        asb = answers.to_asb(self.status)
        if self.powered and asb != self._last_asb and answers.asb_changed(self._asb_mask, self._last_asb, asb):
            self._reply(asb)
        self._last_asb = asb
        self._free_at = max(self._free_at, now_ms)
        self.advance(now_ms)

    def _update_busy(self) -> None:
        free = BUFFER_BYTES - len(self._buffer)
        busy = free <= BUSY_FREE_BYTES or (self._busy and free < READY_FREE_BYTES)
        if busy != self._busy:
            self._busy = busy
            if self._xon_xoff:
                self._reply(_XOFF if busy else _XON)
