"""What the indicator does for each state: steps of (colour, milliseconds), repeated. The same table drives the LED
on the hub and its picture on the dashboard.

Colour is never alone: ready is steady, waiting is slow, a fault counts, a warning counts over a steady light.
"""

from hublink.faults import blinks, is_error

OFF, GREEN, BLUE, RED, AMBER, VIOLET, WHITE = 0x000000, 0x00FF00, 0x0000FF, 0xFF0000, 0xFF8000, 0x8000FF, 0xFFFFFF
PATTERN_OFF, PATTERN_READY, PATTERN_WAITING, PATTERN_FAULT, PATTERN_SAFE_MODE, PATTERN_STARTING = range(6)
BLIP_MS = 60

_FIXED = {
    PATTERN_OFF: ((OFF, 1000),),
    PATTERN_READY: ((GREEN, 1000),),
    PATTERN_WAITING: ((BLUE, 800), (OFF, 800)),
    PATTERN_SAFE_MODE: ((VIOLET, 150), (OFF, 150), (VIOLET, 150), (OFF, 850)),
    PATTERN_STARTING: ((WHITE, 100), (OFF, 100)),
}
_ON_MS, _OFF_MS, _PAUSE_MS = 150, 150, 900


def steps(pattern, fault=0):
    """The steps of a pattern; for PATTERN_FAULT, of the fault with that number."""
    flashes = blinks(fault)
    if pattern != PATTERN_FAULT or not flashes:
        return _FIXED.get(pattern, _FIXED[PATTERN_OFF])
    colour, rest = (RED, OFF) if is_error(fault) else (AMBER, GREEN)
    return ((colour, _ON_MS), (rest, _OFF_MS)) * (flashes - 1) + ((colour, _ON_MS), (rest, _PAUSE_MS))
