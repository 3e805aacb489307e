"""The simulated cash drawer: a solenoid that pulls the lock, a spring that opens, a switch that tells."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from host_bridge.virtual.line import Clock, Handle

LOCK_RELEASES_MS: Final = 30
SPRING_MS: Final = 20  # from the lock's release until the switch changes
FLUTTER_MS: Final = (7, 31, 13, 53, 23)  # between two changes of a switch with a loose contact, again and again
ON_LIMIT_MS: Final = 510  # kick port: at most so long (Epson's drawer kick specification)
PULSES_KEPT: Final = 200
OVERLOAD_GRACE_MS: Final = 250  # a report of "off" may be so late before the current counts as still on


class Drawer:
    """`changed(closed)` is the switch; `pulses` are (start, length) in ms, by the clock of who drives the solenoid."""

    def __init__(self, clock: Clock, changed: Callable[[bool], None]) -> None:
        self.closed = True
        self.stuck = False
        self.opened = 0
        self.solenoid_overheated = 0
        self.pulses: deque[tuple[float, float]] = deque(maxlen=PULSES_KEPT)
        self._clock = clock
        self._changed = changed
        self._on_since_ms: float | None = None
        self._switched_on = 0.0  # the same moment by this clock, in s
        self._overheated = False
        self._lock_timer: Handle | None = None
        self._heat_timer: Handle | None = None
        self._spring_timer: Handle | None = None
        self._flutter_timer: Handle | None = None

    @property
    def energised(self) -> bool:
        return self._on_since_ms is not None

    def current(self, on: bool, at_ms: float) -> None:
        """Current through the solenoid goes on or off; `at_ms` on any steady clock."""
        if on == self.energised:
            return
        if on:
            self._on_since_ms = at_ms
            self._switched_on = self._clock.time()
            self._overheated = False
            self._lock_timer = self._after(LOCK_RELEASES_MS, self._release)
            self._heat_timer = self._after(ON_LIMIT_MS + OVERLOAD_GRACE_MS, self._overheat)
            return
        assert self._on_since_ms is not None
        length_ms = at_ms - self._on_since_ms
        self.pulses.append((self._on_since_ms, length_ms))
        self._on_since_ms = None
        self._cancel_current_timers()
        if length_ms > ON_LIMIT_MS:
            self._overheat()
        if length_ms >= LOCK_RELEASES_MS:  # the report may have come before the timer
            self._release()

    def power_lost(self) -> None:
        """Whoever drove the solenoid went dark or was reset: the pin is at rest."""
        if self._on_since_ms is not None:
            self.current(False, self._on_since_ms + (self._clock.time() - self._switched_on) * 1000)

    def kick(self, on_ms: float) -> None:
        """A pulse timed by another device, the printer's kick connector."""
        now_ms = self._clock.time() * 1000
        self.current(True, now_ms)
        self._after(on_ms, lambda: self.current(False, now_ms + on_ms))

    def close(self) -> None:
        """Somebody pushes it shut."""
        if self._spring_timer is not None:
            self._spring_timer.cancel()
            self._spring_timer = None
        if not self.closed:
            self.closed = True
            self._changed(True)

    def open_with_key(self) -> None:
        """No current, no lock: somebody has the key, or a crowbar."""
        if self.closed:
            self.closed = False
            self._changed(False)

    def set_fluttering(self, active: bool) -> None:
        """The switch's contact is loose: it says open and closed in turn."""
        if self._flutter_timer is not None:
            self._flutter_timer.cancel()
            self._flutter_timer = None
        if active:
            self._flutter(not self.closed, itertools.cycle(FLUTTER_MS))
        else:
            self._changed(self.closed)

    def _flutter(self, closed: bool, pauses_ms: Iterator[int]) -> None:
        self._changed(closed)
        self._flutter_timer = self._after(next(pauses_ms), lambda: self._flutter(not closed, pauses_ms))

    def _release(self) -> None:
        if self.stuck or not self.closed or self._spring_timer is not None:
            return
        self._spring_timer = self._after(SPRING_MS, self._spring)

    def _spring(self) -> None:
        self._spring_timer = None
        self.closed = False
        self.opened += 1
        self._changed(False)

    def _overheat(self) -> None:
        if not self._overheated:
            self._overheated = True
            self.solenoid_overheated += 1

    def _cancel_current_timers(self) -> None:
        for timer in (self._lock_timer, self._heat_timer):
            if timer is not None:
                timer.cancel()
        self._lock_timer = self._heat_timer = None

    def _after(self, delay_ms: float, call: Callable[..., Any]) -> Handle:
        return self._clock.call_at(self._clock.time() + delay_ms / 1000, call)
