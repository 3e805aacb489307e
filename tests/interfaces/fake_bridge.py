"""A bridge that keeps in memory what a till interface asked of it. Jobs print when the test says so."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable

from host_bridge.escpos.status import READY, PrinterStatus, to_asb
from host_bridge.events import EventBus, PrinterEvent
from host_bridge.interfaces.services import Refused, Submitted
from host_bridge.journal.records import Job, JobState, Kick, KickState, Scan
from host_bridge.state import PrinterState, ScannerState, State


class FakePrinting:
    def __init__(self) -> None:
        self.events = EventBus()
        self.submitted: list[bytes] = []
        self.finals: dict[str, asyncio.Future[JobState]] = {}
        self._refused: Refused | None = None
        self._tell: Callable[[], None] = lambda: None
        self.asb: bytes | None = to_asb(READY)
        self.print_at_once = True
        self.hold: asyncio.Event | None = None  # a journal that takes its time
        self._changed = asyncio.Event()

    async def submit(self, data: bytes, *, source: str, idempotency_key: str | None = None) -> Submitted:
        assert source == "raw"
        if self.hold is not None:
            await self.hold.wait()
        if self.refused is not None:
            raise self.refused
        self.submitted.append(data)
        job_id = f"{len(self.submitted):016x}"
        self.finals[job_id] = asyncio.get_running_loop().create_future()
        if self.print_at_once:
            self.finals[job_id].set_result(JobState.PRINTED)
        self._changed.set()
        return Submitted(job=self._job(job_id, JobState.QUEUED))

    async def wait_final(self, job_id: str) -> Job:
        return self._job(job_id, await asyncio.shield(self.finals[job_id]))

    async def job(self, job_id: str) -> Job | None:
        raise NotImplementedError

    async def jobs(self, *, limit: int) -> list[Job]:
        raise NotImplementedError

    async def job_data(self, job_id: str) -> bytes | None:
        raise NotImplementedError

    async def cancel(self, job_id: str) -> Job:
        raise NotImplementedError

    def accepting(self) -> Refused | None:
        return self.refused

    def watch_accepting(self, tell: Callable[[], None]) -> None:
        self._tell = tell

    def status_bytes(self) -> bytes | None:
        return self.asb

    # --- for tests

    @property
    def refused(self) -> Refused | None:
        return self._refused

    @refused.setter
    def refused(self, refused: Refused | None) -> None:
        self._refused = refused
        self._tell()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a submitted job makes the condition true."""
        async with asyncio.timeout(30):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def end(self, number: int, state: JobState) -> None:
        """The job submitted as number (1 is the first) ends so."""
        self.finals[f"{number:016x}"].set_result(state)

    def set_status(self, printer: PrinterStatus | None) -> None:
        self.asb = None if printer is None else to_asb(printer)
        self.events.publish(PrinterEvent(printer=PrinterState(status="ready")))

    def _job(self, job_id: str, state: JobState) -> Job:
        data = self.submitted[int(job_id, 16) - 1]
        digest = hashlib.sha256(data).hexdigest()
        return Job(
            job_id=job_id,
            state=state,
            source="raw",
            size_bytes=len(data),
            sha256=digest,
            created_at=0.0,
            updated_at=0.0,
        )


class FakeDrawers:
    def __init__(self) -> None:
        self.kicks: list[tuple[int, int]] = []
        self.kicked = asyncio.Event()
        self.error: Exception | None = None
        self.hold: asyncio.Event | None = None

    async def kick(
        self,
        *,
        source: str,
        drawer: int = 1,
        on_ms: int = 100,
        time_to_live_ms: int = 2000,
        idempotency_key: str | None = None,
    ) -> Kick:
        assert source == "raw"
        self.kicks.append((drawer, on_ms))
        self.kicked.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.error is not None:
            raise self.error
        return Kick(
            kick_id=len(self.kicks),
            source=source,
            drawer=drawer,
            state=KickState.OPENED,
            created_at=0.0,
            updated_at=0.0,
        )


class FakeScans:
    async def after(self, sequence: int, *, limit: int) -> list[Scan]:
        raise NotImplementedError

    async def newest(self, *, limit: int) -> list[Scan]:
        raise NotImplementedError

    async def waiting(self) -> list[Scan]:
        raise NotImplementedError

    async def acknowledge(self, sequence: int) -> bool:
        raise NotImplementedError

    async def switch(self, enabled: bool, *, for_ms: int | None = None) -> ScannerState:
        raise NotImplementedError


class _NoHub:
    hub = None


class FakeBridge:
    def __init__(self) -> None:
        self.printing = FakePrinting()
        self.drawers = FakeDrawers()
        self.scans = FakeScans()
        self.events = self.printing.events

    def state(self) -> State:
        return _NoHub()  # type: ignore[return-value]
