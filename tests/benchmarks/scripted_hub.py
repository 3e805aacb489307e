"""A hub without firmware: hublink in the hub's role on a pseudo-terminal, with a printer that proves every job at once.

It costs little, so that what is measured is the bridge. Both directions may be paced to a baud rate.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host_bridge.virtual.line import Line
from host_bridge.virtual.port import PtyPort
from hublink.frame import PAYLOAD_BYTES_OFFERED
from hublink.link import HUB, TICKS_MASK, Link
from hublink.messages import NO_JOB, PHASE_ENDED, PHASE_PROVEN, PHASE_RECEIVING, PRINTER, SCAN_HAS_SYMBOLOGY
from hublink.profile import PROFILES

BITS_A_BYTE = 10  # start, eight bits, stop
TX_BUFFER_BYTES = 256  # what the firmware's UART takes ahead: a scan waits behind it
UNREAD_BYTES = 512  # beyond, the bytes stay with the system's driver
ROOM_BYTES = 1024  # of the port, for one more frame
READY_ASB = b"\x14\x00\x00\x0f"
ANSWERING, CLOSED, READY_LIGHT = 1, 1, 1


class ScriptedHub:
    """Open it and a bridge finds it at `path`. Counts what arrives; `on_data` hears of each piece of a job. `baud`: the
    link is a UART of that speed; 0: as fast as it goes, like USB."""

    def __init__(self, path: Path, *, baud: int = 0, hub_id: bytes = b"scripted") -> None:
        self.path = path
        self._hub_id = hub_id
        self._baud = baud
        self.job_bytes = 0
        self.jobs = 0
        self.job_started_at = 0.0
        self.job_ended_at = 0.0
        self.scans_sent = 0
        self.scans_taken = 0
        self.silent = False
        self.on_data: Callable[[int], None] = lambda count: None
        self._loop = asyncio.get_running_loop()
        self._port = PtyPort(path, self._arrived, self._pump)
        self._to_bridge = Line(self._loop, self._port.send, sent=lambda count: self._pump(), baud=baud)
        self._from_bridge = Line(self._loop, self._received, baud=baud)
        self._boots = 0
        self._timer: asyncio.TimerHandle | None = None
        self._pumping = False
        self._job = NO_JOB
        self._phase = 0
        self._total_bytes = 0
        self._received_bytes = 0
        self._proof = b""
        self._printer_bytes_per_s = 0.0
        self._printer_free_at = 0.0
        self.boot()

    # -- the hub's life --------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """A new life of the hub."""
        self._boots += 1
        make: Any = Link  # no annotations there: it also runs on MicroPython
        self.link = make(
            HUB, PROFILES["uart" if self._baud else "usb"], hello=self._hello, held=(PRINTER,), trace_frames=0
        )
        self.link.start(self._now())

    async def plug(self) -> None:
        await self._port.open()
        self._pump()

    def unplug(self) -> None:
        self._port.close()
        self._to_bridge.clear()
        self._from_bridge.clear()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.silent = True
        self.unplug()

    def speak(self) -> None:
        """After a silence: whatever made the program stand still is over."""
        self.silent = False
        self.link.handle_timer(self._now())
        self._pump()

    def set_printer_speed(self, bytes_per_s: float) -> None:
        """How fast the printer takes bytes; 0: at once."""
        self._printer_bytes_per_s = bytes_per_s
        self._printer_free_at = self._loop.time()

    @property
    def line_bytes(self) -> int:
        """What has come from the bridge on the line."""
        return self._from_bridge.carried_bytes

    def forget_counts(self) -> None:
        self.job_bytes = self.jobs = 0
        self.job_started_at = self.job_ended_at = 0.0

    def scan(self, digits: str) -> float:
        """Send a scan; return when, on `time.perf_counter`."""
        self.scans_sent += 1
        at = time.perf_counter()
        sent = self.link.send("scan", self.scans_sent, 0, SCAN_HAS_SYMBOLOGY, b"]E0" + digits.encode())
        if not sent:
            raise RuntimeError("the link had no room for a scan: the bridge is behind or away")
        self._pump()
        return at

    # -- the pump --------------------------------------------------------------------------------------------------

    def _arrived(self, data: bytes) -> None:
        self._from_bridge.push(data)
        self._port.pause(self._from_bridge.queued_bytes > UNREAD_BYTES)

    def _received(self, data: bytes) -> None:
        if self._from_bridge.queued_bytes <= UNREAD_BYTES:
            self._port.pause(False)
        if not self.silent:
            self.link.receive(data, self._now())
            self._pump()

    def _pump(self) -> None:
        if self._pumping:
            return
        self._pumping = True
        try:
            while (event := self.link.next_event()) is not None:
                self._on_event(event)
            while self._to_bridge.queued_bytes < TX_BUFFER_BYTES and self._port.room() > ROOM_BYTES:
                coded = b"" if self.silent else self.link.data_to_send(self._now())
                if not coded:
                    break
                self._to_bridge.push(coded, credited=True)
        finally:
            self._pumping = False
        self._set_timer()

    def _set_timer(self) -> None:
        due_ms = self.link.next_timer(self._now())
        if due_ms is None or self.silent:
            return
        at = self._loop.time() + max(due_ms, 1) / 1000
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.link.handle_timer(self._now())
        self._pump()

    def _now(self) -> int:
        return int(self._loop.time() * 1000) & TICKS_MASK

    def _hello(self) -> dict[str, Any]:
        return {
            "hub_id": self._hub_id,
            "boot_id": self._boots.to_bytes(8, "big"),
            "boots": self._boots,
            "reset_cause": 1,
            "flags": 0,
            "job": self._job,
            "job_phase": self._phase,
            "job_received_bytes": self._received_bytes,
            "payload_bytes": PAYLOAD_BYTES_OFFERED,  # as a hub does whose printer is fast
            "scan_oldest": self.scans_taken + 1,
            "scan_next": self.scans_sent + 1,
            "name": "scripted",
            "board": "none",
            "firmware": "0.0.0",
            "crumb": "",
        }

    # -- the devices -----------------------------------------------------------------------------------------------

    def _on_event(self, event: tuple[Any, ...]) -> None:
        if event[0] == "up":
            self.link.send("faults", b"")
            self.link.send("printer_status", ANSWERING, READY_ASB)
            self.link.send("drawer", CLOSED)
            self.link.send("shown", READY_LIGHT, 0)
            if self._job != NO_JOB:
                self._tell_job()
        elif event[0] == "message":
            handler = getattr(self, f"_on_{event[1]}", None)
            if handler is not None:
                handler(*event[2])

    def _on_scan_taken(self, sequence: int) -> None:
        self.scans_taken = max(self.scans_taken, sequence)

    def _on_job_begin(self, job: bytes, total_bytes: int, proof: bytes) -> None:
        self.link.grant(PRINTER)
        self._job, self._total_bytes, self._proof = job, total_bytes, proof
        self._received_bytes = 0
        self._phase = PHASE_RECEIVING
        self._tell_job()

    def _on_job_data(self, data: bytes) -> None:
        count = len(data)
        self._received_bytes += count
        self.job_bytes += count
        self.job_ended_at = time.perf_counter()
        self.job_started_at = self.job_started_at or self.job_ended_at
        self.on_data(count)
        self._when_taken(count, lambda: self.link.grant(PRINTER))

    def _on_job_end(self, job: bytes) -> None:
        self.link.grant(PRINTER)
        self._phase = PHASE_ENDED
        self._when_taken(0, self._prove)

    def _on_job_forget(self, job: bytes) -> None:
        self.link.grant(PRINTER)
        self._job, self._phase = NO_JOB, 0

    def _on_printer_query(self, query: bytes) -> None:
        self.link.grant(PRINTER)
        self.link.send("printer_reply", _process_id_answer(query))

    def _when_taken(self, count: int, act: Callable[[], None]) -> None:
        """Once the printer has taken so many bytes more."""
        if not self._printer_bytes_per_s:
            act()
            return
        self._printer_free_at = max(self._printer_free_at, self._loop.time()) + count / self._printer_bytes_per_s
        self._loop.call_at(self._printer_free_at, self._act, act)

    def _act(self, act: Callable[[], None]) -> None:
        act()
        self._pump()

    def _prove(self) -> None:
        self.jobs += 1
        self._phase = PHASE_PROVEN
        self._tell_job()

    def _tell_job(self) -> None:
        reply = _process_id_answer(self._proof) if self._phase == PHASE_PROVEN else b""
        received = self._received_bytes
        self.link.send("job_status", self._job, self._phase, 0, received, received, reply)


def _process_id_answer(query: bytes) -> bytes:
    """GS ( H function 48: the printer repeats the four bytes of the id."""
    return b"\x37\x22" + query[7:11] + b"\0"
