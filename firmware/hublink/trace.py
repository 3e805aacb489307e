"""The last frames of a link, for who looks into why it went down. A hub keeps none, and does not load this."""

from hublink.frame import TYPE_NAMES


class Trace:
    """So many frames each way: a flood from the peer leaves what was said to it."""

    def __init__(self, frames_max):
        self._frames_max = frames_max
        self._number = 0
        self._kept = {}  # a way: its frames, oldest first, each behind its number

    def add(self, now, way, kind, *rest):
        """`way`: "in" or "out". `rest`: message, session, sequence, ack, payload_bytes."""
        kept = self._kept.setdefault(way, [])
        if len(kept) >= self._frames_max:
            del kept[0]
        self._number += 1
        kept.append((self._number, now, way, TYPE_NAMES[kind]) + rest)

    def frames(self):
        """Of both ways, in the order in which they came and went, which a clock that begins again does not upset."""
        return [numbered[1:] for numbered in sorted(sum(self._kept.values(), []))]
