"""The hub's end of the link: carries bytes between the transport and `hublink`, and messages to the devices.

A device names the messages it takes (`on`), is told when the link comes and goes, and sends by name. It never
sees the transport.
"""

import asyncio
import time

from hublink.link import HUB, Link

_READ_BYTES = 256
_TIMER_SLICE_MS = 100  # the longest sleep: a timer that falls due meanwhile waits at most so long


class Uplink:
    def __init__(self, profile, hello, stream, held=()):
        """`stream` is what the transport opened (transport.open_link): it waits, but never blocks."""
        # The hub acknowledges what it has read at once: waiting would cost it a timer for each frame.
        profile.ack_delay_ms = 0
        self._link = Link(HUB, profile, hello=hello, held=held, trace_frames=0)
        self._stream = stream
        self._handlers = {}
        self._devices = []
        self._wake = asyncio.Event()

    @property
    def is_up(self):
        return self._link.is_up

    def on(self, name, handler):
        """Give the values of each message of that name to `handler(*values)`."""
        self._handlers[name] = handler

    def attach(self, device):
        """Tell the device: `link_up()`, `link_down()`, `link_writable(channel)`."""
        self._devices.append(device)

    def send(self, name, *values):
        """Queue a message; False if the link is down or full (then `link_up` or `link_writable` follows)."""
        sent = self._link.send(name, *values)
        if sent:
            self._wake.set()
        return sent

    def grant(self, channel):
        """A message of a held channel is finished with."""
        self._link.grant(channel)
        self._wake.set()

    async def read(self, task):
        """Task: take what comes."""
        buffer = bytearray(_READ_BYTES)
        while True:
            count = await self._stream.readinto(buffer)
            task.work("receive")
            if count:
                self._link.receive(buffer, time.ticks_ms(), count)
                self._hand_on_events()
                self._wake.set()
            task.rest()

    async def write(self, task):
        """Task: send what is due, one frame at a time, so that the next is always the most important one."""
        self._link.start(time.ticks_ms())
        while True:
            await self._wake.wait()
            self._wake.clear()
            while True:
                task.work("send")
                coded = self._link.data_to_send(time.ticks_ms())
                task.rest()
                if not coded:
                    break
                await self._stream.write(coded)

    async def keep_time(self, task):
        """Task: the link's timers."""
        while True:
            task.work("timer")
            now = time.ticks_ms()
            wait_ms = self._link.next_timer(now)
            if wait_ms == 0:
                self._link.handle_timer(now)
                self._hand_on_events()
                self._wake.set()
            task.rest()
            await asyncio.sleep_ms(_TIMER_SLICE_MS if wait_ms is None else max(1, min(wait_ms, _TIMER_SLICE_MS)))

    def _hand_on_events(self):
        while True:
            event = self._link.next_event()
            if event is None:
                return
            kind = event[0]
            if kind == "message":
                handler = self._handlers.get(event[1])
                if handler:
                    handler(*event[2])
            elif kind == "up":
                for device in self._devices:
                    device.link_up()
            elif kind == "down":
                for device in self._devices:
                    device.link_down()
            elif kind == "writable":
                for device in self._devices:
                    device.link_writable(event[1])
