"""First thing after a reset, also after one into the raw prompt: the drawers' pins to rest."""

from hub import board

board.drive_to_rest()
