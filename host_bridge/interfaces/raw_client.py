"""One connection to the raw port: reads it to its end, answers what a printer would, hands its jobs over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any, Final

import msgspec

from host_bridge import __version__
from host_bridge.escpos import status
from host_bridge.escpos.commands import Command
from host_bridge.escpos.compose import foreign_format
from host_bridge.interfaces.raw_jobs import (
    Enquiry,
    FinishedJob,
    JobCollector,
    KickRequest,
    ProofRequest,
    judge_first_bytes,
)
from host_bridge.interfaces.services import Refused
from host_bridge.journal.records import JobState

if TYPE_CHECKING:
    from host_bridge.interfaces.raw import RawInterface

log = logging.getLogger(__name__)

READ_BYTES: Final = 4_096  # at a time: a few thousand commands at most, which keep the event loop for milliseconds
MAKER: Final = "COUNTERHUB"
MODEL: Final = "TM-T88 COMPATIBLE"  # drivers look for a family that they know in it
CHARACTERS: Final = "GB18030"
_MODEL_ID: Final = {1: 0x20, 2: 0x03, 3: 0x01}  # GS I 1...3: TM-T88 family; two-byte characters and a knife; ROM 1
_CLEARED: Final = b"\x37\x25\x00"  # answer to DLE DC4 8


class RawLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Every limit of the raw port."""

    max_connections: int = 64
    max_lingering: int = 64  # clients that have closed their side and wait for their job's end
    backlog: int = 128
    max_job_bytes: int = 16 * 1024 * 1024
    max_buffered_bytes: int = 64 * 1024 * 1024  # of all connections together
    max_kicks: int = 8  # under way at once
    max_proofs: int = 16  # tasks of one connection that wait for paper
    trailing_ms: int = 20  # after a cut: what still belongs to the job
    idle_flush_ms: int = 2_000  # silence that ends a job without a cut
    proof_flush_ms: int = 100  # the same while the client waits for proof of printing
    stall_ms: int = 30_000  # silence inside a command, then the client is given up
    collect_ms: int = 120_000  # the longest that one job may take to arrive
    submit_ms: int = 30_000  # the journal's patience
    final_ms: int = 600_000  # how long a client may wait for its job's end: time to fetch a new roll
    write_ms: int = 5_000  # a client that doesn't read its answers gets no more of them
    asb_delay_ms: int = 10  # after GS a: an enquiry that follows at once is answered first
    gap_ms: int = 40  # between one-byte answers and ASB messages, so that a client reads them apart
    max_gap_ms: int = 1_000  # a client that asks all the time still gets its ASB
    evict_after_ms: int = 500  # silence before an idle client may give way to a new one
    full_ms: int = 2_000  # all places taken by busy clients: then the port closes
    stop_ms: int = 2_000


class _End(Exception):
    """End this connection before the client does. ``abrupt``: with a reset, because its last bytes were not taken."""

    def __init__(self, kind: str, detail: str, *, abrupt: bool = True) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.abrupt = abrupt


def reset(connection: socket.socket) -> None:
    """Close with RST: SO_LINGER with no time left; its two fields are shorts on Windows."""
    with contextlib.suppress(OSError):
        layout = "hh" if sys.platform == "win32" else "ii"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(layout, 1, 0))
    connection.close()


class Client:
    """Used once, for one connection."""

    def __init__(self, interface: RawInterface, connection: socket.socket, peer: str) -> None:
        self.peer = peer
        self.lingering = False
        self._interface = interface
        self._limits = interface.limits
        self._hub = interface.hub
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        self._collector = JobCollector()
        self._judged = False
        self._held = b""  # first bytes that don't tell yet whether this is a till
        self._order: asyncio.Future[_End | None] = self._loop.create_future()  # from outside: end; None: stop
        self._reading: asyncio.Task[bytes] | None = None
        self._busy = False  # inside _take
        self._heard_at = self._loop.time()
        self._work_since: float | None = None
        self._last_job: str | None = None
        self._proofs: set[asyncio.Task[Any]] = set()  # waiting for paper
        self._writing = asyncio.Lock()
        self._deaf = False  # its reading side is gone; its bytes still count
        self._answered_at = self._asb_at = float("-inf")
        self._asb_mask = 0
        self._asb_known: bytes | None = None
        self._asb_news = asyncio.Event()
        self._asb_task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve until either side ends it."""
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        abrupt = False
        try:
            if await self._read_to_end():
                await self._linger()
        except _End as end:
            self._interface.warn(end.kind, f"connection of {self.peer} ended: {end.detail}")
            abrupt = end.abrupt
        except Exception:
            log.exception("raw port: connection of %s", self.peer)
            abrupt = True
        finally:
            # a socket must be closed only when the loop watches it no more: its number is given to the next one
            tasks = [*self._proofs, *filter(None, [self._asb_task, self._reading])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if abrupt:
                reset(self._socket)
            self._socket.close()

    @property
    def size_bytes(self) -> int:
        return self._collector.size_bytes + len(self._held)

    def idle_ms(self) -> float:
        """How long it has been silent with nothing under way; -1 if something is."""
        if self._busy or self._has_work() or self._proofs or self._order.done() or self.lingering:
            return -1
        with contextlib.suppress(OSError):  # BlockingIOError: really nothing there
            self._socket.recv(1, socket.MSG_PEEK)
            return -1
        return (self._loop.time() - self._heard_at) * 1000

    def status_changed(self) -> None:
        self._asb_news.set()

    def stop(self) -> None:
        """The bridge stops: take what has come, then end."""
        self._give_order(None)

    def evict(self) -> None:
        self._give_order(_End("evicted", "all places are taken, and it was idle or waiting longest", abrupt=False))

    def refuse(self, refused: Refused) -> None:
        """Jobs can't be taken now: end it if it is sending one."""
        if self._has_work() and not self._busy:
            self._give_order(_End("refused", f"{refused.detail} ({refused.code})"))

    def _give_order(self, order: _End | None) -> None:
        if not self._order.done():
            self._order.set_result(order)

    # --- reading

    async def _read_to_end(self) -> bool:
        """Read and act until the client has sent its last byte; True if it may still be listening."""
        while True:
            stopping = self._order.done()
            if stopping and (end := self._order.result()) is not None:
                raise end
            if self._reading is None:
                self._reading = self._loop.create_task(self._receive())
            waiting: set[asyncio.Future[Any]] = {self._reading} if stopping else {self._reading, self._order}
            await asyncio.wait(waiting, timeout=self._patience_s(), return_when=asyncio.FIRST_COMPLETED)
            if self._reading.done():
                reading, self._reading = self._reading, None
                if reading.exception() is not None:
                    log.debug("raw port: %s: %s", self.peer, reading.exception())
                    await self._finish()
                    return False
                if not reading.result():
                    await self._finish()
                    return True
                await self._take(reading.result())
            elif stopping:
                await self._leave()
                return False
            elif not self._order.done():
                await self._silence()

    async def _receive(self) -> bytes:
        return await self._loop.sock_recv(self._socket, READ_BYTES)

    def _has_work(self) -> bool:
        return bool(self._held) or self._collector.has_work

    def _patience_s(self) -> float | None:
        """How long to wait for the next bytes; None: as long as it likes, it owes us nothing."""
        limits, collector = self._limits, self._collector
        if self._order.done():
            return limits.trailing_ms / 1000
        if not self._has_work():
            return None
        if collector.inside_command:
            silence_ms = limits.stall_ms
        elif collector.ended:
            silence_ms = limits.trailing_ms
        else:
            silence_ms = limits.proof_flush_ms if collector.proof_waiting else limits.idle_flush_ms
        until = self._heard_at + silence_ms / 1000
        if self._work_since is not None:
            until = min(until, self._work_since + limits.collect_ms / 1000)
        return max(0.0, until - self._loop.time())

    async def _take(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        self._busy = True
        try:
            await self._sort(data, final=False)
        finally:
            self._busy = False
            if not self._has_work():
                self._work_since = None
            elif self._work_since is None:
                self._work_since = self._heard_at

    async def _sort(self, data: bytes, *, final: bool) -> None:
        """Act on bytes: what a printer obeys in real time first, then jobs."""
        if not self._judged:
            self._held += data
            verdict = judge_first_bytes(self._held, final=final)
            if verdict is None:
                return
            if verdict != "job":
                raise _End(verdict, f"it sent {_IS_NOT[verdict]}; nothing was printed")
            self._judged = True
            data, self._held = self._held, b""
        async with self._interface.turn:
            steps = self._collector.feed(data)
            await asyncio.sleep(0)  # the rest of the bridge comes between two clients, however many there are
        for step in steps:
            if isinstance(step, KickRequest):
                self._interface.kick(step)
            elif isinstance(step, Enquiry):
                await self._answer_enquiry(step.command)
                await asyncio.sleep(0)  # an answer that the system takes at once would not let go of the loop
        for step in steps:
            if isinstance(step, FinishedJob):
                await self._submit(step)
            elif isinstance(step, ProofRequest):
                await self._prove_earlier(step.command)
                await asyncio.sleep(0)
        self._check_limits()

    def _check_limits(self) -> None:
        limits = self._limits
        if self._collector.size_bytes > limits.max_job_bytes:
            raise _End("job_too_large", f"a job has at most {limits.max_job_bytes} bytes; nothing of it was printed")
        if self._interface.buffered_bytes() > limits.max_buffered_bytes:
            raise _End("buffers_full", f"all connections together may hold {limits.max_buffered_bytes} bytes")
        refused = self._hub.printing.accepting()
        if refused is not None and self._collector.has_work:
            raise _End("refused", f"{refused.detail} ({refused.code})")

    async def _silence(self) -> None:
        """The client has said nothing for long enough: its job ends here."""
        if self._held:
            await self._sort(b"", final=True)
        collector = self._collector
        unfinished = collector.unfinished if collector.inside_command else None
        await self._finish()
        self._work_since = None
        if unfinished:
            raise _End("stalled", f"silent inside a command ({unfinished}); what came before it was kept")

    async def _finish(self) -> None:
        """No more bytes for this job: hand over what is whole."""
        self._busy = True
        try:
            if self._held:
                await self._sort(b"", final=True)
            if self._collector.inside_command:
                self._interface.warn(
                    "truncated", f"{self.peer} ended inside a command, which was dropped: {self._collector.unfinished}"
                )
            job = self._collector.finish()
            if job is not None:
                await self._submit(job)
        finally:
            self._busy = False

    async def _leave(self) -> None:
        """The bridge stops and nothing more is on the way: keep a job that ends in a cut, not half a one."""
        if self._has_work() and not self._collector.ended:
            raise _End("stopped", "the bridge stops in the middle of its job")
        await self._finish()

    # --- jobs

    async def _submit(self, job: FinishedJob) -> None:
        if name := foreign_format(job.data):
            raise _End("document", f"it sent {name}; nothing was printed")
        try:
            async with asyncio.timeout(self._limits.submit_ms / 1000):
                submitted = await self._hub.printing.submit(job.data, source="raw")
        except Refused as refused:
            raise _End("refused", f"{refused.detail} ({refused.code})") from refused
        except TimeoutError:
            raise _End("journal_slow", f"the journal did not answer within {self._limits.submit_ms} ms") from None
        self._interface.statistics["jobs"] += 1
        self._last_job = submitted.job.job_id
        log.info("raw port: job %s of %d bytes from %s", self._last_job, len(job.data), self.peer)
        if job.proofs:
            self._prove(self._last_job, job.proofs)

    async def _prove_earlier(self, command: Command) -> None:
        """Proof asked for with nothing unsent: of the last job, or just the printer's status."""
        if self._last_job is not None:
            self._prove(self._last_job, (command,))
        elif self._interface.printer_status() is not None:
            await self._answer(self._proof(command))
        else:
            raise _End("unprovable", "it asked a question that is queued, and nobody knows the printer's status")

    def _prove(self, job_id: str, commands: tuple[Command, ...]) -> None:
        if len(self._proofs) >= self._limits.max_proofs:
            raise _End("too_many_proofs", f"it waits for {len(self._proofs)} proofs of printing already")
        task = self._loop.create_task(self._prove_when_printed(job_id, commands))
        self._proofs.add(task)
        task.add_done_callback(self._proofs.discard)

    async def _prove_when_printed(self, job_id: str, commands: tuple[Command, ...]) -> None:
        """Clients take the answer as "printed": give it then and only then; otherwise end the connection."""
        state = await self._final_state(job_id)
        if state is JobState.PRINTED:
            for command in commands:
                await self._answer(self._proof(command))
        else:
            self._give_order(_End("unproven", f"job {job_id} is {state.value if state else 'not final'}", abrupt=False))

    async def _final_state(self, job_id: str) -> JobState | None:
        try:
            async with asyncio.timeout(self._limits.final_ms / 1000):
                return (await self._hub.printing.wait_final(job_id)).state
        except (Refused, TimeoutError) as error:
            log.warning("raw port: no end of job %s for %s: %s", job_id, self.peer, str(error) or "deadline")
            return None

    def _proof(self, command: Command) -> bytes:
        if command.name == "GS ( H":
            return status.process_id_answer(command.data[7:11])
        printer = self._interface.printer_status() or status.UNREACHABLE
        n = {"ESC v": 1, "ESC u": 2}.get(command.name) or command.data[2]
        return status.queued_answer(printer, n)

    async def _linger(self) -> None:
        """The client has shut its writing side and may read until we close (CUPS): do so once its job is final."""
        if self._last_job is None or self._deaf:
            return
        self.lingering = True
        self._interface.limit_lingering()
        final = self._loop.create_task(self._final_state(self._last_job))
        self._proofs.add(final)  # ended with them
        waiting: set[asyncio.Future[Any]] = {final, self._order}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        final.cancel()
        self._proofs.discard(final)
        if self._proofs and not self._order.done():
            await asyncio.wait(self._proofs, timeout=self._limits.write_ms / 1000)

    # --- answers

    async def _answer_enquiry(self, command: Command) -> None:
        data = command.data
        printer = self._interface.printer_status() or status.UNREACHABLE
        if command.name == "DLE EOT":
            await self._answer(status.realtime_answer(printer, data[2]))
        elif command.name == "GS I":
            await self._answer(self._identity(data[2]))
        elif command.name == "GS a":
            self._switch_asb(data[2])
        elif data[2] == 7:  # DLE DC4 7: ASB bytes, asked for by hand
            await self._answer(self._interface.asb())
        else:
            await self._answer(_CLEARED)

    def _identity(self, n: int) -> bytes:
        number = n - 48 if 49 <= n <= 51 else n
        if number in _MODEL_ID:
            return bytes([_MODEL_ID[number]])
        hub = self._hub.state().hub
        texts = {65: __version__, 66: MAKER, 67: MODEL, 68: hub.id if hub else "", 69: CHARACTERS}
        return status.identity_answer(texts.get(n, ""))

    async def _answer(self, answer: bytes) -> None:
        """Send what a client waits for, apart from an ASB message that went just before."""
        self._answered_at = self._loop.time()  # from now on: no ASB message may slip in between
        await self._pause(self._asb_at + self._limits.gap_ms / 1000)
        await self._write(answer)
        self._answered_at = self._loop.time()

    def _switch_asb(self, mask: int) -> None:
        self._asb_mask = mask
        self._asb_known = None  # the four bytes come at once, changed or not
        self._asb_news.set()
        if mask and self._asb_task is None:
            self._asb_task = self._loop.create_task(self._report_status())

    async def _report_status(self) -> None:
        """Automatic Status Back, for as long as the connection is open."""
        while not self._deaf:
            await self._asb_news.wait()
            self._asb_news.clear()
            limits = self._limits
            await asyncio.sleep(limits.asb_delay_ms / 1000)
            latest = self._loop.time() + limits.max_gap_ms / 1000
            while (quiet := self._answered_at + limits.gap_ms / 1000) > self._loop.time() and quiet < latest:
                await self._pause(quiet)
            asb, known = self._interface.asb(), self._asb_known
            if self._asb_mask and (known is None or status.asb_changed(self._asb_mask, known, asb)):
                self._asb_known = asb
                await self._write(asb)
                self._asb_at = self._loop.time()

    async def _pause(self, until: float) -> None:
        if until > self._loop.time():
            await asyncio.sleep(until - self._loop.time())

    async def _write(self, data: bytes) -> None:
        """Send, or learn that nobody reads. Its own bytes are read on either way."""
        async with self._writing:
            if self._deaf:
                return
            try:
                async with asyncio.timeout(self._limits.write_ms / 1000):
                    await self._loop.sock_sendall(self._socket, data)
            except (OSError, TimeoutError) as error:
                self._deaf = True
                log.debug("raw port: %s reads no answers: %s", self.peer, str(error) or "deadline")


_IS_NOT: Final = {"web": "what a web browser sends", "document": "a file that is no receipt"}
