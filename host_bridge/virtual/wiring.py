"""How the virtual board is wired: which pin goes where. board_configs/virtual.toml says the same."""

from __future__ import annotations

from typing import Final, NamedTuple


class UartWiring(NamedTuple):
    uart: int
    tx: int
    rx: int
    cts: int | None = None


LINK: Final = UartWiring(0, tx=0, rx=1)
PRINTER: Final = UartWiring(1, tx=4, rx=5, cts=6)
SCANNER: Final = UartWiring(2, tx=8, rx=9)
BACKUP: Final = UartWiring(3, tx=11, rx=12)  # the backup path, where there is one
UARTS: Final = {wiring.uart: wiring for wiring in (LINK, PRINTER, SCANNER, BACKUP)}

PRINTER_SENSE: Final = 7  # high: the printer has power
SCANNER_SENSE: Final = 10  # high: plugged in
DRAWER_KICK: Final = {1: 14, 2: 15}  # high: current through the solenoid
DRAWER_SWITCH: Final = 16  # drawer 1; high: closed
LED_RED: Final = 18  # high: on
LED_GREEN: Final = 19
LED_BLUE: Final = 20
SAFE_MODE_BUTTON: Final = 21  # low: pressed

PRINTER_BAUD: Final = 115200
SCANNER_BAUD: Final = 9600
