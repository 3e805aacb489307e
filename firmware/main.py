"""Start the hub. Comes after boot.py.

A technician gets MicroPython's prompt instead, before anything has started: with the safe-mode button held down, with
Ctrl-C in the first second, or where the hub was asked for it before it restarted.
"""

import micropython
from hub import survival

survival.count_boot()  # before anything that can fail: five quick ones lead to safe mode

from hub import board, technician  # noqa: E402

config = board.load()
if technician.was_asked_for() or technician.holds_button(config) or technician.wait_for_ctrl_c():
    survival.forgive_boot()
    print("Counterhub: not started. Press Ctrl-D to start it.")
else:
    try:
        from hub import app

        app.main()
    except KeyboardInterrupt:
        technician.ask_for_prompt()  # this life's watchdog would bite the technician
    except Exception as error:
        survival.crash(error)
    finally:
        micropython.kbd_intr(3)  # the link had taken Ctrl-C
