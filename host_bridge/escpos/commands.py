"""Cut a stream of ESC/POS bytes into commands, however it arrives.

The parser knows how long each command is and nothing of what it means. That is what keeps a job whole: a drawer kick or
a status enquiry inside raster data is only picture, and a command cut off in its middle swallows the next job's bytes.

Names and lengths: Epson, "ESC/POS Application Programming Guide" and "ESC/POS Command Reference" (TM printers). A few
commands that only compatible printers know (ESC B, ESC C, ESC 7, ESC 8, ESC 9) are listed because tills send them.

Theory of operation: a *rule* says how many bytes a command has, as far as what has come tells. The parser asks again
only when that many are there, and never looks at a payload byte by byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

MAX_COMMAND_BYTES: Final = 16 * 1024 * 1024
"""A command that announces more is longer than any job. It is held until this many bytes have come, then given out as
one ``unknown`` command; so the parser's memory has a limit and no payload byte is ever read as a command."""


class Command(NamedTuple):
    """One whole command, or a run of text."""

    name: str  # the manual's name ("ESC @", "GS v 0", "GS ( k"), or "text", "NUL" (a run of them), "unknown"
    data: bytes  # all of it: introducer, parameters, payload
    offset: int  # where it begins in the stream


Rule = Callable[[bytearray, int], int]
"""(buffer, where the command begins) -> size of the whole command, as far as known; negative: no command, drop -n."""


class CommandParser:
    """Incremental: feed it bytes as they come; it answers with the commands that are complete.

    The result does not depend on how the stream was cut, but for runs of text and of NUL, which are given out as far as
    they have come. All ``data`` joined, plus :attr:`pending`, is exactly what was fed.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._wanted = 1  # bytes of buffer before it is worth looking again
        self._offset = 0  # of the buffer's first byte in the stream

    def feed(self, data: bytes) -> list[Command]:
        """Take bytes; return what is complete now."""
        self._buffer += data
        if len(self._buffer) < min(self._wanted, MAX_COMMAND_BYTES):
            return []
        commands: list[Command] = []
        position = 0
        end = len(self._buffer)
        while position < end:
            name, size = self._next(position)
            if size > end - position:
                if end - position < MAX_COMMAND_BYTES:
                    self._wanted = size
                    break
                name, size = "unknown", MAX_COMMAND_BYTES
            commands.append(Command(name, bytes(self._buffer[position : position + size]), self._offset + position))
            position += size
        del self._buffer[:position]
        self._offset += position
        if not self._buffer:
            self._wanted = 1
        return commands

    @property
    def missing_bytes(self) -> int:
        """0 between commands; otherwise how many more bytes the command under way certainly wants."""
        return self._wanted - len(self._buffer) if self._buffer else 0

    @property
    def pending(self) -> bytes:
        """The command under way, as far as it has come."""
        return bytes(self._buffer)

    @property
    def pending_bytes(self) -> int:
        """How many bytes of the command under way have come, without copying them."""
        return len(self._buffer)

    @property
    def pending_name(self) -> str | None:
        """What the command under way is called, as far as its first bytes tell; None between commands."""
        if not self._buffer:
            return None
        return self._next(0)[0]

    @property
    def pending_offset(self) -> int:
        """Where the command under way (or the next one) begins in the stream."""
        return self._offset

    def _next(self, position: int) -> tuple[str, int]:
        """Name and size of what begins at position; a size beyond the buffer means: at least so much, not yet here."""
        buffer = self._buffer
        first = buffer[position]
        if first >= 0x20:
            return "text", _run(_TEXT, buffer, position)
        if first == 0x00:
            return "NUL", _run(_NULS, buffer, position)
        if first not in _INTRODUCERS:
            return _SINGLE.get(first, "unknown"), 1
        if position + 1 >= len(buffer):
            return _INTRODUCERS[first], 2
        second = buffer[position + 1]
        if second in _INTRODUCERS:
            return "unknown", 1  # "ESC ESC @": the first one was a stray
        entry = _TWO_BYTES.get((first, second))
        if entry is None:
            return "unknown", 2
        name, rule = entry
        if rule is None:  # the third byte tells the function
            if position + 2 >= len(buffer):
                return name, 3
            function = _THREE_BYTES.get((first, second, buffer[position + 2]))
            if function is None:
                return "unknown", 3
            name, rule = function
        size = rule(buffer, position)
        return ("unknown", -size) if size < 0 else (name, size)


_TEXT: Final = re.compile(rb"[\x20-\xff]+")
_NULS: Final = re.compile(rb"\x00+")
_SINGLE: Final = {0x09: "HT", 0x0A: "LF", 0x0C: "FF", 0x0D: "CR", 0x18: "CAN"}
_INTRODUCERS: Final = {0x10: "DLE", 0x1B: "ESC", 0x1C: "FS", 0x1D: "GS"}
_CONTROL_CODES: Final = {"DLE": 0x10, "ESC": 0x1B, "FS": 0x1C, "GS": 0x1D} | {
    "EOT": 0x04,
    "ENQ": 0x05,
    "FF": 0x0C,
    "DC4": 0x14,
    "SP": 0x20,
}


def _run(pattern: re.Pattern[bytes], buffer: bytearray, position: int) -> int:
    found = pattern.match(buffer, position)
    assert found is not None  # the caller looked at the first byte
    return found.end() - position


def _le16(buffer: bytearray, index: int) -> int:
    return buffer[index] | buffer[index + 1] << 8


def _fixed(size: int) -> Rule:
    return lambda buffer, position: size


def _payload(header: int, count: Callable[[bytearray, int], int]) -> Rule:
    """A header of so many bytes that tells, through ``count``, how long its payload is."""

    def rule(buffer: bytearray, position: int) -> int:
        if len(buffer) - position < header:
            return header
        return header + count(buffer, position)

    return rule


def _until(header: int, terminator: int, limit: int) -> Rule:
    """A header, then at most ``limit`` bytes up to a terminator; without one the command ends after the limit."""

    def rule(buffer: bytearray, position: int) -> int:
        begin = position + header
        found = buffer.find(terminator, begin, begin + limit + 1)
        if found >= 0:
            return found + 1 - position
        if len(buffer) - begin > limit:
            return header + limit
        return max(len(buffer) - position, header) + 1

    return rule


def _by_parameter(index: int, sizes: dict[int, int], otherwise: int) -> Rule:
    """The byte at ``index`` tells the size; ``otherwise`` for values not listed (negative: no such command)."""

    def rule(buffer: bytearray, position: int) -> int:
        if len(buffer) - position <= index:
            return index + 1
        return sizes.get(buffer[position + index], otherwise)

    return rule


def _bit_image(buffer: bytearray, position: int) -> int:
    """ESC * m nL nH: one byte a column with 8 dots, three with 24."""
    if len(buffer) - position < 3:
        return 3
    mode = buffer[position + 2]
    column_bytes = 1 if mode <= 7 else 3 if 32 <= mode <= 40 else 0
    if not column_bytes:
        return -3
    if len(buffer) - position < 5:
        return 5
    return 5 + column_bytes * _le16(buffer, position + 3)


def _user_characters(buffer: bytearray, position: int) -> int:
    """ESC & y c1 c2, then for each character its width x and y * x bytes."""
    have = len(buffer) - position
    if have < 5:
        return 5
    rows, first, last = buffer[position + 2 : position + 5]
    if last < first:
        return -5
    size = 5
    for _ in range(first, last + 1):
        if have <= size:
            return size + 1
        size += 1 + rows * buffer[position + size]
    return size


def _nv_images(buffer: bytearray, position: int) -> int:
    """FS q n, then n times xL xH yL yH and x * y * 8 bytes."""
    have = len(buffer) - position
    if have < 3:
        return 3
    size = 3
    for _ in range(buffer[position + 2]):
        if have < size + 4:
            return size + 4
        size += 4 + 8 * _le16(buffer, position + size) * _le16(buffer, position + size + 2)
        if size > have:
            return size
    return size


def _barcode(buffer: bytearray, position: int) -> int:
    """GS k m: 0...6 are followed by data and NUL, 65...79 by a count and data."""
    if len(buffer) - position < 3:
        return 3
    system = buffer[position + 2]
    if system <= 6:
        return _BARCODE_NUL(buffer, position)
    if 65 <= system <= 79:
        return _BARCODE_COUNTED(buffer, position)
    return -3


_BARCODE_NUL: Final = _until(3, 0x00, 255)
_BARCODE_COUNTED: Final = _payload(4, lambda b, p: b[p + 3])


def _counter_text(buffer: bytearray, position: int) -> int:
    """GS C ; sa ; sb ; sn ; sr ; sc ; : five decimal numbers, each closed by a semicolon, at most five digits."""
    end = position + 3
    for _ in range(5):
        found = buffer.find(b";", end, end + 6)
        if found < 0:
            if len(buffer) - end >= 6:
                return position - end  # no number: what came so far is nothing
            return len(buffer) - position + 1
        end = found + 1
    return end - position


def _windows_bitmap(buffer: bytearray, position: int) -> int:
    """GS D m fn a kc1 kc2 b c, then a BMP file, which tells its own size in its bytes 2...5."""
    have = len(buffer) - position
    if have < 15:
        return 15
    if buffer[position + 9 : position + 11] != b"BM":
        return -9
    size = _le16(buffer, position + 11) | _le16(buffer, position + 13) << 16
    return 9 + max(size, 6)


_NV_GRAPHICS_WRITE: Final = _payload(10, lambda b, p: _le16(b, p + 8))
_RASTER: Final = _payload(8, lambda b, p: _le16(b, p + 4) * _le16(b, p + 6))
_EXTENDED: Final = _payload(5, lambda b, p: _le16(b, p + 3))  # ESC/FS/GS ( x pL pH

# "(" stands for all functions of the family: their third byte becomes part of the name.
_COMMANDS: Final[dict[str, int | Rule]] = {
    # --- DLE: obeyed by a printer in real time
    "DLE EOT": _by_parameter(2, {7: 4, 8: 4, 18: 4}, 3),
    "DLE ENQ": 3,
    "DLE DC4": _by_parameter(2, {1: 5, 2: 5, 3: 8, 7: 4, 8: 10}, -3),
    # --- ESC
    "ESC FF": 2,
    "ESC SP": 3,
    "ESC !": 3,
    "ESC $": 4,
    "ESC %": 3,
    "ESC &": _user_characters,
    "ESC (": _EXTENDED,
    "ESC *": _bit_image,
    "ESC -": 3,
    "ESC 2": 2,
    "ESC 3": 3,
    "ESC 7": 5,  # compatible printers: heating dots, time, interval
    "ESC 8": 4,  # compatible printers: sleep
    "ESC 9": 3,  # compatible printers: Chinese encoding
    "ESC <": 2,
    "ESC =": 3,
    "ESC ?": 3,
    "ESC @": 2,
    "ESC B": 4,  # compatible printers: beep n times
    "ESC C": 5,  # compatible printers: beep and flash after a cut
    "ESC D": _until(2, 0x00, 32),
    "ESC E": 3,
    "ESC F": 3,
    "ESC G": 3,
    "ESC J": 3,
    "ESC K": 3,
    "ESC L": 2,
    "ESC M": 3,
    "ESC R": 3,
    "ESC S": 2,
    "ESC T": 3,
    "ESC U": 3,
    "ESC V": 3,
    "ESC W": 10,
    "ESC \\": 4,
    "ESC a": 3,
    "ESC c 0": 4,
    "ESC c 1": 4,
    "ESC c 2": 4,
    "ESC c 3": 4,
    "ESC c 4": 4,
    "ESC c 5": 4,
    "ESC c 6": 4,
    "ESC d": 3,
    "ESC e": 3,
    "ESC f": 4,
    "ESC i": 2,
    "ESC m": 2,
    "ESC o": 2,
    "ESC p": 5,
    "ESC q": 2,
    "ESC r": 3,
    "ESC t": 3,
    "ESC u": 3,
    "ESC v": 2,
    "ESC {": 3,
    # --- FS
    "FS !": 3,
    "FS &": 2,
    "FS (": _EXTENDED,
    "FS -": 3,
    "FS .": 2,
    "FS 2": 4 + 72,  # a 24 x 24 character, the printers' Kanji font A
    "FS ?": 4,
    "FS C": 3,
    "FS S": 4,
    "FS W": 3,
    "FS a 0": 4,
    "FS a 1": 3,
    "FS a 2": 3,
    "FS g 1": _NV_GRAPHICS_WRITE,
    "FS g 2": 10,
    "FS p": 4,
    "FS q": _nv_images,
    # --- GS
    "GS ENQ": 2,
    "GS FF": 2,
    "GS !": 3,
    'GS "': 3,
    "GS #": 3,
    "GS $": 4,
    "GS (": _EXTENDED,
    "GS *": _payload(4, lambda b, p: 8 * b[p + 2] * b[p + 3]),
    "GS /": 3,
    "GS 8 L": _payload(7, lambda b, p: _le16(b, p + 3) | _le16(b, p + 5) << 16),
    "GS :": 2,
    "GS <": 2,
    "GS A": 4,
    "GS B": 3,
    "GS C 0": 5,
    "GS C 1": 9,
    "GS C 2": 5,
    "GS C ;": _counter_text,
    "GS D": _windows_bitmap,
    "GS E": 3,
    "GS H": 3,
    "GS I": 3,
    "GS L": 4,
    "GS P": 4,
    "GS Q 0": _RASTER,
    "GS T": 3,
    "GS V": _by_parameter(
        2, dict.fromkeys((0, 1, 48, 49), 3) | dict.fromkeys((65, 66, 97, 98, 103, 104), 4), otherwise=-3
    ),
    "GS W": 4,
    "GS \\": 4,
    "GS ^": 5,
    "GS a": 3,
    "GS b": 3,
    "GS c": 2,
    "GS f": 3,
    "GS g 0": 6,
    "GS g 2": 6,
    "GS h": 3,
    "GS j": 3,
    "GS k": _barcode,
    "GS r": 3,
    "GS v 0": _RASTER,
    "GS w": 3,
    "GS z 0": 5,
}


def _index() -> tuple[
    dict[tuple[int, int], tuple[str, Rule | None]],
    dict[tuple[int, int, int], tuple[str, Rule]],
]:
    """Turn the table of names into look-ups by the first two and three bytes."""
    two: dict[tuple[int, int], tuple[str, Rule | None]] = {}
    three: dict[tuple[int, int, int], tuple[str, Rule]] = {}
    for name, size in _COMMANDS.items():
        rule = _fixed(size) if isinstance(size, int) else size
        codes = [_CONTROL_CODES[word] if word in _CONTROL_CODES else ord(word) for word in name.split(" ")]
        if codes[1:] == [ord("(")]:
            two[codes[0], codes[1]] = (name, None)
            for third in range(256):
                letter = chr(third) if 0x21 <= third <= 0x7E else f"{third:02X}h"
                three[codes[0], codes[1], third] = (f"{name} {letter}", rule)
        elif len(codes) == 3:
            two[codes[0], codes[1]] = (" ".join(name.split(" ")[:2]), None)
            three[codes[0], codes[1], codes[2]] = (name, rule)
        else:
            two[codes[0], codes[1]] = (name, rule)
    return two, three


_TWO_BYTES, _THREE_BYTES = _index()
