"""The cash drawer's rules: a kick within its time to live or never, and a solenoid that can't stay energised.

Limits of the kick port (manufacturers' manuals): on for 510 ms at most, a fifth of the time at most, one drawer at a
time. They hold here, whatever is asked and whatever gives the pulse (see kick_pins).
"""

import asyncio
import time

ON_MS_MIN, ON_MS_MAX = 10, 510
_REST_PER_ON = 4  # on / (on + off) <= 0.2
_REST_MS_MAX = ON_MS_MAX * (1 + _REST_PER_ON)
_VERIFY_MS = 400  # a spring drawer is open within 100 ms
_SWITCH_MS = 50
_ASK_AGAIN_MS = 25  # of what can't give the pulse at this moment
_REMEMBERED_KICKS = 16
_OPENED, _UNVERIFIED, _STUCK, _EXPIRED, _REPEATED, _DUTY, _INVALID = range(7)
_UNKNOWN, _CLOSED, _OPEN = range(3)


class Drawer:
    def __init__(self, kicker, uplink, faults):
        """`kicker` gives the pulses and reads the switch: kick_pins.KickPins, or something with the same names."""
        self._kicker = kicker
        self._uplink = uplink
        self._faults = faults
        self._rest_until = time.ticks_ms()
        self._kicks = []  # ids, oldest first
        self._request = None  # ([kick, ...], drawer, on_ms, deadline_ms)
        self._wake = asyncio.Event()
        self._told = None
        uplink.on("kick", self._on_kick)
        uplink.attach(self)

    def state(self):
        is_open = self._kicker.is_open()
        return _UNKNOWN if is_open is None else _OPEN if is_open else _CLOSED

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
        if not 1 <= drawer <= self._kicker.drawers or not ON_MS_MIN <= on_ms <= ON_MS_MAX:
            self._done(kick, _INVALID)
        elif _is_past(deadline_ms):
            self._done(kick, _EXPIRED)
        elif self._request is None:
            self._request = ([kick], drawer, on_ms, deadline_ms)
            self._wake.set()
        elif self._request[1] == drawer:
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
            outcome = _UNVERIFIED  # of a kick that fails half-way nobody knows more
            try:
                outcome = await self._open(task, request)
            finally:
                self._settle(request, outcome)

    def _settle(self, request, outcome):
        if outcome == _STUCK:
            self._faults.set("drawer_stuck", True)
        elif outcome == _OPENED:
            self._faults.set("drawer_stuck", False)
        if self._request is request:
            self._request = None
            for kick in request[0]:
                self._done(kick, outcome)

    async def _open(self, task, request):
        """A pulse, and where the switch stays closed one more, if there is time."""
        on_ms = request[2]
        for attempt in range(2):
            if self.state() == _OPEN:
                return _OPENED
            if not await self._pulse(task, request):
                return _STUCK if attempt else _EXPIRED
            if self.state() == _UNKNOWN:
                await asyncio.sleep_ms(on_ms)
                return _UNVERIFIED
            if await self._opens_within(_VERIFY_MS):
                return _OPENED
        return _STUCK

    async def _pulse(self, task, request):
        """A pulse as soon as the solenoid is cool and the kicker ready; False if that is after the deadline."""
        _, drawer, on_ms, deadline_ms = request
        while True:
            wait_ms = time.ticks_diff(self._rest_until, time.ticks_ms())
            if 0 < wait_ms <= _REST_MS_MAX:  # more: it was so long ago that the clock has come round
                await asyncio.sleep_ms(wait_ms)
            if _is_past(deadline_ms) or self._request is not request:
                return False
            task.work("pulse")
            given = self._kicker.pulse(drawer, on_ms)
            if given:
                self._rest_until = time.ticks_add(time.ticks_ms(), on_ms * (1 + _REST_PER_ON))
            task.rest()
            if given:
                return True
            await asyncio.sleep_ms(_ASK_AGAIN_MS)

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


def _is_past(deadline_ms):
    return time.ticks_diff(deadline_ms, time.ticks_ms()) <= 0
