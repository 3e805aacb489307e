"""Flashing: lays MicroPython, the firmware and the board file on a board, and hears whether the hub lives."""
