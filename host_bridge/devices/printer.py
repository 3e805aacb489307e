"""The receipt printer as tills see it (UnifiedPOS POSPrinter): a journaled queue, printed one job at a time.

A job's bytes leave here only after its state `sending` is committed. From then on it is known how far it got as long
as the hub lives on: a new session continues where the hub stands. If the hub has begun a new life meanwhile nobody can
know what is on paper, and the job ends `unconfirmed`; it is never sent a second time.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from host_bridge.devices.link import DeviceLink
from host_bridge.devices.pieces import Pieces
from host_bridge.devices.proof import NO_PROOF, Proof, ProofFinder, verdict
from host_bridge.events import EventBus, JobEvent, PrinterEvent
from host_bridge.interfaces.services import Duplicate, Refused, Submitted
from host_bridge.journal import IdempotencyMismatch, IllegalTransition, Journal, JournalError, JournalFull
from host_bridge.journal.records import Job, JobState
from host_bridge.state import PrinterState
from hublink import messages
from hublink.frame import PAYLOAD_BYTES_MAX
from hublink.hello import FLAG_SAFE_MODE
from hublink.messages import NO_JOB, PRINTER
from hublink.words import ABORT_REASONS

log = logging.getLogger(__name__)

MAX_QUEUED_JOBS = 500
MAX_QUEUED_BYTES = 64 << 20
MAX_JOB_BYTES = 16 << 20
CONFIRM_TIMEOUT_MS = 30_000  # a buffer full of empty lines (4 KB) takes a printer 13 s, a slow one twice that
JOURNAL_RETRY_MS = 1000
PROOF_ATTEMPTS = 3

ConfirmBy = Literal["auto", "process_id", "gs_r", "none"]


class PrinterOptions(msgspec.Struct, frozen=True, kw_only=True):
    confirm: ConfirmBy = "auto"
    remember: bool = True  # have the printer keep the enquiry in its memory, as a macro
    confirm_timeout_ms: int = CONFIRM_TIMEOUT_MS
    max_job_bytes: int = MAX_JOB_BYTES
    max_queued_jobs: int = MAX_QUEUED_JOBS
    max_queued_bytes: int = MAX_QUEUED_BYTES


class HubJob(msgspec.Struct, frozen=True):
    """How far the hub is with the job that it holds."""

    token: bytes
    phase: int
    reason: int = 0
    received_bytes: int = 0
    written_bytes: int = 0
    reply: bytes = b""


_NOTHING = HubJob(NO_JOB, messages.PHASE_NONE)


class PrinterService:
    """Implements `services.Printing`."""

    def __init__(
        self, link: DeviceLink, journal: Journal, events: EventBus, options: PrinterOptions | None = None
    ) -> None:
        self._link = link
        self._journal = journal
        self._events = events
        self._options = options or PrinterOptions()
        self._proof_finder = ProofFinder(self._options.confirm, link, remember=self._options.remember)
        self._queue: deque[Job] = deque()  # open jobs, oldest first; the journal has them too
        self._queued_bytes = 0  # of those that arrive as well
        self._arriving = 0  # on their way into the journal
        self._waiters: dict[str, list[asyncio.Future[Job]]] = {}
        self._changed = asyncio.Event()
        self._condition = 0
        self._asb: bytes | None = None
        self._hub_job = _NOTHING
        self._hub_prints = True  # not so in safe mode
        self._piece_bytes = PAYLOAD_BYTES_MAX  # of a job's message
        self._left_out = False  # by the hub, whose board file is wrong
        self._current: Job | None = None
        self._handed_out: str | None = None  # the job of which bytes may have left
        self._unproven: str | None = None  # the job for which no proof was asked
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._accepted = True  # as last told
        self._accepting_watchers: list[Callable[[], None]] = []

    # -- life ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take up the open jobs of the last life and begin to print."""
        for job in await self._journal.open_jobs():
            self._queue.append(job)
            self._queued_bytes += job.size_bytes
        self._journal.watch_room(self._tell_accepting)
        self._tell_accepting()
        self._task = asyncio.create_task(self._run(), name="printer")

    async def stop(self) -> None:
        """Take no more jobs. What is queued or under way stays so in the journal, for the next start."""
        self._stopping = True
        self._tell_accepting()
        if self._task:
            self._task.cancel()
            await asyncio.wait((self._task,))
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.cancel()

    def tasks(self) -> list[asyncio.Task[None]]:
        return [self._task] if self._task else []

    # -- what till interfaces call -------------------------------------------------------------------------------

    def accepting(self) -> Refused | None:
        if self._stopping:
            return Refused("stopping", "the bridge is stopping: send the job again once it runs")
        jobs = len(self._queue) + self._arriving
        if jobs >= self._options.max_queued_jobs or self._queued_bytes >= self._options.max_queued_bytes:
            return Refused(
                "queue_full",
                f"{len(self._queue)} jobs ({self._queued_bytes} bytes) wait for the printer: see to its fault first",
            )
        full = self._journal.accepting()
        return Refused("journal_full", str(full)) if full else None

    def watch_accepting(self, tell: Callable[[], None]) -> None:
        self._accepting_watchers.append(tell)

    def _tell_accepting(self) -> None:
        """Whatever `accepting` depends on may have changed."""
        accepted = self.accepting() is None
        if accepted != self._accepted:
            self._accepted = accepted
            for tell in self._accepting_watchers:
                tell()

    async def submit(self, data: bytes, *, source: str, idempotency_key: str | None = None) -> Submitted:
        if len(data) > self._options.max_job_bytes:
            raise Refused(
                "job_too_large",
                f"a job has at most {self._options.max_job_bytes} bytes, this one {len(data)}: print it in parts",
            )
        refused = self.accepting()
        try:
            # A retry gets its answer even when no new job can be taken.
            if refused and idempotency_key:
                earlier = await self._journal.job_of_key(idempotency_key, data)
                if earlier:
                    return Submitted(job=earlier, replayed=True, warning=earlier.warning)
            if refused:
                raise refused
            job, replayed = await self._add(data, source, idempotency_key)
        except IdempotencyMismatch as error:
            raise Refused("idempotency_mismatch", str(error)) from error
        except JournalFull as error:
            raise Refused("journal_full", str(error)) from error
        except JournalError as error:
            raise Refused("journal_failed", str(error)) from error
        if replayed:
            return Submitted(job=job, replayed=True, warning=job.warning)
        self._events.publish(JobEvent(job=job))
        self._changed.set()
        duplicate = await self._find_duplicate(job)
        warning = (
            f"the same content was sent as job {duplicate.job_id} {duplicate.ago_s} s before" if duplicate else None
        )
        return Submitted(job=job, warning=warning, duplicate=duplicate)

    async def _add(self, data: bytes, source: str, idempotency_key: str | None) -> tuple[Job, bool]:
        """Into the journal and the queue; counted from the start, so that many at once don't pass the limits."""
        self._arriving += 1
        self._queued_bytes += len(data)
        self._tell_accepting()
        kept = False
        try:
            job, replayed = await self._journal.add_job(data, source, idempotency_key)
            if not replayed:
                self._queue.append(job)
                kept = True
            return job, replayed
        finally:
            self._arriving -= 1
            if not kept:
                self._queued_bytes -= len(data)
            self._tell_accepting()

    async def job(self, job_id: str) -> Job | None:
        return await self._journal.job(job_id)

    async def jobs(self, *, limit: int) -> list[Job]:
        return await self._journal.jobs(limit)

    async def job_data(self, job_id: str) -> bytes | None:
        return await self._journal.job_data(job_id)

    async def cancel(self, job_id: str) -> Job:
        job = await self._journal.job(job_id)
        if job is None:
            raise Refused("job_unknown", f"there is no job {job_id!r}")
        if job.state is JobState.CANCELLED:
            return job
        try:
            job = await self._journal.set_job(
                job_id, JobState.CANCELLED, expected={JobState.QUEUED}, reason="cancelled"
            )
        except IllegalTransition as error:
            raise _not_cancellable(error.current if isinstance(error.current, Job) else job) from error
        self._close(job)
        return job

    async def wait_final(self, job_id: str) -> Job:
        waiter: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(job_id, []).append(waiter)
        try:
            job = await self._journal.job(job_id)
            if job is None:
                raise Refused("job_unknown", f"there is no job {job_id!r}")
            return job if job.state.final else await waiter
        finally:
            self._waiters[job_id].remove(waiter)
            if not self._waiters[job_id]:
                del self._waiters[job_id]

    def status_bytes(self) -> bytes | None:
        return self._asb if self._link.is_up and self._condition == 1 else None

    def state(self) -> PrinterState:
        """The printer as people see it."""
        asb = self.status_bytes()
        current = self._current.job_id if self._current and self._current.state is JobState.SENDING else None
        if asb is None:
            return PrinterState(
                status="fault" if self._link.is_up and (self._condition == 2 or self._left_out) else "unknown",
                queued_jobs=len(self._queue),
                current_job=current,
            )
        error = bool(asb[0] & 0x08 or asb[1] & 0x2C or asb[2] & 0x0C)
        return PrinterState(
            status="fault" if error else "printing" if current else "ready",
            online=not asb[0] & 0x08,
            paper="end" if asb[2] & 0x0C else "near_end" if asb[2] & 0x03 else "ok",
            cover_open=bool(asb[0] & 0x20),
            cutter_error=bool(asb[1] & 0x08),
            queued_jobs=len(self._queue),
            current_job=current,
            asb=asb.hex(),
        )

    # -- what the hub says ---------------------------------------------------------------------------------------

    def link_up(self, hello: dict[str, Any]) -> None:
        phase = hello["job_phase"]
        if phase > messages.PHASE_ENDED:
            phase = messages.PHASE_ENDED  # HELLO has no room for how it ended: job_status, which follows, tells
        self._hub_job = HubJob(hello["job"], phase, received_bytes=hello["job_received_bytes"])
        self._hub_prints = not hello["flags"] & FLAG_SAFE_MODE
        self._piece_bytes = hello.get("payload_bytes", PAYLOAD_BYTES_MAX)
        self._condition = 0
        self._changed.set()

    def on_faults(self, codes: set[str]) -> None:
        self._left_out = "printer_left_out" in codes
        self._changed.set()

    def link_down(self) -> None:
        self._condition = 0
        self._changed.set()
        self._tell()

    def writable(self, channel: int) -> None:
        if channel == PRINTER:
            self._changed.set()

    def on_job_status(self, token: bytes, phase: int, reason: int, received: int, written: int, reply: bytes) -> None:
        if token != self._hub_job.token:
            return  # the last word on the job that gave way to ours
        self._hub_job = HubJob(token, phase, reason, received, written, reply)
        self._changed.set()

    def on_printer_status(self, condition: int, asb: bytes) -> None:
        self._condition = condition
        self._asb = asb if asb != b"\0\0\0\0" else None
        if condition != 1:
            self._proof_finder.forget()
        self._changed.set()
        self._tell()

    def on_printer_reply(self, reply: bytes) -> None:
        self._proof_finder.on_reply(reply)

    def _tell(self) -> None:
        self._events.publish(PrinterEvent(printer=self.state()))

    # -- printing ------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Print the open jobs one after the other, for ever."""
        while True:
            while not self._queue:
                await self._change()
            self._current = job = self._queue[0]
            if job.state is JobState.SENDING:
                self._handed_out = job.job_id  # in an earlier life, for all that is known
            try:
                await self._print(job)
            except IllegalTransition as error:
                log.info("job %s went another way: %s", job.job_id, error)  # cancelled at the same moment
                await self._look_again(job)
                await self._change(JOURNAL_RETRY_MS / 1000)
            except JournalError as error:
                # The job's next state could not be kept: it stays where it is until the journal can be written again.
                log.error("job %s waits for the journal: %s", job.job_id, error)
                await asyncio.sleep(JOURNAL_RETRY_MS / 1000)
                await self._look_again(job)
            finally:
                self._current = None

    async def _look_again(self, job: Job) -> None:
        """What the journal has of a job of which a call failed: it may have taken effect all the same."""
        try:
            kept = await self._journal.job(job.job_id)
        except JournalError as error:
            log.error("job %s could not be looked up: %s", job.job_id, error)
            return
        if self._gone(job) or kept is None:
            return
        if kept.state.final:
            self._close(kept)
        else:
            self._queue[0] = kept

    async def _print(self, job: Job) -> None:
        """Bring one job to its final state, over as many sessions as that takes."""
        data = await self._journal.job_data(job.job_id)
        if data is None:
            await self._finish(job, JobState.FAILED, "data_lost")
            return
        token = bytes.fromhex(job.job_id)
        while True:
            while not (self._gone(job) or self._orphaned(job) or self._decided(token) or self._ready()):
                await self._change()
            if self._gone(job):
                return
            if self._orphaned(job):
                await self._finish(job, JobState.UNCONFIRMED, "hub_restarted")
                return
            boot_id, session = self._link.boot_id, self._link.session
            held = self._hub_job.token == token and not self._untouched()
            if not held and job.state is JobState.SENDING and await self._is_strangers(self._hub_job.token):
                # Another bridge has used the hub since: this job may have been on it, and be printed.
                await self._finish(job, JobState.UNCONFIRMED, "hub_forgot_job")
                return
            # A job that the hub holds has its proof with it.
            proof = NO_PROOF if held else await self._find_proof(token, data)
            if proof is None or self._gone(job) or self._link.session != session:
                continue
            if job.state is JobState.QUEUED or job.boot_id != boot_id:
                job = await self._begin(job, boot_id)
            outcome = await self._send(job, token, data, proof)
            if outcome is not None:
                await self._finish(job, *outcome)
                self._link.send("job_forget", token)
                return

    async def _is_strangers(self, token: bytes) -> bool:
        return token != NO_JOB and await self._journal.job(token.hex()) is None

    def _gone(self, job: Job) -> bool:
        """Cancelled while it waited."""
        return not self._queue or self._queue[0].job_id != job.job_id

    def _orphaned(self, job: Job) -> bool:
        """The life of the hub that got some of its bytes is over: nobody knows what became of them."""
        return (
            self._link.is_up
            and job.state is JobState.SENDING
            and job.boot_id != self._link.boot_id
            and self._handed_out == job.job_id
        )

    def _decided(self, token: bytes) -> bool:
        """The hub has said its last word on the job, whatever the printer does now."""
        last_word = self._hub_job.phase in (messages.PHASE_PROVEN, messages.PHASE_ABORTED)
        return self._link.is_up and self._hub_job.token == token and last_word and not self._untouched()

    async def _begin(self, job: Job, boot_id: str) -> Job:
        """Commit `sending` before the first byte goes."""
        self._current = job = await self._journal.set_job(
            job.job_id, JobState.SENDING, expected={job.state}, boot_id=boot_id
        )
        self._queue[0] = job
        self._events.publish(JobEvent(job=job))
        self._tell()
        return job

    async def _send(self, job: Job, token: bytes, data: bytes, proof: Proof) -> tuple[JobState, str | None] | None:
        """One session's part of a job: from where the hub stands to the proof. None: the session ended before."""
        session = self._link.session
        if self._hub_job.token != token or self._untouched():
            self._hub_job = HubJob(token, messages.PHASE_RECEIVING)
            self._unproven = None if proof.wanted else job.job_id
            if not await self._say(session, "job_begin", token, len(data), proof.request(token)):
                return None
        if self._hub_job.phase == messages.PHASE_RECEIVING:
            pieces = Pieces(data, self._piece_bytes)
            await pieces.skip(self._hub_job.received_bytes)
            while piece := pieces.next():
                self._handed_out = job.job_id
                if not await self._say(session, "job_data", piece):
                    return None
                if self._hub_job.phase == messages.PHASE_ABORTED:
                    break
            else:
                if not await self._say(session, "job_end", token):
                    return None
        return await self._outcome(session, token)

    def _untouched(self) -> bool:
        """The hub gave the job up before a byte of it went to the printer: it can safely be sent again."""
        return self._hub_job.phase == messages.PHASE_ABORTED and self._hub_job.written_bytes == 0

    async def _say(self, session: int, name: str, *values: object) -> bool:
        """Send one message, waiting for room. False: the session is over, or the hub has given the job up."""
        while self._link.session == session and self._link.is_up:
            if self._link.room(PRINTER) > 0 and self._link.send(name, *values):
                return True
            if name == "job_data" and self._hub_job.phase == messages.PHASE_ABORTED:
                return True
            await self._change()
        return False

    async def _outcome(self, session: int, token: bytes) -> tuple[JobState, str | None] | None:
        """Wait for the hub's last word on the job."""
        loop = asyncio.get_running_loop()
        silent_since: float | None = None
        while self._link.session == session and self._link.is_up:
            job = self._hub_job
            if job.token != token or job.phase == messages.PHASE_NONE:
                return JobState.UNCONFIRMED, "hub_forgot_job"
            if job.phase == messages.PHASE_PROVEN and job.reply:
                outcome = verdict(token, job.reply)
                self._proof_finder.judged(outcome)
                return (JobState.PRINTED, None) if outcome == "printed" else (JobState.UNCONFIRMED, outcome)
            if job.phase == messages.PHASE_ABORTED:
                return None if self._untouched() else (JobState.UNCONFIRMED, ABORT_REASONS[job.reason])
            # A printer that says why it stands still may take its time; one that says all is well may not.
            if job.phase != messages.PHASE_WRITTEN or self._says_why():
                silent_since = None
                await self._change()
                continue
            silent_since = silent_since or loop.time()
            patience_ms = 0 if self._unproven == token.hex() else self._options.confirm_timeout_ms
            left_s = silent_since + patience_ms / 1000 - loop.time()
            if left_s <= 0 or not await self._change(left_s):
                reason = await self._why_unproven(token, silent_since + CONFIRM_TIMEOUT_MS / 1000)
                if self._hub_job.phase == messages.PHASE_WRITTEN:  # else it has come to an end after all
                    return JobState.UNCONFIRMED, reason
        return None

    async def _why_unproven(self, token: bytes, printed_at: float) -> str:
        """The proof has not come in time. By `printed_at`, of the loop's clock, any printer is through."""
        if printed_at > asyncio.get_running_loop().time():
            self._proof_finder.busy_until = printed_at
            return "no_proof"
        return "printer_power" if await self._proof_finder.has_forgotten(token) else "no_proof"

    async def _finish(self, job: Job, state: JobState, reason: str | None) -> None:
        known = self._hub_job.token.hex() == job.job_id
        sent_bytes = min(self._hub_job.written_bytes, job.size_bytes) if known else None
        if state is JobState.PRINTED:
            sent_bytes = job.size_bytes
        done = await self._journal.set_job(
            job.job_id, state, expected={job.state}, reason=reason, sent_bytes=sent_bytes
        )
        self._current = None
        self._close(done)
        if state is not JobState.PRINTED:
            log.warning("job %s is %s: %s", job.job_id, state, reason)

    def _close(self, job: Job) -> None:
        """A job is final: out of the queue, and everyone who waits is told."""
        for queued in self._queue:
            if queued.job_id == job.job_id:
                self._queue.remove(queued)
                self._queued_bytes -= queued.size_bytes
                break
        self._tell_accepting()
        for waiter in self._waiters.get(job.job_id, ()):
            if not waiter.done():
                waiter.set_result(job)
        self._events.publish(JobEvent(job=job))
        self._changed.set()
        self._tell()

    # -- waiting -------------------------------------------------------------------------------------------------

    def _ready(self) -> bool:
        """The printer answers and is online, or is one that never answers. Else the job can wait, and be cancelled."""
        if not (self._link.is_up and self._link.told and self._hub_prints and not self._left_out):
            return False
        return self._options.confirm == "none" or (self._condition == 1 and not self._offline())

    def _says_why(self) -> bool:
        """The printer stands still and has told the reason. One that has no status to tell gives none."""
        return self.status_bytes() is not None and self.state().status == "fault"

    def _offline(self) -> bool:
        return self._asb is not None and bool(self._asb[0] & 0x08)

    async def _find_proof(self, token: bytes, data: bytes) -> Proof | None:
        """How this printer proves a job. One that only just got its power is asked again before it is given up."""
        for _ in range(PROOF_ATTEMPTS):
            proof = await self._proof_finder.find(token, data)
            if proof is None or not self._ready():
                return None
            if proof.wanted or self._options.confirm == "none":
                return proof
        return proof

    async def _change(self, timeout_s: float | None = None) -> bool:
        """Wait until anything about the queue, the link, the printer or the job has changed; False after the time."""
        if timeout_s is None:  # the usual case, once a frame: a deadline that never comes costs as much as the frame
            await self._changed.wait()
        else:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._changed.wait()
            except TimeoutError:
                return False
        self._changed.clear()
        return True

    async def _find_duplicate(self, job: Job) -> Duplicate | None:
        """The same receipt twice within half a minute is often a retry by a till that forgot its idempotency key."""
        try:
            earlier = await self._journal.recent_duplicate(job.sha256, excluding=job.job_id)
        except JournalError as error:
            log.warning("could not look for a repeated receipt: %s", error)
            return None
        if earlier is None:
            return None
        return Duplicate(job_id=earlier.job_id, ago_s=max(0, round(job.created_at - earlier.created_at)))


def _not_cancellable(job: Job) -> Refused:
    return Refused("job_not_cancellable", f"job {job.job_id} is {job.state}: only a queued job can be cancelled")
