"""The bridge as a small model of host_bridge: a journal whose commits take time, jobs, scans, kicks, reconnecting.

What it does with messages is what printer.py, scanner.py and drawer.py in host_bridge/devices do; asyncio and SQLite
are left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from hublink.link import BRIDGE, TICKS_MASK, Link
from hublink.messages import (
    NO_JOB,
    PHASE_ABORTED,
    PHASE_ENDED,
    PHASE_NONE,
    PHASE_PROVEN,
    PHASE_RECEIVING,
    PRINTER,
    SCAN_CONTINUES,
)
from hublink.profile import Profile
from tests.simulation.counter import Counter
from tests.simulation.hub import check_bounds
from tests.simulation.world import Wire, World

RETRY_MS = (20, 250)  # the real one's back-off grows to 5 s; nothing new would come of waiting for it here
FINAL = ("printed", "unconfirmed")


class Journal:
    """What a killed bridge finds again. A commit takes time, and a kill before its end undoes it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.jobs: dict[bytes, tuple[str, bytes]] = {}  # id → state, hub's boot id
        self.scans: set[tuple[bytes, int]] = set()
        self.commit_ms_max = 1.0

    def commit(self, life: Callable[[], bool], apply: Callable[[], None]) -> None:
        """`life()`: whether the process that asked is still alive when the disk has done it."""
        self._world.after(self._world.random.uniform(0, self.commit_ms_max), self._done, life, apply)

    def _done(self, life: Callable[[], bool], apply: Callable[[], None]) -> None:
        if life():
            apply()


class SimulatedBridge:
    def __init__(self, world: World, counter: Counter, wire: Wire, profile: Profile) -> None:
        self._world = world
        self._counter = counter
        self._wire = wire
        self._profile = profile
        self.journal = Journal(world)
        self._life = 0
        self._sessions = world.random.randrange(1, 0xFFFF)
        self._clock_offset = 0
        self.running = False
        self.port_there = True
        self.link: Link | None = None

    # -- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """A new process: it knows what the journal knows."""
        if self.running:
            return
        self._life += 1
        self.running = True
        self._up = self._told = False
        self._boot_id = b""
        self._session = 0  # counts sessions, as devices.link.DeviceLink does
        self._hub_job: tuple[bytes, int, int, int, bytes] = (NO_JOB, PHASE_NONE, 0, 0, b"")
        self._queue = deque(job for job, (state, _) in self.journal.jobs.items() if state not in FINAL)
        self._busy = False  # a commit is under way
        self._sending_in = 0  # the session in which the present job is being sent
        self._begun_in = 0  # the session of the last job_begin
        self._offset: int | None = None
        self._parts: deque[tuple[bytes, int, int, bytes]] = deque()
        self._assembling = bytearray()
        self._keeping = False
        self._world.say("bridge", "starts")
        self._begin_connecting()

    def _begin_connecting(self) -> None:
        self._timer_at = 0.0
        self._connect(self._life)

    def kill(self) -> None:
        self.running = False
        self.link = None
        self._world.say("bridge", "killed")

    def pull_port(self) -> None:
        """The port is gone: the driver says so at once."""
        self.port_there = False
        if self.running and self.link:
            self._lose_link("port_missing")

    def plug_port(self) -> None:
        self.port_there = True

    def step_clock(self, step_ms: int) -> None:
        self._clock_offset += step_ms

    def _alive(self, life: int) -> bool:
        return self.running and life == self._life

    def _clock(self) -> int:
        return (int(self._world.now) + 777 + self._clock_offset) & TICKS_MASK

    def _connect(self, life: int) -> None:
        if not self._alive(life) or self.link is not None:
            return
        if not self.port_there:
            self._world.after(100, self._connect, life)
            return
        self._timer_at = 0.0
        self.link = self._new_link()

    def _new_link(self) -> Link:
        self._sessions = self._sessions % 0xFFFF + 7
        link = Link(BRIDGE, self._profile, session=(self._sessions - 1) % 0xFFFF + 1, trace_frames=0)
        link.start(self._clock())
        return link

    def _lose_link(self, reason: str) -> None:
        self.link = None
        self._forget_session(reason)
        self._world.after(self._world.random.uniform(*RETRY_MS), self._connect, self._life)

    def _forget_session(self, reason: str) -> None:
        self._world.say("bridge", f"link down: {reason}")
        self._up = self._told = False
        self._parts.clear()
        self._assembling.clear()

    @property
    def is_up(self) -> bool:
        return self.running and self._up

    # -- bytes and time ----------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        if self.running and self.link is not None:
            self.link.receive(data, self._clock())
            self._settle()

    def _on_timer(self, link: Link, at: float) -> None:
        if self.running and self.link is link and at == self._timer_at:
            self._timer_at = 0.0
            link.handle_timer(self._clock())
            self._settle()

    def _settle(self) -> None:
        link = self.link
        if link is None:
            return
        while self.link is link and (event := link.next_event()) is not None:
            self._on_event(event)
        self._print()
        if self.link is not link:
            return
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
            world.after(at - world.now, self._on_timer, link, at)
        check_bounds(world, link)

    def _on_event(self, event: tuple[Any, ...]) -> None:
        kind = event[0]
        if kind == "message":
            name, values = event[1:]
            if name == "scan":
                self._parts.append((self._boot_id, values[0], values[2], values[3]))
                self._keep_scans()
            elif name == "job_status":
                job, phase, _reason, received, written, reply = values
                # After job_begin, a word on another job is one that the hub said before it got that.
                if self._begun_in != self._session or job == self._hub_job[0]:
                    self._hub_job = (job, phase, received, written, reply)
            elif name == "faults":
                self._told = True
            elif name != "kick_done":
                self._world.promise(False, f"the bridge was told {name}, which only a bridge says")
        elif kind == "up":
            self._on_up(event[1])
        elif kind == "down":
            self._lose_link(event[1])

    def _on_up(self, hello: dict[str, Any]) -> None:
        self._world.say("bridge", "link up")
        boot_id = hello["boot_id"]
        assert self.link is not None
        opened = (boot_id, hello["nonce"], self.link._session)
        self._world.promise(opened in self._counter.sessions, f"a session {opened} that the hub knows nothing of")
        self._up = True
        self._told = False
        self._session += 1
        self._boot_id = boot_id
        phase = min(hello["job_phase"], PHASE_ENDED)
        self._hub_job = (hello["job"], phase, hello["job_received_bytes"], 0, b"")

    # -- scans -------------------------------------------------------------------------------------------------------

    def _keep_scans(self) -> None:
        """Journal one scan after the other; each is the hub's until its commit is done."""
        while self._parts and not self._keeping:
            boot_id, sequence, flags, data = self._parts.popleft()
            self._assembling += data
            if flags & SCAN_CONTINUES:
                continue
            whole = bytes(self._assembling)
            self._assembling.clear()
            self._keeping = True
            life = self._life
            self.journal.commit(lambda: self._alive(life), lambda: self._scan_kept(boot_id, sequence, whole))  # noqa: B023

    def _scan_kept(self, boot_id: bytes, sequence: int, data: bytes) -> None:
        self._keeping = False
        if (boot_id, sequence) not in self.journal.scans:
            self.journal.scans.add((boot_id, sequence))
            self._counter.scan_journaled(boot_id, sequence, data)
        if self._up and self.link and boot_id == self._boot_id:
            self.link.send("scan_taken", sequence)
        self._keep_scans()
        self._settle()

    # -- jobs --------------------------------------------------------------------------------------------------------

    def submit(self, job: bytes, data: bytes) -> None:
        """A till's job; accepted once it is committed."""
        if not self.running:
            return
        life = self._life
        self.journal.commit(lambda: self._alive(life), lambda: self._accepted(job, data))

    def _accepted(self, job: bytes, data: bytes) -> None:
        self._counter.jobs[job] = data
        self.journal.jobs[job] = ("queued", b"")
        self._queue.append(job)
        self._settle()

    def _print(self) -> None:
        """Take the oldest open job as far as it goes now."""
        while self._queue and not self._busy and self._up and self._told and self.link:
            job = self._queue[0]
            state, boot_id = self.journal.jobs[job]
            if state == "queued":
                self._set(job, "sending", self._boot_id)
            elif boot_id != self._boot_id:
                self._set(job, "unconfirmed", boot_id)
            elif not self._send(job):
                return

    def _send(self, job: bytes) -> bool:
        """One session's part of a job. False: it must wait for something."""
        assert self.link is not None
        data = self._counter.jobs[job]
        held, phase, received, written, reply = self._hub_job
        untouched = phase == PHASE_ABORTED and written == 0
        if self._sending_in != self._session or (held == job and untouched):
            if held != job or untouched:
                if self.link.room(PRINTER) <= 0 or not self.link.send("job_begin", job, len(data), b"proof"):
                    return False
                self._hub_job = (job, PHASE_RECEIVING, 0, 0, b"")
                self._begun_in = self._session
                received, phase = 0, PHASE_RECEIVING
            self._sending_in = self._session
            self._offset = received if phase == PHASE_RECEIVING else None
            return True
        if self._offset is not None and phase != PHASE_ABORTED:
            return self._send_data(job, data)
        if held != job or (phase == PHASE_PROVEN and reply != job[-4:]):
            self._set(job, "unconfirmed", self._boot_id)
            return True
        if phase == PHASE_PROVEN:
            self._set(job, "printed", self._boot_id)
            return True
        if phase == PHASE_ABORTED:
            self._set(job, "unconfirmed", self._boot_id)
            return True
        return False

    def _send_data(self, job: bytes, data: bytes) -> bool:
        assert self.link is not None and self._offset is not None
        chunk_bytes = self.link.peer["payload_bytes"]
        while self._offset < len(data):
            if self.link.room(PRINTER) <= 0:
                return False
            if not self.link.send("job_data", data[self._offset : self._offset + chunk_bytes]):
                return False
            self._offset += chunk_bytes
        if self.link.room(PRINTER) <= 0 or not self.link.send("job_end", job):
            return False
        self._offset = None
        return True

    def _set(self, job: bytes, state: str, boot_id: bytes) -> None:
        """Commit a job's next state; nothing else is done with it meanwhile."""
        self._busy = True
        life = self._life
        self.journal.commit(lambda: self._alive(life), lambda: self._was_set(job, state, boot_id))

    def _was_set(self, job: bytes, state: str, boot_id: bytes) -> None:
        self._busy = False
        self.journal.jobs[job] = (state, boot_id)
        if state == "sending":
            self._counter.committed.add(job)
        if state in FINAL:
            self._world.say("bridge", f"job {state}: {job.decode()}")
            self._queue.popleft()
            self._sending_in = 0
            if state == "printed":
                self._counter.job_printed(job)
            if self._up and self.link:
                self.link.send("job_forget", job)
        self._settle()

    def all_jobs_final(self) -> bool:
        return not self._queue

    # -- kicks -------------------------------------------------------------------------------------------------------

    def kick(self, kick: int, time_to_live_ms: int) -> None:
        """Ask for the drawer now or never: nothing repeats it."""
        self._counter.kick_asked(kick, self._world.now + time_to_live_ms)
        clock = self.link.peer_clock_ms(self._clock()) if self.link is not None and self._up else None
        if clock is None or self.link is None:
            self._world.say("bridge", "kick refused")
            return
        self.link.send("kick", kick, 1, 100, (clock + time_to_live_ms) & TICKS_MASK)
        self._settle()
