"""A bridge made of lists and dictionaries, and the real HTTP interface in front of it on a free port."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import aiohttp
import msgspec
import pytest

from host_bridge.address import Address
from host_bridge.events import EventBus, ScanEvent, ScanSettledEvent
from host_bridge.interfaces.http import HttpInterface, HttpLimits
from host_bridge.interfaces.http.examples import STATE
from host_bridge.interfaces.services import Receipt, Refused, ServedHub, Submitted
from host_bridge.journal.records import Job, JobState, Kick, KickState, Scan, ScanState
from host_bridge.state import LinkState, ScannerState, State

PNG = b"\x89PNG\r\n\x1a\n fake"


class FakeClock:
    def __init__(self) -> None:
        self.now = 1_751_256_000.0

    def __call__(self) -> float:
        return self.now


class FakePrinting:
    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.stored: dict[str, tuple[Job, bytes | None]] = {}
        self.keys: dict[str, str] = {}
        self.lock = asyncio.Lock()
        self.refuse: Refused | Exception | None = None
        self.warning: str | None = None
        self.hold: asyncio.Event | None = None  # submit waits for it
        self.sources: list[str] = []

    async def submit(self, data: bytes, *, source: str, idempotency_key: str | None = None) -> Submitted:
        if self.hold is not None:
            await self.hold.wait()
        async with self.lock:
            await asyncio.sleep(0)  # a commit takes its time
            digest = hashlib.sha256(data).hexdigest()
            if idempotency_key in self.keys:
                job = self.stored[self.keys[idempotency_key]][0]
                if job.sha256 != digest:
                    raise Refused("idempotency_mismatch", "The key belongs to another job.")
                return Submitted(job=job, replayed=True)
            if self.refuse is not None:
                raise self.refuse
            job_id = f"{len(self.stored) + 1:016x}"
            job = Job(
                job_id=job_id,
                state=JobState.QUEUED,
                source=source,
                size_bytes=len(data),
                sha256=digest,
                created_at=self.clock(),
                updated_at=self.clock(),
                warning=self.warning,
            )
            self.stored[job_id] = (job, data)
            self.sources.append(source)
            if idempotency_key is not None:
                self.keys[idempotency_key] = job_id
            return Submitted(job=job, warning=self.warning)

    def become(self, job_id: str, state: JobState) -> None:
        job, data = self.stored[job_id]
        self.stored[job_id] = (msgspec.structs.replace(job, state=state), data)

    def forget_data(self, job_id: str) -> None:
        self.stored[job_id] = (self.stored[job_id][0], None)

    async def job(self, job_id: str) -> Job | None:
        return self.stored[job_id][0] if job_id in self.stored else None

    async def jobs(self, *, limit: int) -> list[Job]:
        return [job for job, _ in reversed(self.stored.values())][:limit]

    async def job_data(self, job_id: str) -> bytes | None:
        return self.stored[job_id][1]

    async def cancel(self, job_id: str) -> Job:
        if job_id not in self.stored:
            raise Refused("job_unknown", f"There is no job {job_id}.")
        if self.stored[job_id][0].state is not JobState.QUEUED:
            raise Refused("job_not_cancellable", "Its bytes are under way.")
        self.become(job_id, JobState.CANCELLED)
        return self.stored[job_id][0]

    async def wait_final(self, job_id: str) -> Job:
        raise NotImplementedError

    def accepting(self) -> Refused | None:
        return None

    def watch_accepting(self, tell: Callable[[], None]) -> None:
        pass

    def status_bytes(self) -> bytes | None:
        return None


class FakeDrawers:
    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.kicks: list[Kick] = []
        self.asked: list[tuple[int, int, int]] = []
        self.keys: dict[str, Kick] = {}
        self.lock = asyncio.Lock()
        self.outcome: tuple[KickState, str | None] = (KickState.OPENED, None)
        self.refuse: Refused | None = None

    async def kick(
        self,
        *,
        source: str,
        drawer: int = 1,
        on_ms: int = 100,
        time_to_live_ms: int = 2000,
        idempotency_key: str | None = None,
    ) -> Kick:
        async with self.lock:
            await asyncio.sleep(0)
            if self.refuse is not None:
                raise self.refuse
            if idempotency_key in self.keys:
                return self.keys[idempotency_key]
            self.asked.append((drawer, on_ms, time_to_live_ms))
            state, reason = self.outcome
            kick = Kick(
                kick_id=len(self.kicks) + 1,
                source=source,
                drawer=drawer,
                state=state,
                reason=reason,
                created_at=self.clock(),
                updated_at=self.clock(),
            )
            self.kicks.append(kick)
            if idempotency_key is not None:
                self.keys[idempotency_key] = kick
            return kick


class FakeScans:
    def __init__(self, clock: FakeClock, bus: EventBus) -> None:
        self.clock = clock
        self.bus = bus
        self.stored: dict[int, Scan] = {}
        self.before_waiting: Callable[[], Awaitable[None] | None] | None = None
        self.waiting_asked = 0
        self.switched: list[tuple[bool, int | None]] = []
        self.refusal: Refused | None = None

    def add(self, data: str = "6901234567892", *, publish: bool = True) -> Scan:
        sequence = len(self.stored) + 1
        scan = Scan(
            sequence=sequence,
            hub_id="hub",
            boot_id="boot",
            hub_sequence=sequence,
            data=data,
            raw=data.encode(),
            symbology="]E0",
            check_digit_ok=True,
            repeat=False,
            read_at=self.clock(),
            state=ScanState.WAITING,
        )
        self.stored[sequence] = scan
        if publish:
            self.publish(scan)
        return scan

    def publish(self, scan: Scan) -> None:
        event = ScanEvent.of(scan, redelivered=False)
        self.bus.publish(event)

    def settle(self, sequence: int, state: ScanState) -> None:
        self.stored[sequence] = msgspec.structs.replace(self.stored[sequence], state=state)
        self.bus.publish(ScanSettledEvent(sequence=sequence, outcome=state.value))

    async def after(self, sequence: int, *, limit: int) -> list[Scan]:
        return [scan for scan in self.stored.values() if scan.sequence > sequence][:limit]

    async def newest(self, *, limit: int) -> list[Scan]:
        return list(self.stored.values())[-limit:]

    async def waiting(self) -> list[Scan]:
        self.waiting_asked += 1
        if self.before_waiting is not None:
            hook, self.before_waiting = self.before_waiting, None
            hook()
        return [scan for scan in self.stored.values() if scan.state is ScanState.WAITING]

    async def acknowledge(self, sequence: int) -> bool:
        scan = self.stored.get(sequence)
        if scan is None or scan.state is not ScanState.WAITING:
            return False
        self.settle(sequence, ScanState.DELIVERED)
        return True

    async def switch(self, enabled: bool, *, for_ms: int | None = None) -> ScannerState:
        self.switched.append((enabled, for_ms))
        if self.refusal is not None:
            raise self.refusal
        return ScannerState(status="ready" if enabled else "off", switchable=True)


class FakeHub:
    def __init__(self, clock: FakeClock, name: str = "hub", virtual: FakeCounter | None = None) -> None:
        self.name = name
        self.virtual = virtual
        self.clock = clock
        self.events = EventBus()
        self.printing = FakePrinting(clock)
        self.drawers = FakeDrawers(clock)
        self.scans = FakeScans(clock, self.events)
        self.link_status = "up"
        self.state_fails = False

    def state(self) -> State:
        if self.state_fails:
            raise RuntimeError("made to fail")
        link = LinkState(status=self.link_status, since=STATE.link.since)  # type: ignore[arg-type]
        return msgspec.structs.replace(STATE, link=link)


def fake_hubs() -> dict[str, ServedHub]:
    return {"hub": cast(ServedHub, FakeHub(FakeClock()))}


class FakeCounter:
    def __init__(self) -> None:
        self.scanned: list[tuple[str, str | None]] = []
        self.active = {"cable": False, "paper_end": False}
        self.closed = 0

    async def scan(self, data: str, symbology: str | None) -> None:
        if self.active["cable"]:
            raise Refused("scanner_unplugged", "The scanner is unplugged.")
        self.scanned.append((data, symbology))

    async def set_fault(self, fault: str, active: bool) -> None:
        if fault not in self.active:
            raise Refused("fault_unknown", f"Known faults are {', '.join(self.active)}.")
        self.active[fault] = active

    def faults(self) -> dict[str, bool]:
        return dict(self.active)

    async def close_drawer(self) -> None:
        self.closed += 1

    async def lights(self) -> list[tuple[int, str]]:
        return [(0, "#000000"), (250, "#00a651"), (3_150, "#000000")]

    async def receipts(self) -> list[Receipt]:
        return [Receipt(n=1, size_bytes=5, height_px=20, cut=True, printed_at="2025-06-30T04:00:00.000Z")]

    async def receipt_png(self, n: int) -> bytes | None:
        return PNG if n == 1 else None

    async def receipt_bytes(self, n: int) -> bytes | None:
        return b"\x1b@hi\n" if n == 1 else None


class Running:
    """The interface under test with its fakes and a client."""

    def __init__(self, interface: HttpInterface, bridge: FakeHub, counter: FakeCounter | None) -> None:
        self.interface = interface
        self.bridge = bridge
        self.counter = counter
        self.client = aiohttp.ClientSession(interface.url, timeout=aiohttp.ClientTimeout(total=20))

    @property
    def port(self) -> int:
        return self.interface.address.port

    async def socket(self, *, observe: bool = False, **more: Any) -> aiohttp.ClientWebSocketResponse:
        """Connect to the events and take the first message, which is the state."""
        socket = await self.client.ws_connect(f"/api/v1/events{'?observe=1' if observe else ''}", **more)
        first = await receive(socket)
        assert first["type"] == "state"
        return socket

    async def raw(self, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self.interface.address.host, self.port)
        if data:
            writer.write(data)
            await writer.drain()
        return reader, writer

    async def exchange(self, data: bytes) -> bytes:
        """Send bytes and read until the bridge closes; `Connection: close` is the caller's business."""
        reader, writer = await self.raw(data)
        try:
            return await asyncio.wait_for(reader.read(), 10)
        except ConnectionResetError:
            return b""
        finally:
            writer.close()


async def receive(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    message: dict[str, Any] = await socket.receive_json(timeout=40)
    return message


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start an interface with limits of one's own; stopped at the end."""
    running: list[Running] = []

    async def begin(*, virtual: bool = True, web_dir: Path | None = None, **options: Any) -> Running:
        clock = FakeClock()
        counter = FakeCounter() if virtual else None
        bridge = FakeHub(clock, virtual=counter)
        limits = options.pop("limits", {})
        interface = HttpInterface(
            {bridge.name: cast(ServedHub, bridge)},
            options.pop("listen", Address("127.0.0.1", 0)),
            web_dir=web_dir,
            limits=HttpLimits(**{"stop_deadline_ms": 200, **limits}),
            clock=clock,
            **options,
        )
        await interface.start()
        running.append(Running(interface, bridge, counter))
        return running[-1]

    yield begin
    for one in running:
        await one.client.close()
        await one.interface.stop()


@pytest.fixture
async def server(start: Start) -> Running:
    return await start()
