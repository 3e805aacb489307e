"""COBS with 0x7E as its sentinel: any bytes in, the same without 0x7E out, at most 1 byte in 254 longer.

Ordinary COBS removes 0x00, of which a white raster is made; each one costs a step in Python. 0x7E is rare in
receipts, so most frames are coded by one `find` and one slice. Code bytes are XORed with the sentinel, which
keeps them from ever being it (a code is never 0).
"""

from hublink import const

SENTINEL = const(0x7E)
_SENTINEL = b"\x7e"
_SPAN = const(16)  # sentinels in a row, of which a hostile or unlucky raster is made, are coded so many at a time
_SENTINELS = _SENTINEL * _SPAN
_EMPTY_RUN = const(1 ^ SENTINEL)
_EMPTY_RUNS = bytes((_EMPTY_RUN,)) * _SPAN
_RUN_MAX = const(254)  # a block's longest run of data; its code 255 has no sentinel behind it


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
        if run:
            out[at + 1 : at + 1 + run] = data[start:end]
        at += run + 1
        if found < 0:
            return at
        start = found + 1
        while run == 0 and start + _SPAN <= length and data[start : start + _SPAN] == _SENTINELS:
            out[at : at + _SPAN] = _EMPTY_RUNS
            at += _SPAN
            start += _SPAN


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
        if code > 1:
            out[filled : filled + code - 1] = coded[at + 1 : end]
            filled += code - 1
        if followed:
            out[filled] = SENTINEL
            filled += 1
        at = end
        if code == 1:
            while at + _SPAN < length and filled + _SPAN <= room and coded[at : at + _SPAN] == _EMPTY_RUNS:
                out[filled : filled + _SPAN] = _SENTINELS
                filled += _SPAN
                at += _SPAN
    return filled
