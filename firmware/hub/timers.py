"""Timers, one for each user: an RP2040 makes as many as are asked for, an ESP32 has numbered ones.

Timer(-1) is refused by the esp32 port before MicroPython 1.29 (machine_timer_make_new), and a number that is taken
twice there is one and the same timer.
"""

import machine

_taken = 0


def take():
    """A timer that nothing else uses. ValueError if the chip has none left."""
    global _taken
    try:
        return machine.Timer(-1)
    except ValueError:
        timer = machine.Timer(_taken)
        _taken += 1
        return timer
