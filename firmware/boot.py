"""First thing after a reset: the drawers' pins to rest, then count this boot."""

from hub import board

board.drive_to_rest()

from hub import survival  # noqa: E402 - nothing comes before the pins

survival.count_boot()
