"""What a fuzzer found worth keeping, and a short run of it. The long run: `python -m tests.hublink.fuzz`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from hublink.frame import FrameReader
from tests.hublink.fuzz import CORPUS, Fuzzer
from tests.hublink.test_frame import Heard, write

INPUTS = 20_000
LINK_INPUTS = 1_500
OUTCOMES = ("frames", "long frames", "text", "error_checksum", "error_length", "error_echo")
AFTERWARDS = (3, 0, 7, 1, 2, b"")


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.bin")), ids=lambda path: path.stem)
def test_a_kept_input_is_harmless_whole_and_byte_by_byte(path: Path) -> None:
    data = path.read_bytes()
    for from_hub in (True, False):
        for pieces in ([data], [bytes([byte]) for byte in data], [data[: len(data) // 2], data[len(data) // 2 :]]):
            heard = Heard(from_hub).feed(*pieces)
            assert heard.reader._filled <= 1024
            heard.feed(b"\x7e", write(AFTERWARDS, from_hub=from_hub))
            assert heard.frames[-1] == AFTERWARDS


def test_the_corpus_holds_every_kind_of_outcome() -> None:
    seen: Counter[str] = Counter()
    for path in CORPUS.glob("*.bin"):
        for from_hub in (True, False):
            heard = Heard(from_hub).feed(path.read_bytes())
            long = sum(len(frame[5]) > 240 for frame in heard.frames)
            seen.update({"frames": len(heard.frames), "long frames": long, "text": bool(heard.text), **heard.errors})
    assert all(seen[kind] for kind in OUTCOMES)


def test_thousands_of_inputs_to_a_reader_of_each_side_are_harmless() -> None:
    fuzzer = Fuzzer(1)
    fuzzer.feed_readers(INPUTS)
    assert min(fuzzer.counts[kind] for kind in OUTCOMES) > 100


def test_thousands_of_lying_frames_to_a_session_are_harmless() -> None:
    fuzzer = Fuzzer(1)
    fuzzer.feed_links(LINK_INPUTS)
    assert fuzzer.counts["link inputs"] == 2 * LINK_INPUTS


def test_the_fuzzer_notices_a_reader_that_loses_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FrameReader, "_take", lambda self, segment: False)
    with pytest.raises(AssertionError, match="was not heard"):
        Fuzzer(1).feed_readers(10)
