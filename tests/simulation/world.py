"""A virtual clock, and a wire that does to bytes whatever a bad cable, a bad adapter and a bad driver can do."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

from hublink.frame import TYPE_NAMES, FrameReader
from hublink.messages import BY_CODE

HISTORY_FRAMES = 60  # of all lives, for the wire to play again
EVENTS_LIMIT = 200_000  # in one run; more means that two peers chatter without end
DAMAGES = ("lose", "corrupt", "cut", "split", "repeat", "delay", "reorder", "replay", "noise", "text")


class BrokenPromise(AssertionError):
    """An invariant does not hold."""


class World:
    """Time and chance. Everything that happens is called from `run`, in the order of its time."""

    def __init__(self, seed: int, trace: Callable[[str], None] | None = None) -> None:
        self.now = 0.0  # milliseconds
        self.random = random.Random(seed)
        self.trace = trace
        self.happened: Counter[str] = Counter()
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._numbers = count()

    def after(self, delay_ms: float, act: Callable[..., None], *args: Any) -> None:
        assert delay_ms >= 0, "time does not run backwards"
        heapq.heappush(self._agenda, (self.now + delay_ms, next(self._numbers), act, args))

    def run(self, until_ms: float, done: Callable[[], bool]) -> None:
        """Let things happen until that time, or until `done` after one of them."""
        agenda = self._agenda
        for _ in range(EVENTS_LIMIT):
            if done():
                return
            if not agenda or agenda[0][0] > until_ms:
                self.now = max(self.now, until_ms)
                return
            self.now, _, act, args = heapq.heappop(agenda)
            act(*args)
        raise BrokenPromise(f"more than {EVENTS_LIMIT} events: the two chatter without end")

    def say(self, who: str, what: str) -> None:
        """A line of the trace, and a count of what happened (the words before a colon)."""
        self.happened[what.partition(":")[0]] += 1
        if self.trace:
            self.trace(f"{self.now:9.1f} {who:<8} {what}")

    def promise(self, kept: object, what: str) -> None:
        if not kept:
            self.say("BROKEN", what)
            raise BrokenPromise(f"at {self.now:.1f} ms: {what}")


class Wire:
    """One direction. Bytes leave at the line's rate; what is under way stays under way when a peer dies."""

    def __init__(self, world: World, name: str, bytes_per_ms: float, latency_ms: float) -> None:
        self._world = world
        self._name = name
        self._bytes_per_ms = bytes_per_ms
        self._latency_ms = latency_ms
        self._last_arrival = 0.0
        self._history: list[bytes] = []
        self._held: list[bytes] = []
        self.free_at = 0.0
        self.ahead_ms = 0.0  # how far the sender's driver takes bytes ahead of the line
        self.damage_share = 0.0  # of the frames
        self.damages: tuple[str, ...] = ()
        self.jam: str | None = None  # "lose" everything, or "hold" it and let it go later all at once
        self.receiver: Callable[[bytes], None] = lambda data: None

    def takes_more_at(self) -> float:
        """When the driver takes the next frame; what it has taken can't be called back."""
        return max(self.free_at - self.ahead_ms, self._world.now)

    def send(self, coded: bytes) -> None:
        world = self._world
        self.free_at = max(self.free_at, world.now) + len(coded) / self._bytes_per_ms
        if world.trace:
            world.say(self._name, describe(coded))
        if len(self._history) < HISTORY_FRAMES:
            self._history.append(coded)
        elif world.random.random() < 0.1:
            self._history[world.random.randrange(HISTORY_FRAMES)] = coded
        if self.jam is not None:
            if self.jam == "hold":
                self._held.append(coded)
        elif self.damage_share and world.random.random() < self.damage_share:
            damage = world.random.choice(self.damages)
            world.say(self._name, damage)
            self._damage(damage, coded)
        else:
            self._carry(coded)

    def release(self) -> None:
        """The jam is over."""
        self.jam = None
        held, self._held = self._held, []
        for coded in held[-8:]:
            self._carry(coded)

    def clear(self) -> None:
        """The damage is over too."""
        self.damage_share = 0.0
        self.release()

    def _carry(self, data: bytes, extra_ms: float = 0.0) -> None:
        arrival = max(max(self.free_at, self._world.now) + self._latency_ms + extra_ms, self._last_arrival)
        self._last_arrival = arrival
        self._world.after(arrival - self._world.now, self._deliver, data)

    def _deliver(self, data: bytes) -> None:
        self.receiver(data)

    def _damage(self, damage: str, coded: bytes) -> None:
        pick = self._world.random
        if damage == "lose":
            return
        if damage == "corrupt":
            spoilt = bytearray(coded)
            for _ in range(pick.choice((1, 1, 2, 8))):
                spoilt[pick.randrange(len(spoilt))] ^= 1 << pick.randrange(8)
            self._carry(bytes(spoilt))
        elif damage == "cut":
            start = pick.randrange(len(coded))
            self._carry(coded[:start] + coded[start + pick.randrange(1, len(coded)) :])
        elif damage == "split":
            at = pick.randrange(1, len(coded))
            self._carry(coded[:at])
            self._carry(coded[at:], pick.uniform(0, 60))
        elif damage == "repeat":
            for _ in range(pick.choice((2, 2, 3, 6))):
                self._carry(coded)
        elif damage == "delay":
            self._carry(coded, pick.choice((30, 200, 700, 1500)))
        elif damage == "reorder":  # on its own way, where the medium has more than one
            self._world.after(pick.uniform(0, 400), self._deliver, coded)
        elif damage == "replay":
            self._carry(coded)
            for _ in range(pick.choice((1, 3, 10))):
                self._carry(pick.choice(self._history))
        elif damage == "noise":
            self._carry(pick.randbytes(pick.choice((1, 20, 300))))
            self._carry(coded)
        elif damage == "text":
            self._carry(b"Traceback (most recent call last):\r\n  File")
            self._carry(b' "main.py", line 7, in work\r\nOSError: 28\r\n' + coded)


def describe(coded: bytes) -> str:
    """A frame for people: DATA s=7 #12 ack=3 job_data 240 B."""
    words: list[str] = []

    def frame(kind: int, code: int, session: int, sequence: int, ack: int, payload: memoryview) -> None:
        name = ""
        if TYPE_NAMES[kind] == "DATA":
            message = BY_CODE[code]
            values = message.unpack(payload) or ()
            shown = ", ".join(f"{len(value)} B" if isinstance(value, bytes) else str(value) for value in values)
            name = f" #{sequence} {message.name}({shown})"
        words.append(f"{TYPE_NAMES[kind]} s={session}{name} ack={ack}")

    for from_hub in (True, False):
        FrameReader(from_hub, frame, lambda text: None, lambda error: None).feed(coded, len(coded))
    return "frame: " + " ".join(words)
