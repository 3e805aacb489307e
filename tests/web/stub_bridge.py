"""A bridge that shows what a test wants to see: the real HTTP interface over made-up devices.

Run it by hand to look at the page: `python tests/web/stub_bridge.py [PORT]`.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from PIL import Image, ImageDraw

from host_bridge.events import (
    DrawerEvent,
    Event,
    EventBus,
    FaultEvent,
    JobEvent,
    LinkEvent,
    PrinterEvent,
    ReceiptEvent,
    ScanEvent,
    ScanSettledEvent,
    VirtualFaultEvent,
)
from host_bridge.interfaces.services import Drawers, Printing, Receipt, Refused, Scans, Submitted
from host_bridge.journal.records import Job, JobState, Kick, KickState, Scan, ScanState
from host_bridge.state import (
    Devices,
    DrawerState,
    FaultState,
    HubState,
    IndicatorState,
    LightStep,
    LinkState,
    PrinterState,
    ScannerState,
    State,
    Text,
)

FAULTS = {
    "cable": ("link_down", "link", "Till and hub are apart", "收银机与集线器断开"),
    "paper_end": ("paper_end", "printer", "The receipt printer is out of paper", "小票打印机没有纸了"),
    "cover_open": ("cover_open", "printer", "The printer's cover is open", "打印机上盖打开"),
    "drawer_stuck": ("drawer_stuck", "drawer", "The drawer does not open", "钱箱打不开"),
}
NAMES = (
    "cable",
    "hub_power",
    "printer_power",
    "paper_end",
    "paper_near_end",
    "cover_open",
    "cutter",
    "drawer_stuck",
    "scanner_unplugged",
)
READY = [LightStep("#00c040", 1000)]


def rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def paper_picture(lines: list[str]) -> bytes:
    picture = Image.new("L", (576, 60 + 34 * len(lines)), 255)
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        draw.text((30, 30 + 34 * number), line, fill=0, font_size=24)
    output = io.BytesIO()
    picture.save(output, "PNG")
    return output.getvalue()


class StubBridge:
    """All service protocols in one object; `change` and `publish` are the test's hands."""

    def __init__(self, *, virtual: bool = True) -> None:
        self.events = EventBus()
        self.printing: Printing = self
        self.drawers: Drawers = self
        self.scans: Scans = self
        self.name = "hub"
        self.virtual = self if virtual else None
        now = rfc3339(time.time() - 65)
        self._flags = dict.fromkeys(NAMES, False)
        self._jobs: list[Job] = []
        self._data: dict[str, bytes] = {}
        self._scans: list[Scan] = []
        self._receipts: list[Receipt] = []
        self.kicks = 0
        self.shone: list[tuple[int, str]] = []
        self.state_now = State(
            version="0.1.0",
            time=now,
            virtual=virtual,
            link=LinkState(
                status="up",
                since=now,
                port="/dev/ttyACM0",
                transport="USB CDC",
                round_trip_ms=3.2,
                session=7,
                statistics={"frames_sent": 1204, "frames_received": 1187, "checksum_errors": 0},
            ),
            hub=HubState(
                id="e66141041b5c2f27",
                name="counter-1",
                board="Raspberry Pi Pico",
                firmware="0.1.0",
                boot_id="5a",
                reset_cause="power_on",
                boots=12,
            ),
            devices=Devices(
                scanner=ScannerState(status="ready"),
                printer=PrinterState(status="ready", online=True, paper="ok", asb="14000000"),
                drawer=DrawerState(status="closed"),
            ),
            indicator=IndicatorState(
                pattern="ready", known=True, meaning=Text("Everything works.", "一切正常。"), steps=READY
            ),
            faults=[],
        )

    # The test's hands

    def publish(self, event: Event) -> None:
        self.events.publish(event)

    def change(self, **fields: object) -> None:
        self.state_now = msgspec.structs.replace(self.state_now, **fields)

    def add_scan(self, data: str, symbology: str | None, *, repeat: bool = False, check: bool | None = None) -> Scan:
        scan = Scan(
            sequence=len(self._scans) + 1,
            hub_id="hub",
            boot_id="5a",
            hub_sequence=len(self._scans) + 1,
            data=data,
            raw=data.encode(),
            symbology=symbology,
            check_digit_ok=check,
            repeat=repeat,
            read_at=time.time(),
            state=ScanState.WAITING,
        )
        self._scans.append(scan)
        self._count_scans()
        self.publish(
            ScanEvent(
                sequence=scan.sequence,
                data=data,
                data_hex=scan.raw.hex(),
                symbology=symbology,
                check_digit_ok=check,
                repeat=repeat,
                read_at=rfc3339(scan.read_at),
            )
        )
        return scan

    def settle(self, sequence: int, outcome: ScanState) -> None:
        self._scans[sequence - 1] = msgspec.structs.replace(self._scans[sequence - 1], state=outcome)
        self._count_scans()
        self.publish(ScanSettledEvent(sequence=sequence, outcome=outcome.value))

    def add_job(self, data: bytes, state: JobState, *, source: str = "raw", reason: str | None = None) -> Job:
        now = time.time()
        digest = hashlib.sha256(data + str(len(self._jobs)).encode()).hexdigest()
        job = Job(
            job_id=digest[:16],
            state=state,
            source=source,
            size_bytes=len(data),
            sha256=digest,
            created_at=now,
            updated_at=now,
            reason=reason,
            sent_bytes=len(data) // 2,
        )
        self._jobs.insert(0, job)
        self._data[job.job_id] = data
        self.publish(JobEvent(job=job))
        return job

    def set_job(self, job_id: str, state: JobState, reason: str | None = None) -> Job:
        index = next(i for i, job in enumerate(self._jobs) if job.job_id == job_id)
        changed = msgspec.structs.replace(self._jobs[index], state=state, reason=reason, updated_at=time.time())
        self._jobs[index] = changed
        self.publish(JobEvent(job=changed))
        return changed

    # Bridge, Printing, Drawers, Scans

    def state(self) -> State:
        return self.state_now

    async def submit(self, data: bytes, *, source: str, idempotency_key: str | None = None) -> Submitted:
        job = self.add_job(data, JobState.QUEUED, source=source)
        if not self._flags["cable"] and not self._flags["paper_end"]:
            self.set_job(job.job_id, JobState.SENDING)
            job = self.set_job(job.job_id, JobState.PRINTED)
            self._come_out(data)
        return Submitted(job=job)

    async def job(self, job_id: str) -> Job | None:
        return next((job for job in self._jobs if job.job_id == job_id), None)

    async def jobs(self, *, limit: int) -> list[Job]:
        return self._jobs[:limit]

    async def job_data(self, job_id: str) -> bytes | None:
        return self._data.get(job_id)

    async def cancel(self, job_id: str) -> Job:
        return self.set_job(job_id, JobState.CANCELLED)

    async def wait_final(self, job_id: str) -> Job:
        raise NotImplementedError

    def accepting(self) -> Refused | None:
        return None

    def watch_accepting(self, tell: Callable[[], None]) -> None:
        pass

    def status_bytes(self) -> bytes | None:
        return None

    async def kick(
        self,
        *,
        source: str,
        drawer: int = 1,
        on_ms: int | None = None,
        time_to_live_ms: int | None = None,
        idempotency_key: str | None = None,
    ) -> Kick:
        self.kicks += 1
        failed = "link_down" if self._flags["cable"] else "drawer_stuck" if self._flags["drawer_stuck"] else None
        now = time.time()
        state = KickState.FAILED if failed else KickState.OPENED
        kick = Kick(
            kick_id=self.kicks, source=source, drawer=1, state=state, created_at=now, updated_at=now, reason=failed
        )
        self._set_drawer("closed" if failed else "open", kick)
        return kick

    async def after(self, sequence: int, *, limit: int) -> list[Scan]:
        return [scan for scan in self._scans if scan.sequence > sequence][:limit]

    async def newest(self, *, limit: int) -> list[Scan]:
        return self._scans[-limit:]

    async def waiting(self) -> list[Scan]:
        return [scan for scan in self._scans if scan.state is ScanState.WAITING]

    async def acknowledge(self, sequence: int) -> bool:
        self.settle(sequence, ScanState.DELIVERED)
        return True

    async def switch(self, enabled: bool, *, for_ms: int | None = None) -> ScannerState:
        raise NotImplementedError

    # VirtualCounter

    async def scan(self, data: str, symbology: str | None) -> None:
        if self._flags["scanner_unplugged"]:
            raise Refused("scanner_unplugged", "The scanner is unplugged, so it can't read. Plug it in.")
        self.add_scan(data, symbology)

    async def set_fault(self, fault: str, active: bool) -> None:
        if fault not in self._flags:
            raise Refused("fault_unknown", f"There is no fault {fault!r}.")
        self._flags[fault] = active
        self.publish(VirtualFaultEvent(fault=fault, active=active))
        if fault == "cable":
            self._set_link(up=not active)
        if fault == "paper_end":
            self._set_printer(active)
        if fault in FAULTS:
            self._set_fault(fault, active)

    def faults(self) -> dict[str, bool]:
        return self._flags

    async def close_drawer(self) -> None:
        self._set_drawer("closed", None)

    async def lights(self) -> list[tuple[int, str]]:
        return self.shone

    async def receipts(self) -> list[Receipt]:
        return self._receipts

    async def receipt_png(self, n: int) -> bytes | None:
        return paper_picture([f"Paper {n}", "Milk 1 l        12.90", "TOTAL           12.90"])

    async def receipt_bytes(self, n: int) -> bytes | None:
        return b""

    # Inside

    def _count_scans(self) -> None:
        waiting = sum(scan.state is ScanState.WAITING for scan in self._scans)
        scanner = ScannerState(status="ready", scans=len(self._scans), waiting=waiting)
        self.change(devices=msgspec.structs.replace(self.state_now.devices, scanner=scanner))

    def _come_out(self, data: bytes) -> None:
        n = len(self._receipts) + 1
        paper = Receipt(n=n, size_bytes=len(data), height_px=400, cut=True, printed_at=rfc3339(time.time()))
        self._receipts.append(paper)
        self.publish(ReceiptEvent(n=n))

    def _set_drawer(self, status: str, kick: Kick | None) -> None:
        drawer = msgspec.convert({"status": status}, DrawerState)
        self.change(devices=msgspec.structs.replace(self.state_now.devices, drawer=drawer))
        self.publish(DrawerEvent(status=status, kick=kick))

    def _set_printer(self, paper_end: bool) -> None:
        printer = PrinterState(
            status="fault" if paper_end else "ready", online=not paper_end, paper="end" if paper_end else "ok"
        )
        self.change(devices=msgspec.structs.replace(self.state_now.devices, printer=printer))
        self.publish(PrinterEvent(printer=printer))

    def _set_link(self, *, up: bool) -> None:
        link = msgspec.structs.replace(
            self.state_now.link,
            status="up" if up else "down",
            since=rfc3339(time.time()),
            reason=None if up else "port_missing",
            round_trip_ms=3.2 if up else None,
        )
        devices = self.state_now.devices
        if not up:
            devices = Devices(
                scanner=msgspec.structs.replace(devices.scanner, status="unknown"),
                printer=PrinterState(status="unknown"),
                drawer=DrawerState(status="unknown"),
            )
        self.change(link=link, devices=devices)
        if up:
            self._set_printer(self._flags["paper_end"])
            self._set_drawer("closed", None)
            self._count_scans()
        self.publish(LinkEvent(link=link))

    def _set_fault(self, name: str, active: bool) -> None:
        code, device, english, chinese = FAULTS[name]
        fault = FaultState(
            code=code,
            severity="error",
            device=device,
            since=rfc3339(time.time()),
            blinks=3,
            title=Text(english, chinese),
            cause=Text("This is what a stub says of the cause.", "这里是原因说明。"),
            remedy=Text("Do this one thing, then sell on.", "请先做这一步，然后继续收银。"),
        )
        others = [known for known in self.state_now.faults if known.code != code]
        faults = [fault, *others] if active else others
        flash = [LightStep("#ff2010", 150), LightStep("#000000", 200)]
        steps = [*flash, *flash, *flash, LightStep("#000000", 900)] if faults else READY
        meaning = faults[0].title if faults else Text("Everything works.", "一切正常。")
        pattern = f"fault:{faults[0].code}" if faults else "ready"
        known = self.state_now.link.status == "up"
        self.change(faults=faults, indicator=IndicatorState(pattern=pattern, known=known, meaning=meaning, steps=steps))
        self.publish(FaultEvent(active=active, fault=fault))


async def main(port: int) -> None:
    from host_bridge.address import Address
    from host_bridge.interfaces.http.server import HttpInterface

    bridge = StubBridge()
    interface = HttpInterface({bridge.name: bridge}, Address("127.0.0.1", port))
    await interface.start()
    print(interface.url, flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await interface.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 9181))
