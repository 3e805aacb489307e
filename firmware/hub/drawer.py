"""The cash drawer's rules: a kick within its time to live or never, and a solenoid that can't stay energised.

Limits of the kick port (manufacturers' manuals): on for 510 ms at most, a fifth of the time at most, one drawer at a
time. They hold here, whatever is asked and whatever gives the pulse (see kick_pins).
"""

from micropython import const
import asyncio
import time

from hub.drawer_alarms import LOOK_MS, DrawerAlarms
from hub.wake import Wake

ON_MS_MIN = const(10)
ON_MS_MAX = const(510)
_REST_PER_ON = const(4)  # on / (on + off) <= 0.2
_REST_MS_MAX = const(ON_MS_MAX * (1 + _REST_PER_ON))
_VERIFY_MS = const(400)  # a spring drawer is open within 100 ms
_VERIFY_LOOK_MS = const(25)
_LEFT_OPEN_MS = const(30_000)
_ASK_AGAIN_MS = const(25)  # of what can't give the pulse at this moment
_REMEMBERED_KICKS = const(16)
_OPENED = const(0)
_UNVERIFIED = const(1)
_STUCK = const(2)
_EXPIRED = const(3)
_REPEATED = const(4)
_DUTY = const(5)
_INVALID = const(6)
_PRINTER_POWER = const(7)
_UNKNOWN = const(0)
_CLOSED = const(1)
_OPEN = const(2)


class Drawer:
    def __init__(self, kicker, uplink, faults, left_open_ms=None):
        """`kicker` gives the pulses and reads the switch: kick_pins.KickPins, or something with the same names.

        `left_open_ms`: open for longer is a fault; 0: never.
        """
        self._kicker = kicker
        self._uplink = uplink
        self._faults = faults
        self._rest_until = time.ticks_ms()
        self._kicks = []  # ids, oldest first
        self._request = None  # ([kick, ...], drawer, on_ms, deadline_ms)
        self._wake = asyncio.Event()
        self._moved = Wake()  # the switch may have
        kicker.listen(self._moved)
        self._told = None
        limit_ms = _LEFT_OPEN_MS if left_open_ms is None else left_open_ms
        self._alarms = DrawerAlarms(faults, limit_ms, kicker.is_open())
        self._open_drawer = None  # the one that the switch proved open: two drawers share one
        uplink.on("kick", self._on_kick)
        uplink.attach(self)

    def state(self):
        return self._state_of(self._kicker.is_open())

    def _state_of(self, is_open):
        return _UNKNOWN if is_open is None or self._alarms.flutters else _OPEN if is_open else _CLOSED

    # -- the link ------------------------------------------------------------------------------------------------

    def link_up(self):
        self._told = None
        self._tell_state(self.state())

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
            try:
                self._settle(request, await self._open(task, request))
            except (Exception, asyncio.CancelledError):
                self._settle(request, _UNVERIFIED)  # half-way: nobody knows more
                raise

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
        _, drawer, on_ms, _ = request
        self._alarms.acknowledge()
        for attempt in range(2):
            before = self.state()
            if before == _OPEN and (attempt or self._kicker.drawers == 1 or self._open_drawer == drawer):
                self._open_drawer = drawer
                return _OPENED
            missed = await self._pulse(task, request)
            if missed is not None:
                was_pulsed = attempt and self._kicker.taken
                return _STUCK if was_pulsed and missed == _EXPIRED else missed
            if before != _CLOSED:  # no switch, or one that the other drawer holds open
                await asyncio.sleep_ms(max(on_ms, self._kicker.least_on_ms))
                return _UNVERIFIED if self._kicker.taken else _EXPIRED
            if await self._opens_within(_VERIFY_MS):
                self._open_drawer = drawer
                return _OPENED
        return _STUCK if self._kicker.taken else _EXPIRED

    async def _pulse(self, task, request):
        """A pulse as soon as the solenoid is cool and the kicker ready; else why there was none."""
        _, drawer, on_ms, deadline_ms = request
        kicker = self._kicker
        deadline_ms = time.ticks_add(deadline_ms, -kicker.lead_ms)
        while True:
            wait_ms = time.ticks_diff(self._rest_until, time.ticks_ms())
            if 0 < wait_ms <= _REST_MS_MAX:  # more: it was so long ago that the clock has come round
                await asyncio.sleep_ms(wait_ms)
            if _is_past(deadline_ms) or self._request is not request:
                return _EXPIRED
            task.work("pulse")
            given = kicker.pulse(drawer, on_ms)
            if given:
                rest_ms = max(on_ms, kicker.least_on_ms) * (1 + _REST_PER_ON)
                self._rest_until = time.ticks_add(time.ticks_ms(), rest_ms)
                self._alarms.pulsed()
            task.rest()
            if given is None:
                return _PRINTER_POWER
            if given:
                return None
            await asyncio.sleep_ms(_ASK_AGAIN_MS)

    async def _opens_within(self, span_ms):
        """Open twice in a row: the lock's blow shakes the switch."""
        seen = 0
        for _ in range(span_ms // _VERIFY_LOOK_MS):
            await asyncio.sleep_ms(_VERIFY_LOOK_MS)
            seen = seen + 1 if self.state() == _OPEN else 0
            if seen == 2:
                return True
        return False

    # -- the switch ----------------------------------------------------------------------------------------------

    async def watch(self, task):
        """Task: tell the drawer's state when the switch has settled, and raise the alarms."""
        while True:
            task.work("switch")
            self._kicker.arm()
            is_open = self._kicker.is_open()
            self._alarms.look(is_open)
            if self._alarms.settled:
                self._on_settled(self._state_of(is_open))
            task.rest()
            if self._alarms.quiet:
                await self._moved.wait()
            else:
                await asyncio.sleep_ms(LOOK_MS)

    def _on_settled(self, state):
        if state == _CLOSED:
            self._open_drawer = None
        elif state == _OPEN:
            self._faults.set("drawer_stuck", False)
        if state != self._told:
            self._tell_state(state)

    def _tell_state(self, state):
        if self._uplink.send("drawer", state):
            self._told = state


def _is_past(deadline_ms):
    return time.ticks_diff(deadline_ms, time.ticks_ms()) <= 0
