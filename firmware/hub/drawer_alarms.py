"""The drawer's alarms: opened by nobody here, left open, or a switch that flutters.

They go by what the switch says each LOOK_MS. Spans are counted in looks, so the clock's turn after 12 days raises none.
"""

LOOK_MS = 50  # a contact has stopped bouncing by the next one
_OURS_MS = 3000  # so long after a pulse the drawer's opening is its doing
_FORCED_SHOWN_MS = 10_000  # at least, also if the drawer is shut at once
_CHANGE_MS = 400  # a switch may change so often: no hand opens and shuts a drawer faster
_CHANGES_OF_A_PULSE = 2  # it opens and is shut: however fast a till goes on like that, it is no flutter
_FLUTTER_MS = 2000  # so far ahead of that it flutters; without a change it is believed again after as long


class DrawerAlarms:
    def __init__(self, faults, left_open_ms, is_open):
        """`left_open_ms`: open for longer is a fault; 0: never. `is_open`: what the switch says to begin with."""
        self._faults = faults
        self._left_open_ms = left_open_ms
        self._before = is_open
        self._was_open = is_open  # when it last was settled
        self._ahead_ms = 0  # of what a hand can do
        self._open_ms = 0
        self._since_pulse_ms = _OURS_MS
        self._forced_ms = 0  # the alarm's age
        self._forced = False
        self._same = False
        self._ours = 0  # changes still to come of the last pulse
        self.flutters = False

    @property
    def settled(self):
        """Twice the same, or known to be beyond hope."""
        return self._same or self.flutters

    def pulsed(self):
        """A pulse was given: what opens now was asked for."""
        self._since_pulse_ms = 0
        self._ours = _CHANGES_OF_A_PULSE

    def acknowledge(self):
        """Somebody works at the till: no need to say any longer that the drawer was opened without it."""
        self._forced = False
        self._faults.set("drawer_forced_open", False)

    def look(self, is_open):
        self._since_pulse_ms = min(self._since_pulse_ms + LOOK_MS, _OURS_MS)
        self._same = is_open == self._before
        self._before = is_open
        self._judge_flutter()
        if not self.flutters and self._same:
            self._judge_opening(is_open)
            self._judge_left_open(is_open)
        self._age_alarm(is_open)

    def _judge_flutter(self):
        ahead_ms = self._ahead_ms - LOOK_MS
        if not self._same:
            ahead_ms += 0 if self._ours else _CHANGE_MS
            self._ours = max(self._ours - 1, 0)
        self._ahead_ms = min(max(ahead_ms, 0), _FLUTTER_MS)
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

    def _judge_left_open(self, is_open):
        self._open_ms = min(self._open_ms + LOOK_MS, self._left_open_ms) if is_open else 0
        self._faults.set("drawer_left_open", 0 < self._left_open_ms <= self._open_ms)

    def _age_alarm(self, is_open):
        if self._forced:
            self._forced_ms = min(self._forced_ms + LOOK_MS, _FORCED_SHOWN_MS)
            if not is_open and self._forced_ms >= _FORCED_SHOWN_MS:
                self.acknowledge()
