"""COBS with 0x7E as its sentinel: any bytes in, the same without 0x7E out, at most 1 byte in 254 longer.

Ordinary COBS removes 0x00, of which a white raster is made; each one costs a step in Python. 0x7E is rare in
receipts, so most frames are coded by one `find` and one slice. Code bytes are XORed with the sentinel, which
keeps them from ever being it (a code is never 0).
"""

SENTINEL = 0x7E
_SENTINEL = b"\x7e"
_RUN_MAX = 254  # a block's longest run of data; its code 255 has no sentinel behind it


def encoded_bytes_max(length):
    """The most bytes that `length` bytes can become."""
    return length + length // _RUN_MAX + 1


def encode_into(data, length, out, at):
    """Code data[:length] (bytes or bytearray) into `out` (memoryview) from `at`; return the end."""
    start = 0
    while True:
        found = data.find(_SENTINEL, start, length)
        end = length if found < 0 else found
        run = end - start
        while run >= _RUN_MAX:
            out[at] = 255 ^ SENTINEL
            out[at + 1 : at + 255] = data[start : start + _RUN_MAX]
            at += 255
            start += _RUN_MAX
            run -= _RUN_MAX
        out[at] = (run + 1) ^ SENTINEL
        out[at + 1 : at + 1 + run] = data[start:end]
        at += run + 1
        if found < 0:
            return at
        start = found + 1


def decode_into(coded, length, out):
    """Undo `encode_into` on the memoryview coded[:length]; return the length in `out`, or -1 if it is no COBS."""
    at = 0
    filled = 0
    room = len(out)
    while at < length:
        code = coded[at] ^ SENTINEL
        end = at + code
        followed = end < length and code != 255  # by a sentinel
        if code == 0 or end > length or filled + code - 1 + followed > room:
            return -1
        out[filled : filled + code - 1] = coded[at + 1 : end]
        filled += code - 1
        if followed:
            out[filled] = SENTINEL
            filled += 1
        at = end
    return filled
