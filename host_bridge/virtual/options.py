"""How the virtual counter is set up: what a newcomer never touches and a test does."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from host_bridge.virtual import wiring

Engine = Literal["cpython", "micropython"]
Baud = Annotated[int, msgspec.Meta(ge=300, le=1_000_000)]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    engine: Engine = "cpython"  # what plays the chip, see engine.py
    tcp: bool = False  # attach the link by TCP although the system has pseudo-terminals
    backup_path: bool = False  # the hub has a second way to the bridge, with a cable of its own
    link_baud: Annotated[int, msgspec.Meta(ge=0, le=4_000_000)] = 0  # 0: like USB, fast and with flow control
    printer_baud: Baud = wiring.PRINTER_BAUD
    printer_speed_mm_per_s: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 200.0
    printer_flow: Literal["rts_cts", "xon_xoff"] = "rts_cts"  # how it says that its buffer is full
    # Between printer and hub. Without power, rs232: the adapter shows an idle line and busy; ttl: all lines are low.
    printer_wiring: Literal["rs232", "ttl"] = "rs232"
    printer_macros: bool = True  # it knows GS : and GS ^
    printer_process_id: bool = True  # it knows GS ( H
    printer_power_notice: bool = False  # it says when it gets its power (memory switch 1-1)
    scanner_baud: Baud = wiring.SCANNER_BAUD
    scanner_suffix: Annotated[str, msgspec.Meta(max_length=8)] = "\r"
    scanner_aim_prefix: bool = True
    scanner_banner: Annotated[str, msgspec.Meta(max_length=200)] = ""
    drawer_on: Literal["hub", "printer"] = "hub"  # where the drawer's cable is plugged in
    orphan_timeout_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 60.0  # lives so long without any bridge
    ticks_start_ms: Annotated[int, msgspec.Meta(ge=0, lt=1 << 30)] = 0  # near 2**30 to see the chip's clock wrap
    unique_id: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{2}){8}$")] = "e66000000000c0de"
