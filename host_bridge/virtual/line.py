"""One direction of a serial line: bytes leave one by one at the baud rate, and stop where the receiver says stop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

SLICE_S: Final = 0.004  # a busy line wakes the loop this often, and delivers what passed meanwhile
WHOLE_MS: Final = 70  # a burst up to so long, as a scan or a status is, arrives whole, at its end: see `whole_ms`
QUEUE_LIMIT_BYTES: Final = 128 * 1024  # above any ring of the chip; what comes beyond is dropped and counted
BAUD_TOLERANCE: Final = (
    0.04  # a UART reads a byte right while the clocks differ by less (half a bit in ten, both sides)
)


class Handle(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """An event loop, or a test's own time."""

    def time(self) -> float: ...

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Handle: ...


class Line:
    """`deliver` gets the bytes as they arrive, `sent` how many of the credited ones have left the sender.

    `whole_ms`: a burst that takes no longer is delivered in one piece when its last byte has left. A wire has no pauses
    within a burst, but the process that plays it may be held up, and a pause tells a hub that a scan is over.
    """

    def __init__(
        self,
        clock: Clock,
        deliver: Callable[[bytes], None],
        *,
        sent: Callable[[int], None] | None = None,
        room: Callable[[], int] | None = None,
        baud: int = 0,
        whole_ms: int = 0,
    ) -> None:
        self.dropped_bytes = 0
        self.carried_bytes = 0
        self.room = room  # None: no flow control; else how many bytes the receiver takes now, 0: stop
        self._clock = clock
        self._deliver = deliver
        self._sent = sent
        self._byte_s = 10 / baud if baud else 0.0
        self._queue: deque[tuple[bytes, bool]] = deque()
        self._queued = 0
        self._whole_s = whole_ms / 1000
        self._whole_at = 0.0  # when the burst under way has left
        self._next_at = 0.0  # when the byte that is leaving has left
        self._timer: Handle | None = None
        self._stopped = False
        self._running = False

    @property
    def queued_bytes(self) -> int:
        return self._queued

    def set_baud(self, baud: int) -> None:
        """0: no limit."""
        self._byte_s = 10 / baud if baud else 0.0

    def push(self, data: bytes, *, credited: bool = False) -> None:
        """Hand bytes to the sender. Those above the limit are dropped."""
        kept = data[: max(0, QUEUE_LIMIT_BYTES - self._queued)]
        self.dropped_bytes += len(data) - len(kept)
        if not kept:
            return
        self._queue.append((bytes(kept), credited))
        self._queued += len(kept)
        if self._timer is None and not self._stopped and not self._running:
            self._next_at = self._clock.time() + self._byte_s
            if len(kept) * self._byte_s <= self._whole_s:
                self._whole_at = (
                    self._next_at + (len(kept) - 0.9) * self._byte_s
                )  # not a rounding error before the last
            self._run()

    def resume(self) -> None:
        """The receiver may have room again."""
        if self._stopped:
            self._stopped = False
            self._next_at = self._clock.time() + self._byte_s
            self._run()

    def clear(self) -> None:
        """The sender lost its power or was reset."""
        self._queue.clear()
        self._queued = 0
        self._whole_at = 0.0
        self._stopped = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        if self._running:  # a delivery may push or resume this line again
            return
        self._running = True
        try:
            self._timer = None
            while self._queued and self._carry():
                pass
        finally:
            self._running = False
        if self._queued and not self._stopped:
            now = self._clock.time()
            all_gone = self._next_at + (self._queued - 1) * self._byte_s
            due = max(self._next_at, self._whole_at, min(all_gone, now + SLICE_S))
            self._timer = self._clock.call_at(due, self._run)

    def _carry(self) -> bool:
        """Deliver what is due. False: nothing more now."""
        due = self._due()
        if not due:
            return False
        if self.room is not None:
            allowed = self.room()
            if allowed <= 0:
                self._stopped = True
                return False
            due = min(due, allowed)
        self._next_at += due * self._byte_s
        data, credited = self._take(due)
        self.carried_bytes += len(data)
        if credited and self._sent is not None:
            self._sent(credited)
        self._deliver(data)
        return True

    def _due(self) -> int:
        if not self._byte_s:
            return self._queued
        now = self._clock.time()
        late_s = now - self._next_at
        return 0 if late_s < 0 or now < self._whole_at else min(self._queued, int(late_s / self._byte_s) + 1)

    def _take(self, count: int) -> tuple[bytes, int]:
        parts = []
        credited = 0
        self._queued -= count
        while count:
            data, is_credited = self._queue.popleft()
            if len(data) > count:
                self._queue.appendleft((data[count:], is_credited))
                data = data[:count]
            parts.append(data)
            count -= len(data)
            credited += len(data) if is_credited else 0
        return b"".join(parts), credited


def garble(data: bytes) -> bytes:
    """What a UART reads that listens at another speed: the same number of wrong bytes."""
    return bytes((byte * 37 + 0x55) & 0xFF | 0x80 for byte in data)


def speeds_agree(one: int, other: int) -> bool:
    return abs(one - other) <= BAUD_TOLERANCE * other
