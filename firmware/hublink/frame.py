"""Frames: `kind 1 | message 1 | session 2 | sequence 2 | ack 2 | payload 0…240 | crc32 4`, little-endian.

`kind` is framing version (4 bits), sender (1 bit, so that an echo is never taken for an answer), type (3 bits).
It lies between 0x10 and 0x1F, where no text has a byte: that is how text on the stream is told from a frame.
Each frame is COBS-coded and stands between two delimiters; empty space between delimiters is filling.
"""

import struct
from binascii import crc32

from hublink import cobs

FRAMING_VERSION = 1
HELLO, OPEN, DATA, ACK, NAK, PING, PONG, CLOSE = range(8)
TYPE_NAMES = ("HELLO", "OPEN", "DATA", "ACK", "NAK", "PING", "PONG", "CLOSE")

DELIMITER = b"\x7e"
PAYLOAD_BYTES_MAX = 240
HEADER = "<BBHHH"
HEADER_BYTES = 8
CRC_BYTES = 4
RAW_BYTES_MIN = HEADER_BYTES + CRC_BYTES
RAW_BYTES_MAX = HEADER_BYTES + PAYLOAD_BYTES_MAX + CRC_BYTES
CODED_BYTES_MAX = RAW_BYTES_MAX + RAW_BYTES_MAX // 254 + 1
_FROM_HUB = 0x08
_ESCAPE = FRAMING_VERSION << 4 | _FROM_HUB | ACK  # the one kind that text may hold as well
_TEXT_BYTES_MAX = 1024  # an unfinished line is handed on when it gets this long


class FrameWriter:
    """Builds frames for one sender, in buffers that it keeps."""

    def __init__(self, from_hub):
        self._kind = FRAMING_VERSION << 4 | (_FROM_HUB if from_hub else 0)
        self._raw = bytearray(RAW_BYTES_MAX)
        self._coded = bytearray(CODED_BYTES_MAX + 2)
        self._view = memoryview(self._coded)
        self._coded[0] = cobs.SENTINEL

    def frame(self, kind, message, session, sequence, ack, payload):
        """One coded frame with a delimiter on either side, as bytes. ValueError if the payload is too long."""
        length = len(payload)
        if length > PAYLOAD_BYTES_MAX:
            raise ValueError("payload of %d bytes; at most %d fit a frame" % (length, PAYLOAD_BYTES_MAX))
        raw = self._raw
        struct.pack_into(HEADER, raw, 0, self._kind | kind, message, session, sequence, ack)
        end = HEADER_BYTES + length
        raw[HEADER_BYTES:end] = payload
        raw[end : end + CRC_BYTES] = b"\0\0\0\0"
        checksum = crc32(memoryview(raw)[:end])
        struct.pack_into("<I", raw, end, checksum)
        at = cobs.encode_into(raw, end + CRC_BYTES, self._view, 1)
        self._coded[at] = cobs.SENTINEL
        return bytes(self._view[: at + 1])


class FrameReader:
    """Takes a stream apart into frames, text and errors. Remembers at most one unfinished frame or line."""

    def __init__(self, from_hub, on_frame, on_text, count):
        """`on_frame(type, message, session, sequence, ack, payload)`: the payload is a memoryview that lives
        only during the call. `on_text(bytes)`; `count(name)` for each kind of error."""
        self._kind = FRAMING_VERSION << 4 | (_FROM_HUB if from_hub else 0)
        self._on_frame = on_frame
        self._on_text = on_text
        self._count = count
        self._segment = bytearray(_TEXT_BYTES_MAX)
        self._view = memoryview(self._segment)
        self._raw = bytearray(RAW_BYTES_MAX)
        self._raw_view = memoryview(self._raw)
        self._filled = 0
        self._skipping = False

    def feed(self, data, length):
        """Take data[:length], bytes or bytearray."""
        start = 0
        while start < length:
            found = data.find(DELIMITER, start, length)
            end = length if found < 0 else found
            if end > start:
                self._extend(data, start, end)
            if found < 0:
                break
            self._finish()
            start = found + 1
        # A frame's second byte tells it from text; one byte alone, and the hub's ACK (ESC), may still be either.
        if self._filled > 1 and self._segment[1] != _ESCAPE and _ends_like_text(self._segment, self._filled):
            if self._looks_like_text():
                self._hand_on_text()

    def _extend(self, data, start, end):
        """Add data[start:end] to the segment; a segment that no frame can fill is text or is skipped."""
        while start < end and not self._skipping:
            step = min(end - start, _TEXT_BYTES_MAX - self._filled)
            self._view[self._filled : self._filled + step] = data[start : start + step]
            self._filled += step
            start += step
            if self._filled > CODED_BYTES_MAX and not self._looks_like_text():
                self._count("error_length")
                self._filled = 0
                self._skipping = True
            elif self._filled == _TEXT_BYTES_MAX:
                self._hand_on_text()

    def _finish(self):
        """A delimiter: what stands in the segment is a frame, text, or damaged."""
        filled = self._filled
        self._filled = 0
        if self._skipping:
            self._skipping = False
            return
        if not filled:
            return
        raw_bytes = cobs.decode_into(self._view, filled, self._raw_view)
        if raw_bytes >= RAW_BYTES_MIN and self._checksum_fits(raw_bytes):
            self._hand_on_frame(raw_bytes)
            return
        self._filled = filled
        if self._looks_like_text():
            self._hand_on_text()
        else:
            self._filled = 0
            self._count("error_length" if raw_bytes < RAW_BYTES_MIN else "error_checksum")

    def _checksum_fits(self, raw_bytes):
        end = raw_bytes - CRC_BYTES
        return struct.unpack_from("<I", self._raw, end)[0] == crc32(self._raw_view[:end])

    def _hand_on_frame(self, raw_bytes):
        kind, message, session, sequence, ack = struct.unpack_from(HEADER, self._raw, 0)
        if kind & 0xF8 != self._kind:
            self._count("error_version" if kind >> 4 != FRAMING_VERSION else "error_echo")
            return
        payload = self._raw_view[HEADER_BYTES : raw_bytes - CRC_BYTES]
        self._on_frame(kind & 7, message, session, sequence, ack, payload)

    def _looks_like_text(self):
        """No frame: its second byte is its kind, 0x10…0x1F. Text has no control character but TAB, LF, CR, ESC."""
        segment = self._view[: self._filled]
        if min(segment) >= 0x20:
            return True
        for byte in segment:
            if byte < 0x20 and byte not in b"\t\n\r\x1b":
                return False
        return True

    def _hand_on_text(self):
        text = bytes(self._view[: self._filled])
        self._filled = 0
        self._on_text(text)


def _ends_like_text(segment, filled):
    """A finished line, or the prompt of a REPL, which no delimiter will ever follow."""
    return segment[filled - 1] == 0x0A or bytes(segment[max(0, filled - 4) : filled]) == b">>> "
