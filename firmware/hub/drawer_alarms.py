"""The drawer's alarms: opened by nobody here, left open, or a switch that flutters.

They go by what the switch says at each look: every LOOK_MS, and more seldom while they are quiet. Spans are counted
from look to look, so the clock's turn after 12 days raises none.
"""

import time

from micropython import const

from hub.wake import SETTLE_MS, TICK_MS

LOOK_MS = SETTLE_MS
_SAME_MS = const(40)  # the same for so long, it has settled: two looks, by a clock of whole milliseconds
_LOOKS_APART_MS = const(1000)  # twice a tick; longer was a clock that was moved, or a program that stood
_OURS_MS = const(3000)  # so long after a pulse the drawer's opening is its doing
_FORCED_SHOWN_MS = const(10_000)  # at least, also if the drawer is shut at once
_CHANGE_MS = const(400)  # a switch may change so often: no hand opens and shuts a drawer faster
_CHANGES_OF_A_PULSE = const(2)  # it opens and is shut: however fast a till goes on like that, it is no flutter
_FLUTTER_MS = const(2000)  # so far ahead of that it flutters; without a change it is believed again after as long


class DrawerAlarms:
    def __init__(self, faults, left_open_ms, is_open):
        """`left_open_ms`: open for longer is a fault; 0: never. `is_open`: what the switch says to begin with."""
        self._faults = faults
        self._left_open_ms = left_open_ms
        self._looked_at = time.ticks_ms()
        self._before = is_open
        self._was_open = is_open  # when it last was settled
        self._same_ms = _SAME_MS  # it says the same since
        self._ahead_ms = 0  # of what a hand can do
        self._open_ms = 0
        self._since_pulse_ms = _OURS_MS
        self._forced_ms = 0  # the alarm's age
        self._forced = False
        self._ours = 0  # changes still to come of the last pulse
        self.flutters = False

    @property
    def settled(self):
        """The same for long enough, or known to be beyond hope."""
        return self._same_ms >= _SAME_MS or self.flutters

    @property
    def quiet(self):
        """Nothing will become of it before the next tick, unless the switch changes."""
        if self._same_ms < _SAME_MS or self._ahead_ms:
            return False
        if self._before:
            return not self._left_open_ms - TICK_MS < self._open_ms < self._left_open_ms
        return not self._forced or self._forced_ms < _FORCED_SHOWN_MS - TICK_MS

    def pulsed(self):
        """A pulse was given: what opens now was asked for."""
        self._since_pulse_ms = -self._span_ms()  # the next look counts from the last one
        self._ours = _CHANGES_OF_A_PULSE

    def acknowledge(self):
        """Somebody works at the till: no need to say any longer that the drawer was opened without it."""
        self._forced = False
        self._faults.set("drawer_forced_open", False)

    def look(self, is_open):
        span_ms = self._span_ms()
        self._looked_at = time.ticks_ms()
        self._since_pulse_ms = min(self._since_pulse_ms + span_ms, _OURS_MS)
        same = is_open == self._before
        self._before = is_open
        self._same_ms = min(self._same_ms + span_ms, _SAME_MS) if same else 0
        self._judge_flutter(same, span_ms)
        self._age_alarm(is_open, span_ms)
        if not self.flutters and self._same_ms >= _SAME_MS:
            self._judge_opening(is_open)
            self._judge_left_open(is_open, span_ms)

    def _span_ms(self):
        """Since the last look."""
        return min(max(time.ticks_diff(time.ticks_ms(), self._looked_at), 0), _LOOKS_APART_MS)

    def _judge_flutter(self, same, span_ms):
        ahead_ms = max(self._ahead_ms - span_ms, 0)
        if not same:
            ahead_ms += 0 if self._ours else _CHANGE_MS
            self._ours = max(self._ours - 1, 0)
        self._ahead_ms = min(ahead_ms, _FLUTTER_MS)
        if self._ahead_ms == _FLUTTER_MS:
            self.flutters = True
            self._was_open = None
            self._open_ms = 0
            self._faults.set("drawer_left_open", False)
            self.acknowledge()
        elif not self._ahead_ms:
            self.flutters = False
        self._faults.set("drawer_switch", self.flutters)

    def _judge_opening(self, is_open):
        if self._was_open is False and is_open:
            # A stuck drawer that opens was opened with the key, as its remedy says.
            if self._since_pulse_ms >= _OURS_MS and not self._faults.is_active("drawer_stuck"):
                self._forced = True
                self._forced_ms = 0
                self._faults.set("drawer_forced_open", True)
            self._since_pulse_ms = _OURS_MS  # a pulse opens it once
        self._was_open = is_open

    def _judge_left_open(self, is_open, span_ms):
        self._open_ms = min(self._open_ms + span_ms, self._left_open_ms) if is_open else 0
        self._faults.set("drawer_left_open", 0 < self._left_open_ms <= self._open_ms)

    def _age_alarm(self, is_open, span_ms):
        if self._forced:
            self._forced_ms = min(self._forced_ms + span_ms, _FORCED_SHOWN_MS)
            if not is_open and self._forced_ms >= _FORCED_SHOWN_MS:
                self.acknowledge()
