"""The board file: which pin and UART carries what. Written by the flasher from board_configs/*.toml."""

import json

from machine import Pin

BOARD_FILE = "board.json"
_board = None


def load():
    """The board file as a dict, read once. Raises OSError (absent) or ValueError (no JSON, or not a board's)."""
    global _board
    if _board is None:
        with open(BOARD_FILE) as file:
            board = json.load(file)
        if not isinstance(board, dict) or "name" not in board or "link" not in board:
            raise ValueError("%s: expected an object with at least 'name' and 'link'" % BOARD_FILE)
        _board = board
    return _board


def drive_to_rest():
    """Take the current off the drawers' solenoids: a pin keeps its level over a reset of the program.

    A board whose file can't be read has no drawer; main.py says so.
    """
    try:
        drawer = load().get("drawer") or {}
    except (OSError, ValueError):
        return
    for number in drawer.get("kick", ()):
        Pin(number, Pin.OUT, value=0)
