"""The cash drawer: a kick within its time to live or never, and a solenoid that can't stay energised.

Limits of the kick port (manufacturers' manuals): on for 510 ms at most, a fifth of the time at most, one drawer at a
time. They hold here, whatever is asked. The pulse is ended by a timer's interrupt, not by the program.
"""

import asyncio
import time

import machine
from machine import Pin

ON_MS_MIN, ON_MS_MAX = 10, 510
_REST_PER_ON = 4  # on / (on + off) <= 0.2
_REST_MS_MAX = ON_MS_MAX * (1 + _REST_PER_ON)
_VERIFY_MS = 400  # a spring drawer is open within 100 ms
_SWITCH_MS = 50
_REMEMBERED_KICKS = 16
_OPENED, _UNVERIFIED, _STUCK, _EXPIRED, _REPEATED, _DUTY, _INVALID = range(7)
_UNKNOWN, _CLOSED, _OPEN = range(3)


class Drawer:
    def __init__(self, wiring, uplink, faults):
        """`wiring`: the board file's `drawer` section."""
        self._pins = [Pin(number, Pin.OUT, value=0) for number in wiring["kick"]]
        self._switch = Pin(wiring["switch"], Pin.IN, Pin.PULL_UP) if "switch" in wiring else None
        self._closed_level = wiring.get("switch_closed_level", 1)
        self._uplink = uplink
        self._faults = faults
        self._timer = machine.Timer(-1)
        self._energised = None
        self._rest_until = time.ticks_ms()
        self._kicks = []  # ids, oldest first
        self._request = None  # ([kick, ...], pin, on_ms, deadline_ms)
        self._wake = asyncio.Event()
        self._told = None
        uplink.on("kick", self._on_kick)
        uplink.attach(self)

    def state(self):
        if self._switch is None:
            return _UNKNOWN
        return _CLOSED if self._switch.value() == self._closed_level else _OPEN

    # -- the link ------------------------------------------------------------------------------------------------

    def link_up(self):
        self._told = None
        self._tell_state()

    def link_down(self):
        self._request = None  # nobody waits for it any more: it must not happen late

    def link_writable(self, channel):
        pass

    def _on_kick(self, kick, drawer, on_ms, deadline_ms):
        """Judge a request; what passes goes to the task."""
        if kick in self._kicks:
            self._done(kick, _REPEATED)
            return
        self._kicks.append(kick)
        if len(self._kicks) > _REMEMBERED_KICKS:
            self._kicks.pop(0)
        if not 1 <= drawer <= len(self._pins) or not ON_MS_MIN <= on_ms <= ON_MS_MAX:
            self._done(kick, _INVALID)
        elif _is_past(deadline_ms):
            self._done(kick, _EXPIRED)
        elif self._request is None:
            self._request = ([kick], self._pins[drawer - 1], on_ms, deadline_ms)
            self._wake.set()
        elif self._request[1] is self._pins[drawer - 1]:
            self._request[0].append(kick)  # the drawer is being opened already: that is what was asked for
        else:
            self._done(kick, _DUTY)

    def _done(self, kick, outcome):
        self._uplink.send("kick_done", kick, outcome)

    # -- kicking -------------------------------------------------------------------------------------------------

    async def work(self, task):
        """Task: carry out one kick at a time."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            request = self._request
            if request is None:
                continue
            outcome = await self._open(request)
            if outcome == _STUCK:
                self._faults.set("drawer_stuck", True)
            elif outcome == _OPENED:
                self._faults.set("drawer_stuck", False)
            if self._request is request:
                self._request = None
                for kick in request[0]:
                    self._done(kick, outcome)

    async def _open(self, request):
        """A pulse, and where the switch stays closed one more, if there is time."""
        _, pin, on_ms, deadline_ms = request
        for attempt in range(2):
            if self.state() == _OPEN:
                return _OPENED
            wait_ms = time.ticks_diff(self._rest_until, time.ticks_ms())
            if 0 < wait_ms <= _REST_MS_MAX:  # more: it was so long ago that the clock has come round
                await asyncio.sleep_ms(wait_ms)
            if _is_past(deadline_ms) or self._request is not request:
                return _STUCK if attempt else _EXPIRED
            self._pulse(pin, on_ms)
            if self._switch is None:
                await asyncio.sleep_ms(on_ms)
                return _UNVERIFIED
            if await self._opens_within(_VERIFY_MS):
                return _OPENED
        return _STUCK

    def _pulse(self, pin, on_ms):
        self._energised = pin
        self._rest_until = time.ticks_add(time.ticks_ms(), on_ms * (1 + _REST_PER_ON))
        # The end is set before the beginning: nothing can go wrong in between.
        _interrupt_once(self._timer, on_ms, self._end_pulse)
        pin.value(1)

    def _end_pulse(self, _timer):
        self._energised.value(0)

    async def _opens_within(self, span_ms):
        for _ in range(span_ms // _SWITCH_MS * 2):
            await asyncio.sleep_ms(_SWITCH_MS // 2)
            if self.state() == _OPEN:
                return True
        return False

    # -- the switch ----------------------------------------------------------------------------------------------

    async def watch(self, task):
        """Task: tell the drawer's state when the switch has settled."""
        before = None
        while True:
            task.work("switch")
            state = self.state()
            if state == before and state != self._told:
                self._tell_state()
                if state == _OPEN:
                    self._faults.set("drawer_stuck", False)
            before = state
            task.rest()
            await asyncio.sleep_ms(_SWITCH_MS)

    def _tell_state(self):
        state = self.state()
        if self._uplink.send("drawer", state):
            self._told = state


def _interrupt_once(timer, delay_ms, callback):
    """By a hard interrupt where the port has one: a soft one waits for other callbacks (seen: 300 ms instead of 50)."""
    try:
        timer.init(mode=machine.Timer.ONE_SHOT, period=delay_ms, callback=callback, hard=True)
    except (TypeError, ValueError):  # before MicroPython 1.26, and on an ESP32
        timer.init(mode=machine.Timer.ONE_SHOT, period=delay_ms, callback=callback)


def _is_past(deadline_ms):
    return time.ticks_diff(deadline_ms, time.ticks_ms()) <= 0
