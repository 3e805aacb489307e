"""The scanner as tills see it (UnifiedPOS Scanner): journaled scans, each delivered until acknowledged or expired."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from host_bridge.devices.check_digit import check_digit_ok
from host_bridge.devices.link import DeviceLink
from host_bridge.devices.scanner_switch import ScannerSwitch
from host_bridge.events import EventBus, ScanEvent, ScannerEvent, ScanSettledEvent
from host_bridge.journal import Journal, JournalError
from host_bridge.journal.records import Scan, ScanState
from host_bridge.state import ScannerState
from hublink.messages import SCAN_CONTINUES, SCAN_HAS_SYMBOLOGY, SCAN_REPEAT

log = logging.getLogger(__name__)

EXPIRE_MS = 10_000  # an old scan must not fall into the next customer's basket
PARTS_MAX = 1024  # more than the hub's ring has; what is over comes again in the next session
SCAN_BYTES_MAX = 7092  # as on the hub
JOURNAL_RETRY_MS = 1000
_AIM_CHARACTERS = 3


class _Part(NamedTuple):
    hub_id: str
    boot_id: str
    sequence: int
    read_at: float
    flags: int
    data: bytes


class ScannerService:
    """Implements `services.Scans`."""

    def __init__(
        self,
        link: DeviceLink,
        journal: Journal,
        events: EventBus,
        expire_ms: int = EXPIRE_MS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._link = link
        self._journal = journal
        self._events = events
        self._expire_s = expire_ms / 1000
        self._clock = clock
        self._parts: deque[_Part] = deque()
        self._arrived = asyncio.Event()
        self._assembling = bytearray()
        self._assembled = 0  # the hub's number of the scan that is being put together
        self._overrun = False  # a gap: nothing behind it may be taken in this session
        self._waiting: set[int] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._waits = asyncio.Event()
        self._faulty = False
        self._switch = ScannerSwitch(link, self._tell_state, clock)
        self.on_scanner = self._switch.on_scanner
        self.scans = 0

    async def start(self) -> None:
        self._waiting = {scan.sequence for scan in await self._journal.waiting_scans()}
        self._waits.set()
        self._tasks = [
            asyncio.create_task(self._keep(), name="scans"),
            asyncio.create_task(self._expire(), name="scans expire"),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def tasks(self) -> list[asyncio.Task[None]]:
        return self._tasks

    # -- what till interfaces call -------------------------------------------------------------------------------

    async def after(self, sequence: int, *, limit: int) -> list[Scan]:
        return await self._journal.scans_after(sequence, limit)

    async def newest(self, *, limit: int) -> list[Scan]:
        return await self._journal.newest_scans(limit)

    async def waiting(self) -> list[Scan]:
        await self._expire_now()
        return await self._journal.waiting_scans()

    async def acknowledge(self, sequence: int) -> bool:
        await self._expire_now()
        if not await self._journal.settle_scan(sequence, ScanState.DELIVERED):
            return False
        self._settled(sequence, ScanState.DELIVERED)
        return True

    async def switch(self, enabled: bool, *, for_ms: int | None = None) -> ScannerState:
        await self._switch.turn(enabled, for_ms)
        return self.state()

    def state(self) -> ScannerState:
        off = self._switch.state == "off"
        status = "unknown" if not self._link.is_up else "fault" if self._faulty else "off" if off else "ready"
        return ScannerState(
            status=status,  # type: ignore[arg-type]
            switchable=self._switch.can_switch,
            off_until=self._switch.off_until,
            scans=self.scans,
            waiting=len(self._waiting),
            expire_ms=round(self._expire_s * 1000),
        )

    # -- what the hub says ---------------------------------------------------------------------------------------

    def link_down(self) -> None:
        self._switch.link_down()
        self._parts.clear()  # not taken, so the hub has them still
        self._assembling.clear()
        self._overrun = False

    def _tell_state(self) -> None:
        self._events.publish(ScannerEvent(scanner=self.state()))

    def on_faults(self, codes: set[str]) -> None:
        self._faulty = not codes.isdisjoint(("scanner_unplugged", "scanner_left_out"))

    def on_scan(self, sequence: int, age_ms: int, flags: int, data: bytes) -> None:
        if len(self._parts) >= PARTS_MAX and not self._overrun:
            # To acknowledge what comes behind would acknowledge this one too.
            log.error("more than %d scans wait for the journal: the hub keeps the rest", PARTS_MAX)
            self._overrun = True
        if self._overrun:
            return
        read_at = self._clock() - age_ms / 1000
        self._parts.append(_Part(self._link.hub_id, self._link.boot_id, sequence, read_at, flags, data))
        self._arrived.set()

    # -- keeping -------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Journal each scan, then tell the tills, and the hub that it is ours."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._parts:
                part = self._parts.popleft()
                if part.sequence != self._assembled:
                    self._assembled = part.sequence
                    self._assembling.clear()
                self._assembling += part.data[: SCAN_BYTES_MAX - len(self._assembling)]
                if part.flags & SCAN_CONTINUES:
                    continue
                raw = bytes(self._assembling)
                self._assembling.clear()
                await self._keep_one(part, raw)

    async def _keep_one(self, part: _Part, raw: bytes) -> None:
        symbology = None
        if part.flags & SCAN_HAS_SYMBOLOGY:
            symbology, raw = raw[:_AIM_CHARACTERS].decode("ascii", "replace"), raw[_AIM_CHARACTERS:]
        checked = check_digit_ok(raw.decode("latin-1"), symbology)
        repeat = bool(part.flags & SCAN_REPEAT)
        while True:
            try:
                scan, new = await self._journal.add_scan(
                    part.hub_id, part.boot_id, part.sequence, raw, symbology, checked, repeat, part.read_at
                )
                break
            except JournalError as error:
                log.error("a scan waits for the journal (the hub keeps it): %s", error)
                await asyncio.sleep(JOURNAL_RETRY_MS / 1000)
        # One may be known and yet not delivered: a call that failed had taken effect. The till is told before the hub:
        # the clerk waits for the one, nobody for the other.
        if new or (scan.state is ScanState.WAITING and scan.sequence not in self._waiting):
            self._deliver(scan)
        if part.boot_id == self._link.boot_id:
            self._link.send("scan_taken", part.sequence)

    def _deliver(self, scan: Scan) -> None:
        self.scans += 1
        self._waiting.add(scan.sequence)
        if self._clock() - scan.read_at < self._expire_s:
            self._events.publish(ScanEvent.of(scan))
        self._waits.set()

    # -- expiry --------------------------------------------------------------------------------------------------

    async def _expire(self) -> None:
        """Look for scans too old, as often as matters, and only while any wait."""
        while True:
            await self._waits.wait()
            try:
                await self._expire_now()
            except JournalError as error:
                log.error("scans could not be expired: %s", error)
            if not self._waiting:
                self._waits.clear()
            else:
                await asyncio.sleep(min(1.0, self._expire_s / 4))

    async def _expire_now(self) -> None:
        for scan in await self._journal.expire_scans(self._clock() - self._expire_s):
            log.warning("scan %d expired: no till acknowledged it within %g s", scan.sequence, self._expire_s)
            self._settled(scan.sequence, ScanState.EXPIRED)

    def _settled(self, sequence: int, outcome: ScanState) -> None:
        self._waiting.discard(sequence)
        self._events.publish(ScanSettledEvent(sequence=sequence, outcome=outcome.value))
