"""Frames in a stream: found whatever surrounds them, told from text, and never a wrong byte."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hublink import frame
from hublink.frame import FrameReader, FrameWriter

U16 = st.integers(0, 0xFFFF)
PAYLOADS = st.binary(max_size=240) | st.lists(st.sampled_from([b"\x7e", b"\0", b"\n", b"a"]), max_size=240).map(
    b"".join
)
LONG_PAYLOADS = st.binary(min_size=200, max_size=748) | st.integers(1, 254).map(
    lambda size: b"ab\x7e" * 160 + bytes(size)
)
HEADERS = (st.integers(0, 7), st.integers(0, 255), U16, U16, U16)
FRAMES = st.tuples(*HEADERS, PAYLOADS)
LONG_FRAMES = st.tuples(*HEADERS, LONG_PAYLOADS)
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_characters="~"), min_size=1, max_size=60)


class Heard:
    """A reader and what it handed on."""

    def __init__(self, from_hub: bool = True) -> None:
        self.frames: list[tuple[Any, ...]] = []
        self.text = b""
        self.errors: Counter[str] = Counter()
        self.reader = FrameReader(from_hub, self._on_frame, self._on_text, self._count)

    def _on_frame(self, kind: int, code: int, session: int, sequence: int, ack: int, payload: memoryview) -> None:
        self.frames.append((kind, code, session, sequence, ack, bytes(payload)))

    def _on_text(self, text: bytes) -> None:
        self.text += text

    def _count(self, name: str) -> None:
        self.errors[name] += 1

    def feed(self, *chunks: bytes) -> Heard:
        for chunk in chunks:
            self.reader.feed(chunk, len(chunk))
        return self


def write(*frames: tuple[Any, ...], from_hub: bool = True) -> bytes:
    writer = FrameWriter(from_hub)
    return b"".join(writer.frame(*one) for one in frames)


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@given(st.lists(FRAMES, max_size=5), st.booleans())
def test_frames_come_back_as_they_were_sent(frames: list[tuple[Any, ...]], from_hub: bool) -> None:
    heard = Heard(from_hub).feed(write(*frames, from_hub=from_hub))
    assert heard.frames == frames
    assert not heard.errors and not heard.text


@given(st.lists(FRAMES, min_size=1, max_size=4), st.lists(st.integers(0, 2000), max_size=12))
@example([(2, 0x41, 7, 1, 0, b"a" * 107 + b"\x7e")], [2])  # the code byte is a line feed, and the chunk ends behind it
@example([(3, 0x0A, 7, 1, 0, b"")], [4])  # the hub's ACK is ESC, and a line feed follows it
def test_it_does_not_matter_where_the_stream_is_cut(frames: list[tuple[Any, ...]], cuts: list[int]) -> None:
    heard = Heard().feed(*chunks(write(*frames), cuts))
    assert heard.frames == frames
    assert not heard.errors and not heard.text


@given(st.lists(FRAMES | LONG_FRAMES, min_size=1, max_size=4), st.lists(st.integers(0, 2200), max_size=12))
@example([(2, 0x41, 7, 1, 0, b"a" * 748)] * 2, [254, 255, 256, 510, 764, 765, 766])
def test_a_bridge_s_long_frames_come_back_wherever_they_are_cut(frames: list[tuple[Any, ...]], cuts: list[int]) -> None:
    heard = Heard(from_hub=False).feed(*chunks(write(*frames, from_hub=False), cuts))
    assert heard.frames == frames
    assert not heard.errors and not heard.text


@given(st.lists(FRAMES, min_size=1, max_size=2))
def test_frames_are_found_byte_by_byte(frames: list[tuple[Any, ...]]) -> None:
    assert Heard().feed(*(bytes([byte]) for byte in write(*frames))).frames == frames


@given(st.lists(FRAMES, max_size=3), st.lists(st.integers(1, 90), min_size=4, max_size=4))
def test_filling_between_frames_is_nothing(frames: list[tuple[Any, ...]], fillings: list[int]) -> None:
    stream = b"".join(b"\x7e" * fill + write(one) for one, fill in zip(frames, fillings, strict=False))
    heard = Heard().feed(stream + b"\x7e" * 64)
    assert heard.frames == frames
    assert not heard.errors


@given(st.lists(st.binary(max_size=400), max_size=8))
def test_any_bytes_are_harmless_and_the_next_frame_is_heard(noise: list[bytes]) -> None:
    heard = Heard().feed(*noise)
    heard.feed(b"\x7e", write((3, 0, 7, 1, 2, b"")))
    assert heard.frames[-1] == (3, 0, 7, 1, 2, b"")


@given(FRAMES, st.data())
def test_a_damaged_frame_is_never_taken_for_a_whole_one(one: tuple[Any, ...], data: st.DataObject) -> None:
    coded = bytearray(write(one))
    at = data.draw(st.integers(1, len(coded) - 2))
    coded[at] ^= data.draw(st.integers(1, 255))
    heard = Heard().feed(bytes(coded), write((3, 0, 7, 1, 2, b"")))
    assert heard.frames == [(3, 0, 7, 1, 2, b"")]
    assert heard.errors or heard.text


@given(FRAMES, st.data())
def test_a_frame_with_bytes_missing_is_counted_and_the_next_is_heard(one: tuple[Any, ...], data: st.DataObject) -> None:
    coded = write(one)
    start = data.draw(st.integers(1, len(coded) - 3))
    end = data.draw(st.integers(start + 1, len(coded) - 1))
    heard = Heard().feed(coded[:start] + coded[end:], write((3, 0, 7, 1, 2, b"")))
    assert heard.frames[-1] == (3, 0, 7, 1, 2, b"")
    assert len(heard.frames) == 1


@given(TEXT, FRAMES)
def test_a_line_before_and_after_a_frame_is_text(words: str, one: tuple[Any, ...]) -> None:
    line = words.encode() + b"\r\n"
    heard = Heard().feed(line + write(one) + line)
    assert heard.frames == [one]
    assert heard.text == line + line
    assert not heard.errors


def test_a_traceback_is_handed_on_line_by_line_and_a_prompt_at_once() -> None:
    heard = Heard().feed(b"Traceback (most recent call last):\r\n")
    assert heard.text.endswith(b"last):\r\n")
    heard.feed(b'  File "main.py", line 3\r\n', b"OSError: 28\r\n", b">>> ")
    assert heard.text.endswith(b"OSError: 28\r\n>>> ")
    assert not heard.errors


def test_an_endless_line_is_handed_on_in_pieces() -> None:
    heard = Heard().feed(*[b"x" * 100] * 30)
    assert len(heard.text) == 2 * 1024
    assert not heard.errors


def test_endless_noise_is_one_error_and_is_not_kept() -> None:
    heard = Heard()
    noise = bytes(range(1, 32)) * 8
    tracemalloc.start()
    try:
        heard.feed(noise)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(400):
            heard.feed(noise)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 2000
    assert heard.errors == {"error_length": 1}
    assert heard.feed(b"\x7e", write((3, 0, 7, 1, 2, b""))).frames == [(3, 0, 7, 1, 2, b"")]


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (write((2, 0, 1, 2, 3, b"abc"), from_hub=False), "error_echo"),
        (b"\x7e\x70\x15\0\0\0\0\0\0\0\x7e", "error_length"),
        (b"\x7e\x73\x12\0\0\0\0\0\0\0\1\2\3\4\x7e", "error_checksum"),
    ],
)
def test_errors_are_counted_by_kind(stream: bytes, error: str) -> None:
    heard = Heard().feed(stream)
    assert heard.errors == {error: 1}
    assert heard.frames == []


def test_a_frame_of_another_framing_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "FRAMING_VERSION", 2)
    coded = write((0, 0, 0, 0, 0, b""))
    monkeypatch.undo()
    assert Heard().feed(coded).errors == {"error_version": 1}


def test_a_payload_too_long_for_a_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="241 bytes; at most 240"):
        write((2, 0, 1, 1, 1, b"x" * 241))
    with pytest.raises(ValueError, match="749 bytes; at most 748"):
        write((2, 0, 1, 1, 1, b"x" * 749), from_hub=False)


def test_the_longest_frame_fits_whatever_is_in_it() -> None:
    for content in (b"\x7e", b"\0", b"a", b"\x7ea"):
        for size, from_hub in ((240, True), (748, False)):
            payload = (content * size)[:size]
            coded = write((2, 0, 1, 1, 1, payload), from_hub=from_hub)
            assert len(coded) <= 768 and len(coded) <= frame.CODED_BYTES_MAX + 2
            assert Heard(from_hub).feed(coded).frames[0][5] == payload


def test_the_second_byte_of_a_frame_is_always_its_kind() -> None:
    for kind in range(8):
        for from_hub in (False, True):
            coded = write((kind, 0x7E, 0x7E7E, 0x7E7E, 0x7E7E, b"\x7e" * 9), from_hub=from_hub)
            assert 0x10 <= coded[2] <= 0x1F
