"""Two links with a wire of bytes between them and a clock that a test moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hublink.frame import DATA, FrameReader, FrameWriter
from hublink.link import BRIDGE, HUB, TICKS_MASK, Link
from hublink.profile import Profile

SESSION = 77
BOOT_ID = b"boot-one"
Frame = tuple[int, int, int, int, int, bytes]  # type, message, session, sequence, ack, payload


def profile(window: int = 4, ack_delay_ms: int = 20, bulk_window: int | None = None) -> Profile:
    """The UART's times, in an object of the test's own."""
    made = Profile("test", 240, window, 500, 150, 2000, 500, 2000, bulk_window=bulk_window)
    made.ack_delay_ms = ack_delay_ms
    return made


def hello(**changes: Any) -> dict[str, Any]:
    return {
        "hub_id": b"hub-0001",
        "boot_id": BOOT_ID,
        "boots": 3,
        "reset_cause": 1,
        "flags": 0,
        "job": b"\0" * 8,
        "job_phase": 0,
        "job_received_bytes": 0,
        "scan_oldest": 1,
        "scan_next": 1,
        "name": "till 1",
        "board": "virtual",
        "firmware": "0.1.0",
        "crumb": "",
    } | changes


def read(coded: bytes, from_hub: bool) -> list[Frame]:
    """The frames in a stream that must have no errors."""
    frames: list[Frame] = []

    def keep(kind: int, code: int, session: int, sequence: int, ack: int, payload: memoryview) -> None:
        frames.append((kind, code, session, sequence, ack, bytes(payload)))

    def fail(what: Any) -> None:
        raise AssertionError(what)

    FrameReader(from_hub, keep, fail, fail).feed(coded, len(coded))
    return frames


def frames_to_send(link: Link, clock: int) -> list[Frame]:
    """All that it has to say now."""
    coded = b""
    while more := link.data_to_send(clock):
        coded += more
    return read(coded, link.role == HUB)


def forge(
    from_hub: bool, kind: int, code: int = 0, session: int = SESSION, sequence: int = 0, ack: int = 0, data: bytes = b""
) -> bytes:
    return FrameWriter(from_hub).frame(kind, code, session, sequence, ack, data)


class Pair:
    """`lose(from_hub, frame)`: whether this frame is lost; everything that was sent is in `sent`."""

    def __init__(
        self,
        *,
        start_ms: int = 1000,
        window: int = 4,
        bulk_window: int | None = None,
        held: tuple[int, ...] = (),
        **hello_changes: Any,
    ):
        self.now = start_ms
        self.hello = hello(**hello_changes)
        self.hub = Link(HUB, profile(window, 0, bulk_window), hello=lambda: dict(self.hello), held=held)
        self.bridge = Link(BRIDGE, profile(window, bulk_window=bulk_window), session=SESSION, held=held)
        self.lose: Callable[[bool, Frame], bool] = lambda from_hub, frame: False
        self.sent: list[tuple[bool, Frame]] = []
        self.hub_events: list[tuple[Any, ...]] = []
        self.bridge_events: list[tuple[Any, ...]] = []
        self.reading = True
        self.hub.start(self.clock)
        self.bridge.start(self.clock)

    def up(self) -> Pair:
        self.pump()
        assert self.hub.is_up and self.bridge.is_up
        self.hub_events.clear()
        self.bridge_events.clear()
        self.sent.clear()
        return self

    def new_bridge(self, session: int = SESSION + 100) -> None:
        self.bridge = Link(BRIDGE, profile(), session=session)
        self.bridge.start(self.clock)

    def carry(self, from_hub: bool) -> bool:
        """One frame, if there is any to send."""
        source, sink = (self.hub, self.bridge) if from_hub else (self.bridge, self.hub)
        coded = source.data_to_send(self.clock)
        if not coded:
            return False
        (frame,) = read(coded, from_hub)
        self.sent.append((from_hub, frame))
        if not self.lose(from_hub, frame):
            sink.receive(coded, self.clock)
        self.drain()
        return True

    def drain(self) -> None:
        if self.reading:
            take(self.hub, self.hub_events)
            take(self.bridge, self.bridge_events)

    def pump(self, limit: int = 500) -> None:
        """Carry frames until nobody has anything to say. The time stands still."""
        for _ in range(limit):
            if not self.carry(True) and not self.carry(False):
                return
        raise AssertionError("the two never fall silent")

    def advance(self, span_ms: int) -> None:
        """Let time pass, from timer to timer."""
        end = self.now + span_ms
        while True:
            self.pump()
            timers = [t for t in (self.hub.next_timer(self.clock), self.bridge.next_timer(self.clock)) if t is not None]
            step = max(1, min(timers, default=span_ms))
            if self.now + step > end:
                self.now = end
                self.pump()
                return
            self.now += step
            self.hub.handle_timer(self.clock)
            self.bridge.handle_timer(self.clock)
            self.drain()

    @property
    def clock(self) -> int:
        return self.now & TICKS_MASK

    def messages(self, from_hub: bool) -> list[tuple[Any, ...]]:
        """What came of the messages sent by that side: (name, *values)."""
        events = self.bridge_events if from_hub else self.hub_events
        return [(event[1], *event[2]) for event in events if event[0] == "message"]

    def data_sent(self, from_hub: bool) -> list[Frame]:
        return [frame for way, frame in self.sent if way == from_hub and frame[0] == DATA]

    def kinds_sent(self, from_hub: bool) -> list[int]:
        return [frame[0] for way, frame in self.sent if way == from_hub]


def losing(numbers: list[int]) -> Callable[[bool, Frame], bool]:
    """Lose the first data frame to the hub with each of these numbers."""

    def lose(from_hub: bool, frame: Frame) -> bool:
        if from_hub or frame[0] != DATA or frame[3] not in numbers:
            return False
        numbers.remove(frame[3])
        return True

    return lose


def take(link: Link, into: list[tuple[Any, ...]]) -> None:
    while (event := link.next_event()) is not None:
        into.append(event)
