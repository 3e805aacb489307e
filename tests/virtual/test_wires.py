from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_bridge.virtual import wires

FRAMES = st.lists(
    st.builds(wires.Frame, st.sampled_from(sorted(wires.FROM_CHIP)), st.integers(0, 255), st.binary(max_size=300)),
    max_size=20,
)


@given(FRAMES, st.integers(1, 50))
def test_frames_come_out_whole_however_the_bytes_are_cut(frames: list[wires.Frame], step: int) -> None:
    data = b"".join(wires.encode(*frame) for frame in frames)
    decoder = wires.Decoder(wires.FROM_CHIP)
    found = [frame for start in range(0, len(data), step) for frame in decoder.feed(data[start : start + step])]
    assert found == frames


@given(st.binary(max_size=2000))
def test_garbage_is_refused_or_taken_but_never_held_beyond_a_frame(data: bytes) -> None:
    decoder = wires.Decoder(wires.TO_CHIP)
    try:
        frames = decoder.feed(data)
    except wires.WireError:
        return
    assert len(data) - sum(len(frame.payload) + wires.HEADER.size for frame in frames) <= wires.MAX_PAYLOAD_BYTES


def test_a_payload_that_is_too_long_is_refused_by_its_length() -> None:
    with pytest.raises(wires.WireError, match="65536 bytes"):
        wires.encode(wires.UART_TX, 0, bytes(65536))
    assert len(wires.encode(wires.UART_TX, 0, bytes(65535))) == 65539
