"""The hub's end of the link: carries bytes between the transports and `hublink`, and messages to the devices.

A device names the messages it takes (`on`), is told when the link comes and goes, and sends by name. It never
sees a transport, nor which of two paths the link takes.
"""

import asyncio
import time

from hublink.link import HUB, Link
from hublink.messages import ERRORS
from hublink.paths import Paths

_READ_BYTES = 768  # one of the longest frames, or three of 240: what is done once a read is done less often
_TIMER_SLICE_MS = 100  # the longest sleep: a timer that falls due meanwhile waits at most so long
_ERRORS_APART_MS = 10_000


class Uplink:
    def __init__(self, ways, hello, held=()):
        """`ways`: (profile, stream) of each transport, the preferred one first. A stream is what the transport opened
        (ways.open_link): it waits, but never blocks."""
        from hub import roomy  # the start's alone

        self._handlers = {}
        self._devices = []
        self.paths = []
        roomy.spread(Link)
        for profile, stream in ways:
            link = Link(HUB, profile, hello=hello, held=held, trace_frames=0)
            roomy.spread(link)
            self.paths.append(Path(self, link, stream))
        self._links = Paths([path.link for path in self.paths])

    @property
    def is_up(self):
        return self._links.is_up

    def on(self, name, handler):
        """Give the values of each message of that name to `handler(*values)`."""
        self._handlers[name] = handler

    def deliver(self, name, values):
        """A message came."""
        handler = self._handlers.get(name)
        if handler:
            handler(*values)

    def attach(self, device):
        """Tell the device: `link_up()`, `link_down()`, `link_writable(channel)`."""
        self._devices.append(device)

    def send(self, name, *values):
        """Queue a message; False if the link is down or full (then `link_up` or `link_writable` follows)."""
        sent = self._links.send(name, *values)
        if sent:
            self.flush()
        return sent

    def grant(self, channel, count=1):
        """So many messages of a held channel are finished with."""
        if self._links.grant(channel, count):
            self.flush()

    def flush(self):
        """Something may be to be sent."""
        for path in self.paths:
            path.flush()

    def start(self, link):
        """The writing task of a path begins, or begins anew after it died."""
        self._links.start(link, time.ticks_ms())
        self.hand_on_events()

    async def keep_time(self, task):
        """Task: the links' timers, and what the link with the session has counted of bad input: told once in each
        session, and when it is more."""
        told_at, told = time.ticks_ms(), None
        while True:
            task.work("timer")
            link = self._links.session
            if link and time.ticks_diff(time.ticks_ms(), told_at) >= _ERRORS_APART_MS:
                told_at = time.ticks_ms()
                counts = [min(link.statistics.get("error_" + name, 0), 0xFFFF) for name in ERRORS]
                if (link.session, counts) != told and self.send("errors", *counts):
                    told = (link.session, counts)
            wait_ms = _TIMER_SLICE_MS
            for path in self.paths:
                wait_ms = min(wait_ms, self._time(path))
            task.rest()
            await asyncio.sleep_ms(max(1, wait_ms))

    def _time(self, path):
        """Do what is due on that path; how long nothing will be."""
        now = time.ticks_ms()
        wait_ms = path.link.next_timer(now)
        if wait_ms == 0:
            path.link.handle_timer(now)
            self.hand_on_events()
            path.flush()
        return _TIMER_SLICE_MS if wait_ms is None else wait_ms

    def hand_on_events(self):
        while True:
            event = self._links.next_event(time.ticks_ms())
            if event is None:
                return
            kind = event[0]
            if kind == "message":
                self.deliver(event[1], event[2])
            elif kind == "up":
                for device in self._devices:
                    device.link_up()
            elif kind == "down":
                for device in self._devices:
                    device.link_down()
                self.flush()  # the other path is free again, and says HELLO
            elif kind == "writable":
                for device in self._devices:
                    device.link_writable(event[1])


class Path:
    """One transport with its link."""

    def __init__(self, uplink, link, stream):
        self.link = link
        link.deliver = uplink.deliver
        self._uplink = uplink
        self._stream = stream
        self._wake = asyncio.Event()
        self._rest = b""  # of a frame that the transport didn't take at once

    async def read(self, task):
        """Task: take what comes."""
        buffer = bytearray(_READ_BYTES)
        while True:
            count = await self._stream.readinto(buffer)
            task.work("receive")
            if count:
                self.link.receive(buffer, time.ticks_ms(), count)
                self._uplink.hand_on_events()
                self.flush()
            task.rest()

    async def write(self, task):
        """Task: write what the transport had no room for."""
        task.work("send")
        self._rest = b""
        self._uplink.start(self.link)
        self.flush()
        task.rest()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._rest:
                await self._stream.write(self._rest)
                task.work("send")
                self._rest = b""
                self.flush()
                task.rest()

    def flush(self):
        """Write what is due, one frame at a time, so that the next is always the most important one. What the
        transport doesn't take now the writing task writes: it costs a switch of tasks, 0.4 ms on an RP2040."""
        while not self._rest:
            coded = self.link.data_to_send(time.ticks_ms())
            if not coded:
                return
            count = self._stream.write_now(coded)
            if count < len(coded):
                self._rest = coded[count:]
                self._wake.set()
