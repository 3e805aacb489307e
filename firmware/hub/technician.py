"""The technician's way to the prompt: a button held while the hub starts, or Ctrl-C in its first second."""

import time

from machine import Pin

_HELD_MS = 50  # a contact has stopped bouncing by then
_SLICE_MS = 10
_WINDOW_MS = 1000


def holds_button(config):
    """The button of the board file's `safe_mode` section is down."""
    section = config.get("safe_mode") or {}
    if "pin" not in section:
        return False
    button = Pin(section["pin"], Pin.IN, Pin.PULL_UP)
    until = time.ticks_add(time.ticks_ms(), _HELD_MS)
    while not button.value():
        if time.ticks_diff(until, time.ticks_ms()) <= 0:
            return True
        time.sleep_ms(_SLICE_MS)
    return False


def wait_for_ctrl_c(config):
    """True if Ctrl-C comes before the chip has run for `boot_window_ms`. Only where the link takes the console."""
    shared = config["link"]["transport"] == "usb"
    window_ms = config.get("boot_window_ms", _WINDOW_MS if shared else 0)
    try:
        while time.ticks_ms() < window_ms:
            time.sleep_ms(_SLICE_MS)
    except KeyboardInterrupt:
        return True
    return False
