"""Events from inside the bridge to whoever watches: WebSocket clients, the page, the log."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec

from host_bridge.devices import gs1
from host_bridge.devices.gs1 import Gs1
from host_bridge.journal.records import Job, Kick, Scan
from host_bridge.state import FaultState, IndicatorState, LinkState, PrinterState, ScannerState

QUEUE_LIMIT_EVENTS = 1000  # a subscriber that is further behind than this is cut off, and told so


class ScanEvent(msgspec.Struct, frozen=True, kw_only=True, tag="scan"):
    """A barcode for the till. Acknowledge `sequence`, or it comes again after a reconnect."""

    sequence: int
    data: str
    data_hex: str  # the exact bytes
    symbology: str | None
    check_digit_ok: bool | None
    repeat: bool
    read_at: str
    gs1: Gs1 | None = None  # the application identifiers of a GS1 barcode
    redelivered: bool = False

    @classmethod
    def of(cls, scan: Scan, *, redelivered: bool = False) -> ScanEvent:
        return cls(
            sequence=scan.sequence,
            data=scan.data,
            data_hex=scan.raw.hex(),
            symbology=scan.symbology,
            check_digit_ok=scan.check_digit_ok,
            repeat=scan.repeat,
            read_at=datetime.fromtimestamp(scan.read_at, UTC).isoformat(timespec="milliseconds"),
            gs1=gs1.parse(scan.data, scan.symbology),
            redelivered=redelivered,
        )


class ScanSettledEvent(msgspec.Struct, frozen=True, kw_only=True, tag="scan_settled"):
    """A scan left the waiting line: a till acknowledged it, or it expired."""

    sequence: int
    outcome: str  # "delivered" or "expired"


class ScannerEvent(msgspec.Struct, frozen=True, kw_only=True, tag="scanner"):
    """The scanner was switched off or on, or the hub has held it off or let it go."""

    scanner: ScannerState


class JobEvent(msgspec.Struct, frozen=True, kw_only=True, tag="job"):
    job: Job


class DrawerEvent(msgspec.Struct, frozen=True, kw_only=True, tag="drawer"):
    status: str  # DrawerState.status
    kick: Kick | None = None


class PrinterEvent(msgspec.Struct, frozen=True, kw_only=True, tag="printer"):
    printer: PrinterState


class FaultEvent(msgspec.Struct, frozen=True, kw_only=True, tag="fault"):
    active: bool
    fault: FaultState


class LinkEvent(msgspec.Struct, frozen=True, kw_only=True, tag="link"):
    link: LinkState


class IndicatorEvent(msgspec.Struct, frozen=True, kw_only=True, tag="indicator"):
    indicator: IndicatorState


class LightEvent(msgspec.Struct, frozen=True, kw_only=True, tag="light"):
    """The virtual hub's LED changed its light."""

    colour: str  # "#rrggbb"
    at_ms: int


class ReceiptEvent(msgspec.Struct, frozen=True, kw_only=True, tag="receipt"):
    """A receipt came out of the virtual printer."""

    n: int


class VirtualFaultEvent(msgspec.Struct, frozen=True, kw_only=True, tag="virtual_fault"):
    fault: str
    active: bool


Event = (
    ScanEvent
    | ScanSettledEvent
    | ScannerEvent
    | JobEvent
    | DrawerEvent
    | PrinterEvent
    | FaultEvent
    | LinkEvent
    | IndicatorEvent
    | LightEvent
    | ReceiptEvent
    | VirtualFaultEvent
)


class Overflow(Exception):
    """The subscriber read too slowly and was cut off; what it missed is in the journal and in the state."""


class Subscription:
    """One watcher's bounded queue. Iterate it; it ends with :class:`Overflow` if it falls too far behind."""

    def __init__(self, bus: EventBus, limit: int) -> None:
        self._bus = bus
        self._limit = limit
        self._queue: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._overflowed = False

    def offer(self, event: Event) -> None:
        if len(self._queue) >= self._limit:
            self._overflowed = True
            self._bus.drop(self)
        else:
            self._queue.append(event)
        self._wake.set()

    async def next(self) -> Event:
        """Return the next event; raise :class:`Overflow` once the queue has run over."""
        while True:
            if self._overflowed:
                raise Overflow(f"more than {self._limit} events unread")
            if self._queue:
                return self._queue.popleft()
            self._wake.clear()
            await self._wake.wait()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        return await self.next()

    def close(self) -> None:
        self._bus.drop(self)


class EventBus:
    """Fan-out inside one event loop. Publishing never waits for a reader."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    def publish(self, event: Event) -> None:
        for subscription in tuple(self._subscriptions):
            subscription.offer(event)

    def subscribe(self, limit: int = QUEUE_LIMIT_EVENTS) -> Subscription:
        subscription = Subscription(self, limit)
        self._subscriptions.add(subscription)
        return subscription

    def drop(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)
