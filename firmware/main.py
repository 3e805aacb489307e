"""Start the hub. Comes after boot.py; if it ends, the watchdog resets the board.

A technician gets MicroPython's prompt instead, before anything has started: with the safe-mode button held down, or
with Ctrl-C in the first second.
"""

import micropython
from hub import app, board, technician

config = board.load()
if technician.holds_button(config) or technician.wait_for_ctrl_c(config):
    print("Counterhub: not started. Press Ctrl-D to start it.")
else:
    try:
        app.main()
    finally:
        micropython.kbd_intr(3)  # the link had taken Ctrl-C
