"""Start the hub. Comes after boot.py.

A technician gets MicroPython's prompt instead, before anything has started: with the safe-mode button held down, with
Ctrl-C in the first second, or where the hub was asked for it before it restarted.
"""

import micropython
from hub import survival

survival.count_boot()  # before anything that can fail: five quick ones lead to safe mode

from hub import board, start_only, technician  # noqa: E402


def load():
    """The program, or None where somebody wants the prompt. It loads during the technician's second, not after it."""
    if survival.wants_prompt() or technician.holds_button(board.load()):
        return None
    try:
        from hub import app

        app.load_devices()
    except KeyboardInterrupt:
        return None
    return None if technician.wait_for_ctrl_c() else app


try:
    app = load()
    if app is None:
        survival.forgive_boot()
        print("Counterhub: not started. Press Ctrl-D to start it.")
    else:
        hub = app.make_hub()
        start_only.let_go(globals())
        hub.run()
except KeyboardInterrupt:
    survival.restart_into_prompt()  # this life's watchdog would bite the technician
except Exception as error:
    survival.crash(error)
finally:
    micropython.kbd_intr(3)  # the link had taken Ctrl-C
