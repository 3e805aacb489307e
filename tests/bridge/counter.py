"""A whole counter in virtual time: the bridge's services, the real link on both sides, the hub's own firmware, and a
printer, scanner and drawer at its pins. Everything can be killed at any moment; what came out is kept.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host_bridge.devices.hub import HubDevices
from host_bridge.devices.printer import PrinterOptions
from host_bridge.events import EventBus
from host_bridge.watch.faults import FaultBoard
from hublink.link import BRIDGE, TICKS_MASK
from hublink.link import Link as Protocol
from hublink.profile import PROFILES
from tests.devices.bench import UnreliableJournal, WallClock, open_journal
from tests.firmware.board import Board
from tests.firmware.virtual_time import seconds, the_loop

CLEAR = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"  # DLE DC4 8, real time
LATENCY_S = 0.001
RECONNECT_S = 0.25
SWITCH, SENSE, CTS, KICKS = 16, 10, 6, (14, 15)
BOARD: dict[str, Any] = {
    "name": "virtual",
    "watchdog_ms": 4000,
    "link": {"transport": "uart", "profile": "usb", "uart": 0, "tx": 0, "rx": 1, "baud_rate": 3_000_000},
    "printer": {"uart": 1, "tx": 4, "rx": 5, "cts": CTS, "baud_rate": 115_200},
    "scanner": {"uart": 2, "tx": 8, "rx": 9, "sense": SENSE, "baud_rate": 9600},
    "drawer": {"wiring": "gpio", "kick": list(KICKS), "switch": SWITCH, "switch_closed_level": 1},
}
BOARD["link"] |= {"rx_buffer_bytes": 4096, "tx_buffer_bytes": 4096}


class Printer:
    """Prints what comes, a buffer at a time, and answers in the order of the stream. Without power it forgets."""

    def __init__(self, push: Callable[[bytes], None]) -> None:
        self._push = push
        self.powered, self.paper_end = True, False
        self.paper = bytearray()  # everything that was ever printed, without enquiries
        self._buffer = bytearray()
        self._asb_on = self._printing = False

    def room(self) -> int:
        return max(0, 512 - len(self._buffer)) if self.powered and not self.paper_end else 0

    def take(self, data: bytes) -> None:
        if not self.powered:
            return
        self._buffer += data
        if CLEAR in self._buffer:
            del self._buffer[: self._buffer.index(CLEAR) + len(CLEAR)]
            self._push(b"\x37\x25\0")
        if b"\x10\x04\x01" in self._buffer:
            self._buffer = self._buffer.replace(b"\x10\x04\x01", b"")
            self._push(b"\x1a" if self.paper_end else b"\x12")
        self._start()

    def set_power(self, on: bool) -> None:
        self.powered = on
        if not on:
            self._buffer.clear()
            self._asb_on = False

    def set_paper_end(self, active: bool) -> None:
        self.paper_end = active
        self.tell()
        self._start()

    def tell(self) -> None:
        if self._asb_on and self.powered:
            self._push(b"\x18\x00\x0c\x00" if self.paper_end else b"\x10\x00\x00\x00")

    def _start(self) -> None:
        if not self._printing and self._buffer:
            self._printing = True
            the_loop().call_later(0.002, self._print)

    def _print(self) -> None:
        self._printing = False
        for _ in range(64):
            if not self._buffer or not self.powered:
                break
            if self._buffer.startswith(b"\x1d\x61"):  # GS a, also offline
                if len(self._buffer) < 3:
                    break
                del self._buffer[:3]
                self._asb_on = True
                self.tell()
            elif self.paper_end:
                break
            elif self._buffer.startswith(b"\x1d\x28"):  # GS ( H
                if len(self._buffer) < 11:
                    break
                self._push(b"\x37\x22" + self._buffer[7:11] + b"\0")
                del self._buffer[:11]
            elif self._buffer[0] == 0x1D and len(self._buffer) < 2:
                break
            else:
                self.paper.append(self._buffer.pop(0))
        if len(self._buffer) > 10 or (self._buffer and self._buffer[0] != 0x1D):
            self._start()


class Wire:
    """Stands for host_bridge.hub.reconnect.HubLink: one real protocol object a session, over the board's UART."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._listeners: list[Any] = []
        self._protocol: Protocol | None = None
        self._session = counter.random.randrange(1, 1 << 16)
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._busy = self._again = False
        self.hello: dict[str, Any] | None = None

    def add_listener(self, listener: Any) -> None:
        self._listeners.append(listener)

    def start(self) -> None:
        if not self._closed:
            self._session = self._session % 65535 + 1
            self._protocol = Protocol(BRIDGE, PROFILES["usb"], session=self._session)
            self._protocol.start(self._now())
            self._pump()

    def close(self) -> None:
        """The process is gone: not a word more."""
        self._closed = True
        self._protocol = None
        if self._timer:
            self._timer.cancel()

    @property
    def is_up(self) -> bool:
        return self._protocol is not None and self._protocol.is_up

    def send(self, name: str, *values: object) -> bool:
        if self._protocol is None or not self._protocol.send(name, *values):
            return False
        self._pump()
        return True

    def room(self, channel: int) -> int:
        return self._protocol.room(channel) if self._protocol else 0

    def peer_clock_ms(self) -> int | None:
        return self._protocol.peer_clock_ms(self._now()) if self._protocol else None

    def receive(self, data: bytes) -> None:
        if self._protocol:
            self._protocol.receive(data, self._now())
            self._pump()

    def _pump(self) -> None:
        self._again = True
        if self._busy:
            return
        self._busy = True
        while self._again and self._protocol:
            self._again = False
            while (event := self._next_event()) is not None:
                self._hand_on(event)
            while frame := self._next_frame():
                self._counter.to_hub(frame)
        self._busy = False
        self._set_timer()

    def _next_event(self) -> tuple[Any, ...] | None:
        return self._protocol.next_event() if self._protocol else None

    def _next_frame(self) -> bytes:
        return self._protocol.data_to_send(self._now()) if self._protocol else b""

    def _hand_on(self, event: tuple[Any, ...]) -> None:
        kind = event[0]
        for listener in self._listeners:
            if kind == "up":
                resumed = self.hello is not None and self.hello["boot_id"] == event[1]["boot_id"]
                self.hello = event[1]
                listener.link_up(event[1], resumed)
            elif kind == "message":
                listener.message(event[1], event[2])
            elif kind == "writable":
                listener.writable(event[1])
            elif kind == "down":
                self._protocol = None
                listener.link_down(event[1])
                the_loop().call_later(RECONNECT_S, self.start)

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        due_ms = self._protocol.next_timer(self._now()) if self._protocol else None
        if due_ms is not None:
            self._timer = the_loop().call_later(max(due_ms, 1) / 1000, self._on_timer)

    def _on_timer(self) -> None:
        if self._protocol:
            self._protocol.handle_timer(self._now())
            self._pump()

    def _now(self) -> int:
        return int(the_loop().time() * 1000) & TICKS_MASK


class Counter:
    """Start and kill the bridge and the hub; scan, print and kick."""

    def __init__(self, folder: Path, seed: int = 0, options: PrinterOptions | None = None) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.clock = WallClock()
        self.options = options
        self.cable = True
        self.one_lost_in = 0  # frames each way
        self.board = Board(BOARD, seed)
        self.board.levels |= {SWITCH: 1, SENSE: 1}
        self.printer = Printer(self.board.line(1).push)
        self.board.line(0).take = self._from_hub
        self.board.line(1).take, self.board.line(1).room = self.printer.take, self.printer.room
        self.journal: UnreliableJournal | Any = None
        self.devices: Any = None
        self.wire: Wire | None = None
        self.faults: FaultBoard | None = None

    # -- the bridge ----------------------------------------------------------------------------------------------

    async def start_bridge(self) -> None:
        self.journal = await open_journal(self.folder, self.clock)
        events = EventBus()
        self.faults = FaultBoard(events)
        self.wire = Wire(self)
        wire: Any = self.wire
        self.devices = HubDevices(wire, self.journal, events, self.faults, printer=self.options, expire_ms=10_000)
        self.devices.scans._clock = self.clock
        await self.devices.start()
        self.wire.start()

    async def kill_bridge(self) -> None:
        """Nothing is said, nothing is saved. What the journal's thread has begun, it ends."""
        if self.wire:
            self.wire.close()
            for task in self.devices.tasks():
                task.cancel()
            for task in self.devices.drawers._acting.values():
                task.cancel()
            await asyncio.sleep(0)
            await self.journal.close()
            self.wire = None

    @property
    def is_up(self) -> bool:
        return self.wire is not None and self.wire.is_up

    # -- the wire ------------------------------------------------------------------------------------------------

    def to_hub(self, data: bytes) -> None:
        if self.cable and not self._is_lost():
            self._later(self.board.line(0).push, data)

    def _from_hub(self, data: bytes) -> None:
        if self.cable and self.wire and not self._is_lost():
            self._later(self.wire.receive, data)

    def _later(self, take: Callable[[bytes], None], data: bytes) -> None:
        """In order: the heap of an event loop does not keep it for equal times."""
        now = the_loop().time()
        due = max(now + LATENCY_S, getattr(self, "_due", 0.0) + 1e-6)
        self._due = due
        the_loop().call_at(due, take, data)

    def _is_lost(self) -> bool:
        return self.one_lost_in > 0 and self.random.randrange(self.one_lost_in) == 0

    # -- the counter ---------------------------------------------------------------------------------------------

    async def scan(self, code: bytes) -> None:
        self.board.line(2).push(code + b"\r")
        await seconds(0.02)

    def pulses(self) -> list[tuple[float, float]]:
        return [pulse for pin in KICKS for pulse in self.board.pulses(pin)]
