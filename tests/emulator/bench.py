"""An emulated Pico in this very process, with nothing around it but wires: for what must be seen pin by pin."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from hublink.fault_table import BY_NUMBER
from hublink.link import BRIDGE, Link
from hublink.profile import PROFILES
from tests.emulator.drill import ARM_PIN, DIE_PIN, HEAP_PIN, NUMBER_PINS, SETTLE_PIN
from tests.emulator.measure import BYTE_NS, PRINTER, SCANNER, Rig

# What the supervisor is given, each with the steps of its work.
TASKS: Final = {
    "link_read": "receive",
    "link_write": "send",
    "link_time": "timer",
    "indicator": "light blip",
    "drawer": "pulse",
    "drawer_switch": "switch",
    "scanner": "scan",
    "scanner_sense": "sense",
    "printer_write": "write",
    "printer_read": "status",
    "printer_watch": "probe",
}
KICK_PIN: Final = 17
WATCHDOG_MS: Final = 8000
RESET_WITHIN_MS: Final = WATCHDOG_MS + 4000
TASK = re.compile(rb"<task (\w+)>")
PRINTER_READY_ASB: Final = b"\x14\x00\x00\x0f"
PRINTER_PAPER_END_ASB: Final = b"\x1c\x00\x0c\x0f"  # offline for it
HELLO_WITHIN_MS: Final = 8000.0
SETTLED_WITHIN_MS: Final = 250.0
PULSE_MS, PULSE_SLACK_MS = 100, 5  # as the bridge asks for it, and the timer's interrupt
PROVOKE_EVERY_MS: Final = 400.0
LONG_SCAN, SCANS_AT_ONCE = b"]C0" + b"7" * 60 + b"\r", 6  # together more than the console has room for
SLOW_TILL_MS: Final = 150.0


class Bench(Rig):
    """Gives power, hangs tasks, and keeps what was seen at the pins as (ms, pin, level)."""

    def __init__(self, image: Path, flash: bytes) -> None:
        self.pins: list[tuple[float, int, bool]] = []
        self.faults: set[str] = set()
        self.tasks: list[str] = []  # what this life's supervisor was given, in order
        self.resets = 0
        self.said = b""
        self.paper = bytearray()  # what has left the printer's UART
        self._sessions = 0
        self._kicks = 0
        super().__init__(image, flash)
        self.pico.on_reset = self._on_reset
        self.pico.on_pin = lambda pin, level: self.pins.append((self.now_ms, pin, level))

    def power_cycle(self) -> dict[str, Any]:
        """Off and on; the new life's HELLO."""
        self.disarm()
        self.pico.power_off()
        self.run(100)
        self.pico.power_on()
        self.drive_world()
        self._listen_anew()
        return self.hello()

    def hello(self) -> dict[str, Any]:
        """Wait for a session; what the hub said of itself."""
        hello: dict[str, Any] = self.until("up", HELLO_WITHIN_MS)[1]
        self.tasks = [name.decode() for name in TASK.findall(self.said)]
        return hello

    def heap_used(self) -> int:
        """Bytes, after a collection."""
        self.pico.drive(HEAP_PIN, 1)
        self.heap.clear()
        while not self.heap:
            self.run(100)
        self.pico.drive(HEAP_PIN, 0)
        return self.heap[-1][1]

    def ready(self) -> None:
        """A session with a hub that counts as settled: its next start is the first of five."""
        if not self.link.is_up:
            self.hello()
        self.pico.drive(SETTLE_PIN, 1)
        self.run(SETTLED_WITHIN_MS)
        self.pico.drive(SETTLE_PIN, 0)

    def arm(self, number: int, *, die: bool = False) -> None:
        """From now on the task of this number hangs, or dies, at its work."""
        for at, pin in enumerate(NUMBER_PINS):
            self.pico.drive(pin, number >> at & 1)
        self.pico.drive(DIE_PIN, die)
        self.pico.drive(ARM_PIN, 1)

    def disarm(self) -> None:
        self.pico.drive(ARM_PIN, 0)

    def scan(self, code: bytes) -> float:
        """As the rig's, whatever was scanned before."""
        self.events = [event for event in self.events if event[1] != "scan"]
        return super().scan(code)

    def kick(self) -> None:
        """Ask for the first drawer to be opened."""
        self._kicks += 1
        deadline = int(self.link.peer_clock_ms(int(self.now_ms)) or 0) + 2000
        self.link.send("kick", self._kicks, 1, PULSE_MS, deadline)

    def provoke(self) -> None:
        """Give each task something to do; the one that writes to the link has work only while the till is slow."""
        self.pico.usb.hold(True)
        self.kick()
        self.link.send("printer_query", b"\x1d\x49\x43")
        self.pico.uarts[PRINTER].arrive(PRINTER_READY_ASB)
        self.pico.uarts[SCANNER].arrive(LONG_SCAN * SCANS_AT_ONCE)
        self.run(SLOW_TILL_MS)
        self.pico.usb.hold(False)

    def provoke_until(self, seen: Callable[[], bool], deadline_ms: float) -> None:
        """Keep all tasks at work until it is seen; TimeoutError otherwise."""
        end = self.now_ms + deadline_ms
        while not seen():
            if self.now_ms >= end:
                raise TimeoutError(f"not within {deadline_ms:g} ms; heard: {self.events[-5:]}")
            self.provoke()
            self.run(PROVOKE_EVERY_MS - SLOW_TILL_MS)

    def until_faults(self, seen: Callable[[set[str]], bool], deadline_ms: float = 10_000) -> None:
        """Run until the hub tells such faults."""
        end = self.now_ms + deadline_ms
        while not seen(self.faults):
            if self.now_ms >= end:
                raise TimeoutError(f"not within {deadline_ms:g} ms; the faults are {self.faults}")
            self.run(10)

    def _leave(self, uart: int) -> None:
        """A byte is off the wire. The printer says only what a test lets it say."""
        data = self._wires[uart].popleft()
        if uart == PRINTER:
            self.paper += data
        if self._wires[uart]:
            self._alarms[uart].schedule(BYTE_NS[uart])
        self.pico.uarts[uart].sent(1)

    def _pump(self) -> None:
        before = len(self.events)
        super()._pump()
        for event in self.events[before:]:
            if event[:2] == ("message", "faults"):
                self.faults = {BY_NUMBER[number][1] for number in event[2][0]}
            elif event[0] == "down":
                self._connect()

    def _on_reset(self) -> None:
        self.resets += 1
        self.disarm()
        self.drive_world()
        self._listen_anew()

    def _connect(self) -> None:
        """A link is used for one session."""
        self._sessions += 1
        self.link = Link(BRIDGE, PROFILES["usb"], session=self._sessions + 1)
        self.link.start(int(self.now_ms))

    def _listen_anew(self) -> None:
        self._connect()
        self.events.clear()
        self.faults.clear()
        self.said = b""
        self._inbox.clear()

    def _heard(self, data: bytes) -> None:
        super()._heard(data)
        self.said = (self.said + data)[-4000:]
