"""The hub as a small model of firmware/hub: a link, a scan ring, a printer with a job, and a drawer.

What it does with messages is what scanner.py, printer.py and drawer.py do there; the asyncio and the pins are left out.
"""

from __future__ import annotations

from typing import Any

from hublink.frame import PAYLOAD_BYTES_OFFERED
from hublink.link import EVENTS_MAX, HUB, QUEUE_MESSAGES, TICKS_MASK, Link
from hublink.messages import (
    NO_JOB,
    PHASE_ABORTED,
    PHASE_ENDED,
    PHASE_NONE,
    PHASE_PROVEN,
    PHASE_RECEIVING,
    PHASE_WRITTEN,
    PRINTER,
    SCAN_CONTINUES,
    SCANNER,
)
from hublink.profile import Profile
from tests.simulation.counter import Counter
from tests.simulation.world import Wire, World

RING_SCANS = 8  # 64 on the real one; fewer, so that it fills
PART_BYTES = 231
CHUNKS_MAX = 8  # the printer channel's credit
REMEMBERED_KICKS = 16
EXPIRED, REPEATED, OPENED = 3, 4, 0
REASON_POWER, REASON_REPLACED, REASON_OVERRUN = 1, 2, 3


class SimulatedHub:
    def __init__(self, world: World, counter: Counter, wire: Wire, profile: Profile, printer_bytes_per_ms: float):
        self._world = world
        self._counter = counter
        self._wire = wire
        self._profile = profile
        self._printer_bytes_per_ms = printer_bytes_per_ms
        self._life = 0
        self._clock_offset = 0
        self._timer_at = 0.0
        self.printer_paused = False
        self.powered = False

    # -- power -----------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """A new life: nothing is left of the last one but what is on paper."""
        if self.powered:
            return
        self._life += 1
        self.powered = True
        self.boot_id = b"boot%04d" % self._life
        self._clock_offset = self._world.random.choice((0, 5000, TICKS_MASK - 3000, 0x20000000 - 2000))
        self._clock_offset -= int(self._world.now)
        self._make_link()
        self.ring: list[tuple[int, bytes]] = []
        self._next_scan = 1
        self._sent = self._part_at = 0
        self._kicks: list[int] = []
        self._pending_kick: tuple[int, int] | None = None
        self._chunks: list[bytes] = []
        self._writing: bytes | None = None
        self._tell_due = False
        self._begin(NO_JOB, 0)
        self.phase = PHASE_NONE
        self._world.say("hub", f"boots: {self.boot_id.decode()}")
        self._start_link()
        self._settle()

    def _make_link(self) -> None:
        self.link = Link(HUB, self._profile, hello=self._hello, held=(PRINTER,), trace_frames=0)
        self.link.deliver = self._on_message

    def _start_link(self) -> None:
        self._timer_at = 0.0
        self.link.start(self._clock())

    def power_off(self) -> None:
        """The chunk that the printer was being given is cut anywhere."""
        if self._writing:
            self._counter.on_paper(self.job, self._writing[: self._world.random.randrange(len(self._writing) + 1)])
        self.powered = False
        self._counter.scans_lost_with_power(self.boot_id, [sequence for sequence, _ in self.ring])
        self._world.say("hub", "loses power")

    def step_clock(self, step_ms: int) -> None:
        self._clock_offset += step_ms

    def _clock(self) -> int:
        return (int(self._world.now) + self._clock_offset) & TICKS_MASK

    def _hello(self) -> dict[str, Any]:
        return {
            "hub_id": b"hub-0001",
            "boot_id": self.boot_id,
            "boots": self._life,
            "reset_cause": 1,
            "flags": 0,
            "job": self.job,
            "job_phase": self.phase,
            "job_received_bytes": self.received,
            "scan_oldest": self.ring[0][0] if self.ring else self._next_scan,
            "scan_next": self._next_scan,
            "name": "till",
            "board": "simulated",
            "firmware": "0",
            "crumb": "",
            "payload_bytes": PAYLOAD_BYTES_OFFERED,
        }

    # -- bytes and time --------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        if self.powered:
            self.link.receive(data, self._clock())
            self._settle()

    def _on_timer(self, life: int, at: float) -> None:
        if self.powered and life == self._life and at == self._timer_at:
            self._timer_at = 0.0
            self.link.handle_timer(self._clock())
            self._settle()

    def _settle(self) -> None:
        """Hand on events, send what is due, set the timer; and look whether anything grew beyond its bound."""
        link = self.link
        while (event := link.next_event()) is not None:
            self._on_event(event)
        world, wire = self._world, self._wire
        clock = self._clock()
        busy = False
        while not busy and (coded := link.data_to_send(clock)):
            wire.send(coded)
            busy = wire.takes_more_at() > world.now
        due = link.next_timer(clock)
        at = wire.takes_more_at() if busy else world.now + max(due, 1) if due is not None else 0.0
        if at and (not self._timer_at or at < self._timer_at):
            self._timer_at = at
            world.after(at - world.now, self._on_timer, self._life, at)
        bounded = len(self._chunks) + (self._writing is not None) <= CHUNKS_MAX and len(self.ring) <= RING_SCANS
        check_bounds(world, link, bounded)

    def _on_event(self, event: tuple[Any, ...]) -> None:
        kind = event[0]
        if kind == "message":
            self._on_message(event[1], event[2])
        elif kind == "up":
            self._world.say("hub", "link up")
            self._counter.sessions.add((self.boot_id, self.link._nonce, self.link._session))
            self.link.send("faults", b"")
            self._tell_job()
            self._sent = self._part_at = 0
            self._send_scans()
        elif kind == "down":
            self._world.say("hub", f"link down: {event[1]}")
            self._pending_kick = None
            self._sent = self._part_at = 0
        elif kind == "writable":
            if event[1] == SCANNER:
                self._send_scans()
            elif event[1] == PRINTER and self._tell_due:
                self._tell_job()

    def _on_message(self, name: str, values: tuple[Any, ...]) -> None:
        handler = getattr(self, "_on_" + name, None)
        self._world.promise(handler, f"the hub was told {name}, which only a hub says")
        handler(*values)  # type: ignore[misc]

    # -- scanner ---------------------------------------------------------------------------------------------------

    def scan(self, data: bytes) -> None:
        """Read a barcode; with a full ring the trigger is held off."""
        if not self.powered:
            return
        if len(self.ring) >= RING_SCANS:
            self._world.say("hub", "ring full")
            return
        self._counter.scan_read(self.boot_id, self._next_scan, data)
        self.ring.append((self._next_scan, data))
        self._next_scan += 1
        self._send_scans()
        self._settle()

    def _send_scans(self) -> None:
        while self._sent < len(self.ring):
            sequence, data = self.ring[self._sent]
            part = data[self._part_at : self._part_at + PART_BYTES]
            more = SCAN_CONTINUES if self._part_at + len(part) < len(data) else 0
            if not self.link.send("scan", sequence, 0, more, part):
                return
            self._part_at += len(part)
            if not more:
                self._sent += 1
                self._part_at = 0

    def _on_scan_taken(self, sequence: int) -> None:
        while self.ring and self.ring[0][0] <= sequence:
            taken, _ = self.ring.pop(0)
            self._sent = max(0, self._sent - 1)
            self._counter.scan_forgotten(self.boot_id, taken)
        self._send_scans()

    # -- printer ---------------------------------------------------------------------------------------------------

    def _begin(self, job: bytes, total: int) -> None:
        self.job = job
        self.phase = PHASE_RECEIVING
        self.received = self.written = 0
        self._total = total
        self._reason = 0
        self._reply = b""

    def _on_job_begin(self, job: bytes, total: int, proof: bytes) -> None:
        self.link.grant(PRINTER)
        if self.phase in (PHASE_RECEIVING, PHASE_ENDED):
            self._abort(REASON_REPLACED)
        self._begin(job, total)
        self._tell_job()

    def _on_job_data(self, data: bytes) -> None:
        if self.phase != PHASE_RECEIVING:
            self.link.grant(PRINTER)
        elif self.received + len(data) > self._total:
            self.link.grant(PRINTER)
            self._abort(REASON_OVERRUN)
        else:
            self.received += len(data)
            self._chunks.append(data)
            self._feed()

    def _on_job_end(self, job: bytes) -> None:
        self.link.grant(PRINTER)
        if self.phase == PHASE_RECEIVING and job == self.job:
            self.phase = PHASE_ENDED
            self._feed()

    def _on_job_forget(self, job: bytes) -> None:
        self.link.grant(PRINTER)
        if job == self.job and self.phase not in (PHASE_RECEIVING, PHASE_ENDED):
            self._begin(NO_JOB, 0)
            self.phase = PHASE_NONE

    def _tell_job(self) -> None:
        self._tell_due = self.job != NO_JOB and not self.link.send(
            "job_status", self.job, self.phase, self._reason, self.received, self.written, self._reply
        )

    def _feed(self) -> None:
        """Give the printer the next chunk, if it takes any."""
        if self._writing is not None or self.printer_paused:
            return
        if self._chunks:
            self._writing = self._chunks.pop(0)
            self.written += len(self._writing)
            delay_ms = len(self._writing) / self._printer_bytes_per_ms
            self._world.after(delay_ms, self._chunk_written, self._life, self._writing)
        elif self.phase == PHASE_ENDED:
            self.phase = PHASE_WRITTEN
            self._tell_job()
            self._world.after(20, self._prove, self._life, self.job)

    def _chunk_written(self, life: int, chunk: bytes) -> None:
        if life != self._life or self._writing is not chunk or not self.powered:
            return
        self._writing = None
        self._counter.on_paper(self.job, chunk)
        self.link.grant(PRINTER)
        self._feed()
        self._settle()

    def _prove(self, life: int, job: bytes) -> None:
        if life == self._life and self.powered and self.job == job and self.phase == PHASE_WRITTEN:
            self.phase = PHASE_PROVEN
            self._reply = job[-4:]
            self._tell_job()
            self._settle()

    def resume_printer(self) -> None:
        self.printer_paused = False
        if self.powered:
            self._feed()
            self._settle()

    def printer_power_off(self) -> None:
        """What the printer was being given is cut anywhere, and the job is given up."""
        if self.powered and self.phase in (PHASE_RECEIVING, PHASE_ENDED, PHASE_WRITTEN):
            self._world.say("hub", "printer loses power")
            if self._writing:
                self._counter.on_paper(self.job, self._writing[: self._world.random.randrange(len(self._writing) + 1)])
                self._writing = None
                self.link.grant(PRINTER)
            self._abort(REASON_POWER)
            self._settle()

    def _abort(self, reason: int) -> None:
        self._world.promise(reason == REASON_POWER, f"the bridge made the hub give a job up: reason {reason}")
        for _ in self._chunks:
            self.link.grant(PRINTER)
        self._chunks.clear()
        self.phase = PHASE_ABORTED
        self._reason = reason
        self._tell_job()

    # -- drawer ----------------------------------------------------------------------------------------------------

    def _on_kick(self, kick: int, drawer: int, on_ms: int, deadline_ms: int) -> None:
        if kick in self._kicks:
            self.link.send("kick_done", kick, REPEATED)
            return
        self._kicks.append(kick)
        del self._kicks[:-REMEMBERED_KICKS]
        if self._is_past(deadline_ms):
            self.link.send("kick_done", kick, EXPIRED)
        else:  # the solenoid still rests from the last kick
            self._pending_kick = (kick, deadline_ms)
            self._world.after(self._world.random.choice((0, 0, 300)), self._kick, self._life, kick)

    def _kick(self, life: int, kick: int) -> None:
        if life != self._life or not self.powered or self._pending_kick is None or self._pending_kick[0] != kick:
            return
        _, deadline_ms = self._pending_kick
        self._pending_kick = None
        if self._is_past(deadline_ms):
            self.link.send("kick_done", kick, EXPIRED)
        else:
            self._counter.drawer_opens(kick)
            self.link.send("kick_done", kick, OPENED)
        self._settle()

    def _is_past(self, deadline_ms: int) -> bool:
        left = (deadline_ms - self._clock()) & TICKS_MASK
        return left == 0 or left >= 0x20000000


def check_bounds(world: World, link: Link, bounded: bool = True) -> None:
    """Nothing grows, whatever the wire does."""
    queued = max(map(len, link.queues))
    if "error_credit" in link.statistics or "error_ack" in link.statistics:
        world.promise(False, "a peer that keeps to the rules was caught at breaking them")
    window = link.profile.window
    if len(link._events) > EVENTS_MAX or len(link.flight) > window or queued > QUEUE_MESSAGES or not bounded:
        world.promise(
            False,
            f"a bound is broken: {len(link._events)} events, {len(link.flight)} in flight, {queued} queued",
        )
