"""The status bytes of an ESC/POS printer: reading them, giving them, telling them apart.

Bits and answers: Epson, "ESC/POS Command Reference", GS a (Automatic Status Back), DLE EOT, GS r, GS ( H, GS I; the
ePOS status word: Epson, "ePOS-Print XML User's Manual", response attributes.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import msgspec

ASB_BYTES: Final = 4
MAX_IDENTITY_BYTES: Final = 96
"""``5F`` + text + ``00``: the manual allows 80 characters; more than this is noise."""


class PrinterStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What four ASB bytes say. The default is a printer that is ready."""

    online: bool = True
    cover_open: bool = False
    feeding: bool = False  # paper is being fed by the button
    feed_button: bool = False  # the button is held down
    waiting: bool = False  # for a person, before it goes online again
    mechanical_error: bool = False
    cutter_error: bool = False
    unrecoverable: bool = False
    auto_recoverable: bool = False  # for example: the head is hot
    paper_near_end: bool = False
    paper_end: bool = False
    drawer_pin3_high: bool = False  # what that means for the drawer is a setting: see docs on switch polarity

    @property
    def error(self) -> bool:
        return self.mechanical_error or self.cutter_error or self.unrecoverable or self.auto_recoverable


READY: Final = PrinterStatus()
UNREACHABLE: Final = PrinterStatus(online=False)
"""What a till is told while nobody can know: a silent printer would leave it waiting."""

# (byte, bits that are set, field); reading needs any of the bits
_ASB: Final = (
    (0, 0x04, "drawer_pin3_high"),
    (0, 0x20, "cover_open"),
    (0, 0x40, "feeding"),
    (1, 0x01, "waiting"),
    (1, 0x02, "feed_button"),
    (1, 0x04, "mechanical_error"),
    (1, 0x08, "cutter_error"),
    (1, 0x20, "unrecoverable"),
    (1, 0x40, "auto_recoverable"),
    (2, 0x03, "paper_near_end"),
    (2, 0x0C, "paper_end"),
)
_ASB_BASE: Final = (0x10, 0x00, 0x00, 0x0F)  # fixed bits; byte 4 as TM-T88 and TM-m30 send it
_OFFLINE: Final = 0x08  # ASB byte 1, and DLE EOT 1

_REALTIME: Final[dict[int, tuple[tuple[int, str], ...]]] = {
    1: ((0x04, "drawer_pin3_high"), (0x20, "waiting"), (0x40, "feed_button")),
    2: ((0x04, "cover_open"), (0x08, "feeding"), (0x20, "paper_end"), (0x40, "error")),
    3: ((0x04, "mechanical_error"), (0x08, "cutter_error"), (0x20, "unrecoverable"), (0x40, "auto_recoverable")),
    4: ((0x0C, "paper_near_end"), (0x60, "paper_end")),
}
_REALTIME_BASE: Final = 0x12

# GS a n: which change of the four bytes is worth a message (bits 0 drawer, 1 online, 2 error, 3 paper)
_ASB_CAUSES: Final = (
    (0x01, b"\x04\x00\x00\x00"),
    (0x02, b"\x68\x03\x00\x00"),
    (0x04, b"\x00\x6c\x00\x00"),
    (0x08, b"\x00\x00\x0f\x00"),
)

EPOS_NO_RESPONSE: Final = 0x1
EPOS_PRINTED: Final = 0x2


def from_asb(asb: bytes) -> PrinterStatus:
    """Read four ASB bytes. Raises ValueError if they are not."""
    if len(asb) != ASB_BYTES or asb[0] & 0x93 != 0x10 or any(byte & 0x90 for byte in asb[1:]):
        raise ValueError(f"expected 4 ASB bytes (0xx1xx00 0xx0xxxx 0xx0xxxx 0xx0xxxx), got {asb.hex(' ') or 'nothing'}")
    fields = {field: bool(asb[index] & bits) for index, bits, field in _ASB}
    return PrinterStatus(online=not asb[0] & _OFFLINE, **fields)


def to_asb(status: PrinterStatus) -> bytes:
    """The four bytes of Automatic Status Back."""
    asb = bytearray(_ASB_BASE)
    if not status.online:
        asb[0] |= _OFFLINE
    for index, bits, field in _ASB:
        if getattr(status, field):
            asb[index] |= bits
    return bytes(asb)


def asb_changed(mask: int, before: bytes, after: bytes) -> bool:
    """Whether a client that asked with ``GS a mask`` is told of the change between two ASB messages."""
    watched = [0] * ASB_BYTES
    for cause, bits in _ASB_CAUSES:
        if mask & cause:
            watched = [have | more for have, more in zip(watched, bits, strict=True)]
    return any((old ^ new) & bits for old, new, bits in zip(before, after, watched, strict=True))


def realtime_answer(status: PrinterStatus, n: int) -> bytes:
    """The one byte that answers ``DLE EOT n``; n that this printer has nothing to say on get the fixed bits alone."""
    answer = _REALTIME_BASE
    if n == 1 and not status.online:
        answer |= _OFFLINE
    for bits, field in _REALTIME.get(n, ()):
        if getattr(status, field):
            answer |= bits
    return bytes([answer])


def queued_answer(status: PrinterStatus, n: int) -> bytes:
    """The one byte that answers ``GS r n``: n = 1 or '1' paper, 2 or '2' drawer; nothing to say on others: 0."""
    answer = 0
    if n in (1, ord("1")):
        answer |= 0x03 if status.paper_near_end else 0
        answer |= 0x0C if status.paper_end else 0
    elif n in (2, ord("2")):
        answer |= 0x01 if status.drawer_pin3_high else 0
    return bytes([answer])


def process_id_answer(process_id: bytes) -> bytes:
    """What answers ``GS ( H`` function 48 once everything before it was printed."""
    return b"\x37\x22" + process_id + b"\x00"


def identity_answer(text: str) -> bytes:
    """What answers ``GS I n`` for n >= 65; at most 80 characters of ASCII."""
    return b"\x5f" + text.encode("ascii", "replace")[:80] + b"\x00"


def epos_status(status: PrinterStatus | None, *, printed: bool) -> int:
    """The ``status`` attribute of an ePOS-Print response; None: nobody can know."""
    if status is None:
        return EPOS_NO_RESPONSE | int.from_bytes(to_asb(UNREACHABLE), "little")
    word = int.from_bytes(to_asb(status), "little")
    return word | EPOS_PRINTED if printed else word


AnswerKind = Literal["asb", "realtime", "queued", "process_id", "identity", "block", "flow", "other"]


class Answer(NamedTuple):
    """One message of a printer. ``block``: another ``37 .. 00`` message; ``flow``: XON or XOFF."""

    kind: AnswerKind
    data: bytes


def kind_of(first: int) -> AnswerKind:
    """Tell from its first byte what a printer is sending (GS a, "Identification of transmitted status")."""
    if first in (0x11, 0x13):
        return "flow"
    if first & 0x93 == 0x10:
        return "asb"
    if first & 0x93 == 0x12:
        return "realtime"
    if first == 0x37:
        return "block"
    if first == 0x5F:
        return "identity"
    return "queued" if first & 0x90 == 0x00 else "other"


class AnswerParser:
    """Cut what a printer sends into its messages, however the bytes arrive. Noise comes out as ``other``."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Answer]:
        """Take bytes; return the messages that are complete. XON/XOFF may stand inside another message."""
        answers: list[Answer] = []
        for byte in data:
            if kind_of(byte) == "flow":
                answers.append(Answer("flow", bytes([byte])))
            else:
                self._buffer.append(byte)
                answers += self._complete()
        return answers

    @property
    def pending(self) -> bytes:
        return bytes(self._buffer)

    def _complete(self) -> list[Answer]:
        """What the buffer holds now that one more byte has come: usually nothing or one message."""
        answers: list[Answer] = []
        while self._buffer:
            kind = kind_of(self._buffer[0])
            size = self._size(kind)
            if size == 0:
                break
            if size < 0:
                kind, size = "other", 1
            data = bytes(self._buffer[:size])
            if kind == "block" and data[1] == 0x22 and size == 7:
                kind = "process_id"
            answers.append(Answer(kind, data))
            del self._buffer[:size]
        return answers

    def _size(self, kind: AnswerKind) -> int:
        """Bytes of the message at the buffer's head; 0 if not all there; -1 if it can't be one."""
        if kind == "asb":
            if any(byte & 0x90 for byte in self._buffer[1:ASB_BYTES]):
                return -1
            return ASB_BYTES if len(self._buffer) >= ASB_BYTES else 0
        if kind in ("block", "identity"):
            end = self._buffer.find(0)
            if end >= 0:
                return end + 1
            return -1 if len(self._buffer) >= MAX_IDENTITY_BYTES else 0
        return 1
