"""A fuzzer for the frame reader and the link: `python -m tests.hublink.fuzz --inputs 10000000 --seed 1`.

Seeded and without tools, so it runs wherever the tests run; hypothesis looks closer, this one looks further. Inputs
are damaged frames of both directions, long ones too, pieces of frames, rows of the bytes that mean something, and the
corpus; a hub's reader and a bridge's read each of them. `--keep` adds what does something new to the corpus beside it.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

if __package__:
    sys.path[:0] = [str(Path(__file__).parents[2] / "firmware")]

from hublink.frame import DATA, PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_OFFERED, FrameReader, FrameWriter
from hublink.link import BRIDGE, EVENTS_MAX, HUB, Link
from hublink.messages import BY_CODE
from tests.hublink.pair import SESSION, Pair

CORPUS = Path(__file__).parent / "corpus"
MEANINGFUL = b"\x7e\x10\x18\x1b\x0a\x0d\x7f\x7d\x41\xff\x81\x00"
REMEMBERED_BYTES_MAX = 1024
READS_BYTES = (64, 300, 768)  # 64: a transport's least; 768: a hub's reading buffer
CHECK_EVERY = 1000
Mark = tuple[object, ...]


class Fuzzer:
    """Makes inputs, and feeds them to two readers that are never started anew, and to links in a session."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self._readers = self.new_readers()
        self._whole = {from_hub: self._some_frames(from_hub) for from_hub in self._readers}
        self._pool = [*self._whole[True], *self._whole[False]]
        self._pool += (path.read_bytes() for path in sorted(CORPUS.glob("*.bin")))
        self._pool += [b"\x7e", b"Traceback\r\n", b">>> ", b"\n", b"s\x1b\n", b"\x7f" * 40, b"\x80" * 300]

    def new_readers(self) -> dict[bool, FrameReader]:
        """By whether the frames that it takes are the hub's."""
        return {side: FrameReader(side, self._on_frame, self._on_text, self._on_error) for side in (True, False)}

    def _on_frame(self, kind: int, code: int, session: int, sequence: int, ack: int, payload: memoryview) -> None:
        assert len(payload) <= PAYLOAD_BYTES_OFFERED
        self.counts["frames"] += 1
        self.counts["long frames"] += len(payload) > PAYLOAD_BYTES_MAX

    def _on_text(self, text: bytes) -> None:
        assert 0 < len(text) <= REMEMBERED_BYTES_MAX
        self.counts["text"] += 1

    def _on_error(self, name: str) -> None:
        self.counts[name] += 1

    def _some_frames(self, from_hub: bool) -> list[bytes]:
        pick = self._random
        writer = FrameWriter(from_hub)
        longest = PAYLOAD_BYTES_MAX if from_hub else PAYLOAD_BYTES_OFFERED
        payloads = [b"", bytes(240), b"\x7e" * 240, b"\x7e\0" * 100, b"a" * 107 + b"\x7e"]
        payloads += [bytes(longest), b"\x7e" * longest, b"\x7e\0" * (longest // 2)]
        return [
            writer.frame(
                pick.randrange(8),
                pick.randrange(256),
                pick.randrange(1 << 16),
                pick.randrange(1 << 16),
                pick.randrange(1 << 16),
                pick.choice([*payloads, pick.randbytes(pick.randrange(longest + 1))]),
            )
            for _ in range(200)
        ]

    def input(self) -> bytes:
        pick = self._random
        chance = pick.random()
        if chance < 0.2:
            return pick.randbytes(pick.randrange(1, 64))
        if chance < 0.3:
            return bytes([pick.choice(MEANINGFUL)]) * pick.randrange(1, 900)
        if chance < 0.4:
            return bytes(pick.choices(MEANINGFUL, k=pick.randrange(1, 60)))
        data = pick.choice(self._pool)
        if chance < 0.65:
            spoilt = bytearray(data)
            for _ in range(pick.randrange(1, 4)):
                spoilt[pick.randrange(len(spoilt))] = pick.randrange(256)
            return bytes(spoilt)
        if chance < 0.85:
            start = pick.randrange(len(data))
            return data[start : start + pick.randrange(1, len(data) + 1)]
        return data + pick.choice(self._pool) if chance < 0.95 else data

    def feed_readers(self, inputs: int) -> None:
        """So many inputs, to both; nothing crashes or grows, and a reader is back in step within one frame."""
        pick = self._random
        for number in range(inputs):
            data = self.input()
            size = pick.choice(READS_BYTES)
            for from_hub, reader in self._readers.items():
                for at in range(0, len(data), size):
                    piece = data[at : at + size]
                    reader.feed(piece, len(piece))
                    assert reader._filled <= REMEMBERED_BYTES_MAX
                if number % CHECK_EVERY == 0:
                    reader.feed(b"\x7e", 1)
                    before = self.counts["frames"]
                    whole = pick.choice(self._whole[from_hub])
                    reader.feed(whole, len(whole))
                    assert self.counts["frames"] > before, f"a whole frame was not heard after input {number}"

    def feed_links(self, inputs: int) -> None:
        """Frames that carry the session's number, with anything else in them, for both ends of a session."""
        pick = self._random
        writers = {HUB: FrameWriter(False), BRIDGE: FrameWriter(True)}
        codes = [*BY_CODE, 0x0F, 0x5F, 0xFF]
        pair = Pair().up()
        for _ in range(inputs):
            pair.now += pick.choice((0, 0, 1, 30, 600, -50))
            for link in (pair.hub, pair.bridge):
                near = link._expected + pick.choice((0, 0, 0, 1, -1, 2, 0x8000, 300))
                ack = link._send_next - pick.choice((0, 0, 0, 1, -1, 5))
                kind = pick.choice((DATA, DATA, pick.randrange(8)))
                longest = PAYLOAD_BYTES_OFFERED if link.role == HUB else PAYLOAD_BYTES_MAX
                data = pick.randbytes(pick.choice((0, 1, 3, 4, 5, 8, 11, 17, 40, longest)))
                coded = writers[link.role].frame(
                    kind, pick.choice(codes), link._session or SESSION, near & 0xFFFF, ack & 0xFFFF, data
                )
                link.receive(coded, pair.clock)
                self._check(link, pair)
            if not (pair.hub.is_up and pair.bridge.is_up):
                self.counts["sessions"] += 1
                pair = Pair(start_ms=pair.now).up()
            self.counts["link inputs"] += 2

    def _check(self, link: Link, pair: Pair) -> None:
        assert len(link._events) <= EVENTS_MAX
        for _ in range(60):
            if not link.data_to_send(pair.clock):
                break
        else:
            raise AssertionError("one frame is answered without end")
        if self._random.random() < 0.5:
            while link.next_event() is not None:
                pass
        due = link.next_timer(pair.clock)
        assert due is None or due >= 0
        link.handle_timer(pair.clock)
        assert len(link.flight) <= link.profile.window

    def marks(self, data: bytes) -> set[Mark]:
        """What an input does to fresh readers, roughly: one whose marks are all known teaches nothing new."""
        found: set[Mark] = set()
        for from_hub, reader in self.new_readers().items():
            before = self.counts.copy()
            reader.feed(data, len(data))
            done = tuple(sorted(self.counts - before))
            found.add((from_hub, done, reader._skipping, min(reader._filled, 2), reader._filled > 253))
        return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hublink.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="add inputs that do something new to the corpus")
    options = parser.parse_args()
    fuzzer = Fuzzer(options.seed)
    if options.keep:
        keep(fuzzer, options.inputs)
        return 0
    started = time.monotonic()
    fuzzer.feed_readers(options.inputs)
    fuzzer.feed_links(options.inputs // 20)
    print(f"{options.inputs} inputs in {time.monotonic() - started:.0f} s, seed {options.seed}: {dict(fuzzer.counts)}")
    return 0


def keep(fuzzer: Fuzzer, inputs: int) -> None:
    CORPUS.mkdir(exist_ok=True)
    kept = sorted(CORPUS.glob("*.bin"))
    known = {mark for path in kept for mark in fuzzer.marks(path.read_bytes())}
    count = len(kept)
    for _ in range(inputs):
        data = fuzzer.input()
        marks = fuzzer.marks(data)
        if not marks <= known:
            known |= marks
            count += 1
            (CORPUS / f"{count:03}.bin").write_bytes(data)
    print(f"{count} inputs in the corpus")


if __name__ == "__main__":
    raise SystemExit(main())
