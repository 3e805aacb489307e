"""A job's messages: all of its bytes in order, the short ones ending where a command ends, at next to no cost."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_bridge.devices.pieces import Pieces
from host_bridge.escpos.commands import CommandParser
from hublink.frame import PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_OFFERED

FRAME_BYTES = 14  # around each message, on the wire
FULL_BYTES = (PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_OFFERED)


def pieces(data: bytes, full_bytes: int = PAYLOAD_BYTES_MAX, offset: int = 0) -> list[bytes]:
    one = Pieces(data, full_bytes)
    asyncio.run(one.skip(offset))
    found = []
    while piece := one.next():
        found.append(piece)
    return found


def command_ends(data: bytes) -> set[int]:
    return {command.offset + len(command.data) for command in CommandParser().feed(data)} | {0, len(data)}


def receipt(rng: random.Random, lines: int = 200) -> bytes:
    styles = (b"\x1bE\x01", b"\x1bE\x00", b"\x1ba\x01", b"\x1d!\x11", b"")
    text = b"".join(
        rng.choice(styles) + bytes(rng.choices(range(0x20, 0xFF), k=rng.randint(1, 48))) + b"\n" for _ in range(lines)
    )
    return b"\x1b@" + text + b"\x1dV\x42\x00"


PICTURE = b"\x1dv0\x00\x48\x00\xf4\x01" + bytes(36_000)

snippets = st.one_of(
    st.binary(max_size=300),
    st.sampled_from([b"\x1b@", b"\n", PICTURE[: 8 + 72 * 10], b"Tea 2.50\n" * 40, b"\x1d(k\x03\x00\x31\x51\x30"]),
)


@given(st.lists(snippets, max_size=12), st.integers(0, 2000), st.sampled_from(FULL_BYTES))
def test_all_bytes_come_once_in_order_and_a_short_message_ends_where_a_command_ends(
    parts: list[bytes], offset: int, full_bytes: int
) -> None:
    data = b"".join(parts)
    offset = min(offset, len(data))
    found = pieces(data, full_bytes, offset)
    assert b"".join(found) == data[offset:]
    ends = command_ends(data)
    at = offset
    for piece in found:
        at += len(piece)
        assert len(piece) <= full_bytes
        assert len(piece) == full_bytes or at in ends


@pytest.mark.parametrize("full_bytes", FULL_BYTES)
def test_a_text_has_a_boundary_in_each_few_messages_and_a_picture_none_inside(full_bytes: int) -> None:
    text = pieces(receipt(random.Random(1)), full_bytes)
    full = 0
    for piece in text:
        full = full + 1 if len(piece) == full_bytes else 0
        assert full <= 10
    picture = pieces(PICTURE, full_bytes)
    assert [len(piece) for piece in picture[:-1]] == [full_bytes] * (len(PICTURE) // full_bytes)


@pytest.mark.parametrize("full_bytes", FULL_BYTES)
def test_boundaries_cost_a_line_less_than_three_parts_in_a_thousand(full_bytes: int) -> None:
    band = b"\x1dv0\x00\x48\x00\x18\x00" + bytes(72 * 24)
    for data in (receipt(random.Random(2), 2000), PICTURE, band * 20, receipt(random.Random(3), 20) * 9):
        found = pieces(data, full_bytes)
        cost = (len(found) - -(-len(data) // full_bytes)) * FRAME_BYTES / len(data)
        assert cost < 0.003, cost
        assert data is PICTURE or sum(len(piece) < full_bytes for piece in found) > len(data) // (33 * full_bytes)
