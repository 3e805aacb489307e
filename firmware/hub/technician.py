"""The technician's way to the prompt: a button held while the hub starts, Ctrl-C in its first second, or a request to
the running hub, which then restarts into it."""

from micropython import const
import time

from machine import Pin

from hub import board

_HELD_MS = const(50)  # a contact has stopped bouncing by then
_SLICE_MS = const(10)
_WINDOW_MS = const(1000)


def holds_button(config):
    """The button of the board file's `safe_mode` section is down."""
    section = config.get("safe_mode")
    if section is None:
        return False
    try:
        button = Pin(section["pin"], Pin.IN, Pin.PULL_UP)
    except (ValueError, TypeError, KeyError) as error:
        board.problems.append(board.explain("safe_mode", error))
        return False
    until = time.ticks_add(time.ticks_ms(), _HELD_MS)
    while not button.value():
        if time.ticks_diff(until, time.ticks_ms()) <= 0:
            return True
        time.sleep_ms(_SLICE_MS)
    return False


def wait_for_ctrl_c():
    """True if Ctrl-C comes in the chip's first second. Where the link has UARTs of its own, Ctrl-C always works."""
    if not board.link_takes_console():
        return False
    try:
        while time.ticks_ms() < _WINDOW_MS:
            time.sleep_ms(_SLICE_MS)
    except KeyboardInterrupt:
        return True
    return False
