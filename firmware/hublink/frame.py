"""Frames: `kind 1 | message 1 | session 2 | sequence 2 | ack 2 | payload 0…748 | crc32 4`, little-endian.

`kind` is framing version (4 bits), sender (1 bit, so that an echo is never taken for an answer), type (3 bits).
It lies between 0x10 and 0x1F, where no text has a byte: that is how text on the stream is told from a frame.
Each frame is COBS-coded and stands between two delimiters; empty space between delimiters is filling.
"""

from binascii import crc32
from struct import pack_into, unpack_from

from hublink import cobs, const

FRAMING_VERSION = const(1)
HELLO, OPEN, DATA, ACK, NAK, PING, PONG, CLOSE = range(8)
TYPE_NAMES = ("HELLO", "OPEN", "DATA", "ACK", "NAK", "PING", "PONG", "CLOSE")

DELIMITER = b"\x7e"
PAYLOAD_BYTES_MAX = const(240)  # what every receiver takes
PAYLOAD_BYTES_OFFERED = const(748)  # what one may offer to take: with both delimiters the frame fits a read of 768
HEADER = "<BBHHH"
HEADER_BYTES = const(8)
CRC_BYTES = const(4)
_CRC_RESIDUE = const(0x2144DF1C)  # CRC-32 over anything and its own CRC-32
RAW_BYTES_MIN = const(HEADER_BYTES + CRC_BYTES)
RAW_BYTES_MAX = const(HEADER_BYTES + PAYLOAD_BYTES_OFFERED + CRC_BYTES)
CODED_BYTES_MAX = const(RAW_BYTES_MAX + RAW_BYTES_MAX // 254 + 1)
_SENTINEL = const(0x7E)  # cobs.SENTINEL
_FROM_HUB = const(0x08)
_ESCAPE = FRAMING_VERSION << 4 | _FROM_HUB | ACK  # the one kind that text may hold as well
_RUNS_FOLLOWED = const(8)
_TEXT_BYTES_MAX = const(1024)  # an unfinished line is handed on when it gets this long


class FrameWriter:
    """Builds frames for one sender, in buffers that it keeps; a hub's have PAYLOAD_BYTES_MAX at most."""

    def __init__(self, from_hub):
        self._payload_bytes = PAYLOAD_BYTES_MAX if from_hub else PAYLOAD_BYTES_OFFERED
        raw_bytes = HEADER_BYTES + self._payload_bytes + CRC_BYTES
        self._kind = FRAMING_VERSION << 4 | (_FROM_HUB if from_hub else 0)
        self._raw = bytearray(raw_bytes)
        self._coded = bytearray(cobs.encoded_bytes_max(raw_bytes) + 2)
        self._view = memoryview(self._coded)
        self._coded[0] = _SENTINEL

    def frame(self, kind, message, session, sequence, ack, payload):
        """One coded frame with a delimiter on either side, as bytes. ValueError if the payload is too long."""
        length = len(payload)
        if length > self._payload_bytes:
            raise ValueError("payload of %d bytes; at most %d fit a frame" % (length, self._payload_bytes))
        raw = self._raw
        pack_into(HEADER, raw, 0, self._kind | kind, message, session, sequence, ack)
        end = HEADER_BYTES + length
        raw[HEADER_BYTES:end] = payload
        raw[end : end + CRC_BYTES] = b"\0\0\0\0"
        checksum = crc32(memoryview(raw)[:end])
        pack_into("<I", raw, end, checksum)
        at = cobs.encode_into(raw, end + CRC_BYTES, self._view, 1)
        self._coded[at] = _SENTINEL
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
        view = memoryview(data)
        start = 0
        while start < length:
            if not self._filled and not self._skipping:
                while start < length and data[start] == _SENTINEL:  # filling
                    start += 1
                at = start  # of the delimiter behind the frame that begins here, by the lengths of its first runs:
                for _ in range(_RUNS_FOLLOWED):  # ten times cheaper on an RP2040 than a search
                    code = data[at] ^ _SENTINEL if at < length else 0
                    if not code:
                        break
                    at += code
                if start < at < length and not code and self._take(view[start:at]):  # the checksum says if it is right
                    start = at + 1
                    continue
            found = data.find(DELIMITER, start, length)
            if found < 0:
                if start < length:
                    self._extend(view, start, length)
                break
            self._extend(view, start, found)
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
        elif filled and not self._take(self._view[:filled]):
            self._drop(filled)

    def _take(self, segment):
        """Hand on the frame that a segment holds; False if it holds none."""
        length = len(segment)
        if segment[0] ^ _SENTINEL == length:  # one run: nothing to undo
            raw = segment[1:]
            length -= 1
        else:
            length = cobs.decode_into(segment, length, self._raw_view)
            raw = self._raw_view[: max(0, length)]
        if not RAW_BYTES_MIN <= length <= RAW_BYTES_MAX or crc32(raw) != _CRC_RESIDUE:
            return False
        kind, message, session, sequence, ack = unpack_from(HEADER, raw, 0)
        if kind & 0xF8 == self._kind:
            self._on_frame(kind & 7, message, session, sequence, ack, raw[HEADER_BYTES : length - CRC_BYTES])
        else:
            self._count("error_version" if kind >> 4 != FRAMING_VERSION else "error_echo")
        return True

    def _drop(self, filled):
        """The segment is no frame: text, or damaged."""
        self._filled = filled
        if self._looks_like_text():
            self._hand_on_text()
            return
        self._filled = 0
        raw_bytes = cobs.decode_into(self._view, filled, self._raw_view)
        self._count("error_length" if raw_bytes < RAW_BYTES_MIN else "error_checksum")

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
