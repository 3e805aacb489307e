"""Inputs for a target: its seeds and its corpus, spoilt, cut, joined and strewn with words that mean something."""

from __future__ import annotations

import random
from collections.abc import Sequence

PLACES_MAX = 4
JUNK_BYTES_MAX = 40
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF)


class Mutator:
    """The same seed makes the same inputs."""

    def __init__(self, pool: Sequence[bytes], words: Sequence[bytes], input_bytes_max: int, seed: int) -> None:
        self._random = random.Random(seed)
        self._pool = [data for data in pool if data]
        self._words = words
        self._max = input_bytes_max

    def input(self) -> bytes:
        pick = self._random
        if pick.random() < 0.05:
            return pick.randbytes(pick.randrange(self._max // 8))
        data = bytearray(pick.choice(self._pool))
        for _ in range(pick.randrange(1, PLACES_MAX + 1)):
            self._change(data)
        return bytes(data[: self._max])

    def _change(self, data: bytearray) -> None:
        pick = self._random
        at = pick.randrange(len(data) + 1)
        kind = pick.randrange(7)
        if kind == 0:
            data[at : at + 1] = bytes((pick.choice(NUMBERS) if pick.random() < 0.5 else pick.randrange(256),))
        elif kind == 1:
            data[at:at] = pick.choice(self._words)
        elif kind == 2:
            del data[at : at + pick.randrange(1, 20)]
        elif kind == 3:
            data[at:at] = pick.randbytes(pick.randrange(JUNK_BYTES_MAX))
        elif kind == 4:
            data[at:] = pick.choice(self._pool)[pick.randrange(20) :]
        elif kind == 5:
            data[at:at] = data[max(0, at - pick.randrange(1, 60)) : at] * pick.randrange(1, 4)
        else:
            data[at:at] = bytes((pick.choice(NUMBERS),)) * pick.randrange(1, JUNK_BYTES_MAX)
