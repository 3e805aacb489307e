"""COBS with 0x7E as its sentinel."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hublink import cobs

# Bytes as they come, and bytes full of sentinels, alone and in rows, which take other ways through the code.
DATA = st.binary(max_size=600) | st.lists(
    st.sampled_from(
        [b"\x7e", b"\x7e" * 15, b"\x7e" * 16, b"\x7e" * 17, b"\0", b"\x7f", b"a" * 253, b"b" * 254, b"c" * 255]
    ),
    max_size=12,
).map(b"".join)


def encode(data: bytes) -> bytes:
    out = memoryview(bytearray(cobs.encoded_bytes_max(len(data))))
    end = cobs.encode_into(data, len(data), out, 0)
    return bytes(out[:end])


def decode(coded: bytes, room: int = 65_536) -> bytes | None:
    out = bytearray(room)
    length = cobs.decode_into(memoryview(coded), len(coded), memoryview(out))
    return None if length < 0 else bytes(out[:length])


def encode_plainly(data: bytes) -> bytes:
    """COBS as its paper has it (Cheshire & Baker 1999), byte by byte, with the sentinel swapped by XOR."""
    out, run = bytearray(), bytearray()
    for byte in data:
        if byte == 0x7E:
            out += bytes([(len(run) + 1) ^ 0x7E]) + run
            run.clear()
        else:
            run.append(byte)
            if len(run) == 254:
                out += bytes([255 ^ 0x7E]) + run
                run.clear()
    return bytes(out + bytes([(len(run) + 1) ^ 0x7E]) + run)


@given(DATA)
@example(b"")
@example(b"\x7e" * 240)
@example(b"a" * 254)
def test_any_bytes_come_back(data: bytes) -> None:
    assert decode(encode(data)) == data


@given(DATA)
def test_coded_bytes_are_those_of_the_paper_with_the_sentinel_moved(data: bytes) -> None:
    assert encode(data) == encode_plainly(data)


@given(DATA)
def test_coded_bytes_hold_no_sentinel_and_grow_by_no_more_than_told(data: bytes) -> None:
    coded = encode(data)
    assert b"\x7e" not in coded
    assert len(coded) <= cobs.encoded_bytes_max(len(data))


@given(st.binary(max_size=600), st.integers(0, 300))
def test_any_coded_bytes_are_decoded_within_the_room_or_refused(coded: bytes, room: int) -> None:
    out = bytearray(b"\xaa" * (room + 8))
    length = cobs.decode_into(memoryview(coded), len(coded), memoryview(out)[:room])
    assert -1 <= length <= min(room, len(coded))
    assert out[room:] == b"\xaa" * 8


@given(DATA)
def test_exactly_the_room_is_enough_and_one_less_is_refused(data: bytes) -> None:
    coded = encode(data)
    assert decode(coded, len(data)) == data
    if data:
        assert decode(coded, len(data) - 1) is None


@given(DATA, st.integers(1, 8))
def test_a_cut_is_never_read_as_more_than_was_there(data: bytes, lost: int) -> None:
    coded = encode(data)
    kept = decode(coded[: max(0, len(coded) - lost)])
    assert kept is None or data.startswith(kept)


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_only_the_given_part_of_a_longer_buffer_is_coded(data: bytes, behind: bytes, before: bytes) -> None:
    buffer = bytearray(data + behind)
    out = memoryview(bytearray(cobs.encoded_bytes_max(len(data)) + len(before)))
    end = cobs.encode_into(buffer, len(data), out, len(before))
    assert bytes(out[len(before) : end]) == encode(data)


@pytest.mark.parametrize("coded", [b"\x7e", b"\x7c", b"\x81" + b"a" * 253, b"\x7f\x7e", b"\x7d\x7d"])
def test_a_block_that_promises_more_than_follows_is_refused(coded: bytes) -> None:
    assert decode(coded) is None


def steps(work: Callable[[], object]) -> int:
    """How many lines of cobs.py run: on the hub that is what it costs, whatever machine this is."""
    count = 0

    def trace(stack: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        if stack.f_code.co_filename != cobs.__file__:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def test_a_white_raster_costs_no_more_than_random_bytes_and_rows_of_sentinels_a_few_times_as_much() -> None:
    def both_ways(data: bytes) -> int:
        coded = encode(b"\x18header!" + data)
        return steps(lambda: encode(b"\x18header!" + data)) + steps(lambda: decode(coded))

    usual = both_ways(random.Random(1).randbytes(240))
    assert both_ways(bytes(240)) <= usual
    assert both_ways(b"\x7e" * 240) <= 6 * usual
