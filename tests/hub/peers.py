"""The other end of the line: pseudo-terminals, a hub made of the real link, a transport without a driver."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import tty
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from host_bridge.hub.transport import LineStep, Receiver, TransportError
from hublink.link import HUB, Link
from hublink.paths import Paths
from hublink.profile import USB, Profile

HELLO_MS = 10  # the real beacon's 500 ms would make up most of a test's time
WAIT_S = 20.0  # a promise that isn't kept by then isn't kept


async def until(condition: Callable[[], object], wait_s: float = WAIT_S) -> None:
    """Wait for a condition that threads or other tasks bring about."""
    async with asyncio.timeout(wait_s):
        while not condition():
            await asyncio.sleep(0.001)


async def within(awaitable: Awaitable[Any], wait_s: float = WAIT_S) -> Any:
    async with asyncio.timeout(wait_s):
        return await awaitable


class Pty:
    """A pseudo-terminal under a stable path; ``vanish`` is what pulling the plug does to a serial port."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.master = -1
        self.plug_in()

    def plug_in(self) -> None:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(self.master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(slave))
        os.close(slave)

    def vanish(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1
        self.path.unlink(missing_ok=True)

    def read(self) -> bytes:
        """What has come so far; b"" when nothing has, or nobody has the other end open."""
        try:
            return os.read(self.master, 65536)
        except (BlockingIOError, OSError):
            return b""

    def write(self, data: bytes) -> int:
        try:
            return os.write(self.master, data)
        except BlockingIOError:
            return 0


def hello(boot_id: bytes = b"boot-001", hub_id: bytes = b"hub-0001") -> dict[str, Any]:
    return {
        "hub_id": hub_id,
        "boot_id": boot_id,
        "boots": 7,
        "reset_cause": 1,
        "flags": 0,
        "job": bytes(8),
        "job_phase": 0,
        "job_received_bytes": 0,
        "scan_oldest": 0,
        "scan_next": 0,
        "name": "till 1",
        "board": "pico",
        "firmware": "0.1.0",
        "crumb": "",
        "payload_bytes": USB.payload_bytes,
    }


def _quick_profile() -> Profile:
    new: Any = Profile
    profile: Profile = new(
        *("usb", USB.payload_bytes, USB.window, USB.rto_first_ms, USB.rto_min_ms, USB.rto_max_ms),
        *(USB.ping_ms, USB.down_ms),
    )
    profile.hello_ms = HELLO_MS
    return profile


class FakeHub:
    """The real link in the hub's role at the far end of a :class:`Pty`, run by a task of the test's loop."""

    def __init__(self, line: Pty, boot_id: bytes = b"boot-001", hub_id: bytes = b"hub-0001") -> None:
        self.line = line
        self.hub_id = hub_id
        self.events: list[tuple[Any, ...]] = []
        self.sent_bytes = 0
        self.received = bytearray()
        self.quiet = False
        self.boot(boot_id)
        self._task: asyncio.Task[None] | None = None

    def boot(self, boot_id: bytes) -> None:
        """A new life."""
        new: Any = Link
        self.link = new(HUB, _quick_profile(), hello=lambda: hello(boot_id, self.hub_id), trace_frames=0)
        self.link.start(self._now())

    def __enter__(self) -> FakeHub:
        self._task = asyncio.get_running_loop().create_task(self._run())
        return self

    def __exit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()

    def messages(self, name: str) -> list[tuple[Any, ...]]:
        return [event[2] for event in self.events if event[0] == "message" and event[1] == name]

    @staticmethod
    def _now() -> int:
        return int(asyncio.get_running_loop().time() * 1000) & 0x3FFFFFFF

    async def _run(self) -> None:
        while True:
            if self.line.master >= 0 and not self.quiet:
                self._turn()
            await asyncio.sleep(0.001)

    def _turn(self) -> None:
        now = self._now()
        if data := self.line.read():
            self.received += data
            self.link.receive(data, now)
        self.link.handle_timer(now)
        while (event := self.link.next_event()) is not None:
            self.events.append(event)
        while frame := self.link.data_to_send(now):
            with contextlib.suppress(OSError):
                self.sent_bytes += self.line.write(frame)


class TwoPathHub:
    """The real links of a hub with two paths, at the far ends of two :class:`Pty`."""

    def __init__(self, lines: tuple[Pty, Pty]) -> None:
        self.lines = lines
        self.deaf = [False, False]  # a path's direction from the bridge is dead
        self.mute = [False, False]  # and the other
        self.events: list[tuple[Any, ...]] = []
        self.boot(b"boot-001")
        self._task: asyncio.Task[None] | None = None

    def boot(self, boot_id: bytes, hub_ids: tuple[bytes, bytes] = (b"hub-0001", b"hub-0001")) -> None:
        """A new life. Two ids: there are two hubs in truth."""
        new: Any = Link
        made = [
            new(HUB, _quick_profile(), hello=lambda hub_id=hub_id: {**hello(boot_id), "hub_id": hub_id}, trace_frames=0)
            for hub_id in hub_ids
        ]
        make: Any = Paths
        self.paths = make(made)
        for link in made:
            link.start(FakeHub._now())

    def __enter__(self) -> TwoPathHub:
        self._task = asyncio.get_running_loop().create_task(self._run())
        return self

    def __exit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            self._turn()
            await asyncio.sleep(0.001)

    def _turn(self) -> None:
        now = FakeHub._now()
        for number, (line, link) in enumerate(zip(self.lines, self.paths.links, strict=True)):
            data = line.read() if line.master >= 0 else b""
            if data and not self.deaf[number]:
                link.receive(data, now)
            link.handle_timer(now)
        while (event := self.paths.next_event(now)) is not None:
            self.events.append(event)
        for number, (line, link) in enumerate(zip(self.lines, self.paths.links, strict=True)):
            while frame := link.data_to_send(now):
                if line.master >= 0 and not self.mute[number]:
                    with contextlib.suppress(OSError):
                        line.write(frame)


class FakeTransport:
    """A transport that a test feeds and breaks by hand."""

    def __init__(self, port: str = "fake") -> None:
        self.port = port
        self.queued_bytes = 0
        self.jammed = False  # what is written stays queued
        self.written: list[bytes] = []
        self.receiver: Receiver | None = None
        self.open_error: TransportError | None = None
        self.pulses: list[tuple[LineStep, ...]] = []
        self.closed = asyncio.Event()
        self.opened = asyncio.Event()
        self.drain_asked = False

    async def open(self, receiver: Receiver) -> None:
        if self.open_error is not None:
            raise self.open_error
        self.receiver = receiver
        self.opened.set()

    def write(self, data: bytes) -> None:
        self.written.append(data)
        if self.jammed:
            self.queued_bytes += len(data)

    async def pulse(self, steps: tuple[LineStep, ...] = ()) -> None:
        self.pulses.append(steps)

    async def close(self, *, drain: bool = False) -> None:
        self.drain_asked = drain
        self.closed.set()
