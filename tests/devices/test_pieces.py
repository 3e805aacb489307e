"""A job's messages: all of its bytes in order, the short ones ending where a command ends, at next to no cost."""

from __future__ import annotations

import asyncio
import random

from hypothesis import given
from hypothesis import strategies as st

from host_bridge.devices.pieces import PIECE_BYTES, Pieces
from host_bridge.escpos.commands import CommandParser

FRAME_BYTES = 14  # around each message, on the wire


def pieces(data: bytes, offset: int = 0) -> list[bytes]:
    one = Pieces(data)
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


@given(st.lists(snippets, max_size=12), st.integers(0, 2000))
def test_all_bytes_come_once_in_order_and_a_short_message_ends_where_a_command_ends(
    parts: list[bytes], offset: int
) -> None:
    data = b"".join(parts)
    offset = min(offset, len(data))
    found = pieces(data, offset)
    assert b"".join(found) == data[offset:]
    ends = command_ends(data)
    at = offset
    for piece in found:
        at += len(piece)
        assert len(piece) <= PIECE_BYTES
        assert len(piece) == PIECE_BYTES or at in ends


def test_a_text_has_a_boundary_in_each_few_messages_and_a_picture_none_inside() -> None:
    text = pieces(receipt(random.Random(1)))
    full = 0
    for piece in text:
        full = full + 1 if len(piece) == PIECE_BYTES else 0
        assert full <= 10
    assert [len(piece) for piece in pieces(PICTURE)[:-1]] == [PIECE_BYTES] * (len(PICTURE) // PIECE_BYTES)


def test_boundaries_cost_a_line_less_than_three_parts_in_a_thousand() -> None:
    band = b"\x1dv0\x00\x48\x00\x18\x00" + bytes(72 * 24)
    for data in (receipt(random.Random(2), 2000), PICTURE, band * 20, receipt(random.Random(3), 20) * 9):
        shortest = -(-len(data) // PIECE_BYTES)
        cost = (len(pieces(data)) - shortest) * FRAME_BYTES / len(data)
        assert cost < 0.003, cost
        assert data is PICTURE or sum(len(piece) < PIECE_BYTES for piece in pieces(data)) > len(data) // 8000
