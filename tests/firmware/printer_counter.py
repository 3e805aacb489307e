"""A printer on the bench, for the tests of what the hub makes of it."""

from __future__ import annotations

from typing import Any

from tests.firmware.board import Bench
from tests.firmware.virtual_time import seconds, until

PRINTER = 4
NONE, RECEIVING, ENDED, WRITTEN, PROVEN, ABORTED = range(6)
UNKNOWN, ANSWERING, SILENT = range(3)
POWER, REPLACED, OVERRUN = 1, 2, 3
NO_JOB = b"\0" * 8
JOB, OTHER = b"job-aaaa", b"job-bbbb"
ENABLE_ASB = b"\x1d\x61\x0f"
CLEAR = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"
PROBE = b"\x10\x04\x01"
SENSE = 7
GS_R = b"\x1d\x72\x01"
POWER_NOTICE = b"\x3b\x30\0"
PROCESS_ID = b"\x1d\x28\x48\x06\x00\x30\x30"
ONLINE, OFFLINE_COVER, PAPER_END = b"\x10\x00\x00\x00", b"\x38\x00\x00\x00", b"\x18\x00\x0c\x00"


class Counter(Bench):
    """A printer on the bench: answers probes, GS a, GS r and GS ( H; prints when `busy` lets it."""

    def __init__(self, *, powered: bool = True, sense: bool = False, **options: Any) -> None:
        super().__init__()
        self.powered, self.busy, self.has_asb, self.proves = powered, False, True, True
        self.asb, self.realtime = ONLINE, b"\x12"
        self.got = bytearray()  # all bytes but probes
        self.wire = self.board.line(1)
        self.wire.take = self._take
        self.wire.room = lambda: 0 if self.busy else 1 << 20
        port = {"uart": 1, "tx": 4, "rx": 5, "cts": 6, "baud_rate": 115200} | options
        if sense:
            port["sense"] = SENSE
            self.board.set_level(SENSE, int(powered))
        with self.life.in_place():
            self.printer = self.life.module("printer").Printer(port, self.link, self.faults, self.blip)
        self.accounts = self.run(self.printer.write, self.printer.read, self.printer.watch)

    def _take(self, data: bytes) -> None:
        if not self.powered:
            return
        rest = data.replace(CLEAR, b"")
        if rest != data:
            self.wire.push(b"\x37\x25\0")
        while rest.startswith(PROBE):  # nothing else stands in a block with a probe
            self.wire.push(self.realtime)
            rest = rest[len(PROBE) :]
        for byte in rest:
            self.got.append(byte)
            if self.got.endswith(ENABLE_ASB) and self.has_asb:
                self.wire.push(self.asb)
            elif self.proves and self.got.endswith(GS_R):
                self.wire.push(b"\x00")
            elif self.proves and self.got[-11:].startswith(PROCESS_ID):
                self.wire.push(b"\x37\x22" + self.got[-4:] + b"\0")

    def says(self, asb: bytes) -> None:
        self.asb = asb
        self.wire.push(asb)

    async def ready(self) -> None:
        await until(lambda: self.printer.asb == self.asb and self.printer.condition == ANSWERING)
        await seconds(0.1)
        self.got.clear()
        self.link.said.clear()

    def send(self, data: bytes, *, job: bytes = JOB, proof: bytes = GS_R, total: int | None = None) -> None:
        self.link.say("job_begin", job, len(data) if total is None else total, proof)
        for start in range(0, len(data), 240):
            self.link.say("job_data", data[start : start + 240])

    def statuses(self, job: bytes = JOB) -> list[tuple[int, int, int, int, bytes]]:
        """(phase, reason, received, written, reply) as told."""
        return [values[1:] for values in self.link.heard("job_status") if values[0] == job]

    async def phase(self, wanted: int) -> None:
        await until(lambda: self.printer.phase == wanted)


def numbered(size_bytes: int) -> bytes:
    return b"".join(b"%07d\n" % number for number in range(size_bytes // 8))
