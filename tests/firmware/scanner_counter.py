"""A scanner on the bench, for the tests of what the hub makes of it."""

from __future__ import annotations

from typing import Any

from tests.firmware.board import WDT_RESET, Bench
from tests.firmware.virtual_time import seconds

SENSE, TRIGGER_PIN = 10, 11
READING, OFF, HELD = range(3)
SYN_ON, SYN_OFF = b"\x16T\r", b"\x16U\r"
GM65_ON, GM65_OFF = bytes.fromhex("7e000801000201abcd"), bytes.fromhex("7e000801000200abcd")
GM65_ANSWER = bytes.fromhex("02000001003331")
HAS_SYMBOLOGY, REPEAT, CONTINUES = 1, 2, 4
SCANNER_CHANNEL = 2
DAY_MS = 86_400_000


class Counter(Bench):
    def __init__(self, cause: int = WDT_RESET, ticks_offset: int = 0, sense: bool = True, **port: Any) -> None:
        super().__init__(cause, ticks_offset)
        self.board.levels[SENSE] = 1
        module = self.life.module("scanner")
        self.ring_scans, self.ring_bytes, self.scan_bytes_max = (
            module.RING_SCANS,
            module.RING_BYTES,
            module.SCAN_BYTES_MAX,
        )
        self.hold_scans, self.free_scans = module._HOLD_SCANS, module._FREE_SCANS
        port = {"uart": 2, "tx": 8, "rx": 9, "baud_rate": 9600} | port | ({"sense": SENSE} if sense else {})
        with self.life.in_place():  # it may import what few boards need
            self.scanner = module.Scanner(port, self.link, self.faults, self.blip)
        self.wire = self.board.line(2)
        self.wire.rx_limit = 1 << 20
        self.accounts = self.run(self.scanner.read, self.scanner.watch)

    async def reads(self, data: bytes, then_s: float = 0.2) -> None:
        self.wire.push(data)
        await seconds(then_s)

    def scans(self) -> list[tuple[int, int, bytes]]:
        """(sequence, flags, data) as the bridge puts them together; parts of one scan come in one piece."""
        found, begun = [], b""
        for sequence, _, flags, data in self.link.heard("scan"):
            begun += data
            if not flags & CONTINUES:
                found.append((sequence, flags, begun))
                begun = b""
        return found

    def states(self) -> list[int]:
        """What the bridge was told of the scanner's state."""
        return [state for state, _ in self.link.heard("scanner")]

    def data(self) -> list[bytes]:
        return [data for _, _, data in self.scans()]
