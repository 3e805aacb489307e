"""The virtual hub's chip played by MicroPython itself: its WebAssembly build, run by Node.

`chip.mjs` is the process; `machine.py` and `start.py` run inside it, on MicroPython; `installation.py` finds and
installs what it needs. The firmware's files are the same that a board gets.
"""
