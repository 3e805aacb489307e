"""What the firmware costs on an RP2040, in its own cycles and milliseconds. `python -m tests.emulator.measure`

The peer is the bridge's own end of the link in this process; the chip is emulated, so the figures don't depend on this
machine. The goals stand beside them.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import tempfile
from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from host_bridge.emulator.pico import EmulatedPico
from host_bridge.emulator.start import FLASH_FILE
from host_bridge.hub.connection import WRITE_AHEAD_BYTES, gather
from host_bridge.hub.reconnect import STDIN_UNIT_BYTES
from hublink.link import BRIDGE, Link
from hublink.messages import PHASE_WRITTEN
from hublink.profile import PROFILES
from tests.benchmarks.figures import Figure
from tests.emulator.conftest import NO_IMAGE
from tests.emulator.harness import FIRMWARE, EmulatedHub

SLICE_NS: Final = 1e6
BYTE_NS: Final = {0: 10 / 115200 * 1e9, 1: 10 / 9600 * 1e9}
PRINTER, SCANNER = 0, 1
HIGH_PINS: Final = (6, 16, 22)  # scanner plugged in, drawer closed, button not pressed
JOB_BYTES: Final = 20_000
MEANWHILE_EACH: Final = 3  # messages of a job
SCANS: Final = 50
CODE: Final = b"]E04006381333931\r"
CYCLES_A_MS: Final = 125_000
FLAT_BYTES: Final = 512  # the lists of the link's queues may keep what they grew to once
PROBE, ALIVE = b"\x10\x04\x01", b"\x12"  # DLE EOT 1 and its answer
ENABLE_ASB, ASB = b"\x1d\x61\x0f", b"\x10\x00\x00\x00"
# Runs beside the firmware and tells its heap while a pin is high: a collection costs 40 ms, which nobody else pays for.
ASK_PIN: Final = 15  # free on the Pico's board file
REPORT = f"""
import asyncio, gc, machine
async def _report():
    asked = machine.Pin({ASK_PIN}, machine.Pin.IN)
    while True:
        await asyncio.sleep_ms(500)
        if asked.value():
            gc.collect()
            print("<heap %d %d>" % (gc.mem_free(), gc.mem_alloc()))
asyncio.create_task(_report())
"""
HEAP = re.compile(rb"<heap (\d+) (\d+)>")


class Rig:
    """A chip, wires at their baud rates, and the bridge's end of the link."""

    def __init__(self, image: Path, flash: bytes) -> None:
        self.pico = EmulatedPico(image)
        self.pico.write_flash(flash)
        self.link = Link(BRIDGE, PROFILES["usb"], session=1)
        self.events: list[tuple[Any, ...]] = []
        self.heap: list[tuple[int, int]] = []
        self.heard_at_ms: list[float] = []
        self.printed_bytes = 0
        self._asked = b""
        self._text = b""
        self._inbox = bytearray()
        self._wires: dict[int, deque[bytes]] = {PRINTER: deque(), SCANNER: deque()}
        self._alarms = {uart: self.pico.clock.create_alarm(partial(self._leave, uart)) for uart in self._wires}
        self.pico.on_usb = self._heard
        self.pico.on_uart = self._sent
        self.pico.power_on()
        self.drive_world()
        self.link.start(0)

    def drive_world(self) -> None:
        """Levels that the emulator has no pull-up resistors for: a counter in order."""
        for pin in HIGH_PINS:
            self.pico.drive(pin, 1)

    @property
    def now_ms(self) -> float:
        return self.pico.nanoseconds / 1e6

    @property
    def cycles(self) -> int:
        """Executed so far; a waiting chip executes none."""
        return int(self.pico.rp2040.core.cycles)

    def run(self, milliseconds: float) -> None:
        end = self.now_ms + milliseconds
        while self.now_ms < end:
            self.pico.run(SLICE_NS)
            self._pump()

    def until(self, name: str, deadline_ms: float = 60_000) -> tuple[Any, ...]:
        """Run until an event or message of that name comes; its values."""
        end = self.now_ms + deadline_ms
        while self.now_ms < end:
            for at, event in enumerate(self.events):
                if name in (event[0], event[1]):
                    del self.events[: at + 1]
                    return event
            self.run(1)
        raise TimeoutError(f"no {name} within {deadline_ms:g} ms; heard: {self.events[-5:]}")

    def ask_heap(self) -> tuple[int, int]:
        """(free, used) bytes of the heap after a collection."""
        self.heap.clear()
        self.pico.drive(ASK_PIN, 1)
        while not self.heap:
            self.run(50)
        self.pico.drive(ASK_PIN, 0)
        self.run(100)
        return self.heap[-1]

    def scan(self, code: bytes) -> float:
        """A scan at 9600 baud; the ms from its last byte's arrival to the first byte on the link that it brings."""
        for byte in code:
            self.run(BYTE_NS[SCANNER] / 1e6)
            self.pico.uarts[SCANNER].arrive(bytes((byte,)))
        last_ms = self.now_ms
        self.until("scan")
        return min(at for at in self.heard_at_ms if at >= last_ms) - last_ms

    def print(self, size: int, number: int, meanwhile: Any = lambda: None) -> bytes:
        """A job of random picture bytes, until its last byte has gone to the UART; the bytes."""
        job = number.to_bytes(8, "little")
        data = random.Random(number).randbytes(size)
        self.send("job_begin", job, size, b"")
        chunk_bytes = self.link.peer["payload_bytes"]
        for count, at in enumerate(range(0, size, chunk_bytes)):
            self.send("job_data", data[at : at + chunk_bytes])
            if count % MEANWHILE_EACH == MEANWHILE_EACH - 1:
                meanwhile()
        self.send("job_end", job)
        while self.until("job_status")[2][1] != PHASE_WRITTEN:
            pass
        self.send("job_forget", job)
        return data

    def send(self, name: str, *values: Any) -> None:
        while not self.link.send(name, *values):
            self.run(1)
        self._pump()

    def _pump(self) -> None:
        now = int(self.now_ms)
        if self._inbox:
            self.link.receive(bytes(self._inbox), now)
            self._inbox.clear()
        if self.link.next_timer(now) == 0:
            self.link.handle_timer(now)
        while (event := self.link.next_event()) is not None:
            if event[0] == "text":
                self._text = (self._text + event[1])[-1000:]
                self.heap += [(int(free), int(used)) for free, used in HEAP.findall(self._text)]
                self._text = self._text[self._text.rfind(b">") + 1 :]
            else:
                if event[:2] == ("message", "scan"):
                    self.link.send("scan_taken", event[2][0])
                self.events.append(event if len(event) > 1 else (*event, None))
        while batch := gather(self.link, now, WRITE_AHEAD_BYTES, STDIN_UNIT_BYTES):
            self.pico.usb.send(batch)

    def _heard(self, data: bytes) -> None:
        self._inbox += data
        self.heard_at_ms.append(self.now_ms)

    def _answer(self, data: bytes) -> None:
        """The printer's side of its wire: it has power and paper, and says so when asked between jobs."""
        self._asked = (self._asked + data)[-len(PROBE) :]
        if self._asked in (PROBE, ENABLE_ASB):
            self.pico.uarts[PRINTER].arrive(ALIVE if self._asked == PROBE else ASB)

    def _sent(self, uart: int, data: bytes) -> None:
        self._wires[uart].append(data)
        if len(self._wires[uart]) == 1:
            self._alarms[uart].schedule(BYTE_NS[uart])

    def _leave(self, uart: int) -> None:
        data = self._wires[uart].popleft()
        if uart == PRINTER:
            self.printed_bytes += len(data)
            self._answer(data)
        if self._wires[uart]:
            self._alarms[uart].schedule(BYTE_NS[uart])
        self.pico.uarts[uart].sent(1)


async def laid(image: Path) -> bytes:
    """The flash of a Pico with the firmware, and a task beside it that tells its heap."""
    with tempfile.TemporaryDirectory() as name:
        hub = EmulatedHub(Path(name), image, speed=20)
        await hub.start()
        try:
            await hub.pass_s(1.5)
            await hub.deploy({"main.py": REPORT + (FIRMWARE / "main.py").read_text()})
        finally:
            await hub.stop()
        return await asyncio.to_thread((Path(name) / FLASH_FILE).read_bytes)


def measure(image: Path, flash: bytes) -> Iterator[Figure]:
    """The figures, one by one as they come; it takes minutes."""
    rig = Rig(image, flash)
    rig.until("up")
    yield Figure(name="power-on to HELLO", value=rig.heard_at_ms[0], unit="ms", goal=1500)
    free, _ = rig.ask_heap()
    yield Figure(name="heap free after start", value=free / 1024, unit="KB", goal=120, at_least=True)
    before, at = rig.cycles, rig.now_ms
    rig.run(4000)
    idle = (rig.cycles - before) / (rig.now_ms - at)
    yield Figure(name="idle, heartbeat running", value=idle / CYCLES_A_MS * 100, unit="% of the chip")
    latencies = [rig.scan(CODE) for _ in range(10)]
    yield Figure(
        name="scan: last UART byte to first link byte, idle, worst of 10", value=max(latencies), unit="ms", goal=5
    )
    before, at = rig.cycles, rig.now_ms
    rig.print(JOB_BYTES, 1)
    span = rig.now_ms - at
    used = rig.cycles - before
    yield Figure(name="a printed byte", value=used / JOB_BYTES, unit="cycles", goal=2500)
    yield Figure(name="the chip's share of a printing printer", value=used / span / CYCLES_A_MS * 100, unit="%")
    wire_ms = JOB_BYTES * BYTE_NS[PRINTER] / 1e6
    yield Figure(name="the printer's line kept busy", value=min(1.0, wire_ms / span), unit="share")
    busy: list[float] = []
    rig.print(JOB_BYTES, 2, meanwhile=lambda: busy.append(rig.scan(CODE)))
    yield Figure(name=f"scan to link, while printing, worst of {len(busy)}", value=max(busy), unit="ms", goal=20)
    start = rig.ask_heap()[1]
    for _ in range(SCANS):
        rig.scan(CODE)
    rig.print(JOB_BYTES, 3)
    grown = rig.ask_heap()[1] - start
    yield Figure(name=f"heap grown by {SCANS} scans and 20 kB printed", value=grown, unit="bytes", goal=FLAT_BYTES)


def image() -> Path | None:
    """The image that PICO_UF2 names."""
    return Path(named) if (named := os.environ.get("PICO_UF2")) else None


def main() -> None:
    uf2 = image()
    if uf2 is None:
        raise SystemExit(NO_IMAGE)
    for figure in measure(uf2, asyncio.run(laid(uf2))):
        goal = "" if figure.goal is None else f"{'≥' if figure.at_least else '≤'} {figure.goal:g}"
        print(f"{figure.name:60} {figure.value:9.1f} {figure.unit:14} {goal}", flush=True)


if __name__ == "__main__":
    main()
